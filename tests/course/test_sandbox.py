"""Sandboxes: each case in a fresh process, faults that are nobody's, limits that hold."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from course.grader import sandbox as module
from course.grader.sandbox import (
    TIERS,
    Limits,
    Sandbox,
    SandboxFault,
    choose_tier,
    missing_for,
)
from course.grader.wire import decode, encode
from course.grader.worker import make_job
from hw.infrastructure.errors import UserError

# Another in each test process: sandboxes of one slot share a user.
SLOT = 41 + 10 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
LIMITS = Limits(20.0, 20.0, 2**20)
SHORT = Limits(0.5, 20.0, 2**20)
BLANK = 'def solve(x):\n    raise NotImplementedError("TODO(hw.solve)")\n\n\n'
BLANK += 'def other(x):\n    raise NotImplementedError("TODO(hw.other)")\n'
RECIPES = """
import numpy as np
from hw import solution

RECIPES = {"solve": lambda inputs: {"y": np.asarray(solution.solve(inputs["x"]))}}
"""
RECIPE = """
def run_recipe(recipe, inputs):
    return recipe(inputs)
"""
TRAINING = """
class Agent:
    def get_action(self, observations, deterministic):
        from hw import solution

        return solution.solve(observations)


class Trainer:
    def __enter__(self):
        self.agent = Agent()
        return self

    def __exit__(self, *error):
        pass

    def train(self):
        pass


def make_trainer(config, folder, show_progress):
    (folder / "log").mkdir()
    (folder / "log" / "run.txt").write_text("text")
    return Trainer()
