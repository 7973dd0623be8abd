"""The notebook of a hand-out, with which an assignment can be solved on Colab."""

import json
from pathlib import PurePosixPath
from typing import Any

from course.manifest import Assignment

# How many of the assignment's experiments have a cell; the others are a line of text.
NUM_TRAINED = 2
# What an experiment needs beside requirements.txt, by the name of its file.
PACKAGES = {"lunarlander": '"gymnasium[box2d]"', "pong": "ale-py opencv-python-headless"}

INTRODUCTION = """
# {id}: {title}

The whole assignment in a browser: install, test, train, watch, hand in. The text of the assignment
is `README.md` of the hand-out; this notebook only runs its commands.

On Colab, choose *File, Upload notebook* and this file; the first cell asks for `{id}.zip`, the
hand-out as you got it. In Jupyter on your own machine, open it where it lies. Networks this small
train about as fast on a CPU as on a GPU, so any runtime will do.
"""

UNPACK = """
import os
import zipfile
from pathlib import Path

KEEP_ON_DRIVE = False  # True: work in Google Drive, which outlives this session

if KEEP_ON_DRIVE:
    from google.colab import drive

    drive.mount("/content/drive")
    os.chdir("/content/drive/MyDrive")
if not Path("assignment.json").exists():
    if not list(Path(".").glob("{id}*/assignment.json")):
        if not Path("{id}.zip").exists():
            from google.colab import files

            files.upload()
        with zipfile.ZipFile("{id}.zip") as archive:
            names = archive.namelist()
            archive.extractall("{id}" if "assignment.json" in names else ".")
    os.chdir(next(Path(".").glob("{id}*/assignment.json")).parent)
print("working in", Path.cwd())
"""

INSTALL_TEXT = """
## Install

A few minutes on a fresh machine. What pip says of *other* packages that want other versions does
not matter here. All that follows runs in processes of its own, so nothing needs to be restarted.
"""

INSTALL = """
!python -m pip install --quiet -r requirements.txt
!python -m pip install --quiet --no-deps --no-build-isolation -e .
"""

TEST_TEXT = """
## Test

Before you begin, each public test fails with the name of a method that is still blank. Run this
cell after each method that you write; `!python -m pytest -k {name}` runs only the tests whose name
contains `{name}`.
"""

EDIT_TEXT = """
## Write

The methods, in the order in which to write them. On Colab open a file by a double click on it in
the panel on the left (the folder), and save it with Ctrl-S. Files of a session are gone when it
ends: download what you have written now and then, or set `KEEP_ON_DRIVE` above.

| method | file | points |
|---|---|---|
{rows}
"""

WATCH_TEXT = """
## Watch

TensorBoard shows every run below `data`. Start it before training and reload it with the arrow in
its corner.
"""

TRAIN_TEXT = """
## Train

A run that was stopped goes on with `!python hw/scripts/run.py --resume RUN_DIR`, where `RUN_DIR` is
what it printed as it began.
"""

OTHERS_TEXT = """
The others are started likewise: {others}.
"""

LEARN_TEXT = """
## Does it learn as it should?

Trains for less than a minute and compares the curve with the reference's.
"""

SUBMIT_TEXT = """
## Hand in

Checks what you have, says what is still missing, and packs it. The last cell downloads the file.
"""

DOWNLOAD = """
made = sorted(Path(".").glob("{id}*.zip"), key=lambda path: path.stat().st_mtime)
print(made[-1] if made else "no zip: see what submit.py says")
try:
    from google.colab import files
except ImportError:
    print("not on Colab: the file lies in", Path.cwd())
else:
    if made:
        files.download(str(made[-1]))
"""


def make_notebook(assignment: Assignment) -> bytes:
    """The notebook of an assignment, as the bytes of an .ipynb file; always the same ones."""
    rows = "\n".join(
        f"| `{todo.name}` | `{todo.file.as_posix()}` | {todo.points} |" for todo in assignment.todos
    )
    trained = assignment.experiments[:NUM_TRAINED]
    others = assignment.experiments[NUM_TRAINED:]
    cells = [
        _text(INTRODUCTION.format(id=assignment.id, title=assignment.title)),
        _code(UNPACK.format(id=assignment.id)),
        _text(INSTALL_TEXT),
        _code(INSTALL),
        _text(TEST_TEXT.format(name=assignment.todos[-1].name.split(".")[-1])),
        _code("!python -m pytest"),
        _text(EDIT_TEXT.format(rows=rows)),
        _text(WATCH_TEXT),
        _code("%load_ext tensorboard\n%tensorboard --logdir data"),
        _text(TRAIN_TEXT),
        *(_code(train_cell(experiment)) for experiment in trained),
    ]
    if others:
        cells.append(_text(OTHERS_TEXT.format(others=", ".join(f"`{path}`" for path in others))))
    cells += [
        _text(LEARN_TEXT),
        _code("!python hw/scripts/learn.py"),
        _text(SUBMIT_TEXT),
        _code("!python hw/scripts/submit.py"),
        _code(DOWNLOAD.format(id=assignment.id)),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
    notebook = {
        "cells": cells,
        "metadata": {
            "colab": {"name": f"{assignment.id}.ipynb"},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(notebook, indent=1, sort_keys=True) + "\n").encode()


def train_cell(experiment: str) -> str:
    """The cell that trains an experiment, and installs what it needs."""
    command = f"!python hw/scripts/run.py -cfg {experiment}"
    packages = PACKAGES.get(PurePosixPath(experiment).stem.split("_")[0])
    return f"!python -m pip install --quiet {packages}\n{command}" if packages else command


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": _lines(source)}


def _code(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": _lines(source),
    }


def _lines(source: str) -> list[str]:
    return source.strip("\n").splitlines(keepends=True)
