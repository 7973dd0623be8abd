"""Bodies come out of a source and go back in, and every other byte stays."""

from pathlib import Path

import pytest

from course.handout.blanking import find_bodies, put_back, take_out

SOURCE = '''"""A module."""

import math  # used below


class A:
    """A class."""

    # A comment that belongs to f.
    @property
    def f(self) -> int:
        """One line."""
        # A comment inside.
        x = 1   # odd   spacing stays

        return x


    def g(self):
        """Several

        lines.
        """
        if math.pi > 3:
            return lambda: 2
        return None  # the end

def h(x):
    """A function."""
    def inner():
        """Not a name of its own."""
        return x
    return inner()


class Outer:
    class Inner:
        def k(self):
            """Nested."""
            return 3


def bare(): return 4
def docstring_only():
    """Nothing else."""
'''


def test_bodies_are_found_by_their_names():
    assert list(find_bodies(SOURCE)) == ["A.f", "A.g", "h", "Outer.Inner.k"]


@pytest.mark.parametrize("names", [["A.f"], ["A.g", "h"], ["A.f", "A.g", "h", "Outer.Inner.k"]])
def test_what_was_taken_out_goes_back_in_to_the_byte(names):
    blanked, bodies = take_out(SOURCE, {name: f"TODO({name})" for name in names})
    assert put_back(blanked, bodies) == SOURCE
    for name in names:
        assert f'raise NotImplementedError("TODO({name})")' in blanked
    compile(blanked, "blanked", "exec")


def test_signature_docstring_decorator_and_neighbours_stay():
    blanked, bodies = take_out(SOURCE, {"A.f": "TODO"})
    assert bodies["A.f"].splitlines() == [
        "        # A comment inside.",
        "        x = 1   # odd   spacing stays",
        "",
        "        return x",
    ]
    before, after = SOURCE.split(bodies["A.f"])
    assert blanked == before + '        raise NotImplementedError("TODO")\n' + after


def test_a_long_message_is_broken_as_the_formatter_would():
    blanked, _ = take_out(SOURCE, {"A.f": "x" * 90})
    assert f'        raise NotImplementedError(\n            "{"x" * 90}"\n        )\n' in blanked


@pytest.mark.parametrize("name", ["A.nothing", "bare", "docstring_only", "inner"])
def test_what_cannot_be_blanked_is_refused(name):
    with pytest.raises(KeyError):
        take_out(SOURCE, {name: "TODO"})


@pytest.mark.parametrize("path", sorted(Path("hw/agents").glob("**/*.py")), ids=str)
def test_every_body_of_the_agents_can_be_taken_out_and_put_back(path):
    source = path.read_text(encoding="utf-8")
    messages = dict.fromkeys(find_bodies(source), "TODO")
    blanked, bodies = take_out(source, messages)
    compile(blanked, str(path), "exec")
    assert put_back(blanked, bodies) == source
