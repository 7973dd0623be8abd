"""Finding what a setting names as `module:name`."""

import difflib
import importlib
from typing import Any

from hw.infrastructure.errors import ConfigError


def import_named(path: str, key: str) -> Any:
    """The object that `module:name` stands for.

    Args:
        path: a module that can be imported, a colon, and a name in it.
        key: the setting that holds the path, for messages.

    Raises:
        ConfigError: there is no such module, it fails, or the name is not in it.
    """
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module's own code may fail in any way
        raise ConfigError(f"{path}: cannot import {module_name!r}: {error}", key=key) from error
    if not hasattr(module, name):
        close = difflib.get_close_matches(name, dir(module), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"{path}: {module_name!r} has no {name!r}{hint}", key=key)
    return getattr(module, name)
