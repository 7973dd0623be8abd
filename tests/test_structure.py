"""The house: imports point down only, and nothing else has crept in."""

import ast
from pathlib import Path

import pytest

# A package may import from those that stand below it, and from itself.
BELOW = {
    "infrastructure": set(),
    "homework": {"infrastructure"},
    "agents": {"infrastructure"},
    "networks": {"infrastructure"},
    "envs": {"infrastructure"},
    "env_configs": {"agents", "networks", "envs", "infrastructure"},
    "studies": {"env_configs", "agents", "networks", "envs", "infrastructure"},
    "scripts": {
        *("homework", "studies", "env_configs", "agents", "networks", "envs", "infrastructure"),
    },
}
FILES = sorted(Path("hw").glob("*/**/*.py"))


def imported_packages(path):
    """Packages of hw that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] in ("course", "benchmarks", "tests"):
                yield parts[0]
            if parts[0] == "hw" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path):
    package = path.parts[1]
    allowed = BELOW[package] | {package}
    assert set(imported_packages(path)) <= allowed


def test_every_package_is_known():
    packages = {path.name for path in Path("hw").iterdir() if (path / "__init__.py").exists()}
    assert packages == set(BELOW)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_function_swallows_misspelt_arguments(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.args.kwarg is None, f"{path}:{node.lineno} takes **{node.args.kwarg.arg}"


@pytest.mark.parametrize("folder", ["agents", "networks"])
def test_devices_and_synchronisation_stay_out_of_agents_and_networks(folder):
    for path in Path("hw", folder).glob("**/*.py"):
        text = path.read_text(encoding="utf-8")
        for word in (".item()", ".cpu()", ".cuda(", ".to(device"):
            assert word not in text, f"{path}: {word}"


def test_agents_hold_no_default_numbers():
    for path in Path("hw/agents").glob("*_agent.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for default in [*node.args.defaults, *node.args.kw_defaults]:
                    value = getattr(default, "value", None)
                    assert value is None or isinstance(value, bool), f"{path}:{node.lineno}"
