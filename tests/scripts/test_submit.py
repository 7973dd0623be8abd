"""`make submit`: what it packs from a hand-out, what it prints, and what it refuses."""

import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from hw.homework.intake import read_submission
from hw.homework.sources import declaration
from hw.homework.submission import read_summary, validate
from hw.infrastructure.errors import UserError
from hw.scripts import submit

SOURCE = '''class Agent:
    """Learns."""

    def loss(self, targets):
        """Of a batch."""
        raise NotImplementedError("TODO(hw0.Agent.loss): write what the docstring says")


def returns(rewards):
    """Discounted."""
    raise NotImplementedError("TODO(hw0.returns): write what the docstring says")
'''
BLANKS = [line.strip() for line in SOURCE.splitlines() if "TODO" in line]
EXPERIMENT = "base_config: sac\nenv_name: {env}\nexp_name: {env}\ntotal_steps: 1000\n"


@pytest.fixture
def hand_out(tmp_path, monkeypatch):
    """A small hand-out, solved, in which the test stands."""
    root = tmp_path / "hand_out"
    todos = [
        {"id": f"hw0.{name}", "method": f"hw.agent.{name}", "file": "hw/agent.py", "name": name}
        | {"points": points}
        | declaration(SOURCE, name)
        for name, points in (("Agent.loss", 60), ("returns", 30))
    ]
    experiments = {f"experiments/{env}.yaml": EXPERIMENT.format(env=env) for env in ("Hop", "Run")}
    summary = {"assignment": "hw0", "title": "Try", "todos": todos, "experiments": [*experiments]}
    solved = SOURCE
    for blank in BLANKS:
        solved = solved.replace(blank, "return 1")
    files = experiments | {
        "assignment.json": json.dumps(summary),
        "hw/__init__.py": "",
        "hw/agent.py": solved,
        "hw/helpers/mine.py": "x = 1\n",
        "hw/README.md": "about",
        "hw/__pycache__/agent.cpython-311.pyc": "compiled",
        "hw/.ipynb_checkpoints/agent-checkpoint.py": "old",
        "hw/.DS_Store": "mac",
        "tests/test_hw0.py": "",
        "Makefile": "",
        "setup.py": "",
        ".venv/lib/torch.py": "",
        "my_experiments.py": "",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(root)
    return root


def add_run(root, env, second, steps=1000, value=-1.0, data="data"):
    """A run that came so far."""
    folder = root / data / f"sac_{env}_{env}_seed1_2026-01-31_12-00-{second:02}"
    for name in ("checkpoints", "snapshots", "videos"):
        (folder / name).mkdir(parents=True)
        (folder / name / "step_000000001000.npz").write_bytes(bytes(10))
    (folder / "events.out.tfevents.1").write_bytes(bytes(10))
    (folder / "config.yaml").write_text(EXPERIMENT.format(env=env))
    rows = [{"step": 1, "train/return": 0.5}, {"step": steps, "eval/return_mean": value}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def names(path):
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


SOURCES = ["hw/__init__.py", "hw/agent.py", "hw/helpers/mine.py"]


def test_a_perfect_homework_is_packed_and_valid(hand_out, capsys):
    folder = add_run(hand_out, "Hop", 1, value=-12.34)
    (folder / "snapshots.csv").write_text("step,return_mean,return_std\n")
    other = add_run(hand_out, "Run", 2)
    (hand_out / "report.pdf").write_bytes(b"%PDF")
    (hand_out / "report.md").write_text("# Über")
    assert submit.main([]) == 0
    assert names("hw0.zip") == [
        *(
            f"data/{folder.name}/{name}"
            for name in ("config.yaml", "metrics.jsonl", "snapshots.csv")
        ),
        *(f"data/{other.name}/{name}" for name in ("config.yaml", "metrics.jsonl")),
        *SOURCES,
        "manifest.json",
        "report.md",
        "report.pdf",
    ]
    assert validate(read_submission(Path("hw0.zip")), read_summary(hand_out)) == []
    printed = capsys.readouterr().out
    assert "written: 2 of 2, for 90 of 90 points" in printed
    assert "handed in: 2 of 2 experiments, 2 runs" in printed
    row = next(line for line in printed.splitlines() if "Hop.yaml" in line)
    assert row.split() == ["experiments/Hop.yaml", "finished", "1000", "-12.3", folder.name]
    assert "warning" not in printed
    assert printed.splitlines()[-1].startswith("hw0.zip: 11 files, ")


def test_the_manifest_says_what_is_in_it(hand_out):
    submit.main(["--name", "ada"])
    with zipfile.ZipFile("hw0_ada.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        sums = {n: hashlib.sha256(archive.read(n)).hexdigest() for n in SOURCES}
    assert (manifest["assignment"], manifest["name"]) == ("hw0", "ada")
    assert manifest["files"] == sums
    assert manifest["versions"]["python"] == "{}.{}.{}".format(*sys.version_info[:3])
    assert manifest["versions"].keys() == {"python", "hw", "torch", "numpy", "gymnasium"}


def test_the_same_files_give_the_same_bytes(hand_out):
    add_run(hand_out, "Hop", 1)
    submit.main([])
    for path in hand_out.rglob("*"):
        os.utime(path, (2e9, 2e9))
    (hand_out / "hw/agent.py").chmod(0o755)
    (hand_out / "hw/helpers/mine.py").rename(hand_out / "hw/helpers/away.py")
    (hand_out / "hw/helpers/away.py").rename(hand_out / "hw/helpers/mine.py")
    submit.main(["--out", "again.zip"])
    assert Path("hw0.zip").read_bytes() == Path("again.zip").read_bytes()
    with zipfile.ZipFile("hw0.zip") as archive:
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert not entry.filename.startswith("/")


def test_blanks_are_packed_with_a_warning(hand_out, capsys):
    source = (hand_out / "hw/agent.py").read_text()
    (hand_out / "hw/agent.py").write_text(
        source[: source.index("return 1")] + BLANKS[0] + "\n" + SOURCE[SOURCE.index("\n\ndef") :]
    )
    assert submit.main([]) == 0
    printed = capsys.readouterr().out
    assert "written: 0 of 2, for 0 of 90 points" in printed
    assert "warning: hw/agent.py:4: Agent.loss is blank (60 points)" in printed
    assert Path("hw0.zip").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("targets", "target", "hw/agent.py:4: Agent.loss takes (self, target), but should take"),
        ("def returns", "def gains", "error: hw/agent.py: returns is missing"),
        ("return 1\n\n", "return (\n\n", "error: hw/agent.py:6: does not parse"),
        ("class", "# coding: latin-1\nclass", "declares itself as iso-8859-1"),
        ("class", "# " + "x" * 200_000 + "\nclass", "is larger than 200000 bytes"),
    ],
)
def test_what_cannot_be_graded_is_named_and_not_packed(hand_out, capsys, old, new, message):
    path = hand_out / "hw/agent.py"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match="nothing is written"):
        submit.main([])
    assert message in capsys.readouterr().out
    assert not list(hand_out.glob("*.zip"))


