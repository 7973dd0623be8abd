"""Attacks on the grader, one file each: none gains, escapes, or harms what else is graded.

A file of `attacks/` is appended to a solution of hw3_dqn, so that its `max_values` counts. Its
docstring begins with the threat's number in docs/course/attacks.md, or `+`, and may state:

    Seconds: what the case is given, for those that never come back.
    Honest: the cases that are rightly passed, `public` or `all`; by default none.
    Leaks: that it tries to carry numbers out of `hidden` cases, or of `any`.
    Mark: what such a number would be seen by; 424242 if not given.
    Tiers: `best`, if what stops it is the same on every tier.

Where an attack gets through to what it should not, it raises an error that begins with `breach`.
"""

import contextlib
import copy
import dataclasses
import functools
import json
import os
import re
import shutil
import socket
import struct
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from course.grader import grading
from course.grader.class_folder import as_source
from course.grader.grading import AssignmentGrader, with_body
from course.grader.pages import feedback_page
from course.grader.records import Record, gradescope, todo_row
from course.grader.sandbox import FIRST_UID, TIERS, Sandbox, missing_for
from course.manifest import load_assignment
from hw.homework.intake import read_submission
from hw.infrastructure.errors import UserError

# One after the other: they look for what another has left in /tmp.
pytestmark = pytest.mark.xdist_group("attacks")

FOLDER = Path(__file__).parent / "attacks"
ATTACKS = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.py"))}
MATRIX = Path("docs/course/attacks.md")
MARK = "<!-- from tests/course/attacks -->\n"
ROOT = Path().resolve()
# Others in each test process, one for each column: sandboxes of one slot share a user.
SLOT = 37 + 10 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
BARE = "limits alone"  # tier 1 on a system without Landlock and seccomp
COLUMNS = (*TIERS, BARE)
PATIENCE = 60.0  # seconds for an attack that ends by itself, also where others keep the cores busy
ATTACKED, OTHER = "max_values", "double_q_values"
CASES = {ATTACKED: (0, 2), OTHER: (2,)}  # a public one and a hidden one; a hidden one
PORT = 48613
PLACES = ("/tmp", "/dev/shm", "/var/tmp", "/run/lock", "/root", ".", "..")

# What gets through, by tier; all else is stopped on every tier. On none does an attack gain points.
NOT_STOPPED = {
    "T3": set(),
    "T2": {"looked_around"},
    "T1": {"looked_around"},
    BARE: {
        *("changed_modes", "daemon", "file_locks", "fork_bomb", "kept_ipc", "kept_queues"),
        *("kernel_knobs", "links", "looked_around", "old_calls", "owned_descriptor"),
        *("page_cache", "process_traits", "raw_calls", "reniced", "scanned_proc", "shell"),
        *("signals_parent", "sockets", "walked_disk", "watchers", "written_tree"),
    },
}


def header(name, key, default=""):
    found = re.search(rf"^{key}: (\S+)$", ATTACKS[name], re.M)
    return found[1] if found else default


class Arena:
    """One column: a sandbox of its own for the grader that all columns share."""

    def __init__(self, column, grader, sandbox):
        self.column, self.grader, self.assignment = column, grader, grader.assignment
        grader.sandbox = sandbox
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grading, "load_misconceptions", lambda assignment: [])
            for name in CASES.keys() - grader.known.keys():
                known = grader.know(name)
                # A case may take a multiple of the reference's time: none, but what a test says.
                grader.known[name] = dataclasses.replace(known, seconds=[0.0] * len(known.cases))
        self.todos = [self.assignment.todos_by_name[name] for name in CASES]
        reference = self.todos[0].file.read_text()
        self.solution = with_body(reference, ATTACKED, "raise AssertionError")
        self.tree = stamps(grader.tree)

    def grade(self, attack, seconds):
        """The results of both TODOs, and all that a student is told."""
        source = f"{self.solution}\n\n{attack.replace('REPOSITORY', str(ROOT))}"
        results = []
        for todo in self.todos:
            with pytest.MonkeyPatch.context() as patch:
                most = seconds if todo.name == ATTACKED else PATIENCE
                patch.setattr(grading, "LEAST_SECONDS", most)
                results.append(self.grader.grade_todo(todo, source))
        rows = [todo_row(result) for result in results]
        provenance = {"tier": self.grader.sandbox.tier}
        record = Record("student", self.assignment.id, todos=rows, provenance=provenance)
        cards = {todo.name: "" for todo in self.todos}
        page = feedback_page(record, self.assignment, cards)
        return results, json.dumps(gradescope(record, cards)), page

    def secrets(self):
        """Numbers of hidden cases, as they may be written."""
        known = self.grader.known[ATTACKED]
        for case, expected in zip(known.cases, known.expected, strict=True):
            if case.is_hidden:
                for array in (*case.inputs.values(), *expected.values()):
                    yield from (f"{value:.4f}" for value in array.ravel()[:20])

    def sandbox_processes(self):
        """Processes of the students' user, and children of the zygote."""
        found = []
        for path in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                if f"Uid:\t{FIRST_UID + slot_of(self.column)}\t" in path.read_text():
                    found.append(path.parent.name)
        if self.column in ("T1", "T2", BARE):
            pid = self.grader.sandbox.process.pid
            found += Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return found


