"""Errors that a user can mend. A script prints one as a single line and exits with status 2."""


class UserError(Exception):
    """Something outside the code is wrong: a file, a flag, a device, the data."""


class ConfigError(UserError):
    """A setting is wrong.

    Args:
        message: what is wrong and what would be right.
        key: the setting's name, where there is one.
        source: the file that set it; scripts fill it in where the raiser cannot know.
    """

    def __init__(self, message: str, *, key: str | None = None, source: str | None = None):
        super().__init__(message)
        self.message = message
        self.key = key
        self.source = source

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.message) if part)


class TrainingError(UserError):
    """Training cannot go on, for example because a loss is not finite."""


class StorageError(UserError):
    """A file cannot be written: the disk is full, or it or its directory is read-only."""


class EnvError(UserError):
    """An environment failed: its code raised, or it returned what no environment may.

    Args:
        message: which environment and what happened, in a line; a traceback may follow it.

    `step`, the training step, is filled in where it is known.
    """

    def __init__(self, message: object):
        super().__init__(str(message))
        self.step: int | None = None

    def __str__(self) -> str:
        first, newline, traceback = self.args[0].partition("\n")
        at_step = "" if self.step is None else f" (at step {self.step})"
        return first + at_step + newline + traceback


class MissingExtraError(UserError):
    """An optional dependency is not installed.

    Args:
        purpose: what it would be for.
        extra: the name in setup.py's extras_require that brings it.
    """

    def __init__(self, purpose: str, extra: str):
        super().__init__(f"{purpose} needs an optional package: pip install -e '.[{extra}]'")
