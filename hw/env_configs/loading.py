"""From a YAML file to a checked configuration. The factories' signatures are the schema."""

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, Field, ValidationError, create_model

import hw.env_configs
from hw.env_configs.recipe import Recipe
from hw.env_configs.run_settings import RunSettings
from hw.infrastructure.errors import ConfigError
from hw.infrastructure.importing import import_named
from hw.infrastructure.run_dir import config_path

CHANGEABLE_IN_A_RUN = {field.name for field in fields(RunSettings)} - {"seed", "exp_name"}
CHANGEABLE_IN_A_RUN |= {"total_steps", "total_episodes"}
MAX_FILE_BYTES = 10**6
MAX_VALUES = 10**5  # of a file, once its anchors are written out
# Beyond these a run would die of its memory rather than of a message.
LARGEST = {
    "num_envs": 4096,
    "num_eval_trajectories": 10**6,
    "hidden_size": 16_384,
    "num_layers": 100,
    "num_critic_networks": 1000,
}
# Optional packages that settings need, by key: module and extra.
EXTRAS = {"num_render_trajectories": ("moviepy", "video"), "use_wandb": ("wandb", "wandb")}


@dataclass(frozen=True)
class RunConfig:
    """An experiment, checked.

    Args:
        algorithm: `base_config` of the file.
        values: every key with the value it came to, ready to be written as config.yaml.
        recipe: what the factory made of its part.
        settings: the part that every run has.
        source: the file it was read from.
    """

    algorithm: str
    values: dict[str, Any]
    recipe: Recipe
    settings: RunSettings
    source: str


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> RunConfig:
    """Read an experiment; `overrides` win over the file, the file over the factory's defaults.

    Raises:
        ConfigError: the file cannot be read, a key or value in it is wrong, or the environment
            does not exist or does not suit the algorithm. The message names the file, the key, and
            what would be right.
    """
    overrides = overrides or {}
    given = {**read_yaml(path), **overrides}
    given.pop("provenance", None)
    try:
        config = bind(given, str(path))
        _check_extras(config.settings)
        envs = config.recipe.envs.make_evaluation_envs(1)
        config.recipe.make_agent(envs)
        config.values.update(config.recipe.resolve(envs))
        envs.close()
        return config
    except ConfigError as error:
        error.source = "command line" if error.key in overrides else str(path)
        raise


def load_run_config(run_dir: Path, overrides: dict[str, Any]) -> RunConfig:
    """Read the settings of a run that is to go on.

    Raises:
        ConfigError: as `load_config`, and for a setting that cannot change within a run.
    """
    for key in overrides:
        if key not in CHANGEABLE_IN_A_RUN:
            raise ConfigError(
                f"cannot change when resuming; what can: {', '.join(sorted(CHANGEABLE_IN_A_RUN))}",
                key=key,
                source="command line",
            )
    return load_config(config_path(run_dir), overrides)


def parse_override(text: str) -> tuple[str, Any]:
    """`temperature=0.2` -> ("temperature", 0.2).

    Raises:
        ConfigError: there is no `=`, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"expected key=value, got {text!r}", source="--set")
    try:
        return key.strip(), parse_value(value)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read the value of {text[:80]!r}", source="--set") from error


def parse_value(text: str) -> Any:
    """A value as an experiment's YAML means it: `1e-05` is a number.

    Raises:
        yaml.YAMLError, ValueError, RecursionError: it is not YAML.
    """
    return yaml.load(text, _Loader)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds one mapping.

    Raises:
        ConfigError: it is missing, unreadable, malformed, empty, or holds something else.
    """
    source = str(path)
    try:
        num_bytes = Path(path).stat().st_size
        if num_bytes > MAX_FILE_BYTES:
            raise ConfigError(
                f"has {num_bytes:,} bytes, and at most {MAX_FILE_BYTES:,} are read", source=source
            )
        content = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot be read: {reason}", source=source) from error
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"is not valid YAML: {where}{error.problem}", source=source) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"is not valid YAML: {reason}", source=source) from error
    if content is None:
        raise ConfigError("is empty; it needs at least base_config and env_name", source=source)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError("must hold `key: value` lines", source=source)
    return content


def algorithms() -> list[str]:
    """The names that `base_config` can take: one for each `<name>_config.py` in this folder."""
    names = [module.name for module in pkgutil.iter_modules(hw.env_configs.__path__)]
    return [name.removesuffix("_config") for name in names if name.endswith("_config")]


