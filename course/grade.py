"""Grades submissions of an assignment in a sandbox, each TODO by itself."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from course.grader.plan import Plan, choose_seed  # noqa: E402
from course.grader.sandbox import TIERS, choose_tier  # noqa: E402
from course.grader.session import grade_class  # noqa: E402
from course.manifest import load_assignment  # noqa: E402
from hw.infrastructure.errors import UserError  # noqa: E402
from hw.scripts.command_line import run_main  # noqa: E402

UNGRADED = 3


def main(arguments: Sequence[str]) -> int:
    """Grade; returns 0, or 3 if a fault of the grader left something ungraded."""
    args = parse_arguments(arguments)
    if args.jobs < 1:
        raise UserError(f"--jobs is {args.jobs}, must be at least 1")
    tier = choose_tier(args.tier, args.require_tier)
    print(f"sandbox tier {tier}", flush=True)
    plan = Plan(
        assignment=load_assignment(args.assignment, ROOT),
        submissions=args.submissions,
        out=args.out,
        tier=tier,
        jobs=args.jobs,
        seed=choose_seed(args.out, args.seed),
        has_integration=not args.no_integration and not args.todos,
        has_blame=args.blame,
        is_resumed=args.resume,
        todos=tuple(args.todos),
        backend=args.backend,
    )
    records = grade_class(plan, ROOT, lambda line: print(line, flush=True))
    print(f"{args.out / 'report.html'}, {args.out / 'grades.csv'}")
    return 0 if all(record.is_final for record in records) else UNGRADED


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assignment", help="an id, such as hw4_sac")
    parser.add_argument("submissions", nargs="+", type=Path, help="folders, zips or tarballs")
    parser.add_argument("--out", type=Path, required=True, help="where results go")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--seed", type=int, help="of the hidden cases; secret, drawn if not given")
    parser.add_argument("--tier", choices=TIERS, help="use this tier, not the best that works")
    parser.add_argument("--require-tier", choices=TIERS, help="refuse to grade with less")
    parser.add_argument("--backend", choices=("local", "ray"), default="local", help="where")
    parser.add_argument("--todos", nargs="+", default=[], metavar="NAME", help="only these, alone")
    parser.add_argument("--resume", action="store_true", help="keep finished results")
    parser.add_argument("--no-integration", action="store_true", help="train no submission")
    parser.add_argument(
        "--blame", action="store_true", help="look for what breaks training; read the docs first"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_main(main)