@functools.cache
def best_tier():
    return next(tier for tier in TIERS if not missing_for(tier))


def tier_of(column):
    return "T1" if column == BARE else column


def slot_of(column):
    return SLOT + COLUMNS.index(column)


def missing(column):
    return missing_for(tier_of(column))


def closed_off(grader, column):
    """A sandbox that has not been started."""
    slot, is_bare = slot_of(column), column == BARE
    return Sandbox(grader.tree, grader.preload, tier_of(column), slot, is_bare=is_bare)


def few(probe, chosen):
    return lambda random: iter([list(probe.make_cases(random))[i] for i in chosen])


def stamps(folder):
    """Size, mode and times of every file."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(p, s.st_size, s.st_mode, s.st_mtime_ns, s.st_uid) for p in paths for s in [p.stat()]]


def ipc():
    """Keys of System V's shared memory, queues and semaphores."""
    return [line for n in ("shm", "msg", "sem") for line in open(f"/proc/sysvipc/{n}")]  # noqa: SIM115


def planted(arena):
    """Marks of attacks in the usual places."""
    base = arena.grader.sandbox.base
    folders = [*map(Path, PLACES), arena.grader.tree, arena.grader.tree.parent, base]
    places = {(folder / "planted_by_attack").resolve() for folder in folders}
    return sorted(place for place in places if place.exists())


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    """A grader of two TODOs, with few cases and without misconceptions."""
    folder = tmp_path_factory.mktemp("arena")
    grader = AssignmentGrader(load_assignment("hw3_dqn"), 20_240_229, folder, "T1", slot=SLOT)
    for name, chosen in CASES.items():
        probe = grader.probes[name]
        grader.probes[name] = dataclasses.replace(probe, make_cases=few(probe, chosen))
    yield grader
    grader.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sandboxes(grader):
    """A sandbox for each column that works here, started side by side."""
    found = {column: closed_off(grader, column) for column in COLUMNS if not missing(column)}
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as pool:
        patch.setenv("GRADER_SECRET", "hunter2")
        list(pool.map(Sandbox.start, found.values()))
    yield found
    for sandbox in found.values():
        sandbox.stop()


