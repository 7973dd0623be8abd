"""What the scripts share: flags, and one line with exit status 2 for what the user can mend."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from hw.env_configs.loading import parse_override
from hw.infrastructure.errors import UserError

MISSED = 1
BAD_INPUT = 2
INTERRUPTED = 130

# Settings that have a flag of their own beside --set.
SETTING_FLAGS = (
    "seed",
    "eval_interval",
    "num_eval_trajectories",
    "num_render_trajectories",
    "log_interval",
)


def run_main(main: Callable[[Sequence[str]], int]) -> None:
    """Run a script's main function and exit with its status.

    A `UserError` becomes one line on stderr and status 2; `--debug` shows the traceback instead.
    """
    sys.path.append("")  # modules in the working directory, for settings like module:Class
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        sys.exit(main(arguments))
    try:
        status = main(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = BAD_INPUT
    except MemoryError as error:
        print(f"error: out of memory: {error}", file=sys.stderr)
        status = BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status)


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    """`--no_gpu` and `--which_gpu`."""
    parser.add_argument("--no_gpu", action="store_true", help="stay on the CPU")
    parser.add_argument("--which_gpu", type=int, metavar="N", help="number of the GPU to use")


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """`--set`, and a flag for each of `SETTING_FLAGS`."""
    parser.add_argument("--set", nargs="+", default=[], action="extend", metavar="KEY=VALUE")
    for flag in SETTING_FLAGS:
        parser.add_argument(f"--{flag}", type=int, metavar="N", help=f"same as --set {flag}=N")
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, help="same as --set compile=true"
    )


def setting_overrides(args: argparse.Namespace) -> dict[str, Any]:
    """The settings given on the command line, which win over the file's."""
    given = dict(parse_override(text) for text in args.set)
    flags = {name: getattr(args, name) for name in (*SETTING_FLAGS, "compile")}
    return given | {name: value for name, value in flags.items() if value is not None}
