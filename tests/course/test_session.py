"""Grading a class with a grader that computes nothing: order, faults, resuming, and names."""

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from course import grade as script
from course.grader import class_folder, cluster, session, submission_grading
from course.grader import plan as plan_module
from course.grader.class_folder import changes
from course.grader.integration import IntegrationResult, IntegrationTask
from course.grader.plan import Plan, choose_seed, submission_names
from course.grader.records import TOGETHER, describe_fault, load_record
from course.grader.session import free_slot, grade_class
from hw.infrastructure.errors import UserError
from tests.course.grading_fakes import (
    ASSIGNMENT,
    FILE,
    NAMES,
    FakeGrader,
    FakeHandout,
    FakeSandbox,
    record,
    result,
)

ROOT = Path.cwd()


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    monkeypatch.setattr(session, "AssignmentGrader", FakeGrader)
    monkeypatch.setattr(session, "make_handout", lambda assignment, root: FakeHandout())
    monkeypatch.setattr(plan_module, "grader_hash", lambda assignment, root: "0" * 16)
    FakeGrader.graders.clear()


def submit(folder, name, text="all is right\n"):
    """A submission whose text tells the fake grader what to find."""
    path = folder / name / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return folder / name


def make_plan(out, *submissions, jobs=1, **more):
    settings = {"has_integration": False, "has_blame": False, "is_resumed": False} | more
    return Plan(ASSIGNMENT, list(submissions), out, "T1", jobs, 7, **settings)


def grade(plan):
    lines = []
    records = grade_class(plan, ROOT, lines.append)
    return records, lines


@pytest.mark.parametrize("jobs", [1, 3, 20])
def test_records_come_in_the_order_of_the_submissions(tmp_path, jobs):
    paths = [submit(tmp_path, f"s{i}", "gae: timeout\n" * (i % 2)) for i in range(7)]
    records, lines = grade(make_plan(tmp_path / "out", *paths, jobs=jobs))
    assert [r.submission for r in records] == [path.name for path in paths]
    assert [r.score for r in records] == [100, 40] * 3 + [100]
    assert all(r.is_final for r in records)
    assert len(FakeGrader.graders) == min(jobs, 7)
    assert all(grader.is_closed for grader in FakeGrader.graders)
    assert len({grader.slot for grader in FakeGrader.graders}) == len(FakeGrader.graders)
    assert sum(sum(g.num_known.values()) for g in FakeGrader.graders) == len(NAMES)
    for path in paths:
        for name in ("record.json", "results.json", "feedback.html"):
            assert (tmp_path / "out" / path.name / name).exists()
    assert len((tmp_path / "out/grades.csv").read_text().splitlines()) == 8
    assert "s6" in (tmp_path / "out/report.html").read_text()
    assert any(line.startswith("7/7 ") for line in lines)


def test_results_are_written_after_each_todo(tmp_path, monkeypatch):
    seen = []

    def look(grader, todo, source):
        results = json.loads((tmp_path / "out/ann/results.json").read_text())
        seen.append([test["name"] for test in results["tests"] if "score" in test])
        return result(todo.name)

    monkeypatch.setattr(FakeGrader, "grade_todo", look)
    grade(make_plan(tmp_path / "out", submit(tmp_path, "ann")))
    assert seen == [[], NAMES[:1], NAMES[:2]]


def test_a_crash_in_one_todo_leaves_the_others_graded(tmp_path):
    paths = [submit(tmp_path, "ann", f"{NAMES[1]}: crash\n"), submit(tmp_path, "bob")]
    (ann, bob), _ = grade(make_plan(tmp_path / "out", *paths))
    assert [row["score"] for row in ann.todos] == [60, 0, 10]
    assert list(ann.faults) == [NAMES[1]]
    assert "RuntimeError: a hole in the grader" in ann.faults[NAMES[1]]
    assert "grading_fakes.py:" in ann.faults[NAMES[1]]
    assert ann.is_complete
    assert not ann.is_final
    assert bob.score == 100
    assert FakeGrader.graders[0].sandbox.num_stops == 1