"""


def write_tree(tree):
    """A hand-out of one TODO, without torch."""
    files = {
        "hw/solution.py": BLANK,
        "hw/homework/recipe.py": RECIPE,
        "hw/env_configs/assemble.py": TRAINING,
        "hw/env_configs/loading.py": "def load_config(path, settings):\n    return settings\n",
        "instructor/recipes.py": RECIPES,
    }
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    shutil.copytree("course/grader", tree / "instructor/grader")
    tree.chmod(0o755)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    write_tree(tree)
    return tree


@pytest.fixture(scope="module", params=TIERS)
def sandbox(request, tree):
    if reason := missing_for(request.param):
        pytest.skip(reason)
    with Sandbox(tree, [], request.param, slot=SLOT, memory=2**29) as sandbox:
        yield sandbox


def job(source, others=(), **inputs):
    return make_job("hw/solution.py", "solve", textwrap.dedent(source), {"x": 1.0} | inputs, others)


def values_of(reply):
    assert reply.status == "ok", reply
    return decode(reply.payload, 2**20)


def error_of(reply):
    return values_of(reply)[0]["error"]


def test_a_case_is_answered(sandbox):
    source = "def solve(x): return 2 * x"
    values, arrays = values_of(sandbox.call(job(source, x=np.arange(3.0)), LIMITS))
    assert values == {}
    np.testing.assert_array_equal(arrays["y"], [0.0, 2.0, 4.0])


def test_large_messages_pass(sandbox):
    x = np.random.default_rng(0).standard_normal(500_000)
    reply = sandbox.call(job("def solve(x): return x", x=x), Limits(20.0, 20.0, 2**23))
    np.testing.assert_array_equal(decode(reply.payload, 2**23)[1]["y"], x)


def test_every_case_has_a_process_of_its_own(sandbox):
    source = "import os\ndef solve(x): return [os.getpid(), os.getppid()]"
    (a, zygote), (b, also) = (
        values_of(sandbox.call(job(source), LIMITS))[1]["y"].tolist() for _ in range(2)
    )
    assert a != b
    assert zygote == also


@pytest.mark.parametrize(
    ("source", "category", "line"),
    [
        ("def solve(x):\n    return x / 0", "exception", 2),
        ("\n\ndef helper(x):\n    return x.y\ndef solve(x):\n    return helper(x)", "exception", 4),
        ("import nothing_such\ndef solve(x): return nothing_such", "import", 1),
        ("def solve(x) return", "syntax", 1),
        ("def solve(x, y): return x", "signature", 1),
        ("def solved(x): return x", "missing", None),
        (BLANK, "not_implemented", None),
        ("def solve(x):\n    return other(x)", "not_implemented", 2),
        ("def solve(x):\n    return bytes(2**31)", "out_of_memory", None),
        ("def solve(x):\n    k = []\n    while 1: k.append(bytes(2**24))", "out_of_memory", None),
        ("def solve(x):\n    k = []\n    while 1: k.append([])", "out_of_memory", None),
        ("x = " + "[" * 150 + "]" * 150 + "\ndef solve(y): return x", "signature", 2),
        ("def solve(x):\n    return 1j", "exception", None),
        ("def solve(x):\n    return " + "-" * 5000 + "x", None, None),
    ],
)
def test_what_went_wrong_is_named(sandbox, source, category, line):
    limits = Limits(60.0, 60.0, 2**20)
    values, _ = values_of(sandbox.call(job(source), limits))
    if category is not None:
        assert values["error"]["category"] == category, values
        assert values["error"]["line"] == (1 if source is BLANK else line) or source is BLANK


@pytest.mark.parametrize(
    "text", ["\ud800", "\x1b[31m\x00", "a\nb\tc", "x" * 100_000, "[" * 1000, "\u202e"]
)
def test_any_message_arrives_in_a_form_that_can_be_shown(sandbox, text):
    message = error_of(sandbox.call(job(f"def solve(x): raise ValueError({text!a})"), LIMITS))
    assert message["message"].isprintable()
    assert len(message["message"]) <= 300


def test_the_students_own_other_todo_may_be_taken_too(sandbox):
    source = "def solve(x):\n    return other(x)\n\n\ndef other(x):\n    return 6\n"
    _, arrays = values_of(sandbox.call(job(source, ["other"]), LIMITS))
    assert arrays["y"] == 6


@pytest.mark.parametrize(
    "other", ["", "def other(x):\n    raise NotImplementedError('TODO(hw.other)')"]
)
def test_a_blank_or_missing_other_todo_stays_blank(sandbox, other):
    source = f"def solve(x):\n    return other(x)\n\n\n{other}\n"
    assert error_of(sandbox.call(job(source, ["other"]), LIMITS))["category"] == "not_implemented"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("any(iter(int, 1))", "timeout"),
        ("import time; time.sleep(60)", "timeout"),
        ("import os; os.kill(os.getpid(), 19)", "timeout"),
        ("import os; os._exit(0)", "crash"),
        ("import os; os.abort()", "crash"),
        ("import os; os.closerange(3, 64); import time; time.sleep(60)", "crash"),
        ("import numpy; return numpy.zeros(2**18)", "too_long"),
    ],
)
def test_ends(sandbox, body, status):
    reply = sandbox.call(job(f"def solve(x): {body}"), SHORT)
    assert reply.status == status
    assert reply.payload == b""
    assert (reply.exit_status == -signal.SIGABRT) == ("abort" in body)
    assert sandbox.call(job("def solve(x): return x"), LIMITS).status == "ok"


@pytest.mark.parametrize(
    "first", ["", "import signal; signal.signal(signal.SIGXCPU, lambda *a: 0)"]
)
def test_computing_too_long_is_a_time_out(sandbox, first):
    source = f"{first}\ndef solve(x):\n    {first or 'pass'}\n    while True: pass"
    reply = sandbox.call(job(source), Limits(60.0, 0.5, 2**20))
    assert reply.status == "timeout"
    assert reply.seconds < 50


def test_its_folder_is_its_own_and_is_removed(sandbox):
    source = """
        import os, tempfile, pathlib
        def solve(x):
            folder = pathlib.Path(tempfile.gettempdir())
            assert str(folder) == os.environ["TMPDIR"] == os.path.expanduser("~")
            assert not list(folder.iterdir())
            inner = pathlib.Path(tempfile.mkdtemp())
            (inner / "a").write_text("a")
            (inner / "a").rename(inner / "b")
            with tempfile.TemporaryFile() as file:
                file.write(b"c")
            return len(list(inner.iterdir()))
    """
    for _ in range(2):
        assert values_of(sandbox.call(job(source), LIMITS))[1]["y"] == 1
    if sandbox.tier != "T3":
        assert not list(sandbox.base.iterdir())


def test_too_many_files_end_a_case(sandbox):
    source = """
        import time
        def solve(x):
            import os, tempfile
            for i in range(2500):
                open(os.path.join(tempfile.gettempdir(), str(i)), "w").close()
            time.sleep(30)
    """
    assert sandbox.call(job(source), Limits(60.0, 60.0, 2**20)).status == "crash"


def test_too_many_threads_are_refused_or_end_a_case(sandbox):
    """Tiny stacks: memory does not stop them."""
    source = """
        import threading, time
        def solve(x):
            threading.stack_size(2**16)
            for _ in range(500):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            time.sleep(60)
    """
    reply = sandbox.call(job(source), Limits(50.0, 50.0, 2**20))
    assert reply.status == "crash" or error_of(reply)["type"] == "RuntimeError"
    assert sandbox.call(job("def solve(x): return x"), LIMITS).status == "ok"


def open_session(sandbox, source, limits=LIMITS):
    values = {"experiment": "x.yaml", "settings": {}, "files": {"hw/solution.py": ["solve"]}}
    arrays = {"hw/solution.py": np.frombuffer(textwrap.dedent(source).encode(), np.uint8)}
    return sandbox.open_session(encode(values, arrays), limits)


def ask(sandbox, x, limits=LIMITS):
    return sandbox.ask(encode({}, {"observations": np.asarray(x)}), limits)


def test_a_session_answers_until_it_is_closed(sandbox):
    assert values_of(open_session(sandbox, "def solve(x): return x + 1"))[0] == {"ready": True}
    for x in ([1], [2, 3]):
        actions = values_of(ask(sandbox, x))[1]["actions"]
        np.testing.assert_array_equal(actions, np.asarray(x) + 1)
    sandbox.close_session()
    sandbox.close_session()
    assert ask(sandbox, [1]).status == "crash"
    assert sandbox.call(job("def solve(x): return x"), LIMITS).status == "ok"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("any(iter(int, 1))", "timeout"),
        ("import os; os._exit(0)", "crash"),
        ("import numpy; return numpy.zeros(2**18)", "too_long"),
    ],
)
def test_a_session_that_ends_early(sandbox, body, status):
    assert open_session(sandbox, f"def solve(x): {body}").status == "ok"
    assert ask(sandbox, [1], SHORT).status == status
    assert ask(sandbox, [1]).status == "crash"
    assert sandbox.call(job("def solve(x): return x"), LIMITS).status == "ok"


def test_a_session_that_is_left_open_is_in_nobodys_way(sandbox):
    open_session(sandbox, "def solve(x): return 1 / 0")
    assert error_of(ask(sandbox, [1]))["type"] == "ZeroDivisionError"
    assert sandbox.call(job("def solve(x): return x"), LIMITS).status == "ok"
    open_session(sandbox, "def solve(x): return x")
    assert open_session(sandbox, "def solve(x): return 2 * x").status == "ok"
    assert values_of(ask(sandbox, [1]))[1]["actions"] == [2]
    sandbox.stop()
    assert sandbox.call(job("def solve(x): return x"), LIMITS).status == "ok"


def test_a_blank_in_a_session_is_named(sandbox):
    assert error_of(open_session(sandbox, BLANK))["category"] == "not_implemented"


def zygote_of(sandbox):
    """The process id of the zygote as seen from here."""
    pid = sandbox.process.pid
    while True:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            return pid
        pid = int(children[0])


def test_a_dead_zygote_is_a_fault_and_is_started_again(sandbox):
    sandbox.call(job("def solve(x): return x"), LIMITS)
    os.kill(zygote_of(sandbox), signal.SIGKILL)
    with pytest.raises(SandboxFault):
        sandbox.call(job("def solve(x): return x"), LIMITS)
    assert sandbox.call(job("def solve(x): return x"), LIMITS).status == "ok"


def test_a_zygote_that_is_stuck_is_a_fault(sandbox, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    sandbox.call(job("def solve(x): return x"), Limits(60.0, 5.0, 2**20))
    os.kill(zygote_of(sandbox), signal.SIGSTOP)
    large = job("def solve(x): return x", x=np.zeros(100_000))
    with pytest.raises(SandboxFault):
        sandbox.call(large, SHORT)
    monkeypatch.undo()
    assert sandbox.call(job("def solve(x): return x"), LIMITS).status == "ok"


def test_nothing_outlives_a_grader_that_is_killed(sandbox, tree):
    """The grader dies in the middle of a case that takes long."""
    code = f"""
