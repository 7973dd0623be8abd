"""Submissions: honest ones are judged TODO by TODO, hostile ones are refused and harm nothing."""

import contextlib
import gzip
import io
import json
import os
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from hw.homework import submission as module
from hw.homework.intake import open_submission, read_submission
from hw.homework.rules import Problem, check_name, why_forbidden
from hw.homework.run_files import read_run
from hw.homework.sources import declaration, read_source
from hw.homework.submission import (
    AssignmentSummary,
    Submission,
    TodoSummary,
    checksums,
    read_summary,
    todo_states,
    validate,
)
from hw.infrastructure.errors import UserError

BLANK = 'raise NotImplementedError("TODO(hw0.{}): write what the docstring says")'
AGENT = f'''"""An agent."""

import torch


class Agent:
    """Learns."""

    def loss(self, targets, values):
        """Mean squared error."""
        {BLANK.format("Agent.loss")}

    @property
    @torch.no_grad()
    def entropy(self):
        """In nats."""
        {BLANK.format("Agent.entropy")}


def returns(rewards, discount, /, *steps, dones):
    """Discounted."""
    {BLANK.format("returns")}
'''
SOLUTIONS = {
    "Agent.loss": "return (targets - values) ** 2",
    "Agent.entropy": "return 1.0",
    "returns": "return rewards",
}
POINTS = {"Agent.loss": 50, "Agent.entropy": 30, "returns": 10}
EXPERIMENT = {"base_config": "sac", "env_name": "Pendulum-v1", "exp_name": "swing"}
ASSIGNMENT = AssignmentSummary(
    "hw0",
    "Try",
    tuple(
        TodoSummary(
            f"hw0.{name}",
            "hw/agent.py",
            name,
            points,
            signature=(known := declaration(AGENT, name))["signature"],
            decorators=tuple(known["decorators"]),
        )
        for name, points in POINTS.items()
    ),
    {"experiments/swing.yaml": EXPERIMENT | {"total_steps": 100, "learning_rate": "3e-4"}},
)
CONFIG = b"""base_config: sac
env_name: Pendulum-v1
exp_name: swing
total_steps: 100
total_episodes: null
learning_rate: 0.0003
"""
METRICS = b"""{"step": 50, "eval/return_mean": -3.0}
{"step": 100, "eval/return_mean": -1.5, "train/num_episodes": 2}
"""
RUN = "data/sac_swing_Pendulum-v1_seed1_2026-01-31_12-00-00"


def solved(*names):
    source = AGENT
    for name in names:
        source = source.replace(BLANK.format(name), SOLUTIONS[name])
    return source


def make(agent=None, **changes):
    """A submission with a manifest; a keyword names a file with `/` as `__`, `.` as `_dot_`."""
    agent = solved(*SOLUTIONS) if agent is None else agent
    files = {
        "hw/__init__.py": b"",
        "hw/agent.py": agent.encode() if isinstance(agent, str) else agent,
        f"{RUN}/config.yaml": CONFIG,
        f"{RUN}/metrics.jsonl": METRICS,
    }
    return with_manifest(files)


def with_manifest(files):
    content = {"assignment": "hw0", "files": checksums(files)}
    return Submission(files | {"manifest.json": json.dumps(content).encode()})


def states(agent):
    return {state.todo.name: state.status for state in todo_states(make(agent), ASSIGNMENT)}


def problems(submission):
    return [(p.severity, p.kind, p.where) for p in validate(submission, ASSIGNMENT)]


# TODOs


def test_a_perfect_submission_has_no_problem():
    assert validate(make(), ASSIGNMENT) == []
    assert set(states(solved(*SOLUTIONS)).values()) == {"written"}


def test_blanks_are_warnings_that_name_the_line_and_the_points():
    found = validate(make(AGENT), ASSIGNMENT)
    assert [str(problem) for problem in found] == [
        "warning: hw/agent.py:9: Agent.loss is blank (50 points)",
        "warning: hw/agent.py:15: Agent.entropy is blank (30 points)",
        "warning: hw/agent.py:20: returns is blank (10 points)",
    ]
    assert set(states(AGENT).values()) == {"blank"}


