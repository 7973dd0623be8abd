"""Functions of a student's file, put into the blank hand-out's file.

Works on syntax trees, so that what the student wrote keeps its line numbers. It runs in the process
that is about to run that code, under its limits; nothing here executes any of it.
"""

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

# Added to the line numbers of all code that is not the student's.
NOT_THE_STUDENTS = 10_000_000
# Decorators that change how a function is called.
KINDS = frozenset(["property", "staticmethod", "classmethod", "cached_property", "setter"])


class SpliceError(Exception):
    """The student's file does not have the method as the hand-out has it.

    Args:
        category: `missing`, `syntax` or `signature`.
        message: for the student.
        line: of their file, if known.
    """

    def __init__(self, category: str, message: str, line: int | None = None):
        super().__init__(message)
        self.category, self.line = category, line


def splice(blank_source: str, pieces: Iterable[tuple[str, Sequence[str], bool]]) -> ast.Module:
    """The blank module with functions of other sources, and the helpers that they name.

    The signature and decorators stay the hand-out's. Helpers are functions, classes, constants and
    imports of the other module that the hand-out does not have, and methods of the function's
    class, whatever the function names directly or through other helpers. They keep their places
    among what both files have.

    Args:
        blank_source: the hand-out's file.
        pieces: another source, the functions to take from it (`Class.method`, or `function`), and
            whether it is the student's, whose lines alone keep their numbers.

    Raises:
        SpliceError: a source does not parse, lacks a function, or changed its arguments.
    """
    blank = ast.parse(blank_source)
    ast.increment_lineno(blank, NOT_THE_STUDENTS)
    known = set(_definitions(blank.body))
    for source, names, is_students in pieces:
        other = _parse(source)
        if not is_students:
            ast.increment_lineno(other, NOT_THE_STUDENTS)
        written = [_replace(blank, other, name) for name in names]
        _add_helpers(blank, other, known, names, written)
    return ast.fix_missing_locations(blank)


def is_written(source: str, name: str) -> bool:
    """Whether a source has the function, and it is not blank."""
    return find_function(_parse(source), name) is not None and not is_blank(source, name)


def is_blank(source: str, name: str) -> bool:
    """Whether a function's body only raises what the hand-out's blank raises."""
    function = find_function(_parse(source), name)
    if function is None:
        return False
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return False
    error = body[0].exc
    return (
        isinstance(error, ast.Call)
        and isinstance(error.func, ast.Name)
        and error.func.id == "NotImplementedError"
        and len(error.args) == 1
        and isinstance(error.args[0], ast.Constant)
        and str(error.args[0].value).startswith("TODO(")
    )


def find_function(module: ast.Module, name: str) -> ast.FunctionDef | None:
    """The last definition of `Class.method`, or of `function`, if it is one of a function."""
    found = _find(module, name)
    return found if isinstance(found, ast.FunctionDef) else None


def _find(module: ast.Module, name: str) -> ast.stmt | None:
    """The last statement that defines a name, whatever it is."""
    scope: ast.Module | ast.ClassDef = module
    *classes, last = name.split(".")
    for class_name in classes:
        found = _definitions(scope.body).get(class_name)
        if not found or not isinstance(found[-1], ast.ClassDef):
            return None
        scope = found[-1]
    found = _definitions(scope.body).get(last)
    return found[-1] if found else None


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise SpliceError("syntax", f"{error.msg}", error.lineno) from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise SpliceError("syntax", "the file cannot be parsed") from error


def _replace(blank: ast.Module, other: ast.Module, name: str) -> ast.FunctionDef:
    """Put one function of another module in the blank one; gives the function as written."""
    target, written = find_function(blank, name), _find(other, name)
    if written is None:
        raise SpliceError("missing", f"{name} is not in the file any more")
    if not isinstance(written, ast.FunctionDef):
        raise SpliceError("signature", f"{name} is not a plain function any more", written.lineno)
    if _argument_names(target) != _argument_names(written):
        raise SpliceError("signature", f"{name} has other arguments than before", written.lineno)
    if _kinds(target) != _kinds(written):
        raise SpliceError("signature", f"{name} has another kind than before", written.lineno)
    target.body = written.body
    for node in (target, *ast.walk(target.args)):
        ast.copy_location(node, written)
    return written


def _argument_names(function: ast.FunctionDef) -> tuple:
    a = function.args
    names = tuple(tuple(x.arg for x in group) for group in (a.posonlyargs, a.args, a.kwonlyargs))
    return (*names, a.vararg and a.vararg.arg, a.kwarg and a.kwarg.arg)


def _kinds(function: ast.FunctionDef) -> set[str]:
    """Its decorators that change how it is called."""
    names = {ast.unparse(node).rpartition(".")[2] for node in function.decorator_list}
    return names & KINDS


