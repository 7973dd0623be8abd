"""Why an environment or a wrapper could not be made, and what would help."""

import difflib
import inspect
import re
from collections.abc import Collection, Mapping
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

from hw.infrastructure.errors import ConfigError

# What a message about a missing package says, and the extra of setup.py that brings it.
EXTRAS = {
    "box2d": "box2d",
    "ale_py": "atari",
    "ale-py": "atari",
    "opencv": "atari",
    "cv2": "atari",
    "envpool": "envpool",
}


def env_creation_error(
    env_name: str, error: Exception, env_kwargs: Mapping[str, Any]
) -> ConfigError:
    """What to tell a user for whom `gym.make` raised `error`."""
    if is_missing_package(error):
        return ConfigError(f"{env_name!r} {missing_package(error)}", key="env_name")
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if env_kwargs and not isinstance(error, gym.error.Error):
        reason = reason.split(" was raised from the environment creator")[0]
        unknown = re.search(r"unexpected keyword argument '(\w+)'", reason)
        if unknown and unknown[1] in env_kwargs:
            hint = nearest(unknown[1], _arguments(env_name))
            return ConfigError(f"{env_name} knows no {unknown[1]!r}{hint}", key="env_kwargs")
        return ConfigError(f"{env_name} refuses {dict(env_kwargs)}: {reason}", key="env_kwargs")
    reason = reason.split(" Did you mean")[0]
    is_known = env_name in gym.registry  # so that its name is not what is wrong
    close = [] if is_known else difflib.get_close_matches(env_name, gym.registry, n=1)
    suggestion = f" Did you mean {close[0]!r}?" if close else ""
    return ConfigError(f"cannot make {env_name!r}: {reason}{suggestion}", key="env_name")


def is_missing_package(error: Exception) -> bool:
    """Whether a package is not installed."""
    return isinstance(error, ImportError | gym.error.DependencyNotInstalled)


def missing_package(error: Exception) -> str:
    """`needs a package ...`, with our extra that brings it, where there is one."""
    for word, extra in EXTRAS.items():
        if re.search(rf"\b{word}\b", str(error), flags=re.IGNORECASE):
            return f"needs a package that is not installed: pip install -e '.[{extra}]'"
    return f"needs a package that is not installed: {error}"


def nearest(name: str, valid: Collection[str]) -> str:
    """`; did you mean ...?`, or else the valid names."""
    if not valid:
        return "; there are none"
    close = difflib.get_close_matches(name, valid, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; choose from {', '.join(sorted(valid))}"


def _arguments(env_name: str) -> list[str]:
    """What the environment's constructor takes, apart from render_mode."""
    creator = gym.spec(env_name.rpartition(":")[2]).entry_point
    if isinstance(creator, str):
        creator = load_env_creator(creator)
    parameters = inspect.signature(creator).parameters.values()
    named = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [name for name in named if name != "render_mode"]
