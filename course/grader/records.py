"""What is written down of each graded submission, and read again."""

import csv
import json
import os
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from course.grader.grading import TodoResult
from course.grader.integration import IntegrationResult
from course.grader.judge import plain_text

SCHEMA_VERSION = 1
TOGETHER = "all together"  # the integration run's name in all that is written
FAULT = "not graded: a fault of the grader, which is no fault of yours; tell your instructor"
NOT_YET = "not graded yet"
FORMULA_SIGNS = tuple("=+-@|%＝＋－＠")  # some spreadsheets read the wide ones alike
# Categories whose summary is a whole sentence, of no case in particular.
OF_THE_FILE = ("not_implemented", "missing", "syntax", "signature")


@dataclass
class Record:
    """One graded submission.

    Args:
        submission: its name.
        assignment: the assignment's id.
        problems: why it, or parts of it, could not be read.
        todos: results, as `todo_row` gives them.
        integration: the integration run's result, or None if there was none.
        pending: points of what has not been graded yet, by the TODO's name.
        fingerprints: a hash of each TODO's syntax tree.
        provenance: seed's hash, versions, the sandbox's tier and what it held a student's code back
            with, hashes of submission and grader.
        seconds: that grading took.
        is_complete: whether nothing is left to do.
    """

    submission: str
    assignment: str
    problems: list[str] = field(default_factory=list)
    todos: list[dict[str, Any]] = field(default_factory=list)
    integration: dict[str, Any] | None = None
    pending: dict[str, int] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    is_complete: bool = False

    @property
    def score(self) -> float:
        """Out of 100, rounded to two places."""
        earned = sum(row["score"] for row in self.todos)
        if self.integration is not None:
            earned += self.integration["score"]
        return round(earned, 2)

    @property
    def share(self) -> float:
        """Of the methods' points, what is earned; of those that have a score."""
        graded = [row for row in self.todos if not row["fault"]]
        possible = sum(row["points"] for row in graded)
        return sum(row["score"] for row in graded) / possible if possible else 1.0

    @property
    def is_ungraded(self) -> bool:
        """Whether a fault of the grader leaves a part without a score."""
        return bool(self.faults)

    @property
    def faults(self) -> dict[str, str]:
        """Why parts have no score, by the TODO's name."""
        rows = {row["todo"]: row["fault"] for row in self.todos}
        if self.integration is not None:
            rows[TOGETHER] = self.integration["fault"]
        return {name: fault for name, fault in rows.items() if fault}

    @property
    def is_final(self) -> bool:
        """Whether its score is a grade: all is graded, and nothing is left to do."""
        return self.is_complete and not self.is_ungraded


def todo_row(result: TodoResult) -> dict[str, Any]:
    """A TODO's result as it is kept: no outputs, no inputs, no expected values."""
    failure = result.first_failure
    verdict = failure.verdict if failure else None
    return {
        "todo": result.todo,
        "points": result.points,
        "score": round(result.score, 2),
        "category": result.category,
        "passed": sum(case.verdict.passed for case in result.cases),
        "cases": len(result.cases),
        "case": failure.name if failure else "",
        "is_hidden": failure.is_hidden if failure else False,
        "summary": verdict.summary if verdict else "",
        "line": verdict.line if verdict else None,
        "misconception": result.misconception,
        "hint": result.hint,
        "fault": result.fault,
    }


def integration_row(result: IntegrationResult) -> dict[str, Any]:
    """The integration run's result as it is kept."""
    return asdict(result)


def save_record(folder: Path, record: Record) -> None:
    """Write a record beside its old one and put it in place, so that a crash leaves one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "record.json", json.dumps(asdict(record), indent=1) + "\n")


def load_record(folder: Path) -> Record | None:
    """A record, or None if there is none that can be read."""
    try:
        return Record(**json.loads((folder / "record.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file such that readers see all of it or nothing."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode=mode)
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def gradescope(record: Record, card_of: dict[str, str]) -> dict[str, Any]:
    """The contents of `results.json`, as Gradescope documents it.

    What has no score yet, or none through a fault of ours, stands there as a test without a score
    that students see only when grades are published: by Gradescope's rule they then do not see the
    total either, which would count it as 0. So the file is right at any moment of grading.

    Args:
        record: of the submission.
        card_of: where each TODO's docstring stands.
    """
    tests: list[dict[str, Any]] = []
    for row in record.todos:
        if row["fault"]:
            tests.append(ungraded_test(row["todo"], FAULT))
            continue
        tests.append(
            {
                "name": row["todo"],
                "score": row["score"],
                "max_score": row["points"],
                "status": "passed" if not row["category"] else "failed",
                "output": explain(row, card_of.get(row["todo"], "")),
                "output_format": "text",
                "visibility": "visible",
                "tags": [row["category"]] if row["category"] else [],
            }
        )
    if record.integration is not None:
        tests.append(together_test(record.integration))
    tests += [ungraded_test(name, NOT_YET) for name in record.pending]
    return {
        "score": record.score,
        "execution_time": round(record.seconds, 1),
        "output": headline(record),
        "output_format": "text",
        "test_output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [{"number": str(i), **test} for i, test in enumerate(tests, start=1)],
        "extra_data": {**record.provenance, "schema": SCHEMA_VERSION},
    }


def together_test(row: dict[str, Any]) -> dict[str, Any]:
    """The integration run as a test of Gradescope's."""
    if row["fault"]:
        return ungraded_test(TOGETHER, FAULT)
    return {
        "name": TOGETHER,
        "score": row["score"],
        "max_score": row["points"],
        "status": "passed" if row["score"] >= row["points"] else "failed",
        "output": explain_integration(row),
        "output_format": "text",
        "visibility": "visible",
    }


