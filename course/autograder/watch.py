"""Grades the submission in a Gradescope container, and sees to results.json whatever happens.

The grader is a process of its own that writes into a folder of its own; this one copies its
`results.json` after each TODO and ends it before Gradescope would. Students' code runs as another
user in the sandbox, and sees a tree that holds the blank hand-out. The folders with the grader, the
results, the submission and what Gradescope says of the student are closed to all users but root.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

POLL_SECONDS = 0.5
GRADED, UNGRADED = 0, 3  # exit statuses of grade.py
CLOSED = ("source", "results", "submission", "submission_metadata.json")
KEPT_VARIABLES = ("PATH", "LANG", "TMPDIR", "OMP_NUM_THREADS")


def main(root: Path, settings: Mapping[str, str]) -> int:
    """Grade `root/submission`; returns 0, for results.json says what went wrong."""
    started_at = time.monotonic()
    results = root / "results/results.json"
    close_off(root)
    describe(root / "submission_metadata.json")
    with tempfile.TemporaryDirectory(prefix="results_") as folder:
        out = Path(folder, "out")
        process = subprocess.Popen(
            grade_command(root, out, settings),
            cwd=root / "source",
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        seconds = float(settings["GRADER_SECONDS"])
        while process.poll() is None and time.monotonic() < started_at + seconds:
            time.sleep(POLL_SECONDS)
            take_over(out / "submission/results.json", results)
        is_late = process.poll() is None
        if is_late:
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        take_over(out / "submission/results.json", results)
        tell_seed(out / "session.json")
    if is_late:
        print(f"stopped after {seconds:g} s: what is not graded by then has no score")
    elif status not in (GRADED, UNGRADED):
        print(f"the grader ended with status {status}: what is not graded by then has no score")
    return 0


def grade_command(root: Path, out: Path, settings: Mapping[str, str]) -> list[str]:
    """The words that grade the submission."""
    source = root / "source"
    command = [sys.executable, "-B", str(source / "course/grade.py")]
    command += [settings["GRADER_ASSIGNMENT"], str(root / "submission")]
    command += ["--out", str(out), "--jobs", "1"]
    command += ["--require-tier", settings["GRADER_REQUIRE_TIER"]]
    if settings["GRADER_SEED"]:
        command += ["--seed", settings["GRADER_SEED"]]
    return command + settings["GRADER_OPTIONS"].split()


def close_off(root: Path) -> None:
    """Take all rights from the group and others: students' code runs as another user."""
    for name in CLOSED:
        path = root / name
        if path.exists():
            path.chmod(path.stat().st_mode & 0o700)


def take_over(source: Path, results: Path) -> None:
    """Put a whole results.json of the grader's in place of the one before."""
    temporary = results.with_name(".results.new")
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(source, temporary)
        os.replace(temporary, results)


def describe(metadata: Path) -> None:
    """Print which submission this is; stdout is for instructors only."""
    try:
        found = json.loads(metadata.read_text(encoding="utf-8"))
        print(f"submission {found['id']} of {found['created_at']}", flush=True)
    except (OSError, ValueError, KeyError, TypeError):
        print("submission_metadata.json cannot be read; it is not needed", flush=True)


def tell_seed(session: Path) -> None:
    """Print the seed of the hidden cases, with which an instructor can grade the same again."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        print(f"seed {json.loads(session.read_text(encoding='utf-8'))['seed']}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), os.environ))
