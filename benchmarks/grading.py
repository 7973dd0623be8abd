"""Grades a synthetic class, kills the grader in the middle, and goes on.

    python benchmarks/grading.py --assignment hw3_dqn --count 300

The class is made of the reference, of correct variants, of mixtures with known mistakes, of partly
blank, broken and hostile submissions. Prints wall time, peak memory, whether every result is there
after the kill, and whether scores and diagnoses are what they should be.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from course.bank import Misconception, load_misconceptions, load_variants  # noqa: E402
from course.handout.blanking import with_body  # noqa: E402
from course.handout.tree import Handout, make_handout  # noqa: E402
from course.manifest import Assignment, load_assignment  # noqa: E402

HOSTILE = {
    "endless loop": "while True:\n    pass",
    "forged result": "import os\nopen('results.json', 'w').write('{\"score\": 100}')\nos._exit(0)",
    "crash": "import ctypes\nctypes.string_at(0)",
    "exits": "raise SystemExit(0)",
    "agrees with everything": "import numpy as np\nnp.isclose = lambda *a, **k: True\nreturn 0",
    "fills memory": "x = []\nwhile True:\n    x.append(bytearray(10**8))",
}
KINDS = ("reference", "variants", "mistakes", "mistakes", "mistakes", "blank", "broken", "hostile")


@dataclass
class Student:
    """One synthetic submission, and what should become of it.

    Args:
        name: of its folder.
        files: changed sources, by path.
        right: TODOs that must earn all their points.
        wrong: TODOs that must lose points.
        diagnosed: the misconception by TODO.
    """

    name: str
    files: dict[Path, bytes]
    right: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    diagnosed: dict[str, str] = field(default_factory=dict)


def make_student(number: int, assignment: Assignment, handout: Handout) -> Student:
    """The student with this number; the same number gives the same student."""
    chance = random.Random(number)
    kind = KINDS[number % len(KINDS)]
    sources = {path: path.read_text(encoding="utf-8") for path in handout.solutions}
    student = Student(f"{number:03d}_{kind}", {})
    mistakes, variants = load_misconceptions(assignment.id), load_variants(assignment.id)
    bodies = {}
    for todo in assignment.todos:
        if kind == "mistakes" and chance.random() < 0.35:
            choices = [entry for entry in mistakes if entry.todo == todo.name]
            pick: Misconception = chance.choice(choices)
            student.wrong.add(todo.name)
            student.diagnosed[todo.name] = pick.name
        elif kind in ("variants", "mistakes", "hostile") and chance.random() < 0.7:
            pick = chance.choice([entry for entry in variants if entry.todo == todo.name])
            student.right.add(todo.name)
            bodies[todo.name] = pick.body
        elif kind == "blank" and chance.random() < 0.5:
            student.wrong.add(todo.name)
            continue
        else:
            student.right.add(todo.name)
            continue
        sources[todo.file] = with_body(sources[todo.file], todo.name, pick.body)
    if kind == "hostile":
        todo = chance.choice(assignment.todos)
        body = chance.choice(sorted(HOSTILE.values()))
        sources[todo.file] = with_body(sources[todo.file], todo.name, body)
        student.right.discard(todo.name)
        student.wrong.add(todo.name)
    if kind == "blank":
        for path, bodies in handout.solutions.items():
            blank = handout.files[path].decode()
            written = {n: b for n, b in bodies.items() if n not in student.wrong}
            for name, body in written.items():
                blank = with_body(blank, name, body)
            sources[path] = blank
    student.files = {path: text.encode() for path, text in sources.items()}
    if kind == "broken":
        broken = chance.choice(sorted(student.files))
        names = {todo.name for todo in assignment.todos if todo.file == broken}
        damage = chance.choice(["syntax", "missing", "encoding"])
        if damage == "syntax":
            student.files[broken] += b"\ndef oops(:\n"
        elif damage == "encoding":
            student.files[broken] = b"\xff\xfe" + student.files[broken]
        else:
            del student.files[broken]
        student.wrong, student.right = names, student.right - names
    # A method that calls a wrong one is neither: it is run with the student's own.
    calls = [f"{name.rpartition('.')[2]}(" for name in student.wrong]
    student.right -= {name for name, body in bodies.items() if any(c in body for c in calls)}
    return student


def write(students: list[Student], handout: Handout, folder: Path) -> list[Path]:
    """One folder for each student."""
    paths = []
    for student in students:
        path = folder / student.name
        kept = {p: c for p, c in handout.files.items() if p.parts[0] == "hw" and p.suffix == ".py"}
        for removed in handout.solutions:
            kept.pop(removed, None)
        for name, content in (kept | student.files).items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        paths.append(path)
    return paths


def grade(command: list[str], kill_after: float | None) -> tuple[float, int, int]:
    """Run the grader: seconds, peak bytes of all its processes, exit status; or kill it midway."""
    started_at = time.monotonic()
    peak = 0
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, session_bytes(process.pid))
        if kill_after is not None and time.monotonic() - started_at > kill_after:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            break
        time.sleep(3.0)  # looking takes a while itself
    return time.monotonic() - started_at, peak, process.returncode


def session_bytes(leader: int) -> int:
    """Proportional memory of a process and all below it; pages shared by forks count once."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(stat[1]), []).append(int(entry.name))
            except (OSError, IndexError, ValueError):
                continue
    total, todo = 0, [leader]
    while todo:
        pid = todo.pop()
        todo += parents.get(pid, [])
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, ValueError):
            continue
    return total


