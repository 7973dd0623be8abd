"""Which modules of a hand-out can be imported before a student's file is known."""

import ast
from collections.abc import Iterable
from pathlib import Path


def independent_modules(files: dict[Path, bytes], changing: Iterable[Path]) -> list[str]:
    """Modules of `hw` that import none of the changing files, directly or through others.

    Args:
        files: the hand-out's.
        changing: paths of the files that hold TODOs.
    """
    sources = {
        module_name(path): content.decode()
        for path, content in files.items()
        if path.suffix == ".py" and path.parts[0] == "hw"
    }
    imports = {name: _imports(text) & sources.keys() for name, text in sources.items()}
    tainted = {module_name(path) for path in changing}
    while True:
        more = {name for name, used in imports.items() if used & tainted} - tainted
        if not more:
            break
        tainted |= more
    lazy = ("hw.scripts", "hw.envs")  # heavy, and no recipe's business before it asks
    return sorted(n for n in sources.keys() - tainted if not n.startswith(lazy))


def module_name(path: Path) -> str:
    """`hw/a/b.py` as `hw.a.b`."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _imports(source: str) -> set[str]:
    """Everything that a source may import, at any place; parents of it included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found
