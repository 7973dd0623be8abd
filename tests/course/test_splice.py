"""Functions of a student's file in the blank hand-out: what comes along, and what does not."""

import textwrap
import traceback

import pytest

from course.grader.splice import NOT_THE_STUDENTS, SpliceError, is_blank, splice

BLANK = '''
"""A file."""

from dataclasses import dataclass

import math

SCALE = 2.0


def double(x):
    return SCALE * x


def solve(x):
    """What to do."""
    raise NotImplementedError("TODO(hw.solve)")


def other(x):
    raise NotImplementedError("TODO(hw.other)")


class Agent:
    """An agent."""

    rate = 0.5

    def known(self):
        return 1.0

    def act(self, x, *, bold=False):
        raise NotImplementedError("TODO(hw.Agent.act)")

    @property
    def size(self):
        raise NotImplementedError("TODO(hw.Agent.size)")


last = double(1)
'''


def run(student, *names):
    """The module with the student's functions in it."""
    tree = splice(BLANK, [(textwrap.dedent(student), names or ("solve",), True)])
    module = {"__name__": "spliced"}
    exec(compile(tree, "student.py", "exec"), module)
    return module


def solve(student, x=3):
    return run(student)["solve"](x)


@pytest.mark.parametrize(
    "student",
    [
        "def solve(x): return 2 * x",
        "def solve(x): return double(x)",
        "def solve(x): return x\ndef solve(x): return 2 * x",
        "def helper(x): return 2 * x\ndef solve(x): return helper(x)",
        "def solve(x): return first(x)\ndef first(x): return second(x)\n"
        "def second(x): return TWO * x\nTWO = ONE + 1\nONE = 1".replace(
            "TWO = ONE + 1\nONE = 1", "ONE = 1\nTWO = ONE + 1"
        ),
        "import operator\ndef solve(x): return operator.mul(2, x)",
        "import operator as op, json\ndef solve(x): return op.mul(2, x)",
        "import os.path\ndef solve(x): return 2 * x if os.path.sep else 0",
        "from operator import mul as times\ndef solve(x): return times(2, x)",
        "from operator import *\ndef solve(x): return mul(2, x)",
        "try:\n    import nothing_such as op\nexcept ImportError:\n    import operator as op\n"
        "def solve(x): return op.mul(2, x)",
        "if True:\n    FACTOR = 2\nelse:\n    FACTOR = 3\ndef solve(x): return FACTOR * x",
        "TABLE = {}\nTABLE['two'] = 2\ndef solve(x): return TABLE['two'] * x",
        "LIST = []\nLIST.append(2)\nLIST += [3]\ndef solve(x): return LIST[0] * x",
        "A, (B, *C) = 1, (2, 3)\ndef solve(x): return B * x",
        "FACTOR: int = 2\ndef solve(x): return FACTOR * x",
        "from dataclasses import dataclass, field\n@dataclass\nclass Pair:\n"
        "    a: int\n    b: list = field(default_factory=list)\n"
        "def solve(x): return Pair(2).a * x",
        "class Base:\n    two = 2\nclass Derived(Base):\n    pass\n"
        "def solve(x): return Derived.two * x",
        "def twice(f):\n    return lambda x: 2 * f(x)\n@twice\ndef same(x): return x\n"
        "def solve(x): return same(x)",
        "def solve(x):\n    global CACHE\n    CACHE = 2\n    return CACHE * x",
        "from __future__ import annotations\ndef helper(x: Undefined) -> Nothing: return 2 * x\n"
        "def solve(x): return helper(x)",
        "def odd(f): raise SystemExit\n@odd\ndef solve(x): return 2 * x",
        "import sys\nsys.exit(1)\nraise ValueError\nwhile True: pass\ndef solve(x): return 2 * x",
        "import nothing_such\nassert False\ndef solve(x): return 2 * x",
        "def double(x): return 100 * x\ndef solve(x): return double(x)",
        "SCALE = 100\ndef solve(x): return double(x)",
        "def solve(x: 'a' = 5) -> 'b':\n    'doc'\n    return 2 * x",
        "HALF = SCALE / 2\ndef solve(x): return 2 * x * HALF",
    ],
)
def test_what_a_function_needs_comes_along(student):
    assert solve(student) == 6


