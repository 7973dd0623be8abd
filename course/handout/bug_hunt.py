"""Bug hunts: a solved tree with one mistake planted, and its learning curves, to be explained."""

import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course.bank import Misconception, load_misconceptions
from course.handout.blanking import with_body
from course.handout.tree import Handout, make_handout
from course.manifest import Assignment
from hw.homework.learning_check import RETURN, load_reference
from hw.infrastructure.errors import UserError

NUM_COLUMNS = 3  # of panels

PAGE = """# Bug hunt: {title}

Somewhere in `hw/` one method of {id} is wrong. It runs, it raises nothing, and most of what you
would look at first looks right. Agents were trained with the same seeds: blue with the reference,
orange with this tree.

![Learning curves of the reference and of this tree](figures/curves.png)

```bash
python hw/scripts/run.py -cfg {experiment}
tensorboard --logdir data/
```

1. Find it. Read the cards against the code, and the curves in TensorBoard against what the theory
   says that they should do. The public tests are not in this tree.
2. Explain, in a paragraph, how the mistake makes this curve, and in which environment it would
   change none.
3. Mend it, train again, and hand in the curve beside the one above.
"""


def choose_misconception(
    assignment: Assignment, wanted: str | None, seed: int, root: Path = Path(".")
) -> Misconception:
    """The mistake to plant: the wanted one, or one of the `seen` that the seed picks.

    Raises:
        UserError: there is no such mistake.
    """
    bank = load_misconceptions(assignment.id)
    if wanted is None:
        names = seen(assignment, root)
        return random.Random(seed).choice([entry for entry in bank if full_name(entry) in names])
    found = [entry for entry in bank if wanted in (entry.name, full_name(entry))]
    if len(found) != 1:
        names = "; ".join(full_name(entry) for entry in found or bank)
        raise UserError(f"--mistake {wanted!r}: choose one of {names}")
    return found[0]


def full_name(misconception: Misconception) -> str:
    """`TODO: name`, which no other has."""
    return f"{misconception.todo}: {misconception.name}"


def seen(assignment: Assignment, root: Path) -> set[str]:
    """The mistakes that change a learning curve: the learning check saw them in every run."""
    path = root / "docs/results" / f"learning_{assignment.id}.csv"
    verdicts: dict[str, set[str]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            verdicts.setdefault(row["mistake"], set()).add(row["verdict"])
    return {mistake for mistake, found in verdicts.items() if mistake and found == {"off"}}


def make_bug_hunt(
    assignment: Assignment, misconception: Misconception, root: Path = Path(".")
) -> Handout:
    """The solved hand-out with one mistake in it; the curves' picture is added by `add_curves`."""
    handout = make_handout(assignment, root)
    for path in handout.solutions:
        handout.files[path] = (root / path).read_bytes()
    todo = assignment.todos_by_name[misconception.todo]
    source = (root / todo.file).read_text(encoding="utf-8")
    handout.files[todo.file] = with_body(source, todo.name, misconception.body).encode()
    for path in list(handout.files):
        if path.parts[0] in ("tests", "figures") or path.name in ("colab.ipynb", "assignment.json"):
            del handout.files[path]
    page = PAGE.format(
        id=assignment.id, title=assignment.title, experiment=learning_experiment(assignment)
    )
    handout.files[Path("README.md")] = page.encode()
    handout.solutions = {}
    return handout


def learning_experiment(assignment: Assignment) -> Path:
    """The short run that shows an assignment's learning curve."""
    return Path("experiments/learning") / f"{assignment.id}.yaml"


def add_curves(
    folder: Path, assignment: Assignment, seeds: Sequence[int], root: Path = Path(".")
) -> None:
    """Train the reference and the tree in `folder`, and draw both into its figures.

    A panel shows the evaluation return, and one more each number that the learning check looks at.

    Raises:
        UserError: a run fails.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    bands = load_reference(root / learning_experiment(assignment).with_suffix(".json")).bands
    metrics = list(dict.fromkeys([RETURN, *(band.metric for band in bands)]))
    num_rows = math.ceil(len(metrics) / NUM_COLUMNS)
    figure, grid = plt.subplots(
        num_rows,
        NUM_COLUMNS,
        figsize=(3.4 * NUM_COLUMNS, 2.4 * num_rows),
        layout="constrained",
        squeeze=False,
        sharex=True,
    )
    panels = dict(zip(metrics, grid.flat, strict=False))
    for label, tree, colour in (("reference", root, "C0"), ("this tree", folder, "C1")):
        for seed in seeds:
            rows = train(tree, learning_experiment(assignment), seed)
            for metric, axes in panels.items():
                points = [(row["step"], row[metric]) for row in rows if metric in row]
                axes.plot(*zip(*points, strict=True), colour, alpha=0.7, label=label)
    for metric, axes in panels.items():
        axes.set_title(metric, fontsize="medium")
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(metrics) :]:
        axes.set_axis_off()
    for axes in grid[-1]:
        axes.set_xlabel("environment steps")
    handles = dict(zip(*reversed(grid[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=2)
    (folder / "figures").mkdir()
    figure.savefig(folder / "figures/curves.png", dpi=140, metadata={"Software": None})
    plt.close(figure)


def train(tree: Path, experiment: Path, seed: int) -> list[dict[str, Any]]:
    """The rows that one run of a tree logs.

    Raises:
        UserError: the run fails.
    """
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "hw/scripts/run.py", "-cfg", str(experiment)]
        done = subprocess.run(
            [*command, "--seed", str(seed), "--data_dir", data],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree.resolve())},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UserError(f"{tree}: {experiment} fails: {done.stderr.strip()[-300:]}")
        (run_dir,) = Path(data).iterdir()
        return [json.loads(line) for line in (run_dir / "metrics.jsonl").open(encoding="utf-8")]