def test_a_crash_anywhere_else_loses_no_other_submission(tmp_path, monkeypatch):
    real = class_folder.feedback_page

    def fail(found, *more):
        if found.submission == "ann" and len(found.todos) > 1:
            raise ValueError("no page")
        return real(found, *more)

    monkeypatch.setattr(class_folder, "feedback_page", fail)
    paths = [submit(tmp_path, name) for name in ("ann", "bob", "cy")]
    (ann, bob, cy), lines = grade(make_plan(tmp_path / "out", *paths))
    assert ann.faults.keys() == {NAMES[2]}
    assert (bob.score, cy.score) == (100, 100)
    assert any("no page" in line for line in lines)


def test_a_reference_that_fails_leaves_one_todo_ungraded(tmp_path, monkeypatch):
    attempts = []

    def know(grader, name):
        attempts.append(name)
        if name == NAMES[0] or (name == NAMES[1] and attempts.count(name) == 1):
            raise RuntimeError("no sandbox")
        return f"known of {name}"

    monkeypatch.setattr(FakeGrader, "know", know)
    (ann,), lines = grade(make_plan(tmp_path / "out", submit(tmp_path, "ann")))
    assert attempts == [NAMES[0], NAMES[0], NAMES[1], NAMES[1], NAMES[2]]  # each is tried twice
    assert list(ann.faults) == [NAMES[0]]
    assert ann.score == 40
    assert any("no sandbox" in line for line in lines)


def test_a_submission_that_cannot_be_read_gets_nothing_and_is_told_why(tmp_path):
    path = tmp_path / "ann.zip"
    path.write_text("no archive")
    binary = submit(tmp_path, "bob")
    (binary / FILE).write_bytes(b"\xff\xfe")
    (ann, bob), _ = grade(make_plan(tmp_path / "out", path, binary))
    assert (ann.score, bob.score) == (0, 0)
    assert ann.is_final
    assert "neither a zip nor a tar" in ann.problems[0]
    assert bob.problems == [f"{FILE} is not UTF-8"]
    assert {row["category"] for row in ann.todos} == {"missing"}


def test_a_submission_that_makes_the_reader_fail_is_a_fault(tmp_path, monkeypatch):
    real = class_folder.read_submission

    def fail(path):
        if path.name == "ann":
            raise RuntimeError("a hole in the reader")
        return real(path)

    monkeypatch.setattr(class_folder, "read_submission", fail)
    paths = [submit(tmp_path, "ann"), submit(tmp_path, "bob")]
    (ann, bob), _ = grade(make_plan(tmp_path / "out", *paths))
    assert ann.faults.keys() == set(NAMES)
    assert bob.score == 100


def test_resuming_grades_only_what_is_new_or_changed_or_had_a_fault(tmp_path, monkeypatch):
    paths = [submit(tmp_path, name) for name in ("ann", "bob")]
    paths.append(submit(tmp_path, "cy", "gae: crash\n"))
    plan = make_plan(tmp_path / "out", *paths)
    grade(plan)
    (paths[1] / FILE).write_text("gae: timeout\n")
    graded = []
    real = FakeGrader.grade_todo

    def note(grader, todo, source):
        graded.append((todo.name, source.strip()))
        return real(grader, todo, source)

    monkeypatch.setattr(FakeGrader, "grade_todo", note)
    (ann, bob, cy), lines = grade(replace(plan, is_resumed=True))
    assert {source for _, source in graded} == {"gae: timeout", "gae: crash"}
    assert (ann.score, bob.score, cy.score) == (100, 40, 40)
    assert any(line.endswith("ann: kept") for line in lines)
    graded.clear()
    grade(replace(plan, is_resumed=True, seed=8))
    assert len(graded) == 9  # another seed: all anew
    graded.clear()
    grade(replace(plan, is_resumed=True, seed=8, todos=(NAMES[2],)))
    assert [name for name, _ in graded] == [NAMES[2]] * 3