@pytest.mark.parametrize(
    "student",
    [
        "class Agent:\n    def act(self, x, *, bold=False): return self.aid(x)\n"
        "    def aid(self, x): return 2 * x * self.known()",
        "class Agent:\n    @staticmethod\n    def aid(x): return 2 * x\n"
        "    def act(self, x, *, bold=False): return Agent.aid(x)",
        "class Agent:\n    factor = 2\n    def act(self, x, *, bold=False): return self.factor * x",
        "K = 2\nclass Agent:\n    factor = K\n    def aid(self, x, k=K): return k * x\n"
        "    def act(self, x, *, bold=False): return self.aid(x) if self.factor else 0",
        "class Agent:\n    @property\n    def aid(self): return self._aid\n"
        "    @aid.setter\n    def aid(self, x): self._aid = 2 * x\n"
        "    def act(self, x, *, bold=False):\n        self.aid = x\n        return self.aid",
        "class Agent:\n    def __aid(self, x): return 2 * x\n"
        "    def act(self, x, *, bold=False): return self.__aid(x)",
        "def aid(x): return 2 * x\nclass Agent:\n    def act(self, x, *, bold=True): return aid(x)",
        "class Agent:\n    raise ValueError\n    def act(self, x, *, bold=False): return 2 * x",
        "class Agent:\n    pass\nclass Agent:\n    def act(self, x, *, bold=False): return 2 * x",
    ],
)
def test_what_a_method_needs_comes_along(student):
    assert run(student, "Agent.act")["Agent"]().act(3) == 6


def test_a_property_stays_one():
    module = run("class Agent:\n    @property\n    def size(self): return 6", "Agent.size")
    assert module["Agent"]().size == 6


def test_several_functions_of_one_file():
    module = run("def solve(x): return other(x)\ndef other(x): return 2 * x", "solve", "other")
    assert module["solve"](3) == 6


def test_another_blank_stays_blank():
    with pytest.raises(NotImplementedError, match="hw.other"):
        solve("def solve(x): return other(x)\ndef other(x): return 2 * x")


def test_another_function_may_be_the_references():
    pieces = [
        ("def other(x): return HELP * x\nHELP = 2\n", ["other"], False),
        ("def solve(x): return other(x)\ndef other(x): return 0", ["solve"], True),
    ]
    module = {}
    exec(compile(splice(BLANK, pieces), "student.py", "exec"), module)
    assert module["solve"](3) == 6


@pytest.mark.parametrize(
    ("student", "category", "line"),
    [
        ("", "missing", None),
        ("def solved(x): return x", "missing", None),
        ("if True:\n    pass", "missing", None),
        ("\nasync def solve(x): return x", "signature", 2),
        ("class solve:\n    def __init__(self, x): pass", "signature", 1),
        ("solve = lambda x: x", "signature", 1),
        ("def solve(x): return x\nfrom operator import neg as solve", "signature", 2),
        ("def solve(x, y): return x", "signature", 1),
        ("def solve(y): return y", "signature", 1),
        ("def solve(*x): return x", "signature", 1),
        ("def solve(x, *args): return x", "signature", 1),
        ("def solve(x, **more): return x", "signature", 1),
        ("def solve(*, x): return x", "signature", 1),
        ("def solve(x, /): return x", "signature", 1),
        ("@staticmethod\ndef solve(x): return x", "signature", 2),
        ("def solve(x) return x", "syntax", 1),
        ("x = 1\n  y = 2", "syntax", 2),
        ("def solve(x):\n\treturn x\n        return x", "syntax", 3),
        ("\0", "syntax", None),
        ("(" * 100_000, "syntax", 1),
        ("x = " + "-" * 100_000 + "1", "syntax", None),
        ("x = '\\N{NOTHING SUCH}'", "syntax", 1),
    ],
)
def test_what_is_no_solution_is_named(student, category, line):
    with pytest.raises(SpliceError) as caught:
        solve(student)
    assert caught.value.category == category
    if line is not None:
        assert caught.value.line == line


def test_a_method_turned_into_a_property_is_another_signature():
    student = "class Agent:\n    @property\n    def act(self, x, *, bold=False): return 1"
    with pytest.raises(SpliceError, match="kind"):
        run(student, "Agent.act")
    with pytest.raises(SpliceError, match="kind"):
        run("class Agent:\n    def size(self): return 1", "Agent.size")


def lines_of(call):
    with pytest.raises(ZeroDivisionError) as caught:
        call()
    frames = traceback.extract_tb(caught.value.__traceback__)
    return [frame.lineno for frame in frames if frame.filename == "student.py"]


def test_lines_are_the_students():
    student = "\n\ndef helper(x):\n    return x / 0\n\n\ndef solve(x):\n    return helper(x)\n"
    assert lines_of(lambda: solve(student)) == [8, 4]


def test_lines_that_are_not_the_students_are_out_of_reach():
    lines = lines_of(
        lambda: solve(
            "\ndef solve(x):\n    return double(Bad())\nclass Bad:\n"
            "    def __rmul__(self, x): return 1 / 0"
        )
    )
    assert (lines[0], lines[2]) == (3, 5)
    assert lines[1] > NOT_THE_STUDENTS


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('raise NotImplementedError("TODO(hw.solve)")', True),
        ('"doc"\n    raise NotImplementedError("TODO(hw.solve)")', True),
        ("raise NotImplementedError", False),
        ("raise NotImplementedError('later')", False),
        ("raise ValueError('TODO(hw.solve)')", False),
        ("return x", False),
    ],
)
def test_what_is_still_blank(body, expected):
    assert is_blank(f"def solve(x):\n    {body}", "solve") == expected