def judge(students: list[Student], out: Path) -> None:
    """Print what became of the class."""
    missing, unjust, named, to_name = [], [], 0, 0
    for student in students:
        path = out / student.name / "record.json"
        if not path.exists():
            missing.append(student.name)
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        rows = {row["todo"]: row for row in record["todos"]}
        for name in student.right:
            if name not in rows or rows[name]["score"] < rows[name]["points"]:
                unjust.append(f"{student.name}: {name} is right")
        for name in student.wrong:
            if name in rows and rows[name]["score"] >= rows[name]["points"]:
                unjust.append(f"{student.name}: {name} is wrong")
        for name, mistake in student.diagnosed.items():
            to_name += 1
            named += name in rows and rows[name]["misconception"] == mistake
    print(f"results missing: {len(missing)} {missing[:5]}")
    print(f"scores that are not what is due: {len(unjust)} {unjust[:10]}")
    print(f"mistakes named: {named} of {to_name}")


def main(arguments: Sequence[str]) -> int:
    """Make the class, grade it, kill the grader, resume, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assignment", default="hw3_dqn")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--kill_after", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="keep everything in this folder")
    args = parser.parse_args(arguments)
    assignment = load_assignment(args.assignment, ROOT)
    handout = make_handout(assignment, ROOT)
    folder = args.keep or Path(tempfile.mkdtemp())
    students = [make_student(i, assignment, handout) for i in range(args.count)]
    paths = write(students, handout, folder / "submissions")
    out = folder / "graded"
    command = [
        *(sys.executable, str(ROOT / "course/grade.py"), args.assignment, *map(str, paths)),
        *("--out", str(out), "--jobs", str(args.jobs), "--no-integration", "--resume"),
    ]
    seconds, peak, _ = grade(command, args.kill_after)
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/record.json")}
    done = {p for p in before if json.loads(p.read_text(encoding="utf-8"))["is_complete"]}
    print(f"killed after {seconds:.0f} s, with {len(done)} of {args.count} graded")
    more, peak_again, status = grade(command, None)
    kept = sum(path.stat().st_mtime_ns == before[path] for path in done)
    print(f"resumed: {more:.0f} s, exit status {status}; {kept} of {len(done)} results kept")
    total = seconds + more
    print(f"{total:.0f} s in all, {total * args.jobs / args.count:.1f} s a submission and core")
    print(f"peak memory {max(peak, peak_again) / 1e6:.0f} MB")
    judge(students, out)
    if args.keep is None:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