def test_a_partly_blank_submission_is_told_apart():
    expected = {"Agent.loss": "written", "Agent.entropy": "blank", "returns": "written"}
    assert states(solved("Agent.loss", "returns")) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(self, targets, values)", "(self, values, targets)"),
        ("(self, targets, values)", "(self, targets, value)"),
        ("(self, targets, values)", "(self, targets, values, weights=None)"),
        ("(self, targets, values)", "(self, targets, *values)"),
        ("(self, targets, values)", "(self, targets, *, values)"),
        ("(self, targets, values)", "(self, targets, values, /)"),
        ("    def loss", "    async def loss"),
    ],
)
def test_a_changed_signature_is_an_error(old, new):
    agent = solved(*SOLUTIONS).replace(old, new)
    assert states(agent)["Agent.loss"] == "changed"
    assert problems(make(agent)) == [("error", "signature", "hw/agent.py:9")]


def test_types_and_defaults_are_no_part_of_a_signature():
    new = "(self, targets: 'Tensor', values: int = 3) -> 'Tensor'"
    agent = solved(*SOLUTIONS).replace("(self, targets, values)", new)
    assert validate(make(agent), ASSIGNMENT) == []


def test_every_kind_of_argument_is_part_of_a_signature():
    assert declaration(AGENT, "returns")["signature"] == "(rewards, discount, /, *steps, dones)"
    assert declaration(AGENT, "Agent.entropy") == {
        "signature": "(self)",
        "decorators": ["property", "torch.no_grad()"],
    }
    source = "async def f(a, *, b=1, **c): pass"
    assert declaration(source, "f")["signature"] == "async (a, *, b, **c)"


def test_a_lost_decorator_is_a_warning():
    agent = solved(*SOLUTIONS).replace("    @torch.no_grad()\n", "")
    assert problems(make(agent)) == [("warning", "decorators", "hw/agent.py:14")]


@pytest.mark.parametrize(
    "agent",
    [
        solved(*SOLUTIONS).replace("def loss", "def losses"),
        solved(*SOLUTIONS).replace("class Agent", "class Agents"),
        solved(*SOLUTIONS).replace("    def loss", "    loss = None\n\n    def _loss"),
    ],
)
def test_a_renamed_method_is_missing(agent):
    assert states(agent)["Agent.loss"] == "missing"
    assert ("error", "missing", "hw/agent.py") in problems(make(agent))


def test_a_missing_file_takes_all_its_todos_along():
    submission = make()
    del submission.files["hw/agent.py"]
    found = [p for p in validate(submission, ASSIGNMENT) if p.kind == "missing"]
    assert len(found) == 3
    assert all("the file is missing" in p.message for p in found)


def test_only_the_last_of_two_definitions_counts():
    first = solved(*SOLUTIONS)
    agent = (
        first + "\n\ndef returns(rewards, discount, /, *steps, dones):\n    " + BLANK.format("a")
    )
    assert states(agent)["returns"] == "blank"
    assert ("warning", "twice", "hw/agent.py:25") in problems(make(agent))


def test_a_blank_left_below_a_solution_is_named():
    agent = AGENT.replace(BLANK.format("returns"), "x = 1\n    " + BLANK.format("returns"))
    assert states(agent)["returns"] == "written"
    assert ("warning", "leftover", "hw/agent.py:23") in problems(make(agent))


def test_another_not_implemented_error_is_no_blank():
    agent = AGENT.replace(BLANK.format("returns"), 'raise NotImplementedError("no dones")')
    assert states(agent)["returns"] == "written"


# Sources


@pytest.mark.parametrize(
    ("source", "kind", "where"),
    [
        (b"x = 1\nif x:\n    y = (\n", "syntax", "a.py:3"),
        (b"def f():\n  x = 1\n y = 2\n", "syntax", "a.py:3"),
        (b"x = 1\n# \xff\n", "encoding", "a.py"),
        (b"x = 1\ny = 2\nz = '\xff'\n", "encoding", "a.py:3"),
        ("x = 'ä'".encode("utf-16"), "encoding", "a.py"),
        (b"# coding: latin-1\nx = 1\n", "encoding", "a.py"),
        (b"# coding: utf-7\nx = 1\n", "encoding", "a.py"),
        (b"# coding: no-such\nx = 1\n", "encoding", "a.py"),
        (b"x = 1\0\n", "syntax", "a.py"),
        (b"x = " + b"1" * 5000, "syntax", "a.py:1"),
        (b"#" * 200_001, "size", "a.py"),
    ],
)
def test_a_source_that_cannot_be_read_is_an_error_with_its_line(source, kind, where):
    found = read_source("a.py", source)
    assert isinstance(found, Problem)
    assert (found.severity, found.kind) == ("error", kind)
    assert found.where.startswith(where)
    assert "\n" not in str(found)