def find_factory(algorithm: str) -> Callable[..., Recipe]:
    """The factory `<algorithm>_config`, or the one that `module:function` names.

    Raises:
        ConfigError: there is none.
    """
    if ":" in algorithm:
        return import_named(algorithm, "base_config")
    if algorithm not in algorithms():
        raise ConfigError(
            f"unknown {algorithm!r}; choose from {', '.join(algorithms())}, or name your own as "
            "module:function",
            key="base_config",
        )
    module = importlib.import_module(f"hw.env_configs.{algorithm}_config")
    return getattr(module, f"{algorithm}_config")


def bind(given: dict[str, Any], source: str = "config") -> RunConfig:
    """Bind keys and values to the signatures of the factory and of RunSettings.

    Raises:
        ConfigError: a key or value is wrong.
    """
    given = dict(given)
    if "base_config" not in given:
        names = ", ".join(algorithms())
        raise ConfigError(f"is missing; choose from {names}", key="base_config")
    algorithm = given.pop("base_config")
    if not isinstance(algorithm, str):
        raise ConfigError(f"must be a name, got {reprlib.repr(algorithm)}", key="base_config")
    factory = find_factory(algorithm)
    run_keys = {field.name for field in fields(RunSettings)}
    schema = {**_parameters(RunSettings), **_parameters(factory)}
    values = validate(schema, given)
    _check_sizes(values)
    recipe = factory(**{key: value for key, value in values.items() if key not in run_keys})
    settings = RunSettings(**{key: value for key, value in values.items() if key in run_keys})
    resolved = {"base_config": algorithm, **values, **recipe.resolved}
    return RunConfig(algorithm, resolved, recipe, settings, source)


def _check_sizes(values: dict[str, Any]) -> None:
    """Refuse what no machine has the memory for."""
    for key, largest in LARGEST.items():
        value = values.get(key)
        if isinstance(value, int) and value > largest:
            raise ConfigError(f"must be at most {largest:,}, got {value:,}", key=key)


def _check_extras(settings: RunSettings) -> None:
    """Miss an optional package now, not at the first evaluation."""
    for key, (module, extra) in EXTRAS.items():
        if getattr(settings, key) and importlib.util.find_spec(module) is None:
            raise ConfigError(f"needs a package: pip install -e '.[{extra}]'", key=key)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def _who_has(key: str) -> str:
    """`; a setting of ... only`, of one that other algorithms have."""
    names = [name for name in algorithms() if key in _parameters(find_factory(name))]
    return f"; a setting of {', '.join(names)} only" if names else ""


def validate(schema: dict[str, inspect.Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Check names and types; fill in defaults.

    Raises:
        ConfigError: a key is unknown or missing, or a value is of the wrong type.
    """
    for key in given:
        if key not in schema:
            close = difflib.get_close_matches(key, [*schema, "base_config"], n=1)
            hint = f"; did you mean {close[0]!r}?" if close else _who_has(key)
            raise ConfigError(f"unknown key{hint}", key=key)
    definitions = {
        name: (
            parameter.annotation,
            ... if parameter.default is parameter.empty else Field(default=parameter.default),
        )
        for name, parameter in schema.items()
    }
    model = create_model("Settings", __config__=ConfigDict(strict=True), **definitions)
    try:
        settings = model(**given)
        return {key: _with_lists(getattr(settings, key)) for key in schema}
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "missing" and len(first["loc"]) == 1:
            raise ConfigError("is missing", key=key) from error
        where = ".".join(str(part) for part in first["loc"][1:])
        message = first["msg"].removeprefix("Input ")
        raise ConfigError(
            f"{where + ' ' if where else ''}{message}, got {reprlib.repr(first['input'])}", key=key
        ) from error


def _with_lists(value: Any) -> Any:
    """As YAML would give it: a list for a tuple."""
    return [_with_lists(item) for item in value] if isinstance(value, list | tuple) else value


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 3e-4 is a number and a repeated key is an error.

    So are anchors that multiply to more values than any experiment has.
    """

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _num_values(node, {}) > MAX_VALUES:
            raise yaml.constructor.ConstructorError(
                None, None, f"its anchors make more than {MAX_VALUES:,} values", node.start_mark
            )
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        own_keys = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in own_keys]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _num_values(node: yaml.Node, counted: dict[int, int]) -> int:
    """How many values a node has, with each alias counted as what it stands for.

    Args:
        counted: the nodes that are done, by `id`; filled in.
    """
    if id(node) in counted:
        return counted[id(node)]
    counted[id(node)] = MAX_VALUES + 1  # what contains itself never ends
    total = 1
    if isinstance(node, yaml.SequenceNode):
        total += sum(_num_values(item, counted) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        total += sum(_num_values(part, counted) for pair in node.value for part in pair)
    counted[id(node)] = total
    return total


# YAML 1.1 asks for a dot and a sign in a float's exponent; people write 3e-4.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