import sys
sys.path.insert(0, {str(Path().resolve())!r})
from pathlib import Path
from course.grader.sandbox import Limits, Sandbox
from course.grader.worker import make_job
sandbox = Sandbox(Path({str(tree)!r}), [], {sandbox.tier!r}, slot={SLOT + 1})
sandbox.start()
print(sandbox.process.pid, flush=True)
source = "import time\\ndef solve(x): time.sleep(300)"
sandbox.call(make_job("hw/solution.py", "solve", source, {{"x": 1}}), Limits(300.0, 300.0, 9))
"""
    grader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    pid = int(grader.stdout.readline())
    time.sleep(0.5)
    grader.kill()
    grader.wait()
    grader.stdout.close()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    uid = f"Uid:\t{module.FIRST_UID + SLOT + 1}\t"
    assert not [p for p in Path("/proc").glob("[0-9]*/status") if uid in text_of(p)]


def text_of(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def test_a_sandbox_that_does_not_hold_does_not_start(tree, monkeypatch):
    """The trial child finds that what is promised is missing."""
    broken = tree.parent / "broken"
    shutil.copytree(tree, broken)
    confine = broken / "instructor/grader/confine.py"
    confine.write_text(confine.read_text() + "\n\ndef _filter_calls():\n    pass\n")
    with pytest.raises(SandboxFault, match="it can open a socket"):
        Sandbox(broken, [], "T1").start()
    shutil.rmtree(broken)


def test_no_sandbox_starts_where_the_reference_is_installed(tree):
    """Not as a link to this repository, but as a copy among the packages that all may read."""
    broken = tree.parent / "installed"
    shutil.copytree(tree, broken)
    zygote = broken / "instructor/grader/zygote.py"
    more = (
        f"real = python_folders\n\n\ndef python_folders():\n    return [*real(), {str(tree)!r}]\n"
    )
    text = zygote.read_text()
    zygote.write_text(text.replace("if __name__ ==", f"{more}\n\nif __name__ =="))
    with pytest.raises(SandboxFault, match=f"the reference lies in {tree}"):
        Sandbox(broken, [], "T1").start()
    shutil.rmtree(broken)


def test_the_protections_are_stated(sandbox):
    assert "limits" in sandbox.protections
    assert ("another user" in sandbox.protections) == (sandbox.tier != "T1")
    assert ("namespaces" in sandbox.protections) == (sandbox.tier == "T3")


def test_the_best_tier_is_chosen_and_less_is_refused(monkeypatch):
    monkeypatch.setattr(module, "missing_for", lambda tier: "broken" if tier == "T3" else "")
    assert choose_tier(None, None) == "T2"
    assert choose_tier("T1", "T1") == "T1"
    for wanted, required in (("T3", None), (None, "T3"), ("T1", "T2")):
        with pytest.raises(UserError):
            choose_tier(wanted, required)


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs to become another user"
)
def test_an_ordinary_user_has_the_lowest_tier(tree):
    """Not root, though it may read this Python, which may lie in root's folder."""
    code = f"""
import sys
sys.path.insert(0, {str(Path().resolve())!r})
from pathlib import Path
from course.grader.sandbox import Limits, Sandbox, choose_tier
from course.grader.worker import make_job
assert choose_tier(None, None) == "T1"
with Sandbox(Path({str(tree)!r}), [], "T1") as sandbox:
    job = make_job("hw/solution.py", "solve", "def solve(x): return x", {{"x": 1}})
    print(sandbox.call(job, Limits(20.0, 20.0, 1000)).status, sandbox.protections)
"""
    user = ["--reuid=61998", "--regid=61998", "--clear-groups", "--inh-caps=+dac_read_search"]
    command = ["setpriv", *user, "--ambient-caps=+dac_read_search", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/tmp")
    assert done.stdout.startswith("ok ['limits'"), done.stderr