def test_grading_again_shows_what_has_changed(tmp_path):
    path = submit(tmp_path, "ann")
    grade(make_plan(tmp_path / "out", path))
    note = tmp_path / "out/ann/changes.txt"
    assert not note.exists()
    (path / FILE).write_text("gae: timeout\n")
    grade(make_plan(tmp_path / "out", path))
    assert note.read_text() == "score 100 -> 40\ngae: 60 -> 0 timeout\n"


def test_changes_hold_the_integration_run_and_what_is_new():
    old = record(results=[result("gae")])
    new = record(integration={"score": 4.0, "points": 10, "fault": ""})
    assert changes(old, new).splitlines() == [
        "score 60 -> 104",
        "normalize: absent -> 30",
        "reward_to_go: absent -> 10",
        f"{TOGETHER}: absent -> 4",
    ]


def test_only_a_finished_result_replaces_a_finished_one(tmp_path, monkeypatch):
    path = submit(tmp_path, "ann")
    grade(make_plan(tmp_path / "out", path))
    (path / FILE).write_text("gae: timeout\n")
    seen = []

    def look(grader, todo, source):
        seen.append(load_record(tmp_path / "out/ann").score)
        return result(todo.name, "timeout")

    monkeypatch.setattr(FakeGrader, "grade_todo", look)
    grade(make_plan(tmp_path / "out", path))
    assert seen == [100, 100, 100]
    assert load_record(tmp_path / "out/ann").score == 0


KILLED = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from course.grader import plan as plans, session
from tests.course.grading_fakes import ASSIGNMENT, FakeGrader

session.AssignmentGrader = FakeGrader
session.make_handout = lambda assignment, root: None
plans.grader_hash = lambda assignment, root: "0" * 16
real = FakeGrader.grade_todo

def grade_todo(grader, todo, source):
    if "kill" in source and todo.name != ASSIGNMENT.todos[0].name:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(grader, todo, source)

