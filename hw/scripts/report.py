"""Writes a run or a study as one HTML page that needs nothing else."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from hw.infrastructure.errors import UserError
from hw.scripts.command_line import run_main
from hw.studies.report import report_of


def main(arguments: Sequence[str]) -> int:
    """Write the page; returns the exit status."""
    args = parse_arguments(arguments)
    page = report_of(args.directory)
    out = args.out or args.directory / "report.html"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from error
    print(out)
    return 0


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, metavar="RUN_OR_STUDY")
    parser.add_argument("--out", type=Path, help="default: report.html in the directory")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_main(main)