@pytest.fixture(scope="module", params=COLUMNS)
def arena(request, grader, sandboxes):
    """The grader with the sandbox of a column."""
    if request.param not in sandboxes:
        pytest.skip(missing(request.param))
    return Arena(request.param, grader, sandboxes[request.param])


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(arena, name):
    if header(name, "Tiers") == "best" and arena.column != best_tier():
        return
    before = ipc()
    pid = arena.grader.sandbox.process.pid
    results, told, page = arena.grade(ATTACKS[name], float(header(name, "Seconds", PATIENCE)))
    attacked, other = results

    # It earns what its honest part earns, and takes nothing from the other TODO.
    assert not attacked.fault, attacked.fault
    passed = [case.verdict.passed for case in attacked.cases]
    honest = header(name, "Honest")
    assert passed == [honest == "all" or (honest == "public" and i == 0) for i in range(2)]
    assert other.score == other.points, other.first_failure
    assert arena.grader.sandbox.process.pid == pid, "the sandbox had to be started again"

    # It gets through to nothing, but for what is stated.
    summaries = [case.verdict.summary for case in attacked.cases]
    breaches = [text for text in summaries if "breach" in text]
    assert bool(breaches) == (name in NOT_STOPPED[arena.column]), summaries

    # Nothing is left behind.
    left = planted(arena)
    for path in left:
        path.unlink()
    if arena.column != BARE:
        assert not left
        assert stamps(arena.grader.tree) == arena.tree
        assert ipc() == before
        if arena.column in ("T1", "T2"):
            assert not list(arena.grader.sandbox.base.iterdir())
    assert not arena.sandbox_processes()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", PORT)) != 0

    # The student is told no hidden number, and nothing that acts where it is shown.
    text = told + page
    assert not [number for number in arena.secrets() if number in text]
    assert "<script>alert" not in page
    assert "\x1b" not in text
    assert "\\u001b" not in text
    mark = header(name, "Mark", "424242")
    if header(name, "Leaks"):
        hidden = [case for case in attacked.cases if case.is_hidden]
        assert mark not in json.dumps([[c.verdict.summary, c.verdict.line] for c in hidden])
    if header(name, "Leaks") == "any":
        assert mark not in text


