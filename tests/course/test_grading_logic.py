"""How cases become points, feedback and a diagnosis, with a sandbox that answers by rote."""

import numpy as np
import pytest

from course.grader import grading
from course.grader.grading import AssignmentGrader, Known, verdict_of
from course.grader.records import todo_row
from course.grader.sandbox import Reply, SandboxFault
from course.grader.wire import encode
from course.probe import Probe, ProbeCase
from tests.course.grading_fakes import ASSIGNMENT, FakeSandbox

TODO = ASSIGNMENT.todos[0]
CASES = [ProbeCase("plain", {}), ProbeCase("time limit", {}), ProbeCase("secret", {}, True)]
PROBE = Probe(TODO.name, lambda generator: iter(CASES), {"y": "the advantage"}, 1e-4, 1e-5)
BLANK = {"category": "not_implemented", "type": "", "message": f"TODO(hw2.{TODO.name}): write"}


def outputs(*numbers):
    return {"y": np.array(numbers, np.float32)}


RIGHT = [outputs(1, 2), outputs(3, 4), outputs(5, 6)]
NO_BOOTSTRAP = [outputs(1, 2), outputs(0, 4), outputs(5, 7)]
NO_DISCOUNT = [outputs(1, 9), outputs(3, 4), outputs(5, 6)]


def answer(found):
    """A reply that holds outputs, or an error, or is of another status."""
    if isinstance(found, str):
        return Reply(found, b"", 9.0, -9)
    if "category" in found:
        return Reply("ok", encode({"error": found}, {}), 0.1, 0)
    return Reply("ok", encode({}, found), 0.1, 0)


class RoteGrader(AssignmentGrader):
    """Gives prepared replies, in order; an exception among them is raised."""

    def __init__(self, *replies, mistakes=None):
        self.assignment, self.probes, self.sandbox = ASSIGNMENT, {TODO.name: PROBE}, FakeSandbox()
        mistakes = mistakes or {}
        hints = {name: f"hint at {name}" for name in mistakes}
        self.seed, self.others = 7, {TODO.name: {}}
        self.known = {TODO.name: Known(CASES, RIGHT, [0.1] * 3, mistakes, hints)}
        self.replies, self.limits = list(replies), []

    def call(self, todo, source, case, limits):
        self.limits.append(limits)
        found = self.replies.pop(0)
        if isinstance(found, Exception):
            raise found
        return answer(found)


def grade(*replies, source="text", **more):
    grader = RoteGrader(*replies, **more)
    return grader.grade_todo(TODO, source), grader


def test_all_right():
    result, _ = grade(*RIGHT)
    assert (result.score, result.category, result.misconception) == (60.0, "", "")


@pytest.mark.parametrize(("wrong", "score"), [((0,), 20.0), ((1, 2), 0.0), ((0, 1, 2), 0.0)])
def test_the_right_cases_beyond_the_half_earn_their_share(wrong, score):
    replies = [outputs(-1, -1) if i in wrong else right for i, right in enumerate(RIGHT)]
    result, _ = grade(*replies)
    assert result.score == pytest.approx(score)
    assert result.category == "wrong_value"


def test_no_hidden_case_has_its_name_in_a_result():
    result, _ = grade(*RIGHT)
    assert [case.name for case in result.cases] == ["plain", "time limit", ""]


def test_a_hidden_failure_is_told_without_name_and_numbers():
    result, _ = grade(RIGHT[0], RIGHT[1], outputs(5, 7))
    row = todo_row(result)
    assert (row["is_hidden"], row["case"]) == (True, "")
    assert row["summary"] == "the advantage has wrong values"


def test_the_first_timeout_skips_the_rest():
    result, grader = grade(RIGHT[0], "timeout")
    assert grader.replies == []
    assert [case.verdict.category for case in result.cases] == ["", "timeout", "skipped"]
    assert result.category == "timeout"
    assert result.score == pytest.approx(0.0)


