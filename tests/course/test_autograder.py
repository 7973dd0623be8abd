"""The zip for Gradescope, in a local emulation of what its documentation promises.

Gradescope unpacks the zip to /autograder/source, copies run_autograder to /autograder, puts the
student's files in /autograder/submission, runs it there and takes results/results.json.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest

from course import make_autograder as script
from course.autograder import watch
from course.grader.sandbox import choose_tier
from course.handout.blanking import find_bodies, put_back
from course.handout.tree import make_handout
from course.manifest import load_assignment
from hw.infrastructure.errors import UserError

ASSIGNMENT = "hw2_policy_gradients"
TODOS = ["reward_to_go", "normalize"]
FILE = Path("hw/agents/functional/returns.py")
SCHEMA = json.loads(Path("course/grader/results.schema.json").read_text())
METADATA = {
    "id": 123456,
    "created_at": "2018-07-01T14:22:32.365935-07:00",
    "assignment": {"title": "Policy gradients", "total_points": "100.0"},
    "users": [{"email": "student@example.com", "id": 1234, "name": "Student User"}],
    "previous_submissions": [],
}
# A grader for the tests of what stands around it. GRADER_OPTIONS says what it does.
FAKE_GRADER = """
import json, os, sys, time
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--out") + 1])
what = sys.argv[-1]
(out / "submission").mkdir(parents=True)
(out / "session.json").write_text('{"seed": 77}')
def write(score):
    tests = [{"name": "gae", "score": score}]
    (out / "submission/results.json").write_text(json.dumps({"score": score, "tests": tests}))
if what == "crash":
    sys.exit(1)
write(1.0)
if what == "exit":
    os._exit(9)
if what == "hang":
    time.sleep(600)
if what == "secrets":
    print("saw", "GRADER_SECRET" in os.environ, os.getcwd(), sys.argv[1:])
write(2.0)
sys.exit(3 if what == "ungraded" else 0)
"""


def make_zip(folder, *words):
    path = folder / "autograder.zip"
    assert script.main([ASSIGNMENT, "--out", str(path), *words]) == 0
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_zip(tmp_path_factory.mktemp("zip"), "--todos", *TODOS, "--seconds", "600")


def unpack(archive, root):
    """What Gradescope does with a zip: rights are kept, but nobody's execute bit is relied on."""
    (root / "results").mkdir(parents=True)
    (root / "submission").mkdir()
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(root / "source")
    shutil.copy(root / "source/run_autograder", root / "run_autograder")
    (root / "run_autograder").chmod(0o755)
    (root / "submission_metadata.json").write_text(json.dumps(METADATA))
    return root


def run(root, **settings):
    """Run the autograder; its results, and what it printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "AUTOGRADER_ROOT": str(root),
        "GRADER_PYTHON": sys.executable,
        "GRADER_SECRET": "x",
        **settings,
    }
    command = [str(root / "run_autograder")]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=1200
    )
    results = json.loads((root / "results/results.json").read_text())
    jsonschema.validate(results, SCHEMA)
    return results, done.stdout + done.stderr


@pytest.fixture
def fake_root(archive, tmp_path):
    """An unpacked autograder whose grader is a fake."""
    root = unpack(archive, tmp_path / "autograder")
    (root / "source/course/grade.py").write_text(FAKE_GRADER)
    return root


def total_is_hidden(results):
    return any(test.get("visibility") != "visible" for test in results["tests"])


def test_the_same_sources_give_the_same_zip(archive, tmp_path):
    again = make_zip(tmp_path, "--todos", *TODOS, "--seconds", "600")
    assert again.read_bytes() == archive.read_bytes()


def test_the_zip_has_what_gradescope_looks_for_and_no_more_than_grading_needs(archive):
    with zipfile.ZipFile(archive) as zipped:
        entries = {entry.filename: entry for entry in zipped.infolist()}
        requirements = zipped.read("requirements-grading.txt").decode().splitlines()
    for name in ("setup.sh", "run_autograder"):
        assert stat.S_IMODE(entries[name].external_attr >> 16) == 0o755
    assert f"course/assignments/{ASSIGNMENT}/probes.py" in entries
    assert not [name for name in entries if "__pycache__" in name or name.startswith("tests/")]
    assert not [name for name in entries if name.endswith(("variants.py", ".pyc"))]
    others = [name for name in entries if name.startswith("course/assignments/hw4_sac/")]
    assert others == ["course/assignments/hw4_sac/assignment.yaml"]
    pins = [line for line in requirements if line and not line.startswith("#")]
    assert all("==" in pin for pin in pins)
    assert {"torch", "libcst", "jinja2"} <= {pin.partition("==")[0] for pin in pins}


@pytest.mark.parametrize("name", ["setup.sh", "run_autograder", "settings.sh"])
def test_the_shell_scripts_parse(name):
    subprocess.run(["bash", "-n", f"course/autograder/{name}"], check=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hw9", "--out", "x.zip"], "unknown assignment"),
        ([ASSIGNMENT, "--out", "x.zip", "--todos", "bogus"], "bogus is no TODO"),
        ([ASSIGNMENT, "--out", "x.zip", "--seconds", "2400"], "must be from 60 to 2399"),
    ],
)
def test_wrong_words_are_refused(words, message):
    with pytest.raises(UserError, match=message):
        script.main(words)


def test_settings_stand_in_the_zip_and_the_environment_wins(archive, tmp_path):
    root = unpack(archive, tmp_path / "autograder")
    ask = f'source {root}/source/settings.sh; echo "$GRADER_REQUIRE_TIER $GRADER_SECONDS"'
    environment = {"PATH": os.environ["PATH"]}
    for more, due in [({}, "T2 600"), ({"GRADER_REQUIRE_TIER": "T3"}, "T3 600")]:
        done = subprocess.run(
            ["bash", "-c", ask], env=environment | more, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == due.split()


def test_the_first_results_are_valid_and_no_zero(fake_root):
    """Even if Python is not there."""
    results, _ = run(fake_root, GRADER_PYTHON="/nowhere/python")
    assert [test["name"] for test in results["tests"]] == TODOS
    assert all("score" not in test for test in results["tests"])
    assert total_is_hidden(results)
    assert "no fault of yours" in results["output"]
    assert results["stdout_visibility"] == "hidden"


def test_the_graders_results_take_their_place(fake_root):
    results, printed = run(fake_root, GRADER_OPTIONS="fine")
    assert results["score"] == 2.0
    assert "submission 123456" in printed
    assert "seed 77" in printed


@pytest.mark.parametrize("what", ["exit", "ungraded", "crash"])
def test_a_grader_that_ends_badly_leaves_what_it_had(fake_root, what):
    results, printed = run(fake_root, GRADER_OPTIONS=what)
    assert results["score"] == {"exit": 1.0, "ungraded": 2.0, "crash": 0.0}[what]
    if what == "crash":
        assert total_is_hidden(results)
    assert ("ended with status" in printed) == (what != "ungraded")


def test_a_grader_that_hangs_is_ended_before_gradescope_does_it(fake_root):
    results, printed = run(fake_root, GRADER_OPTIONS="hang", GRADER_SECONDS="3")
    assert results["score"] == 1.0
    assert "stopped after 3 s" in printed


def test_the_grader_sees_no_secrets_and_stands_in_its_folder(fake_root):
    _, printed = run(fake_root, GRADER_OPTIONS="secrets", GRADER_SEED="5")
    assert f"saw False {fake_root / 'source'}" in printed
    assert "'--seed', '5'" in printed
    assert "'--require-tier', 'T2'" in printed


def test_all_is_closed_to_other_users(fake_root):
    run(fake_root, GRADER_OPTIONS="fine")
    for name in ("source", "results", "submission", "submission_metadata.json"):
        assert stat.S_IMODE((fake_root / name).stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("text", [None, "", "{", "[]", "7"])
def test_metadata_that_cannot_be_read_do_no_harm(tmp_path, capsys, text):
    path = tmp_path / "m.json"
    if text is not None:
        path.write_text(text)
    watch.describe(path)
    assert "not needed" in capsys.readouterr().out


# With the real grader


def handout_files():
    handout = make_handout(load_assignment(ASSIGNMENT))
    return {path: content for path, content in handout.files.items() if path.parts[0] == "hw"}


def with_bodies(**bodies):
    """The student's file, with bodies of their own."""
    source = handout_files()[FILE].decode()
    return put_back(source, bodies)


