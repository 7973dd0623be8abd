"""Makes the hand-out of an assignment from this repository."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from course.handout.bug_hunt import (  # noqa: E402
    add_curves,
    choose_misconception,
    make_bug_hunt,
)
from course.handout.leaks import find_leaks  # noqa: E402
from course.handout.tree import make_handout  # noqa: E402
from course.manifest import assignment_ids, load_assignment  # noqa: E402
from hw.infrastructure.errors import UserError  # noqa: E402
from hw.scripts.command_line import run_main  # noqa: E402


def main(arguments: Sequence[str]) -> int:
    """Make one hand-out, or all; returns the exit status."""
    args = parse_arguments(arguments)
    if args.bug_hunt:
        return hunt(args)
    ids = assignment_ids(ROOT) if args.assignment == "all" else [args.assignment]
    for assignment_id in ids:
        assignment = load_assignment(assignment_id, ROOT)
        handout = make_handout(assignment, ROOT)
        leaks = find_leaks(handout)
        if leaks:
            raise UserError(f"{assignment_id} would give away its solution: {'; '.join(leaks)}")
        folder = args.out / assignment_id
        handout.write(folder)
        handout.write_zip(folder.with_suffix(".zip"))
        print(f"{folder}, {folder}.zip: {len(assignment.todos)} TODOs, {len(handout.files)} files")
    return 0


def hunt(args: argparse.Namespace) -> int:
    """Make a bug hunt; which mistake it is stands in the instructor's answer.txt beside it."""
    assignment = load_assignment(args.assignment, ROOT)
    misconception = choose_misconception(assignment, args.mistake, args.seed, ROOT)
    folder = args.out / f"{assignment.id}_bug_hunt"
    make_bug_hunt(assignment, misconception, ROOT).write(folder)
    add_curves(folder, assignment, range(1, args.curves + 1), ROOT)
    answer = args.out / f"{assignment.id}_answer.txt"
    answer.write_text(f"{misconception.todo}: {misconception.name}\n{misconception.hint}\n")
    print(f"{folder}; the answer is in {answer}")
    return 0


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assignment", help="an id, such as hw4_sac, or `all`")
    parser.add_argument(
        "--out", type=Path, required=True, help="OUT/ASSIGNMENT and OUT/ASSIGNMENT.zip are written"
    )
    hunts = parser.add_argument_group("bug hunts")
    hunts.add_argument("--bug-hunt", action="store_true", help="plant a mistake in a solved tree")
    hunts.add_argument("--mistake", metavar="NAME", help="which; any other lists them all")
    hunts.add_argument("--seed", type=int, default=0, help="picks a mistake if none is named")
    hunts.add_argument("--curves", type=int, default=2, metavar="N", help="runs of each curve")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_main(main)