@pytest.mark.parametrize("change", [lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t])
def test_line_ends_of_windows_and_a_byte_order_mark_do_not_matter(change):
    agent = change(solved("Agent.loss")).encode()
    expected = {"Agent.loss": "written", "Agent.entropy": "blank", "returns": "blank"}
    assert states(agent) == expected
    assert ("warning", "not_implemented", "hw/agent.py:15") in problems(make(agent))


@pytest.mark.parametrize(
    "source",
    [
        "-" * 190_000 + "1",
        "not " * 45_000 + "1",
        "1+" * 95_000 + "1",
        "a" + ".a" * 95_000,
        "a" + "()" * 95_000,
        "lambda:" * 25_000 + "1",
        "if a:pass\n" + "elif a:pass\n" * 15_000,
        "(" * 190_000,
        "@" + "a." * 90_000 + "a\ndef f(): pass",
    ],
    ids=lambda source: source[:8],
)
def test_a_source_that_nests_too_deeply_is_an_error(source):
    found = read_source("a.py", source.encode())
    assert isinstance(found, Problem)
    assert found.kind == "syntax"


@pytest.mark.parametrize(
    "source", ["a<" * 30_000 + "a", "a;" * 30_000, "@a\n" * 60_000 + "class A: pass"]
)
def test_a_source_that_is_wide_is_read(source):
    assert isinstance(read_source("a.py", source.encode()), dict)


def test_a_ten_megabyte_source_is_not_even_parsed():
    begin = time.perf_counter()
    found = problems(make(b"1+" * 5_000_000 + b"1"))
    assert ("error", "size", "hw/agent.py") in found
    assert time.perf_counter() - begin < 1


def test_many_sources_are_limited_together():
    files = {f"hw/m{i}.py": b"a;" * 99_000 for i in range(11)}
    submission = with_manifest(make().files | files)
    assert all(isinstance(source, Problem) for source in submission.sources.values())


def test_nothing_is_executed(tmp_path):
    mark = tmp_path / "executed"
    agent = f"open({str(mark)!r}, 'w')\n" + solved(*SOLUTIONS)
    validate(make(agent), ASSIGNMENT)
    assert not mark.exists()


# Files


@pytest.mark.parametrize(
    "path",
    [
        "sitecustomize.py",
        "hw/sitecustomize.py",
        "hw/usercustomize.py",
        "conftest.py",
        "hw/agents/conftest.py",
        "pytest.ini",
        "hw/a.pth",
        "hw/fast.so",
        "hw/fast.pyd",
        "hw/__pycache__/agent.cpython-311.pyc",
        ".hidden.py",
        "hw/.hidden.py",
        "hw/.git/x.py",
        "torch.py",
        "random.py",
        "numpy/__init__.py",
        "hw/scripts/random.py",
        "hw/scripts/torch/__init__.py",
    ],
)
def test_forbidden_files_are_errors(path):
    assert why_forbidden(path)
    submission = with_manifest(make().files | {path: b""})
    assert problems(submission) == [("error", "forbidden", path)]


@pytest.mark.parametrize("path", ["hw/random.py", "hw/agents/types.py", "hw/größe.py", "hw/a b.py"])
def test_helpers_may_have_any_other_name(path):
    assert problems(with_manifest(make().files | {path: b"x = 1"})) == []


@pytest.mark.parametrize(
    "path",
    ["tests/test_x.py", "hw/notes.txt", "x.py", "data/run/checkpoint.npz", "data/x.csv", "hw.py"],
)
def test_what_is_not_handed_in_is_an_error(path):
    assert ("error", "forbidden", path) in problems(with_manifest(make().files | {path: b""}))