def ungraded_test(name: str, why: str) -> dict[str, Any]:
    """A test of Gradescope's that has no score, and hides the total from the student."""
    return {
        "name": name,
        "output": why,
        "output_format": "text",
        "visibility": "after_published",
        "tags": ["ungraded"],
    }


def headline(record: Record) -> str:
    """What a student is told of the submission as a whole."""
    lines = [plain_text(problem, 500) for problem in record.problems]
    if record.faults:
        names = ", ".join(record.faults)
        lines.append(f"{names}: {FAULT}. This costs no points; the total waits until it is graded.")
    if not record.is_complete:
        lines.append(
            "Grading has begun and has not come to its end. If this text stays, a fault of the "
            "grader has stopped it, which is no fault of yours: what is missing counts neither as "
            "right nor as wrong, and your instructor can run it again."
        )
    return "\n".join(lines) or "Each method was graded by itself."


def results_text(record: Record, card_of: dict[str, str]) -> str:
    """The text of `results.json`."""
    return json.dumps(gradescope(record, card_of), indent=1, allow_nan=False) + "\n"


def explain(row: dict[str, Any], card: str) -> str:
    """What a student is told of one TODO."""
    if row["fault"]:
        return FAULT
    if not row["category"]:
        return f"right in all of {row['cases']} cases"
    words = row["category"].replace("_", " ")
    where = f" in the case '{row['case']}'" if row["case"] else " in a hidden case"
    text = f"{words}{where}" + (f": {row['summary']}" if row["summary"] else "")
    if row["category"] in OF_THE_FILE:
        text = row["summary"] or words
    if row["line"]:
        text += f" (line {row['line']} of your file)"
    text += f". {row['passed']} of {row['cases']} cases are right."
    if row["misconception"]:
        text += f" This is a known mistake: {row['misconception']}. {row['hint']}"
    return f"{text} Read the card: {card}"


def explain_integration(row: dict[str, Any]) -> str:
    """What a student is told of the integration run."""
    if row["fault"]:
        return FAULT
    if row["complaint"]:
        return f"training does not come to an end: {plain_text(row['complaint'], 300)}"
    text = f"mean return {row['mean_return']:.1f} over the grader's own episodes"
    if row["is_capped"]:
        text += "; this earns no larger a share of its points than the methods do of theirs"
    return text


def write_grades(path: Path, records: list[Record]) -> None:
    """The gradebook: one row a submission, one column a TODO.

    A score that is not final stands in a column of its own, and a TODO without a score is empty:
    nobody gets a 0 for a fault of the grader.
    """
    names = list(dict.fromkeys(row["todo"] for record in records for row in record.todos))
    rows = [("submission", "score", "ungraded", "provisional score", *names, TOGETHER)]
    for record in sorted(records, key=lambda record: record.submission):
        scores = {row["todo"]: row["score"] for row in record.todos if not row["fault"]}
        if record.integration is not None and not record.integration["fault"]:
            scores[TOGETHER] = record.integration["score"]
        final, provisional = (record.score, "") if record.is_final else ("", record.score)
        cells = (scores.get(name, "") for name in (*names, TOGETHER))
        name = plain_cell(record.submission)
        rows.append((name, final, int(not record.is_final), provisional, *cells))
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    os.replace(temporary, path)


def plain_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip().startswith(FORMULA_SIGNS) else text


def describe_fault(error: Exception) -> str:
    """A fault of the grader in one line, with the place where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return plain_text(f"{type(error).__name__}: {error}", 300) + where
