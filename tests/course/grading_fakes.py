"""Records, and a grader that computes nothing, for the tests of what stands around grading."""

from pathlib import Path

from course.grader.grading import CaseResult, TodoResult
from course.grader.judge import Verdict
from course.grader.records import Record, todo_row
from course.grader.sandbox import Reply
from course.manifest import Assignment, Todo

ASSIGNMENT = Assignment(
    id="hw2_policy_gradients",
    title="Fakes & <tests>",
    brings=[],
    todos=[
        Todo(method="hw.agents.functional.returns.gae", points=60),
        Todo(method="hw.agents.functional.returns.normalize", points=30),
        Todo(method="hw.agents.functional.returns.reward_to_go", points=10),
    ],
    experiments=[],
    integration_points=0,
)
NAMES = [todo.name for todo in ASSIGNMENT.todos]
FILE = ASSIGNMENT.todos[0].file
POINTS = {todo.name: todo.points for todo in ASSIGNMENT.todos}


def result(name, category="", summary="", passed=0, cases=4, **more):
    """A TODO's result; with a category, all cases but `passed` have it."""
    verdicts = [Verdict("")] * passed + [Verdict(category, summary)] * (cases - passed)
    if not category:
        verdicts = [Verdict("")] * cases
    found = [CaseResult(f"case {i}", i % 2 == 1, verdict) for i, verdict in enumerate(verdicts)]
    return TodoResult(name, POINTS[name], found, **more)


def record(name="ann", results=None, **more):
    """A finished record; without results all is right."""
    rows = [todo_row(r) for r in (results if results is not None else map(result, NAMES))]
    more = {"is_complete": True, "provenance": {"tier": "T3"}} | more
    return Record(name, ASSIGNMENT.id, todos=rows, **more)


class FakeSandbox:
    """Counts how often it is stopped."""

    protections = ["limits", "Landlock 6", "seccomp"]

    def __init__(self):
        self.num_stops = 0

    def start(self):
        pass

    def stop(self):
        self.num_stops += 1

    def call(self, job, limits):
        return Reply("crash", b"", 0.0, 0)


class FakeHandout:
    """One file with all TODOs blank."""

    files = {
        FILE: b"".join(b"def %s():\n    raise NotImplementedError\n" % n.encode() for n in NAMES)
    }


class FakeGrader:
    """A stand-in for `AssignmentGrader`: a submission's file says what comes of each TODO.

    A line `gae: crash` in it makes `grade_todo` raise; `gae: wrong_value` makes that the category.
    """

    graders: list["FakeGrader"] = []

    def __init__(self, assignment, seed, folder, tier, root=Path(), slot=0, handout=None):
        self.assignment, self.seed, self.root, self.slot = assignment, seed, root, slot
        self.sandbox, self.handout, self.known = FakeSandbox(), FakeHandout(), {}
        self.num_known: dict[str, int] = {}
        self.is_closed = False
        FakeGrader.graders.append(self)

    def know(self, name):
        self.num_known[name] = self.num_known.get(name, 0) + 1
        return f"known of {name}"

    def grade_todo(self, todo, source):
        assert self.known[todo.name] == f"known of {todo.name}"
        if source is None:
            return result(todo.name, "missing", f"{todo.file} is not in the submission")
        lines = dict(line.split(": ") for line in source.splitlines() if ": " in line)
        category = lines.get(todo.name, "")
        if category == "crash":
            raise RuntimeError(f"a hole in the grader at {todo.name}")
        return result(todo.name, category, "is wrong" if category else "")

    def close(self):
        self.is_closed = True