@pytest.mark.parametrize("status", ["crash", "too_long"])
def test_a_crash_costs_its_case_only(status):
    result, _ = grade(RIGHT[0], status, RIGHT[2])
    assert result.score == pytest.approx(20.0)
    assert result.category == {"crash": "crash", "too_long": "protocol"}[status]


def test_a_blank_method_is_tried_once():
    result, grader = grade(BLANK)
    assert len(grader.limits) == 1
    assert result.category == "not_implemented"
    assert result.score == 0


@pytest.mark.parametrize("source", [None, ""])
def test_a_file_that_is_missing_is_not_run(source):
    result, grader = grade(source=source)
    assert grader.limits == []
    assert result.category == "missing"
    assert len(result.cases) == 3


def test_a_fault_is_tried_again_once():
    result, grader = grade(RIGHT[0], SandboxFault("lost"), *RIGHT)
    assert (result.score, result.fault) == (60.0, "")
    assert grader.sandbox.num_stops == 1


def test_a_fault_that_stays_is_ungraded_and_no_mistake_of_the_students():
    result, grader = grade(SandboxFault("lost"), RIGHT[0], SandboxFault("lost again"))
    assert (result.score, result.fault, result.category) == (0.0, "lost again", "ungraded")
    assert result.misconception == ""
    assert grader.sandbox.num_stops == 2


def test_limits_follow_the_reference():
    _, grader = grade(*RIGHT)
    assert {limits.seconds for limits in grader.limits} == {grading.LEAST_SECONDS}
    slow = RoteGrader(*RIGHT)
    slow.known[TODO.name].seconds[:] = [3.0] * 3
    slow.grade_todo(TODO, "text")
    assert slow.limits[0].seconds == pytest.approx(3.0 * grading.TIME_FACTOR)


def test_a_mistake_is_named_if_its_outputs_are_the_students():
    mistakes = {"no bootstrap": NO_BOOTSTRAP, "no discount": NO_DISCOUNT}
    result, _ = grade(*NO_BOOTSTRAP, mistakes=mistakes)
    assert (result.misconception, result.hint) == ("no bootstrap", "hint at no bootstrap")
    assert result.score == pytest.approx(0.0)


def test_no_mistake_is_named_if_two_would_give_the_same():
    mistakes = {"no bootstrap": NO_BOOTSTRAP, "its twin": [dict(x) for x in NO_BOOTSTRAP]}
    result, _ = grade(*NO_BOOTSTRAP, mistakes=mistakes)
    assert result.misconception == ""
    assert result.hint == ""


def test_no_mistake_is_named_if_one_case_differs():
    result, _ = grade(*NO_BOOTSTRAP[:2], outputs(5, 8), mistakes={"no bootstrap": NO_BOOTSTRAP})
    assert result.misconception == ""


def test_no_mistake_is_named_in_a_right_solution():
    result, _ = grade(*RIGHT, mistakes={"harmless": RIGHT})
    assert result.misconception == ""


def test_a_mistake_that_raises_in_some_cases_is_named_if_the_student_raises_there():
    error = {"category": "exception", "type": "ValueError", "message": "x"}
    mistakes = {"fails at time limits": [RIGHT[0], None, outputs(0, 0)]}
    result, _ = grade(RIGHT[0], error, outputs(0, 0), mistakes=mistakes)
    assert result.misconception == "fails at time limits"
    result, _ = grade(RIGHT[0], RIGHT[1], outputs(0, 0), mistakes=mistakes)
    assert result.misconception == ""


def test_errors_alone_name_no_mistake():
    error = {"category": "exception", "type": "ValueError", "message": "x"}
    result, _ = grade(error, error, error, mistakes={"always fails": [None, None, None]})
    assert result.misconception == ""


def test_a_case_that_takes_too_long_says_how_long():
    verdict = verdict_of(answer("timeout"), RIGHT[0], PROBE, CASES[0])
    assert verdict.summary == "no result after 9 s"