def matrix():
    """The table of docs/course/attacks.md."""
    lines = ["| attack | threat | what it does | " + " | ".join(COLUMNS) + " |"]
    lines.append("|---" * (3 + len(COLUMNS)) + "|")
    for name in sorted(ATTACKS, key=lambda name: (threat(name)[0] or 99, name)):
        number, text = threat(name)
        cells = ["gets through" if name in NOT_STOPPED[c] else "stopped" for c in COLUMNS]
        lines.append(f"| `{name}` | {number or 'more'} | {text} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def threat(name):
    """Its number, 0 for those beyond the list, and what it does."""
    first = ATTACKS[name].removeprefix('"""').partition("\n")[0].removesuffix('"""')
    number, _, text = first.partition(" ")
    return (0 if number == "+" else int(number)), text.replace("|", "\\|")


def test_the_matrix_in_the_docs_is_of_these_attacks():
    """To write it anew: python -m tests.course.test_attacks"""
    before, mark, _ = MATRIX.read_text().partition(MARK)
    assert MATRIX.read_text() == before + mark + "\n" + matrix()


def test_only_the_files_of_todos_are_used(arena):
    """A test configuration, a plugin or a module beside them changes nothing."""
    evil = "raise SystemExit(0)"
    names = ("conftest.py", "torch.py", "sitecustomize.py", "pytest.ini", "hw/__init__.py", "x.pth")
    sources = dict.fromkeys(map(Path, names), evil)
    todo = arena.todos[1]
    sources[todo.file] = arena.solution
    assert arena.grader.grade_todo(todo, sources.get(todo.file)).score == todo.points


PARSER_BOMBS = {
    "parentheses": "(" * 100_000,
    "brackets": f"x = {'[' * 150}{']' * 150}",
    "signs": f"x = {'-' * 90_000}1",
    "lambdas": "x = " + "lambda: " * 20_000 + "0",
    "sums": "x = 1" + " + 1" * 40_000,
    "strings": "x = " + "f'{" * 200 + "1" + "}'" * 200,
    "blocks": "\n".join(f"{' ' * i}if 1:" for i in range(99)) + f"\n{' ' * 99}pass",
    "powers": "x = 9 ** 9 ** 9 ** 9",
    "repeats": "x = ('x' * 10 ** 9) * 4",
    "zeros": "\0" * 1000,
    "numbers": f"x = {'9' * 100_000}",
    "names": "\n".join(f"n{i} = {i}" for i in range(15_000)),
}


@pytest.mark.parametrize("name", PARSER_BOMBS)
def test_sources_that_explode_the_parser(arena, name):
    """Threat 36: parsed by the child alone, whose limits hold."""
    if arena.column != best_tier():
        return
    pid = arena.grader.sandbox.process.pid
    todo = arena.todos[1]
    result = arena.grader.grade_todo(todo, f"{arena.solution}\n\n{PARSER_BOMBS[name]}\n")
    assert not result.fault
    assert result.category in ("", "syntax", "exception", "crash", "timeout", "out_of_memory")
    assert arena.grader.sandbox.process.pid == pid


# What a source may be as bytes, and whether its right method counts.
ODD_SOURCES = {
    "mark of byte order": (lambda text: b"\xef\xbb\xbf" + text.encode(), True),
    "line ends of Windows": (lambda text: text.replace("\n", "\r\n").encode(), True),
    "line ends of old": (lambda text: text.replace("\n", "\r").encode(), True),
    "form feeds": (lambda text: text.replace("\n\n\n", "\n\f\n\n").encode(), True),
    "another cookie": (lambda text: f"# -*- coding: utf-7 -*-\n{text}".encode(), True),
    "long line": (lambda text: f"{text}\n# {'x' * 150_000}\n".encode(), True),
    "two definitions": (lambda text: f"{text}\n\n{text}".encode(), True),
    "no line end": (lambda text: text.rstrip("\n").encode() + b"\n#", True),
    "zero byte": (lambda text: text.encode() + b"\n\0\n", False),
    "end of file sign": (lambda text: b"\x1a" + text.encode(), False),
    "two bytes a sign": (lambda text: text.encode("utf-16"), False),
    "half a pair": (lambda text: text.encode() + b"# \xed\xa0\x80\n", False),
    "far too long": (lambda text: text.encode() + b"# " + b"x" * 10**8, False),
}


@pytest.mark.parametrize("name", ODD_SOURCES)
def test_sources_in_odd_bytes(arena, name):
    """They are read by one rule, by whoever grades: what counts runs, and the rest is told."""
    if arena.column != best_tier():
        return
    change, is_read = ODD_SOURCES[name]
    todo, problems = arena.todos[1], []
    source = as_source(todo.file, change(arena.solution), problems)
    result = arena.grader.grade_todo(todo, source)
    assert not result.fault
    assert (result.score == todo.points) == is_read, result.first_failure
    assert is_read or problems or result.category == "syntax"


def overlapping_zip(num_files, num_bytes):
    """A zip whose files share one long tail, each with those that follow quoted in it."""
    empty = struct.pack("<Q", sum(0b010 << 10 * i for i in range(4)))[
        :5
    ]  # blocks that hold nothing
    tail = empty * (num_bytes // 5) + b"\1\0\0\xff\xff"
    unpacked, packed, entries = b"", b"", []
    for number in reversed(range(num_files)):
        name = b"%04d" % number
        sizes = zlib.crc32(unpacked), len(packed) + len(tail), len(unpacked)
        about = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, *sizes, len(name), 0)
        head = b"PK\3\4" + about + name
        entries.append((b"PK\1\2" + struct.pack("<H", 20) + about, name, len(head) + 5))
        unpacked = head + unpacked
        packed = b"\0" + struct.pack("<HH", len(head), len(head) ^ 0xFFFF) + head + packed
    body, directory, start = packed[5:] + tail, b"", 0
    for about, name, length in reversed(entries):
        directory += about + struct.pack("<HHHII", 0, 0, 0, 0, start) + name
        start += length
    counts = struct.pack("<HHHHIIH", 0, 0, num_files, num_files, len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + counts


def test_an_archive_whose_files_overlap_is_refused_at_once(tmp_path):
    """Threat 30: a megabyte that would be unpacked for each of 400 files."""
    path = tmp_path / "bomb.zip"
    path.write_bytes(overlapping_zip(400, 2**20))
    assert path.stat().st_size < 2**21
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 400
    started_at = time.process_time()
    with pytest.raises(UserError, match="overlap"):
        read_submission(path)
    assert time.process_time() - started_at < 1.0


def test_a_file_of_the_archive_may_not_lie_in_another(tmp_path):
    """Threat 30: one file's bytes, named many times in the directory."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hw/a.py", bytes(10**6))
        twin = copy.copy(archive.filelist[0])
        twin.filename = twin.orig_filename = "hw/b.py"
        archive.filelist.append(twin)
    with pytest.raises(UserError, match="overlap"):
        read_submission(path)


if __name__ == "__main__":
    text, mark, _ = MATRIX.read_text().partition(MARK)
    MATRIX.write_text(text + mark + "\n" + matrix())
