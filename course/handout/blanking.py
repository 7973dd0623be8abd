"""Taking the bodies of methods out of a source file, and putting them back.

The file is parsed to a concrete syntax tree, which knows on which lines a body stands; those lines
are replaced, and every other byte stays as it is.
"""

import functools
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

LINE_LENGTH = 100


@dataclass(frozen=True)
class Body:
    """Where a function's statements stand, without its docstring.

    Args:
        name: `Class.method`, or `function`.
        first, last: line numbers, from 1.
        indent: the white space before each statement.
    """

    name: str
    first: int
    last: int
    indent: str


class _Bodies(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        self.names: list[str] = []
        self.depth = 0
        self.found: dict[str, Body] = {}

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self.names.append(node.name.value)

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:
        self.names.pop()

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        name = ".".join([*self.names, node.name.value])
        statements = node.body.body
        if isinstance(node.body, cst.IndentedBlock) and node.get_docstring() is not None:
            docstring, *rest = statements
            if rest:
                first = self._range(docstring).end.line + 1
                last_range = self._range(rest[-1])
                column = self._range(docstring).start.column
                self.found[name] = Body(name, first, last_range.end.line, " " * column)
        return False

    def _range(self, node: cst.CSTNode) -> CodeRange:
        return self.get_metadata(PositionProvider, node)


@functools.lru_cache(maxsize=64)  # parsing takes a tenth of a second
def find_bodies(source: str) -> Mapping[str, Body]:
    """The bodies of all functions and methods that have a docstring and a body, by name."""
    visitor = _Bodies()
    MetadataWrapper(cst.parse_module(source)).visit(visitor)
    return MappingProxyType(visitor.found)


def take_out(source: str, messages: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Replace bodies by a line that raises.

    Args:
        source: of a module.
        messages: what to raise instead of each body, by the function's name.

    Returns:
        the new source, and the bodies by name, as `put_back` takes them.

    Raises:
        KeyError: a function does not exist, or has no docstring or no body.
    """
    bodies = find_bodies(source)
    lines = source.splitlines(keepends=True)
    taken = {}
    for body in sorted((bodies[name] for name in messages), key=lambda body: -body.first):
        rows = slice(body.first - 1, body.last)
        taken[body.name] = "".join(lines[rows])
        lines[rows] = [blank(body.indent, messages[body.name])]
    return "".join(lines), taken


def put_back(source: str, bodies: dict[str, str]) -> str:
    """Replace the bodies of functions by others.

    Args:
        source: of a module.
        bodies: lines, by the function's name.
    """
    found = find_bodies(source)
    lines = source.splitlines(keepends=True)
    for body in sorted((found[name] for name in bodies), key=lambda body: -body.first):
        lines[body.first - 1 : body.last] = [bodies[body.name]]
    return "".join(lines)


def with_body(source: str, name: str, body: str) -> str:
    """A source with one function's body replaced by another of any indentation."""
    indent = find_bodies(source)[name].indent
    text = textwrap.indent(textwrap.dedent(body).strip("\n") + "\n", indent)
    return put_back(source, {name: text})


def blank(indent: str, message: str) -> str:
    """The statement that stands in place of a body, formatted as the rest of the code is."""
    line = f'{indent}raise NotImplementedError("{message}")\n'
    if len(line) <= LINE_LENGTH + 1:
        return line
    return f'{indent}raise NotImplementedError(\n{indent}    "{message}"\n{indent})\n'
