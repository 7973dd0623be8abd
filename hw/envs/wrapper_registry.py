"""Wrappers by name, as an experiment's YAML lists them."""

import inspect
import typing
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import wrappers as gymnasium_wrappers
from gymnasium.vector import VectorEnv, VectorRewardWrapper, VectorWrapper

from hw.envs.atari import Atari
from hw.envs.creation_errors import is_missing_package, missing_package, nearest
from hw.envs.normalization import NormalizeObservation, NormalizeReward
from hw.envs.wrappers import ClipReward, FrameStack, RescaleObservation, ScaleReward, TimeLimit
from hw.infrastructure.errors import ConfigError
from hw.infrastructure.importing import import_named

WrapperList = Sequence[str | Mapping[str, Mapping[str, Any]]]

WRAPPERS: dict[str, type[gym.Wrapper] | type[VectorWrapper]] = {
    # for each environment
    "atari": Atari,
    "frame_stack": FrameStack,
    "rescale_observation": RescaleObservation,
    "time_limit": TimeLimit,
    "atari_preprocessing": gymnasium_wrappers.AtariPreprocessing,
    "clip_action": gymnasium_wrappers.ClipAction,
    "delay_observation": gymnasium_wrappers.DelayObservation,
    "discretize_action": gymnasium_wrappers.DiscretizeAction,
    "discretize_observation": gymnasium_wrappers.DiscretizeObservation,
    "dtype_observation": gymnasium_wrappers.DtypeObservation,
    "filter_observation": gymnasium_wrappers.FilterObservation,
    "flatten_observation": gymnasium_wrappers.FlattenObservation,
    "grayscale_observation": gymnasium_wrappers.GrayscaleObservation,
    "max_and_skip_observation": gymnasium_wrappers.MaxAndSkipObservation,
    "record_episode_statistics": gymnasium_wrappers.RecordEpisodeStatistics,
    "repeat_action": gymnasium_wrappers.RepeatAction,
    "rescale_action": gymnasium_wrappers.RescaleAction,
    "reshape_observation": gymnasium_wrappers.ReshapeObservation,
    "resize_observation": gymnasium_wrappers.ResizeObservation,
    "sticky_action": gymnasium_wrappers.StickyAction,
    "time_aware_observation": gymnasium_wrappers.TimeAwareObservation,
    # for all N at once
    "normalize_observation": NormalizeObservation,
    "normalize_reward": NormalizeReward,
    "clip_reward": ClipReward,
    "scale_reward": ScaleReward,
}

# What a value in YAML may be where a signature says so; types that are not here accept anything.
ACCEPTED: dict[type, type | tuple[type, ...]] = {
    bool: bool,
    int: Integral,
    float: Real,
    str: str,
    type(None): type(None),
    tuple: (list, tuple),
    list: (list, tuple),
    dict: Mapping,
    np.integer: Integral,
    np.floating: Real,
    np.ndarray: (list, np.ndarray),
}


# Of these one step is several of the environment that they wrap.
SKIPPING = (
    Atari,
    gymnasium_wrappers.AtariPreprocessing,
    gymnasium_wrappers.MaxAndSkipObservation,
    gymnasium_wrappers.RepeatAction,
)


class WrapperSpec(NamedTuple):
    """A wrapper and its arguments, checked.

    Args:
        name: as it was listed.
        wrapper: of one environment or of a vector of them.
        arguments: by keyword.
    """

    name: str
    wrapper: type[gym.Wrapper] | type[VectorWrapper]
    arguments: dict[str, Any]

    @property
    def is_of_vector(self) -> bool:
        """Whether it wraps N environments at once."""
        return issubclass(self.wrapper, VectorWrapper)

    @property
    def is_for_training_only(self) -> bool:
        """Whether evaluation leaves it out: it changes the rewards, or says so itself."""
        changes_rewards = issubclass(self.wrapper, gym.RewardWrapper | VectorRewardWrapper)
        return changes_rewards or getattr(self.wrapper, "training_only", False)

    def argument(self, name: str) -> Any:
        """An argument as it was given, or its default."""
        default = inspect.signature(self.wrapper).parameters[name].default
        return self.arguments.get(name, default)

    def for_evaluation(self) -> "WrapperSpec":
        """The same, with the arguments that the wrapper wants in evaluation, of whole episodes."""
        if self.wrapper is gymnasium_wrappers.AtariPreprocessing:
            return self._replace(arguments={**self.arguments, "terminal_on_life_loss": False})
        change = getattr(self.wrapper, "evaluation_arguments", dict)
        return self._replace(arguments=change(self.arguments))

    def apply(self, env: gym.Env | VectorEnv) -> gym.Wrapper | VectorWrapper:
        """Wrap.

        Raises:
            ConfigError: the wrapper refuses the environment or its arguments.
        """
        try:
            return self.wrapper(env, **self.arguments)
        except Exception as error:  # a wrapper's own code may fail in any way
            if is_missing_package(error):
                raise _error(self.name, missing_package(error)) from error
            raise _error(self.name, str(error) or type(error).__name__) from error


