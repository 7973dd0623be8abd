"""How cases become points, feedback and a diagnosis, with a sandbox that answers by rote."""

from itertools import combinations

import numpy as np
import pytest

from course.grader import grading, integration
from course.grader.grading import AssignmentGrader, Known, derived_seed, verdict_of
from course.grader.integration import (
    IntegrationResult,
    IntegrationTask,
    _complaint,
    run_integration,
)
from course.grader.records import todo_row
from course.grader.sandbox import Reply, SandboxFault
from course.grader.wire import decode, encode
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

    def call(self, todo, source, case, limits, others=()):
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


def test_the_feedback_names_another_method_that_was_called_and_is_the_student_s_own():
    called = BLANK | {"message": "TODO(hw2.helper): write"}
    grader = RoteGrader(RIGHT[0], called, "timeout", called, RIGHT[2])
    grader.others = {TODO.name: {"hw2.helper": "Agent.helper"}}
    result = grader.grade_todo(TODO, "text")
    note = "it calls Agent.helper, of which yours was used: is that right?"
    assert todo_row(result)["summary"] == f"no result after 9 s; {note}"

    grader = RoteGrader(called, RIGHT[0], RIGHT[1], called, RIGHT[2])
    grader.others = {TODO.name: {"hw2.helper": "Agent.helper"}}
    assert grader.grade_todo(TODO, "text").score == 60.0


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


def test_cases_that_take_long_together_end_their_todo(monkeypatch):
    """Each a little less than its limit: a class of these would take days."""
    clock = iter([0.0, 50.0, 100.0, 150.0])
    monkeypatch.setattr(grading.time, "monotonic", lambda: next(clock))
    result, grader = grade(*RIGHT)
    assert [case.verdict.category for case in result.cases] == ["", "", "skipped"]
    assert len(grader.limits) == 2


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


def test_no_seed_tells_another():
    found = {derived_seed(seed, use) for seed in (2**127, 2**127 + 1) for use in ("a", "b", "c")}
    assert len(found) == 6
    assert min(abs(a - b) for a, b in combinations(found, 2)) > 1000
    assert max(found) < 2**32


SECRET = "0.0129353 7 424242"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"category": "exception", "type": "ValueError", "message": SECRET}, "ValueError"),
        ({"category": "exception", "type": SECRET, "message": ""}, "an exception of its own"),
        ({"category": SECRET}, "an exception of its own"),
        ({"type": [SECRET]}, "an exception of its own"),
        (SECRET, "the reply cannot be read"),
        ({"category": "not_implemented", "message": "TODO(*.act) 424242"}, "act is still blank"),
        ({"category": "not_implemented", "message": f"TODO(*.{SECRET})"}, "a TODO is still blank"),
    ],
)
def test_an_integration_run_tells_nothing_that_the_process_says(error, told):
    """It knows the seed that it trains with, and what the grader's episodes begin with."""
    assert _complaint("ok", encode({"error": error}, {}), ["act"]) == told


@pytest.mark.parametrize(("share", "score"), [(1.0, 8.0), (0.8, 8.0), (0.3, 3.0), (0.0, 0.0)])
def test_a_finished_controller_earns_no_more_than_the_methods(share, score):
    result = IntegrationResult(10, 8.0, 400.0)
    result.cap(share)
    assert (result.score, result.is_capped) == (score, score < 8.0)


class SlowAgent(FakeSandbox):
    """Acts rightly, but each time takes 9 s of a clock of its own."""

    now = 0.0
    sources = frozenset()

    def open_session(self, job, limits):
        self.sources = set(decode(job, 2**20, 2**20)[1])
        return answer({"ready": np.ones(1)})

    def ask(self, message, limits):
        self.now += 9.0
        _, arrays = decode(message, 2**20)
        return answer({"actions": np.zeros(len(arrays["observations"]), np.int64)})

    def close_session(self):
        self.num_stops += 1


def run_with(agent, monkeypatch, replaced=()):
    monkeypatch.setattr(integration.time, "monotonic", lambda: agent.now)
    task = IntegrationTask("experiments/learning/hw3_dqn.yaml", {}, 0.0, 1.0, 60.0)
    sources = {todo.file: "" for todo in ASSIGNMENT.todos}
    return run_integration(agent, task, ASSIGNMENT, sources, 7, replaced=replaced)


def test_an_agent_may_not_think_for_hours(monkeypatch):
    agent = SlowAgent()
    result = run_with(agent, monkeypatch)
    assert (result.complaint, result.score) == ("takes too long", 0.0)
    assert agent.now == 63.0
    assert agent.num_stops == 1


def test_the_reference_goes_into_a_training_run_only_where_a_culprit_is_looked_for(monkeypatch):
    agent = SlowAgent()
    run_with(agent, monkeypatch)
    assert agent.sources == {TODO.file.as_posix()}
    run_with(agent, monkeypatch, replaced=[TODO.name])
    assert agent.sources == {TODO.file.as_posix(), f"fill.{TODO.file.as_posix()}"}


def test_a_case_that_takes_too_long_says_how_long():
    verdict = verdict_of(answer("timeout"), RIGHT[0], PROBE, CASES[0])
    assert verdict.summary == "no result after 9 s"