@pytest.mark.parametrize(
    ("path", "size"), [("report.pdf", 10_000_001), (f"{RUN}/metrics.jsonl", 1_000_001)]
)
def test_a_file_that_is_too_large_is_an_error(path, size):
    files = make().files | {path: b" " * size}
    assert ("error", "size", path) in problems(with_manifest(files))


def test_a_submission_that_is_too_large_is_an_error(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    assert ("error", "size", "submission") in problems(make())


@pytest.mark.parametrize(
    ("content", "severity"),
    [
        (None, "warning"),
        (b"{", "error"),
        (b"[" * 100_000, "error"),
        (b"[]", "error"),
        (b'{"assignment": ["hw0"], "files": {}}', "error"),
        (b'{"assignment": "hw1", "files": {}}', "error"),
        (b'{"assignment": "hw0", "files": {"hw/agent.py": "0"}}', "warning"),
        (b'{"assignment": "hw0", "files": 7}', "warning"),
    ],
)
def test_a_manifest_that_does_not_fit_is_named(content, severity):
    submission = make()
    del submission.files["manifest.json"]
    submission.files.update({"manifest.json": content} if content is not None else {})
    assert (severity, "manifest", "manifest.json") in problems(submission)


def test_messages_are_lines_that_print():
    name = "x\x1b[31m" + "y" * 500
    agent = solved(*SOLUTIONS).replace("(self, targets, values)", f"(self, {'v' * 5000})")
    submission = make(agent)
    submission.files["manifest.json"] = json.dumps({"assignment": name, "files": {}}).encode()
    for problem in validate(submission, ASSIGNMENT):
        assert str(problem).isprintable()
        assert len(str(problem)) < 300


def test_our_own_files_are_allowed_and_far_from_the_limits():
    files = {path.as_posix(): path.read_bytes() for path in Path("hw").rglob("*.py")}
    found = [p for p in validate(Submission(files), ASSIGNMENT) if p.severity == "error"]
    assert {problem.where for problem in found} <= {"hw/agent.py"}  # is of this test
    assert len(files) < module.MAX_FILES / 2
    assert sum(map(len, files.values())) < module.MAX_SOURCE_BYTES / 2
    assert max(map(len, files.values())) < module.MAX_FILE_BYTES[".py"] / 2


# Runs


def test_a_run_says_how_far_it_came():
    run = read_run("a", CONFIG, METRICS)
    assert (run.step, run.is_finished, run.eval_return) == (100, True, -1.5)
    assert run.is_of(EXPERIMENT)
    assert not run.is_of(EXPERIMENT | {"env_name": "Hopper-v5"})


@pytest.mark.parametrize(
    ("config", "metrics", "finished"),
    [
        (CONFIG, METRICS[:45], False),
        (CONFIG, METRICS + b'{"step": 110}\n', False),  # went on, and was not evaluated
        (CONFIG, METRICS + b'{"step": 1', True),  # the last line is torn
        (CONFIG.replace(b"total_steps: 100", b"total_steps: null"), METRICS, False),
        (b"total_episodes: 2", METRICS, True),
        (b"total_episodes: 3", METRICS, False),
        (CONFIG, b"", False),
        (CONFIG, b'[1]\n7\n{"step": "x"}\n{"step": true}', False),
    ],
)
def test_a_run_is_finished_when_its_budget_is_spent_and_it_was_evaluated(config, metrics, finished):
    assert read_run("a", config, metrics).is_finished == finished


@pytest.mark.parametrize("value", [b"null", b"1e999", b"true", b'"1"', b"[]", b"1" + b"0" * 400])
def test_a_return_that_is_no_number_is_none(value):
    assert (
        read_run("a", CONFIG, b'{"step": 1, "eval/return_mean": ' + value + b"}").eval_return
        is None
    )


@pytest.mark.parametrize(
    "config",
    [
        None,
        b"",
        b"- 1",
        b"a: [",
        b"a: \xff",
        b"[" * 20_000,
        b"a: !!python/object/apply:os.system [echo]",
        b"a: !!int ''",
        b"a: !!timestamp x",
        b"a: 2026-99-99",
        b"a: &a {x: 1}\nb: {<<: *a}",
        b"#" * 50_001,
    ],
)
def test_a_config_that_cannot_be_read_is_an_error(config):
    with pytest.raises(UserError, match=r"config\.yaml"):
        read_run("a", config, METRICS)
    files = make().files | {f"{RUN}/config.yaml": config}
    files = {path: content for path, content in files.items() if content is not None}
    assert ("error", "run", RUN) in problems(with_manifest(files))


def test_merge_keys_do_not_explode():
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 12)]
    with pytest.raises(UserError, match="damaged"):
        read_run("a", "\n".join(lines).encode(), METRICS)


