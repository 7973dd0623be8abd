"""What the scripts share: one line for an error that the user can mend, and exit status 2."""

import sys
from collections.abc import Callable, Sequence

from hw.infrastructure.errors import UserError

MISSED = 1
BAD_INPUT = 2
INTERRUPTED = 130


def run_main(main: Callable[[Sequence[str]], int]) -> None:
    """Run a script's main function and exit with its status.

    A `UserError` becomes one line on stderr and status 2; `--debug` shows the traceback instead.
    """
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        sys.exit(main(arguments))
    try:
        status = main(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status)