FakeGrader.grade_todo = grade_todo
paths = [Path(word) for word in sys.argv[2:]]
plan = plans.Plan(ASSIGNMENT, paths, Path(sys.argv[1]), "T1", 1, 7, False, False, True)
session.grade_class(plan, Path({root!r}), print)
"""


def test_a_kill_in_the_middle_loses_no_finished_result(tmp_path):
    paths = [submit(tmp_path, name) for name in ("ann", "bob")]
    paths += [submit(tmp_path, "cy", "kill\n"), submit(tmp_path, "dora")]
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED.format(root=str(ROOT)), str(out), *map(str, paths)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [load_record(out / name).score for name in ("ann", "bob")] == [100, 100]
    half = load_record(out / "cy")
    assert (half.score, half.is_complete, list(half.pending)) == (60, False, NAMES[1:])
    results = json.loads((out / "cy/results.json").read_text())
    assert "has not come to its end" in results["output"]
    assert not list(out.glob("*/.*.new"))
    (paths[2] / FILE).write_text("repaired\n")
    before = (out / "ann/record.json").stat().st_mtime_ns
    records, lines = grade(make_plan(out, *paths, is_resumed=True))
    assert [r.score for r in records] == [100] * 4
    assert (out / "ann/record.json").stat().st_mtime_ns == before
    assert sum(line.endswith("kept") for line in lines) == 2


def test_an_interrupt_leaves_no_result_that_looks_like_one(tmp_path, monkeypatch):
    def interrupt(grader, todo, source):
        if todo.name == NAMES[1]:
            raise KeyboardInterrupt
        return result(todo.name)

    monkeypatch.setattr(FakeGrader, "grade_todo", interrupt)
    with pytest.raises(KeyboardInterrupt):
        grade(make_plan(tmp_path / "out", submit(tmp_path, "ann")))
    assert not load_record(tmp_path / "out/ann").is_complete
    assert all(grader.is_closed for grader in FakeGrader.graders)


def test_some_todos_alone(tmp_path):
    plan = make_plan(tmp_path / "out", submit(tmp_path, "ann"), todos=(NAMES[2], NAMES[0]))
    (ann,), _ = grade(plan)
    assert [row["todo"] for row in ann.todos] == [NAMES[0], NAMES[2]]
    assert FakeGrader.graders[0].num_known.keys() == {NAMES[0], NAMES[2]}
    assert ann.is_final
    with pytest.raises(UserError, match="bogus is no TODO"):
        grade(replace(plan, todos=("bogus",)))


def with_integration(monkeypatch, run, blame=None):
    task = IntegrationTask("x.yaml", {}, 0.0, 1.0, 1.0)
    for module in (plan_module, session, submission_grading):
        monkeypatch.setattr(module, "load_task", lambda assignment, root: task)
    monkeypatch.setattr(submission_grading, "run_integration", run)
    monkeypatch.setattr(session, "find_blame", blame)


def test_the_integration_run_is_tried_twice(tmp_path, monkeypatch):
    runs = []

    def run(*args):
        runs.append(args)
        if len(runs) == 1:
            raise RuntimeError("lost")
        return IntegrationResult(20, 0.0, 3.0)

    with_integration(monkeypatch, run)
    plan = make_plan(tmp_path / "out", submit(tmp_path, "ann"), has_integration=True)
    (ann,), _ = grade(plan)
    assert len(runs) == 2
    assert ann.integration["mean_return"] == 3.0
    assert ann.is_final


def failed(*args):
    return IntegrationResult(20, 1.0, 3.0)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_culprits_are_looked_for_at_the_end_and_told_the_instructor_alone(
    tmp_path, monkeypatch, is_resumed
):
    seen = []

    def blame(sandbox, task, assignment, sources, suspects, seed, root):
        seen.append([load_record(tmp_path / "out" / name).is_final for name in ("ann", "bob")])
        return suspects[:1]

    with_integration(monkeypatch, failed, blame)
    paths = [submit(tmp_path, "ann", f"{NAMES[1]}: timeout\n"), submit(tmp_path, "bob")]
    plan = make_plan(tmp_path / "out", *paths, has_integration=True)
    if is_resumed:
        grade(plan)
    grade(replace(plan, has_blame=True, is_resumed=is_resumed))
    assert seen == [[True, True]] * 2
    report = (tmp_path / "out/report.html").read_text()
    assert f"<td>ann</td><td><code>{NAMES[1]}</code>" in report  # what failed alone comes first
    for path in (tmp_path / "out/ann").iterdir():
        assert "culprit" not in path.read_text()
        assert "replac" not in path.read_text()


def test_no_culprits_are_looked_for_unless_asked(tmp_path, monkeypatch):
    with_integration(monkeypatch, failed, lambda *args: pytest.fail("not asked for"))
    grade(make_plan(tmp_path / "out", submit(tmp_path, "ann"), has_integration=True))


def test_no_culprits_are_looked_for_where_the_reference_could_be_carried_away(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(FakeSandbox, "protections", ["limits", "namespaces", "another user"])
    with_integration(monkeypatch, failed, lambda *args: pytest.fail("not closed off"))
    path = submit(tmp_path, "ann")
    plan = make_plan(tmp_path / "out", path, has_integration=True, has_blame=True)
    _, lines = grade(plan)
    assert "culprits are not looked for: this needs Landlock and seccomp" in lines


def test_a_sandbox_that_does_not_start_for_the_culprits_costs_no_report(tmp_path, monkeypatch):
    def start(sandbox):
        raise RuntimeError("no sandbox")

    monkeypatch.setattr(FakeSandbox, "start", start)
    with_integration(monkeypatch, failed)
    path = submit(tmp_path, "ann")
    with pytest.raises(RuntimeError, match="no sandbox"):
        grade(make_plan(tmp_path / "out", path, has_integration=True, has_blame=True))
    assert "ann" in (tmp_path / "out/report.html").read_text()
    assert "101" in (tmp_path / "out/grades.csv").read_text()


def test_a_search_for_culprits_that_fails_costs_nothing(tmp_path, monkeypatch):
    def blame(*args):
        raise SyntaxError("the student's file")

    with_integration(monkeypatch, failed, blame)
    plan = make_plan(
        tmp_path / "out", submit(tmp_path, "ann"), has_integration=True, has_blame=True
    )
    (ann,), _ = grade(plan)
    assert ann.integration["score"] == 1.0
    assert ann.is_final


def test_a_result_says_how_its_sandbox_was_protected(tmp_path):
    grade(make_plan(tmp_path / "out", submit(tmp_path, "ann")))
    results = json.loads((tmp_path / "out/ann/results.json").read_text())
    assert results["extra_data"]["protections"] == FakeSandbox.protections
    for page in ("ann/feedback.html", "report.html"):
        assert "T1 (limits + Landlock 6 + seccomp)" in (tmp_path / "out" / page).read_text()


def test_a_source_that_is_too_large_is_not_graded(tmp_path):
    path = submit(tmp_path, "ann", f"x = '{'x' * 200_000}'\n")
    (ann,), _ = grade(make_plan(tmp_path / "out", path))
    assert ann.problems == [f"{FILE} is larger than 200000 bytes"]
    assert {row["category"] for row in ann.todos} == {"missing"}


def test_an_integration_run_that_fails_twice_is_a_fault(tmp_path, monkeypatch):
    def run(*args):
        raise RuntimeError("no environment")

    with_integration(monkeypatch, run)
    plan = make_plan(tmp_path / "out", submit(tmp_path, "ann"), has_integration=True)
    (ann,), _ = grade(plan)
    assert list(ann.faults) == [TOGETHER]
    assert ann.score == 100


def test_submissions_are_called_as_their_files(tmp_path, monkeypatch):
    for name in ("Ann Lee", "bob.zip", "cy.tar.gz", "d=e;f", "=1+1", "é.tgz"):
        (tmp_path / name).mkdir()
    names = submission_names(sorted(tmp_path.iterdir()))
    assert set(names) == {"Ann Lee", "bob", "cy", "d_e_f", "_1_1", "é"}
    monkeypatch.chdir(tmp_path / "bob.zip")
    assert list(submission_names([Path(".")])) == ["bob"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a/x.zip", "b/x.zip"], "a/x.zip and|b/x.zip and"),
        (["a/x.zip", "b/x"], "would share the name 'x'"),
        (["a/Ann", "b/ann"], "would share the name"),
        (["a/x", "a/x"], "would share the name"),
        (["a/report.html"], "cannot be kept under 'report.html'"),
        (["a/Session.JSON"], "cannot be kept under"),
        (["a/..."], "cannot be kept under ''"),
        (["a/x", "nowhere"], "nowhere does not exist"),
    ],
)
def test_names_that_collide_are_refused_before_anything_is_graded(tmp_path, paths, message):
    for path in set(paths) - {"nowhere"}:
        (tmp_path / path).mkdir(parents=True)
    with pytest.raises(UserError, match=message):
        submission_names([tmp_path / path for path in paths])


def test_the_seed_is_kept_secret_and_used_again(tmp_path):
    seed = choose_seed(tmp_path / "out", None)
    path = tmp_path / "out/session.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert choose_seed(tmp_path / "out", None) == seed
    assert choose_seed(tmp_path / "out", 5) == 5
    assert choose_seed(tmp_path / "out", None) == 5
    assert choose_seed(tmp_path / "other", None) != seed
    path.write_text("{}")
    with pytest.raises(UserError, match="holds no seed"):
        choose_seed(tmp_path / "out", None)
    with pytest.raises(UserError, match="seed is -1"):
        choose_seed(tmp_path / "out", -1)


def test_the_seed_is_in_no_file_that_a_student_may_see(tmp_path):
    grade(replace(make_plan(tmp_path / "out", submit(tmp_path, "ann")), seed=1234567))
    for path in (tmp_path / "out/ann").iterdir():
        assert "1234567" not in path.read_text()


def test_two_graders_on_a_machine_share_no_slot():
    with free_slot() as one, free_slot() as two:
        assert one != two
        command = "from course.grader.session import free_slot\nwith free_slot() as s: print(s)"
        done = subprocess.run(
            [sys.executable, "-c", command], capture_output=True, text=True, timeout=300, cwd=ROOT
        )
        assert int(done.stdout) not in (one, two), done.stderr
    with free_slot() as three:
        assert three in (one, two) or three < max(one, two)


def test_a_fault_is_described_in_one_line():
    with pytest.raises(ValueError, match="two") as caught:
        raise ValueError("two\nlines \x1b")
    text = describe_fault(caught.value)
    assert text.startswith("ValueError: two lines ? (test_session.py:")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--jobs", "0"], "--jobs is 0"), (["--tier", "T1", "--require-tier", "T2"], "less than T2")],
)
def test_wrong_words_are_refused(tmp_path, monkeypatch, words, message):
    monkeypatch.setattr(script, "choose_tier", lambda tier, required: refuse(tier, required))
    with pytest.raises(UserError, match=message):
        script.main([ASSIGNMENT.id, str(submit(tmp_path, "ann")), "--out", str(tmp_path), *words])


def refuse(tier, required):
    raise UserError(f"tier {tier} is less than {required}")


def test_without_ray_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[ray\]'"):
        grade(replace(make_plan(tmp_path / "out", submit(tmp_path, "ann")), backend="ray"))


class FakeRay:
    """Runs tasks at once, in this process."""

    def is_initialized(self):
        return True

    def put(self, value):
        return value

    def remote(self, **settings):
        def wrap(function):
            wrap.remote = lambda *args: _Task(function, args)
            return wrap

        return wrap

    def wait(self, tasks, num_returns):
        return tasks[-1:], tasks[:-1]

    def get(self, task):
        return task.function(*task.args)


class _Task:
    def __init__(self, function, args):
        self.function, self.args = function, args


def test_a_cluster_gives_the_same_records(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "AssignmentGrader", FakeGrader)
    monkeypatch.setattr(cluster, "import_ray", FakeRay)
    texts = {"ann": "", "bob": "gae: timeout\n", "cy": "gae: crash\n"}
    paths = [submit(tmp_path, name, text) for name, text in texts.items()]
    here, _ = grade(make_plan(tmp_path / "here", *paths))
    there, _ = grade(make_plan(tmp_path / "there", *paths, backend="ray"))
    assert [replace(r, seconds=0) for r in there] == [replace(r, seconds=0) for r in here]
    assert (tmp_path / "there/cy/feedback.html").exists()


def test_a_node_that_fails_costs_one_submission_only(tmp_path, monkeypatch):
    real = cluster.grade_on_node

    def grade_on_node(plan, opened, references):
        if opened.record.submission == "ann":
            raise UserError("tier T3 does not work here")
        return real(plan, opened, references)

    monkeypatch.setattr(cluster, "AssignmentGrader", FakeGrader)
    monkeypatch.setattr(cluster, "grade_on_node", grade_on_node)
    monkeypatch.setattr(cluster, "import_ray", FakeRay)
    paths = [submit(tmp_path, "ann"), submit(tmp_path, "bob")]
    (ann, bob), _ = grade(make_plan(tmp_path / "out", *paths, backend="ray"))
    assert ann.faults.keys() == set(NAMES)
    assert "tier T3 does not work here" in ann.faults["gae"]
    assert bob.score == 100


@pytest.mark.slow
def test_ray_gives_the_same_grades(tmp_path):
    """With the real grader, on a cluster of this machine; minutes."""
    pytest.importorskip("ray")
    submit(tmp_path, "wrong", Path(FILE).read_text().replace("deviations.std()", "2.0"))
    submit(tmp_path, "right", Path(FILE).read_text())
    found = {}
    for backend in ("local", "ray"):
        command = [sys.executable, "course/grade.py", ASSIGNMENT.id, "wrong", "right"]
        command[3:] = [str(tmp_path / word) for word in command[3:]]
        command += ["--out", str(tmp_path / backend), "--seed", "5", "--jobs", "2"]
        command += ["--todos", "normalize", "--backend", backend]
        subprocess.run(command, cwd=ROOT, check=True, timeout=600)
        found[backend] = (tmp_path / backend / "grades.csv").read_text()
    assert found["ray"] == found["local"]
    assert "right,8.0," in found["local"]
