"""One method of a student's file, put into the blank hand-out's file.

Works on syntax trees, so that what the student wrote keeps its line numbers. It runs in the process
that is about to run that code, under its limits; nothing here executes any of it.
"""

import ast
from collections.abc import Iterator


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


def splice(blank_source: str, student_source: str, *names: str) -> ast.Module:
    """The blank module with functions from the student's, and the helpers that they name.

    The signature and decorators stay the hand-out's. Helpers are functions, classes and constants
    of the student's module and methods of the function's class that the hand-out does not have,
    and imports, whatever the function names directly or through other helpers.

    Args:
        blank_source: the hand-out's file.
        student_source: the student's.
        names: `Class.method`, or `function`.

    Raises:
        SpliceError: the student's file does not parse, lacks the function, or changed its
            arguments.
    """
    blank, student = ast.parse(blank_source), _parse(student_source)
    for name in names:
        _replace(blank, student, name)
    return ast.fix_missing_locations(blank)


def _replace(blank: ast.Module, student: ast.Module, name: str) -> None:
    """Put one function of the student's in the blank module."""
    target, written = find_function(blank, name), find_function(student, name)
    if written is None:
        raise SpliceError("missing", f"{name} is not in the file any more")
    if _argument_names(target) != _argument_names(written):
        raise SpliceError("signature", f"{name} has other arguments than before", written.lineno)
    target.body = written.body
    for node in ast.walk(target.args):
        ast.copy_location(node, written)
    _add_helpers(blank, student, name, written)


def is_blank(source: str, name: str) -> bool:
    """Whether a function's body only raises what the hand-out's blank raises."""
    function = find_function(_parse(source), name)
    if function is None:
        return False
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return False
    return isinstance(body[0].exc, ast.Call) and ast.unparse(body[0].exc).startswith(
        ("NotImplementedError('TODO(", 'NotImplementedError("TODO(')
    )


def find_function(module: ast.Module, name: str) -> ast.FunctionDef | None:
    """The last definition of `Class.method`, or of `function`, that counts when it is imported."""
    scope: ast.Module | ast.ClassDef = module
    *classes, function_name = name.split(".")
    for class_name in classes:
        scope = _last(scope.body, ast.ClassDef, class_name)
        if scope is None:
            return None
    return _last(scope.body, ast.FunctionDef, function_name)


def _last(body: list[ast.stmt], kind: type, name: str) -> ast.AST | None:
    found = [node for node in body if isinstance(node, kind) and node.name == name]
    return found[-1] if found else None


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise SpliceError("syntax", f"{error.msg}", error.lineno) from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise SpliceError("syntax", "the file cannot be parsed") from error


def _argument_names(function: ast.FunctionDef) -> tuple:
    a = function.args
    names = tuple(tuple(x.arg for x in group) for group in (a.posonlyargs, a.args, a.kwonlyargs))
    return (*names, a.vararg and a.vararg.arg, a.kwarg and a.kwarg.arg)


def _add_helpers(blank: ast.Module, student: ast.Module, name: str, written: ast.AST) -> None:
    """Copy into `blank` whatever of the student's own the function needs."""
    class_name = name.rpartition(".")[0]
    known = set(_definitions(blank.body))
    offered = {n: node for n, node in _definitions(student.body).items() if n not in known}
    methods: dict[str, ast.stmt] = {}
    if class_name:
        blank_class = _last(blank.body, ast.ClassDef, class_name)
        student_class = _last(student.body, ast.ClassDef, class_name)
        own = set(_definitions(blank_class.body))
        methods = {n: d for n, d in _definitions(student_class.body).items() if n not in own}
    wanted = list(_names(written))
    seen: set[str] = set()
    top: list[ast.stmt] = []
    while wanted:
        word = wanted.pop()
        if word in seen:
            continue
        seen.add(word)
        for source, into in ((offered, top), (methods, None)):
            node = source.get(word)
            if node is not None:
                wanted += _names(node)
                if into is None:
                    blank_class.body.append(node)
                elif node not in into:
                    into.append(node)
    imports = [n for n in top if isinstance(n, ast.Import | ast.ImportFrom)]
    others = [n for n in student.body if n in top and n not in imports]
    # After the docstring and `from __future__` lines.
    place = 0
    while place < len(blank.body) and _must_be_first(blank.body[place]):
        place += 1
    blank.body[place:place] = imports
    blank.body += others


def _must_be_first(node: ast.stmt) -> bool:
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def _definitions(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """The statements that define names, by each name."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        found[part.id] = node
    return found


def _names(node: ast.AST) -> Iterator[str]:
    """Names and attributes that occur in a piece of code."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
