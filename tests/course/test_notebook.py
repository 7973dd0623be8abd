"""The notebook of each hand-out: well formed, true to the hand-out, and it runs."""

import io
import json
import os
import re
import signal
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from course.handout.notebook import make_notebook, train_cell
from course.handout.tree import make_handout
from course.manifest import assignment_ids, load_assignment

IDS = assignment_ids()
# Which notebook is executed from top to bottom.
EXECUTED = "hw2_policy_gradients"
SECONDS_PER_CELL = 600


@pytest.fixture(params=IDS)
def assignment(request):
    return load_assignment(request.param)


def sources(notebook, cell_type):
    cells = json.loads(notebook)["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == cell_type]


def test_it_is_a_valid_notebook(assignment):
    nbformat = pytest.importorskip("nbformat", reason="`make docs` installs it")
    notebook = nbformat.reads(make_notebook(assignment).decode(), as_version=4)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_it_is_always_the_same_and_holds_no_output(assignment):
    notebook = make_notebook(assignment)
    assert notebook == make_notebook(load_assignment(assignment.id))
    for cell in json.loads(notebook)["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_it_names_only_files_of_the_hand_out(assignment):
    files = {path.as_posix() for path in make_handout(assignment).files}
    text = "\n".join(sources(make_notebook(assignment), "code"))
    text += "\n".join(sources(make_notebook(assignment), "markdown"))
    names = set(re.findall(r"\b(?:hw|experiments|tests)/[\w./]+\.\w+", text))
    names |= set(re.findall(r"-r (\S+)", text)) | {"README.md", "assignment.json"}
    assert {"requirements.txt", "hw/scripts/run.py", assignment.experiments[0]} <= names
    assert names <= files


def test_it_names_every_todo_and_every_experiment(assignment):
    notebook = make_notebook(assignment)
    text = "\n".join(sources(notebook, "markdown"))
    for todo in assignment.todos:
        assert f"| `{todo.name}` | `{todo.file.as_posix()}` | {todo.points} |" in text
    text += "\n".join(sources(notebook, "code"))
    for experiment in assignment.experiments:
        assert experiment in text


def test_its_python_compiles(assignment):
    for source in sources(make_notebook(assignment), "code"):
        lines = [line for line in source.splitlines() if not line.startswith(("!", "%"))]
        compile("\n".join(lines), "cell", "exec")


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A Jupyter kernel in a virtual environment of its own, which sees the packages of this one.

    What the notebook installs goes there, and nowhere else.
    """
    pytest.importorskip("ipykernel", reason="`make docs` installs it")
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    variables = {"base": str(home), "platbase": str(home)}
    own = Path(sysconfig.get_path("purelib", vars=variables))
    # Behind its own packages; .pth files in it, such as our own editable install, are not read.
    (own / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = home / "bin" / "python"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    spec = tmp_path / "jupyter" / "kernels" / "own"
    spec.mkdir(parents=True)
    environment = {
        "PATH": f"{home / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}"
        + os.environ["PATH"],
        "VIRTUAL_ENV": str(home),
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": "1",
    }
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": "own", "language": "python", "env": environment}
    (spec / "kernel.json").write_text(json.dumps(content))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    yield "own"
    for info in temporary.glob(".tensorboard-info/pid-*.info"):
        os.kill(json.loads(info.read_text())["pid"], signal.SIGTERM)


def test_what_an_experiment_needs_is_installed_first():
    cell = train_cell("experiments/dqn/lunarlander_per.yaml")
    install, train = cell.splitlines()
    assert install == '!python -m pip install --quiet "gymnasium[box2d]"'
    assert train == "!python hw/scripts/run.py -cfg experiments/dqn/lunarlander_per.yaml"
    assert "pip" not in train_cell("experiments/dqn/cartpole.yaml")


def shorten(source, folder):
    """A cell that trains for a moment only."""
    found = re.fullmatch(r"(!python hw/scripts/run\.py -cfg (\S+))", source)
    if not found:
        return source
    experiment = yaml.safe_load((folder / found[2]).read_text(encoding="utf-8"))
    budget = "total_episodes=4" if "total_episodes" in experiment else "total_steps=600"
    return f"{found[1]} --set {budget} num_eval_trajectories=1"


@pytest.mark.slow
def test_its_cells_run_in_a_solved_hand_out(kernel, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="`make docs` installs it")
    nbformat = pytest.importorskip("nbformat", reason="`make docs` installs it")
    assignment = load_assignment(EXECUTED)
    handout = make_handout(assignment)
    for path in handout.solutions:
        handout.files[path] = path.read_bytes()
    folder = tmp_path / "solved"
    handout.write(folder)
    notebook = nbformat.reads(make_notebook(assignment).decode(), as_version=4)
    # Packed, as Colab gets it.
    work = tmp_path / "work"
    work.mkdir()
    (work / f"{assignment.id}.zip").write_bytes(pack(folder))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = shorten(cell.source, folder)
            if cell.source.startswith("!"):
                # IPython goes on after a command that fails.
                cell.source += "\nassert _exit_code == 0, _exit_code"
    client = nbclient.NotebookClient(
        notebook,
        kernel_name=kernel,
        timeout=SECONDS_PER_CELL,
        resources={"metadata": {"path": str(work)}},
    )
    client.execute()
    root = work / assignment.id
    assert len(list(root.glob("data/*/metrics.jsonl"))) >= 2
    assert len(list(root.glob(f"{assignment.id}*.zip"))) == 1
    tensorboard = next(cell for cell in notebook.cells if "%tensorboard" in cell.source)
    assert "tensorboard-frame" in json.dumps(tensorboard.outputs)


def pack(folder):
    """A folder as the bytes of a zip, in which its files stand at the top."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