def test_experiments_without_a_finished_run_are_warnings():
    files = make().files
    unfinished = files | {f"{RUN}/metrics.jsonl": METRICS[:45]}
    without = {path: content for path, content in files.items() if not path.startswith("data/")}
    for case, message in ((unfinished, "only an unfinished run"), (without, "no run")):
        (problem,) = validate(with_manifest(case), ASSIGNMENT)
        assert (problem.severity, problem.where) == ("warning", "experiments/swing.yaml")
        assert problem.message == f"{message} is handed in"


def test_a_run_with_other_settings_is_named():
    config = CONFIG.replace(b"total_steps: 100", b"total_steps: 20")
    (problem,) = validate(with_manifest(make().files | {f"{RUN}/config.yaml": config}), ASSIGNMENT)
    assert "another total_steps than experiments/swing.yaml" in problem.message


def test_the_age_of_a_run_is_in_its_name():
    names = ["b_2025-12-31_23-59-59", "a_2026-01-31_12-00-00", "a_2026-01-31_12-00-00-2"]
    names = ["renamed", *names, "a_2026-01-31_12-00-00-10"]
    keys = [read_run(name, CONFIG, METRICS).age_key() for name in names]
    assert keys == sorted(set(keys))


# Reading


def pack_zip(path, files, **attributes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(entry, key, value)
            archive.writestr(entry, content)
    return path


def pack_tar(path, files, mode="w:gz", format=tarfile.PAX_FORMAT):
    with tarfile.open(path, mode, format=format) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1.5
            archive.addfile(entry, io.BytesIO(content))
    return path


def refuse(path, into, match):
    with pytest.raises(UserError, match=match) as caught:
        open_submission(path, into)
    assert str(caught.value).isprintable()
    assert not into.exists()


@pytest.fixture
def into(tmp_path):
    return tmp_path / "into"


LONG = "hw/" + "/".join("abcdefghijklmnopqrst" * 2 for _ in range(4)) + ".py"
GOOD = {"hw/agent.py": b"x = 1\n", "hw/größe.py": b"", LONG: b"y" * 513, "report.pdf": b"\0" * 512}


@pytest.mark.parametrize(
    "pack",
    [
        pack_zip,
        pack_tar,
        lambda path, files: pack_tar(path, files, "w"),
        lambda path, files: pack_tar(path, files, "w", tarfile.GNU_FORMAT),
        lambda path, files: pack_tar(path, files, "w", tarfile.USTAR_FORMAT),
        lambda path, files: Submission(files).write(path) or path,
    ],
    ids=["zip", "tar.gz", "pax", "gnu", "ustar", "folder"],
)
def test_honest_archives_and_folders_are_read_to_the_byte(pack, tmp_path, into):
    path = pack(tmp_path / "in", GOOD)
    submission = open_submission(path, into)
    assert submission.files == GOOD
    written = {
        p.relative_to(into).as_posix(): p.read_bytes() for p in into.rglob("*") if p.is_file()
    }
    assert written == GOOD


def test_a_tar_of_a_whole_folder_is_read(tmp_path, into):
    Submission(GOOD).write(tmp_path / "in")
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        archive.add(tmp_path / "in", ".")
    assert open_submission(tmp_path / "in.tar", into).files == GOOD


def test_a_folder_that_is_not_empty_is_not_written_into(tmp_path):
    path = pack_zip(tmp_path / "in.zip", GOOD)
    with pytest.raises(UserError, match="is not empty"):
        open_submission(path, tmp_path)


BAD_NAMES = [
    "../x.py",
    "hw/../../x.py",
    "/etc/x.py",
    "hw\\x.py",
    "..\\x.py",
    "C:/x.py",
    "hw/x.py:stream",
    "hw//x.py",
    "hw/./x.py",
    "hw/x.py ",
    "hw/x.py.",
    "hw/ x.py",
    "hw/a\nb.py",
    "hw/\x1b[31m.py",
    "hw/\u202eyp.x",
    "hw/CON.py",
    "hw/nul",
    "hw/com1.txt",
    "hw/a*.py",
    "a/" * 8 + "x.py",
    "hw/" + "x" * 200,
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
@pytest.mark.parametrize("pack", [pack_zip, pack_tar])
def test_a_name_that_leads_out_or_is_weird_is_refused(pack, name, tmp_path, into):
    path = pack(tmp_path / "in", {"hw/agent.py": b"", name: b""})
    refuse(path, into, "a file has the name")
    assert {p.name for p in tmp_path.iterdir()} == {"in"}


@pytest.mark.parametrize("name", ["", "..", ".", "hw/", "hw/a\0b", "hw/\udcff.py"])
def test_more_bad_names(name):
    with pytest.raises(UserError, match="a file has the name"):
        check_name(name)


def test_a_name_with_a_zero_byte_in_a_zip_is_refused(tmp_path, into):
    path = pack_zip(tmp_path / "in.zip", {"hw/aQb.py": b""})
    path.write_bytes(path.read_bytes().replace(b"aQb", b"a\0b"))
    refuse(path, into, "a file has the name")


@pytest.mark.parametrize(
    "names",
    [
        ("hw/a.py", "hw/A.py"),
        ("hw/\u00e4.py", "hw/a\u0308.py"),
        ("hw", "hw/a.py"),
        ("hw/a.py", "hw"),
    ],
)
@pytest.mark.parametrize("pack", [pack_zip, pack_tar])
def test_names_that_are_one_on_some_system_are_refused(pack, names, tmp_path, into):
    refuse(pack(tmp_path / "in", dict.fromkeys(names, b"")), into, "twice")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path, into):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("hw/a.py", "1")
        archive.writestr("hw/a.py", "2")
    refuse(tmp_path / "in.zip", into, "twice")
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("hw/a.py"))
        archive.addfile(tarfile.TarInfo("hw/a.py"))
    refuse(tmp_path / "in.tar", into, "twice")


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010644, 0o140644])
def test_links_and_devices_in_a_zip_are_refused(mode, tmp_path, into):
    path = pack_zip(tmp_path / "in.zip", {"hw/a.py": b"/etc/passwd"}, external_attr=mode << 16)
    refuse(path, into, "link or a device")


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"6", b"7", b"K", b"S", b"Z"])
def test_links_and_devices_in_a_tar_are_refused(kind, tmp_path, into):
    entry = tarfile.TarInfo("hw/a.py")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        archive.addfile(entry)
    refuse(tmp_path / "in.tar", into, "link or a device")