def reference_body(name):
    source = FILE.read_text()
    body = find_bodies(source)[name]
    return "".join(source.splitlines(keepends=True)[body.first - 1 : body.last])


HOSTILE = """    import json, os, pathlib
    results = json.dumps({{"score": 100.0, "tests": []}})
    for folder in ("{root}/results", "/autograder/results", "../results"):
        try:
            pathlib.Path(folder, "results.json").write_text(results)
        except OSError:
            pass
    for secret in ("{root}/source/course/assignments/{id}/probes.py", "{root}/source/settings.sh"):
        try:
            pathlib.Path(secret).read_text()
        except OSError:
            continue
        raise ValueError("the grader's files can be read")
    print("score: 100")
    os._exit(0)
"""
ENDLESS = """    while True:
        pass
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="Gradescope's containers run as root")
@pytest.mark.parametrize("tier", [None, "T2"])
@pytest.mark.parametrize("kind", ["empty", "broken", "hostile", "perfect"])
def test_gradescope_emulated(archive, tmp_path, kind, tier):
    """Without a tier the best one; with T2 what there is in a container without namespaces."""
    root = unpack(archive, tmp_path / "autograder")
    options = f"--no-integration --todos {' '.join(TODOS)}"
    settings = {} if tier is None else {"GRADER_OPTIONS": f"--tier {tier} {options}"}
    tier = tier or choose_tier(None, None)
    if kind != "empty":
        for path, content in handout_files().items():
            target = root / "submission" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    file = root / "submission" / FILE
    if kind == "perfect":
        file.write_text(with_bodies(**{name: reference_body(name) for name in TODOS}))
    elif kind == "broken":
        file.write_text(file.read_text() + "\ndef broken(:\n")
    elif kind == "hostile":
        hostile = HOSTILE.format(root=root, id=ASSIGNMENT)
        file.write_text(with_bodies(reward_to_go=hostile, normalize=ENDLESS))
    results, printed = run(root, **settings)
    tests = {test["name"]: test for test in results["tests"]}
    assert list(tests) == TODOS
    assert not total_is_hidden(results), printed  # all was graded
    assert results["extra_data"]["tier"] == tier
    assert results["stdout_visibility"] == "hidden"
    assert "seed " in printed
    if kind == "perfect":
        assert results["score"] == sum(test["max_score"] for test in tests.values()) == 20
        assert {test["status"] for test in tests.values()} == {"passed"}
        return
    assert results["score"] == 0
    tags = {name: test["tags"] for name, test in tests.items()}
    due = {
        "empty": dict.fromkeys(TODOS, ["missing"]),
        "broken": dict.fromkeys(TODOS, ["syntax"]),
        "hostile": {"reward_to_go": ["crash"], "normalize": ["timeout"]},
    }
    assert tags == due[kind]
