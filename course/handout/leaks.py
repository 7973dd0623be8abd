"""Whether a hand-out gives away what it blanks."""

import io
import re
import tokenize

from course.handout.tree import Handout

RUN_LENGTH = 8  # tokens


def find_leaks(handout: Handout) -> list[str]:
    """Where a run of tokens of a blanked body stands in the tree, though no code needs it there.

    Runs that the remaining code of `hw/` has anyway are no leak: methods resemble each other. Its
    comments and docstrings are searched, and every other file whole.
    """
    code = set()
    for path, content in handout.files.items():
        if path.suffix == ".py" and path.parts[0] == "hw":
            code |= runs(words(_code(content.decode())))
    secrets: dict[tuple[str, ...], str] = {}
    for bodies in handout.solutions.values():
        for name, body in bodies.items():
            secrets |= dict.fromkeys(runs(words(_code(body))) - code, name)
    leaks = []
    for path, content in sorted(handout.files.items()):
        if path.name == "assignment.json":
            continue  # signatures, which the sources show anyway
        try:
            text = content.decode()
        except UnicodeDecodeError:
            continue  # a picture
        if path.suffix == ".py" and path.parts[0] == "hw":
            text = _comments(text)
        found = {secrets[run] for run in runs(words(text)) & secrets.keys()}
        leaks += [f"{path} shows {name}" for name in sorted(found)]
    leaks += [f"{path} is compiled" for path in handout.files if path.suffix == ".pyc"]
    return leaks


def words(text: str) -> list[str]:
    """Names, numbers and signs, one by one, in a program or in prose."""
    return re.findall(r"\w+|[^\w\s]", text)


def runs(tokens: list[str]) -> set[tuple[str, ...]]:
    """All runs of `RUN_LENGTH` tokens that hold at least three names."""
    found = set()
    for i in range(len(tokens) - RUN_LENGTH + 1):
        run = tuple(tokens[i : i + RUN_LENGTH])
        if sum(token.isidentifier() for token in run) >= 3:
            found.add(run)
    return found


def _code(source: str) -> str:
    """Source without comments and docstrings."""
    return _select(source, is_comment=False)


def _comments(source: str) -> str:
    """The comments and docstrings of a source."""
    return _select(source, is_comment=True)


def _select(source: str, is_comment: bool) -> str:
    """Tokens of one of the two kinds; a string that is a statement of its own is a docstring."""
    lines = [line[len(_margin(source)) :] for line in source.splitlines(keepends=True)]
    selected = []
    begins = True
    for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
        is_text = token.type == tokenize.COMMENT or (token.type == tokenize.STRING and begins)
        if is_text == is_comment:
            selected.append(token.string)
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            begins = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return " ".join(selected)


def _margin(source: str) -> str:
    """The indentation of the first line."""
    return source[: len(source) - len(source.lstrip())].replace("\n", "")