def test_a_file_that_is_not_utf8_is_named_with_its_line(hand_out, capsys):
    (hand_out / "hw/helpers/mine.py").write_bytes("x = 1\ny = 1\nz = 'ä'\n".encode("latin-1"))
    with pytest.raises(UserError, match="nothing is written"):
        submit.main([])
    assert "error: hw/helpers/mine.py:3: is not UTF-8" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        "sitecustomize.py",
        "conftest.py",
        "x.pth",
        "fast.so",
        "torch.py",
        "random.py",
        "yaml/__init__.py",
        "hw/conftest.py",
        "hw/x.pth",
        "hw/fast.pyd",
        "hw/agent.pyc",
        "hw/.hidden.py",
        "hw/scripts/torch.py",
    ],
)
def test_forbidden_files_are_named_once(hand_out, capsys, name):
    (hand_out / name).parent.mkdir(exist_ok=True)
    (hand_out / name).write_bytes(b"")
    with pytest.raises(UserError, match="errors to mend first: 1$"):
        submit.main([])
    assert capsys.readouterr().out.count(f"error: {name}: ") == 1


@pytest.mark.parametrize("name", ["hw/agent.py", "hw/new.py", "report.pdf", "hw/helpers"])
def test_links_that_lead_out_are_refused(hand_out, tmp_path, name):
    target = tmp_path / "outside"
    target.mkdir() if name == "hw/helpers" else target.write_text("secret")
    path = hand_out / name
    if path.is_dir():
        path.rename(hand_out / "hw/others")
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    with pytest.raises(UserError, match=f"{name} is a link"):
        submit.main([])
    assert not Path("hw0.zip").exists()


def test_links_that_stay_within_are_followed(hand_out):
    (hand_out / "hw/agent.py").rename(hand_out / "agent_of_mine.py")
    (hand_out / "hw/agent.py").symlink_to("../agent_of_mine.py")
    assert submit.main([]) == 0
    assert read_submission(Path("hw0.zip")).files["hw/agent.py"].startswith(b"class Agent")


def test_data_may_be_a_link_to_another_disk_but_not_a_runs_file(hand_out, tmp_path):
    folder = add_run(tmp_path, "Hop", 1, data="disk")
    (hand_out / "data").symlink_to(tmp_path / "disk")
    assert submit.main([]) == 0
    assert f"data/{folder.name}/metrics.jsonl" in names("hw0.zip")
    (folder / "snapshots.csv").symlink_to(tmp_path / "hand_out/Makefile")
    with pytest.raises(UserError, match="is a link"):
        submit.main([])


def test_names_that_are_one_on_other_systems_are_refused(hand_out):
    (hand_out / "hw/Agent.py").write_text("")
    with pytest.raises(UserError, match="twice"):
        submit.main([])


# Runs


def run_names(path="hw0.zip"):
    return {name.split("/")[1] for name in names(path) if name.startswith("data/")}


