"""The functions of a source that somebody handed in, found without running it."""

import ast
import io
import tokenize
import warnings
from dataclasses import dataclass
from typing import Any

from hw.homework.rules import MAX_FILE_BYTES, Problem, plain


@dataclass(frozen=True)
class Declaration:
    """A function as it stands in a source.

    Args:
        line: of its `def`.
        signature: names of the arguments, in parentheses.
        decorators: as they are written, without `@`.
        is_blank: it only raises `NotImplementedError("TODO(...)")`.
        leftover: line of such a statement beside others.
    """

    line: int
    signature: str
    decorators: tuple[str, ...]
    is_blank: bool
    leftover: int | None


def declaration(source: str, name: str) -> dict[str, Any]:
    """What `assignment.json` records of a TODO, so that changes of it are found.

    Args:
        source: of its module.
        name: `Class.method`, or `function`.

    Raises:
        KeyError: there is no such function.
    """
    found = find_declarations(ast.parse(source))[name][-1]
    return {"signature": found.signature, "decorators": list(found.decorators)}


def read_source(path: str, content: bytes) -> dict[str, list[Declaration]] | Problem:
    """The functions of a source by name, each as often as it is defined, or why it has none."""
    limit = MAX_FILE_BYTES[".py"]
    if len(content) > limit:
        return Problem("error", "size", path, f"is larger than {limit} bytes")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        if encoding not in ("utf-8", "utf-8-sig"):
            message = f"declares itself as {plain(encoding)}; save it as UTF-8"
            return Problem("error", "encoding", path, message)
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return Problem("error", "encoding", f"{path}:{line}", "is not UTF-8; save it as UTF-8")
    except SyntaxError:
        return Problem("error", "encoding", path, "is not UTF-8; save it as UTF-8")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return find_declarations(ast.parse(text))
    except SyntaxError as error:
        where = f"{path}:{error.lineno}" if error.lineno else path
        return Problem("error", "syntax", where, f"does not parse: {plain(error.msg)}")
    except (RecursionError, MemoryError):
        return Problem("error", "syntax", path, "does not parse: it is nested too deeply")
    except Exception as error:  # the parser may fail in ways of its own
        return Problem("error", "syntax", path, f"does not parse: {plain(error)}")


def find_declarations(module: ast.Module) -> dict[str, list[Declaration]]:
    """The functions at the top of a module and of its classes, by name, in their order."""
    found: dict[str, list[Declaration]] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(prefix + node.name, []).append(_declaration(node))

    visit(module.body, "")
    return found


def _declaration(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Declaration:
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    is_blank = len(body) == 1 and _is_todo(body[0])
    leftovers = [child.lineno for child in ast.walk(node) if _is_todo(child)]
    return Declaration(
        node.lineno,
        _signature(node),
        tuple(ast.unparse(decorator) for decorator in node.decorator_list),
        is_blank,
        None if is_blank else min(leftovers, default=None),
    )


def _is_todo(node: ast.AST) -> bool:
    """Whether it is `raise NotImplementedError("TODO(...)...")`."""
    call = node.exc if isinstance(node, ast.Raise) else None
    if not isinstance(call, ast.Call) or len(call.args) != 1:
        return False
    message = call.args[0]
    is_text = isinstance(message, ast.Constant) and isinstance(message.value, str)
    is_error = isinstance(call.func, ast.Name) and call.func.id == "NotImplementedError"
    return is_error and is_text and message.value.startswith("TODO(")


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """`(self, a, *, b)`: names and kinds of the arguments, without types and defaults."""
    arguments = node.args
    names = [argument.arg for argument in arguments.posonlyargs]
    names += ["/"] if names else []
    names += [argument.arg for argument in arguments.args]
    if arguments.vararg:
        names.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        names.append("*")
    names += [argument.arg for argument in arguments.kwonlyargs]
    names += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return f"{'async ' * isinstance(node, ast.AsyncFunctionDef)}({', '.join(names)})"