def _add_helpers(
    blank: ast.Module,
    other: ast.Module,
    known: set[str],
    names: Sequence[str],
    written: list[ast.FunctionDef],
) -> None:
    """Copy into `blank` whatever of the other module's own the functions need."""
    offered = {n: found for n, found in _definitions(other.body).items() if n not in known}
    methods: dict[str, list[tuple[ast.ClassDef, ast.stmt]]] = defaultdict(list)
    for class_name in {name.rpartition(".")[0] for name in names} - {""}:
        target = _find(blank, class_name)
        own = _definitions(target.body)
        for name, found in _definitions(_find(other, class_name).body).items():
            if name not in own:
                methods[name] += [(target, node) for node in found]
    wanted = [word for function in written for word in _words(function)]
    seen: set[tuple[str, bool]] = set()
    top: list[ast.stmt] = []
    in_class: list[tuple[ast.ClassDef, ast.stmt]] = []
    while wanted:
        word = wanted.pop()
        if word in seen:
            continue
        seen.add(word)
        text, is_attribute = word
        for node in [] if is_attribute else offered.get(text, []):
            if not _contains(top, node):
                top.append(node)
                wanted += _words(node)
        for target, node in methods.get(text, []):
            if not _contains((n for _, n in in_class), node):
                in_class.append((target, node))
                wanted += _words(node)
    for target in {id(target): target for target, _ in in_class}.values():
        # In front, for methods may be used where others are made; in the order they were written.
        chosen = [node for into, node in in_class if into is target]
        target.body[_start(target.body) :] = [
            *sorted(chosen, key=lambda node: node.lineno),
            *target.body[_start(target.body) :],
        ]
    names_used = {text for text, is_attribute in seen if not is_attribute}
    local = {n.arg for f in written for n in ast.walk(f) if isinstance(n, ast.arg)}
    local |= {n.id for f in written for n in ast.walk(f) if _is_store(n)}
    unknown = names_used - known - offered.keys() - local - set(dir(builtins))
    top += [n for n in other.body if _is_future(n) or (unknown and _is_star_import(n))]
    _merge(blank, other, known, top)


def _merge(blank: ast.Module, other: ast.Module, known: set[str], chosen: list[ast.stmt]) -> None:
    """Insert statements after those that come before them in both modules."""
    places = {}
    for index, node in enumerate(blank.body):
        places |= dict.fromkeys(_defined(node), index)
    inserts: dict[int, list[ast.stmt]] = defaultdict(list)
    first = _start(blank.body)
    last = first - 1
    for node in other.body:
        if _contains(chosen, node):
            if not isinstance(node, ast.FunctionDef):  # it may use what is there when it runs
                used = {text for text, is_attribute in _words(node) if not is_attribute}
                last = max([last, *(places[name] for name in used if name in places)])
            inserts[0 if _is_future(node) else last + 1].append(node)
            continue
        last = max([last, *(places[name] for name in _defined(node) if name in places)])
    body: list[ast.stmt] = []
    for index, node in enumerate([*blank.body, None]):
        if index == 0 and blank.body and _is_docstring(blank.body[0]):
            body.append(node)
            body += inserts[0]
            continue
        body += inserts[index]
        if node is not None:
            body.append(node)
    blank.body = body


def _start(body: list[ast.stmt]) -> int:
    """How many statements must stay first: a docstring, `from __future__`."""
    place = 0
    while place < len(body) and (_is_docstring(body[place]) or _is_future(body[place])):
        place += 1
    return place


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_star_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def _is_store(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _contains(nodes: Iterable[ast.stmt], node: ast.stmt) -> bool:
    return any(other is node for other in nodes)


def _definitions(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """The statements that define or change each name, in their order."""
    found: dict[str, list[ast.stmt]] = defaultdict(list)
    for node in body:
        for name in dict.fromkeys(_defined(node)):
            found[name].append(node)
    # A call of a method may fill what has been made before: TABLE.append(1).
    changes = defaultdict(list)
    for node in body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = _root(node.value.func)
            if name in found and not isinstance(found[name][0], ast.Import | ast.ImportFrom):
                changes[name].append(node)
    for name, nodes in changes.items():
        found[name] = sorted([*found[name], *nodes], key=lambda node: node.lineno)
    return dict(found)


def _defined(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement binds in its scope, or whose parts it assigns."""
    nodes: list[ast.AST] = [statement]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            if (name := _root(node)) is not None:
                yield name
        elif _is_store(node):
            yield node.id
        elif not isinstance(node, ast.Lambda):
            if isinstance(node, ast.ExceptHandler) and node.name:
                yield node.name
            nodes += ast.iter_child_nodes(node)


def _root(node: ast.AST) -> str | None:
    """The name that attributes and subscripts are taken of."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _words(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Names in a piece of code; and attributes, with True."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id, False
        elif isinstance(part, ast.Attribute):
            yield part.attr, True