@pytest.mark.parametrize("target", ["/etc/passwd", "b.py", "missing", "/etc"])
def test_links_in_a_folder_are_refused(target, tmp_path, into):
    Submission({"hw/b.py": b""}).write(tmp_path / "in")
    (tmp_path / "in/hw/a.py").symlink_to(target)
    refuse(tmp_path / "in", into, "link or a device")


def test_a_pipe_in_a_folder_is_refused(tmp_path, into):
    Submission({"hw/b.py": b""}).write(tmp_path / "in")
    os.mkfifo(tmp_path / "in/hw/a.py")
    refuse(tmp_path / "in", into, "link or a device")
    refuse(tmp_path / "in/hw/a.py", into, "no such file")


def test_a_zip_bomb_is_not_unpacked(tmp_path, into):
    bomb = pack_zip(tmp_path / "in.zip", {f"hw/{i}.py": bytes(30_000_000) for i in range(2)})
    assert bomb.stat().st_size < 100_000
    refuse(bomb, into, "holds more than 50000000 bytes")


def test_a_zip_whose_headers_lie_about_the_size_is_refused(tmp_path, into):
    content = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = content.compress(bytes(60_000_000)) + content.flush()
    path = pack_zip(tmp_path / "in.zip", {"hw/a.py": b"x"})
    small = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        entry = archive.infolist()[0]
    start = 30 + len("hw/a.py")
    end = start + entry.compress_size
    lying = small[:start] + data + small[end:]
    central = lying.rindex(b"PK\1\2")
    lying = lying[: central + 20] + struct.pack("<I", len(data)) + lying[central + 24 :]
    final = lying.rindex(b"PK\5\6")
    lying = lying[: final + 16] + struct.pack("<I", central) + lying[final + 20 :]
    path.write_bytes(lying)
    refuse(path, into, "damaged|holds more")