def test_the_newest_finished_run_of_each_experiment_is_taken(hand_out, capsys):
    newest = add_run(hand_out, "Hop", 30)
    old = add_run(hand_out, "Hop", 2)
    add_run(hand_out, "Hop", 40, steps=500)
    os.utime(old, (2e9, 2e9))
    unfinished = add_run(hand_out, "Run", 5, steps=500)
    add_run(hand_out, "Other", 59)
    assert submit.main([]) == 0
    assert run_names() == {newest.name}
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if "Run.yaml" in line).split()
    assert row[1:] == ["unfinished,", "left", "out", "500", "-1.0", unfinished.name]
    assert "warning: experiments/Run.yaml: no run is handed in" in printed
    assert "handed in: 1 of 2 experiments, 1 runs" in printed


def test_named_runs_are_taken_instead(hand_out, tmp_path, capsys):
    add_run(hand_out, "Hop", 30)
    old = add_run(hand_out, "Hop", 2)
    elsewhere = add_run(tmp_path, "Run", 5, steps=500, data="elsewhere")
    assert submit.main(["--runs", f"data/{old.name}", str(elsewhere)]) == 0
    assert run_names() == {old.name, elsewhere.name}
    assert "experiments/Run.yaml: only an unfinished run is handed in" in capsys.readouterr().out


def test_without_runs_the_experiments_are_missing(hand_out, capsys):
    assert submit.main([]) == 0
    assert run_names() == set()
    printed = capsys.readouterr().out
    assert [line.split()[1] for line in printed.splitlines() if ".yaml  " in line] == [
        "missing"
    ] * 2


def test_a_folder_that_is_no_run_is_named(hand_out, capsys):
    (hand_out / "data/plots").mkdir(parents=True)
    broken = add_run(hand_out, "Hop", 1)
    (broken / "config.yaml").write_text("a: [")
    assert submit.main([]) == 0
    assert (
        f"{broken.name} is no run's directory: it has a damaged config" in capsys.readouterr().err
    )
    for folder in ("data/plots", "data/nothing", f"data/{broken.name}"):
        with pytest.raises(UserError, match=f"^{folder} is no run's directory"):
            submit.main(["--runs", folder])


def test_a_large_metrics_file_is_thinned_to_its_evaluations(hand_out):
    folder = add_run(hand_out, "Hop", 1)
    rows = [
        {"step": i}
        | ({"eval/return_mean": -1.0} if i % 1000 == 0 else {"train/return": 0.123456789})
        for i in range(1, 50_001)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metrics.jsonl").write_text(text)
    assert len(text) > 2_000_000
    assert submit.main([]) == 0
    content = read_submission(Path("hw0.zip")).files[f"data/{folder.name}/metrics.jsonl"]
    assert 400_000 < len(content) <= 1_000_000
    found = [json.loads(line) for line in content.splitlines()]
    assert [row for row in found if "eval/return_mean" in row] == rows[999::1000]
    assert [row["step"] for row in found] == sorted(row["step"] for row in found)


def test_metrics_that_cannot_be_thinned_are_refused(hand_out, capsys):
    folder = add_run(hand_out, "Hop", 1)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 1001, "eval/return_mean": 1.0, "x": "y" * 1_000_000}) + "\n")
    with pytest.raises(UserError, match="nothing is written"):
        submit.main([])
    assert "metrics.jsonl: is larger than 1000000 bytes" in capsys.readouterr().out


# Where it goes


def test_a_place_that_cannot_be_written_is_named(hand_out):
    for out in ("Makefile/x.zip", "nowhere/x.zip", "hw"):
        with pytest.raises(UserError, match=f"cannot write {out}: "):
            submit.main(["--out", out])


def test_a_read_only_folder_is_named(hand_out, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)  # root may write everywhere
    with pytest.raises(UserError, match="Permission denied"):
        submit.main(["--out", str(tmp_path / "x.zip")])


def test_an_old_zip_is_replaced_only_by_a_whole_one(hand_out, monkeypatch):
    Path("hw0.zip").write_bytes(b"old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError, match="No space left"):
        submit.main([])
    monkeypatch.undo()
    assert (hand_out / "hw0.zip").read_bytes() == b"old"
    assert not list(hand_out.glob(".submit*"))


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x", "a b", "a\nb"])
def test_a_name_is_part_of_a_file_name(hand_out, name):
    with pytest.raises(SystemExit):
        submit.main([f"--name={name}"])


def test_outside_a_hand_out_it_says_so(tmp_path):
    result = command(cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: no assignment.json in ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" in command("--debug", cwd=tmp_path).stderr


def command(*arguments, cwd):
    """Run the script as a student does."""
    script = Path(submit.__file__).resolve()
    return subprocess.run(
        [sys.executable, script, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60
    )


def test_it_runs_as_a_script_and_does_without_torch(hand_out):
    begin = time.perf_counter()
    result = command(cwd=hand_out)
    assert (result.returncode, result.stderr) == (0, "")
    assert time.perf_counter() - begin < 10
    code = "import sys; import hw.scripts.submit; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