def resolve_wrappers(wrappers: WrapperList) -> tuple[list[WrapperSpec], list[WrapperSpec]]:
    """Those of single environments and those of the vector, each in the order listed.

    Args:
        wrappers: each `name`, or `{name: {argument: value}}`; a name is one of `WRAPPERS` or
            `module:Class`.

    Raises:
        ConfigError: a name or argument is wrong, or the order is.
    """
    if isinstance(wrappers, str | Mapping):
        raise ConfigError(f"must be a list, not {wrappers!r}", key="wrappers")
    specs = [_resolve(entry) for entry in wrappers]
    of_vector: list[WrapperSpec] = []
    for spec in specs:
        if spec.is_of_vector:
            if any(spec.wrapper.__name__ == other.wrapper.__name__ for other in of_vector):
                raise _error(spec.name, "is listed twice; once is enough")
            of_vector.append(spec)
        elif of_vector:
            raise _error(
                spec.name,
                f"wraps single environments, so it must come before {of_vector[0].name}, which "
                "wraps all of them together",
            )
    return [spec for spec in specs if not spec.is_of_vector], of_vector


def _error(name: str, message: str) -> ConfigError:
    return ConfigError(f"{name}: {message}", key="wrappers")


def _resolve(entry: str | Mapping[str, Mapping[str, Any] | None]) -> WrapperSpec:
    name, arguments = _split(entry)
    wrapper = _import(name) if ":" in name else WRAPPERS.get(name)
    if wrapper is None:
        raise ConfigError(f"unknown wrapper {name!r}{nearest(name, WRAPPERS)}", key="wrappers")
    if hasattr(wrapper, "update_running_mean"):
        raise _error(
            name,
            "keeps statistics that evaluation would not share; use normalize_observation or "
            "normalize_reward",
        )
    return WrapperSpec(name, wrapper, _check_arguments(name, wrapper, arguments))


def _split(entry: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and len(entry) == 1:
        ((name, arguments),) = entry.items()
        if isinstance(name, str) and isinstance(arguments, Mapping | None):
            return name, arguments or {}
    raise ConfigError(
        f"each must be `name` or `name: {{argument: value}}`, not {entry!r}", key="wrappers"
    )


def _import(name: str) -> type[gym.Wrapper] | type[VectorWrapper]:
    """The class of `module:Class`."""
    wrapper = import_named(name, "wrappers")
    if not _is_wrapper(wrapper):
        raise _error(name, "is no subclass of gymnasium.Wrapper or gymnasium.vector.VectorWrapper")
    return wrapper


def _is_wrapper(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, gym.Wrapper | VectorWrapper)


def _check_arguments(
    name: str, wrapper: type[gym.Wrapper] | type[VectorWrapper], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments with lists as tuples or arrays where the wrapper's signature asks for these."""
    _, _, *rest = inspect.signature(wrapper.__init__).parameters.values()  # without self and env
    parameters = {parameter.name: parameter for parameter in rest}
    kinds = {parameter.kind for parameter in rest}
    named = [p for p in rest if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for argument in arguments:
        if argument not in parameters and inspect.Parameter.VAR_KEYWORD not in kinds:
            hint = nearest(str(argument), [p.name for p in named])
            raise _error(name, f"unknown argument {argument!r}{hint}")
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in arguments:
            raise _error(name, f"needs {parameter.name}")
    types = _types(wrapper)
    return {key: _convert(name, key, value, types.get(key)) for key, value in arguments.items()}


def _types(wrapper: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(wrapper.__init__)
    except Exception:  # someone else's annotations may name what cannot be found
        return {}


def _convert(name: str, argument: str, value: Any, annotation: Any) -> Any:
    """The value as the type that is asked for."""
    options = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    types = [typing.get_origin(option) or option for option in options]
    if not any(_accepts(type_, value) for type_ in types):
        wanted = " or ".join(getattr(type_, "__name__", str(type_)) for type_ in types)
        raise _error(name, f"{argument} must be {wanted}, not {value!r}")
    if isinstance(value, list) and tuple in types:
        return tuple(value)
    if isinstance(value, list) and np.ndarray in types:
        return np.array(value, np.float32)
    if isinstance(value, Real) and np.floating in types:
        return np.float32(value)
    return value


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, type(int | str))


def _accepts(type_: Any, value: Any) -> bool:
    accepted = ACCEPTED.get(type_) if isinstance(type_, type) else None
    if accepted is None:
        return True
    if isinstance(value, bool) and type_ is not bool:
        return False
    return isinstance(value, accepted)