def test_a_tar_bomb_is_not_unpacked(tmp_path, into):
    with gzip.open(tmp_path / "in.tar.gz", "wb", compresslevel=1) as file:
        for _ in range(60):
            file.write(bytes(1_000_000))
    refuse(tmp_path / "in.tar.gz", into, "holds more than 50000000 bytes")


def test_a_hundred_thousand_entries_are_refused_at_once(tmp_path, into):
    names = [f"hw/{i:06}.py".encode() for i in range(100_000)]
    local, central, offset = [], [], 0
    for name in names:
        local.append(b"PK\3\4" + bytes(22) + struct.pack("<HH", len(name), 0) + name)
        head = b"PK\1\2" + bytes(24) + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset)
        central.append(head + name)
        offset += len(local[-1])
    directory = b"".join(central)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, len(directory), offset, 0)
    (tmp_path / "in.zip").write_bytes(b"".join(local) + directory + end)
    entry = tarfile.TarInfo("hw/a.py").tobuf()
    (tmp_path / "in.tar.gz").write_bytes(gzip.compress(entry * 50_000, 1))
    begin = time.perf_counter()
    refuse(tmp_path / "in.zip", into, "holds more than 500 files")
    refuse(tmp_path / "in.tar.gz", into, "twice|holds more than 500 files")
    assert time.perf_counter() - begin < 2


def test_folders_count_too(tmp_path, into):
    path = pack_zip(tmp_path / "in.zip", {f"hw/{i}/": b"" for i in range(501)})
    refuse(path, into, "holds more than 500 files")
    for i in range(501):
        (tmp_path / "in" / str(i)).mkdir(parents=True)
    refuse(tmp_path / "in", into, "holds more than 500 files")


def test_a_deep_folder_is_refused(tmp_path, into):
    (tmp_path / "in" / ("a/" * 30)).mkdir(parents=True)
    refuse(tmp_path / "in", into, "nested too deeply")


def test_an_encrypted_or_oddly_compressed_zip_is_refused(tmp_path, into):
    path = pack_zip(tmp_path / "in.zip", {"hw/a.py": b"x"})
    content = bytearray(path.read_bytes())
    for start, offset in ((content.index(b"PK\3\4"), 6), (content.index(b"PK\1\2"), 8)):
        content[start + offset] |= 1
    path.write_bytes(content)
    refuse(path, into, "is encrypted")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        pack_zip(path, {"hw/a.py": b"x"}, compress_type=method)
        refuse(path, into, "unusual way")


def test_a_zip_within_is_not_unpacked(tmp_path):
    inner = pack_zip(tmp_path / "inner.zip", GOOD).read_bytes()
    submission = read_submission(pack_zip(tmp_path / "in.zip", {"hw/inner.zip": inner}))
    assert ("error", "forbidden", "hw/inner.zip") in problems(submission)


def pax(record, name="hw/a.py"):
    """A tar file with one file and an extended header."""
    header = tarfile.TarInfo("x")
    header.type, header.size = b"x", len(record)
    padding = bytes(-len(record) % 512)
    return header.tobuf() + record + padding + tarfile.TarInfo(name).tobuf() + bytes(1024)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"PK\3\4",
        b"PK\3\4" + b"\xff" * 5000,
        b"PK\5\6" + bytes(18),
        b"\x1f\x8b",
        b"\x1f\x8b\x08" + bytes(100),
        gzip.compress(b"hello", mtime=0),
        gzip.compress(pax(b"12 path=a.py\n"), mtime=0)[:-12],
        pax(b"0 path=x\n"),
        pax(b"-5 path=x\n"),
        pax(b"99999999999 path=x\n"[:4]),
        pax(b"10 size=99\n"),
        pax(b"21 GNU.sparse.size=9\n"),
        pax(b"1 " * 50_000),
        pax(b"18 path=../../../x\n"),
        pax(b"13 path=/etc/x\n"),
        pax(b"12 path=\xff\xfe\xfd\n"),
        tarfile.TarInfo("hw/a.py").tobuf()[:124] + b"-0000000512\0" + bytes(376),
        tarfile.TarInfo("hw/a.py").tobuf()[:300] + b"x" + bytes(211),
    ],
)
def test_damaged_archives_are_refused(content, tmp_path, into):
    (tmp_path / "in").write_bytes(content)
    refuse(tmp_path / "in", into, "in: ")


