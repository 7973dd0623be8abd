"""Bug hunts: a solved tree with one mistake planted, and its learning curve, to be explained."""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from course.bank import Misconception, load_misconceptions
from course.handout.blanking import with_body
from course.handout.tree import Handout, make_handout
from course.manifest import Assignment
from hw.infrastructure.errors import UserError

PAGE = """# Bug hunt: {title}

Somewhere in `hw/` one method of {id} is wrong. It runs, it raises nothing, and most of what you
would look at first looks right. Two agents were trained with the same seeds: blue with the
reference, orange with this tree.

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


def choose_misconception(assignment: Assignment, wanted: str | None, seed: int) -> Misconception:
    """The mistake to plant: the wanted one, or any that the seed picks.

    Raises:
        UserError: there is no such mistake.
    """
    bank = load_misconceptions(assignment.id)
    if wanted is None:
        return random.Random(seed).choice(bank)
    found = [entry for entry in bank if wanted in (entry.name, f"{entry.todo}: {entry.name}")]
    if len(found) != 1:
        names = "; ".join(f"{entry.todo}: {entry.name}" for entry in found or bank)
        raise UserError(f"--mistake {wanted!r}: choose one of {names}")
    return found[0]


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


def learning_experiment(assignment: Assignment) -> str:
    """The short run that shows an assignment's learning curve."""
    return f"experiments/learning/{assignment.id}.yaml"


def add_curves(
    folder: Path, assignment: Assignment, seeds: Sequence[int], root: Path = Path(".")
) -> None:
    """Train the reference and the tree in `folder`, and draw both into its figures.

    Raises:
        UserError: a run fails.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for label, tree, colour in (("reference", root, "C0"), ("this tree", folder, "C1")):
        for i, seed in enumerate(seeds):
            steps, returns = curve(tree, learning_experiment(assignment), seed)
            axes.plot(steps, returns, colour, alpha=0.8, label=label if i == 0 else None)
    axes.set(xlabel="environment steps", ylabel="evaluation return")
    axes.grid(alpha=0.3)
    axes.legend()
    (folder / "figures").mkdir()
    figure.savefig(folder / "figures/curves.png", dpi=140, metadata={"Software": None})
    plt.close(figure)


def curve(tree: Path, experiment: str, seed: int) -> tuple[list[int], list[float]]:
    """Steps and evaluation returns of one run of a tree.

    Raises:
        UserError: the run fails.
    """
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "hw/scripts/run.py", "-cfg", experiment, "--seed", str(seed)]
        environment = {**os.environ, "PYTHONPATH": str(tree.resolve())}
        done = subprocess.run(
            [*command, "--data_dir", data],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UserError(f"{tree}: {experiment} fails: {done.stderr.strip()[-300:]}")
        (run_dir,) = Path(data).iterdir()
        lines = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if "eval/return_mean" in row]
    return [row["step"] for row in rows], [row["eval/return_mean"] for row in rows]
