"""Which TODOs break an integration run: for the instructor, who asks for it with `--blame`.

To find out, runs are repeated with some of the student's methods replaced by the reference's. The
two share a process, so the student's code can read the reference there, and no splitting of the run
would change that: gradients pass through both. So this is done when every score of the class is
written, in sandboxes that Landlock and seccomp close off, and nothing is taken out of such a
process but whether its agent earns half of the points. That goes into the class report alone.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

from course.grader.integration import IntegrationTask, run_integration
from course.grader.records import Record
from course.grader.sandbox import Sandbox
from course.manifest import Assignment

NEEDED = ("Landlock", "seccomp")


def has_culprits(record: Record) -> bool:
    """Whether a graded submission fails together though a part of it is right."""
    together = record.integration
    if together is None or together["fault"] or together["is_capped"]:
        return False
    if together["score"] >= together["points"] / 2:
        return False
    return any(not row["category"] for row in record.todos)


def find_suspects(record: Record) -> list[str]:
    """The TODOs' names: what is wrong by itself comes first."""
    rows = sorted(record.todos, key=lambda row: not row["category"])
    return [row["todo"] for row in rows]


def is_closed_off(protections: Iterable[str]) -> bool:
    """Whether a sandbox may hold the reference together with a student's code."""
    return all(any(word.startswith(name) for word in protections) for name in NEEDED)


def find_blame(
    sandbox: Sandbox,
    task: IntegrationTask,
    assignment: Assignment,
    sources: dict[Path, str],
    suspects: Sequence[str],
    seed: int,
    root: Path = Path("."),
    max_runs: int = 20,
) -> list[str]:
    """The smallest set of TODOs whose replacement by the reference repairs the run.

    Args:
        sources: the student's files.
        suspects: TODO names, the likeliest first.
        seed: as for `run_integration`.
        root: of the repository.
        max_runs: how many sets to try at most.
    """
    tried = 0
    for size in (1, 2):
        for names in combinations(suspects, size):
            if tried == max_runs:
                return []
            tried += 1
            result = run_integration(sandbox, task, assignment, sources, seed, root, names)
            if result.score >= assignment.integration_points / 2:
                return list(names)
    return []