def test_a_damaged_archive_is_refused_or_read_but_never_fails_otherwise(tmp_path):
    files = {"hw/a.py": b"x = 1\n" * 20, "hw/b.py": b""}
    whole = pack_zip(tmp_path / "in.zip", files).read_bytes()
    tar = pack_tar(tmp_path / "in.tar", files, "w").read_bytes()[:4096]
    for content in (whole, tar):
        for i in range(0, len(content), 23):
            flipped = content[:i] + bytes([content[i] ^ 0xFF]) + content[i + 1 :]
            for damaged in (content[:i], flipped):
                (tmp_path / "damaged").write_bytes(damaged)
                with contextlib.suppress(UserError):
                    read_submission(tmp_path / "damaged")


def test_a_file_that_is_too_large_is_not_read(tmp_path, into):
    with (tmp_path / "in.zip").open("wb") as file:
        file.truncate(50_000_001)
    refuse(tmp_path / "in.zip", into, "larger than 50000000 bytes")
    refuse(tmp_path / "missing.zip", into, "no such file")


# assignment.json


def write_hand_out(root, **changes):
    rows = [
        {"id": f"hw0.{name}", "method": f"hw.agent.{name}", "file": "hw/agent.py", "name": name}
        | {"points": points}
        for name, points in POINTS.items()
    ]
    content = {"assignment": "hw0", "title": "Try", "todos": rows, "experiments": ["swing.yaml"]}
    (root / "assignment.json").write_text(json.dumps(content | changes))
    (root / "swing.yaml").write_text("base_config: sac\nenv_name: Pendulum-v1\nexp_name: swing\n")


def test_a_hand_out_says_what_is_due(tmp_path):
    write_hand_out(tmp_path)
    summary = read_summary(tmp_path)
    assert (summary.id, summary.title) == ("hw0", "Try")
    assert [(todo.name, todo.points) for todo in summary.todos] == list(POINTS.items())
    assert summary.experiments == {"swing.yaml": EXPERIMENT}
    # It recorded no signatures: then they are not checked.
    agent = solved(*SOLUTIONS).replace("(self, targets, values)", "(self)")
    assert [state.status for state in todo_states(make(agent), summary)] == ["written"] * 3


def test_recorded_signatures_are_checked(tmp_path):
    row = {"id": "hw0.returns", "file": "hw/agent.py", "name": "returns", "points": 1}
    write_hand_out(tmp_path, todos=[row | declaration(AGENT, "returns")])
    assert [state.status for state in todo_states(make(), read_summary(tmp_path))] == ["written"]
    agent = solved(*SOLUTIONS).replace("*steps", "*step")
    assert [state.status for state in todo_states(make(agent), read_summary(tmp_path))] == [
        "changed"
    ]


def test_a_damaged_hand_out_is_named(tmp_path):
    with pytest.raises(UserError, match="run this in the hand-out's root"):
        read_summary(tmp_path)
    write_hand_out(tmp_path, experiments=["missing.yaml"])
    with pytest.raises(UserError, match=r"missing\.yaml is missing"):
        read_summary(tmp_path)
    write_hand_out(tmp_path, todos=[{}])
    with pytest.raises(UserError, match=r"assignment\.json is damaged"):
        read_summary(tmp_path)
    write_hand_out(tmp_path)
    (tmp_path / "swing.yaml").write_text("a: [")
    with pytest.raises(UserError, match=r"swing\.yaml is damaged: line 1"):
        read_summary(tmp_path)
