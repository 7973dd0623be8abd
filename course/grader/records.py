"""What is written down of each graded submission, and read again."""

import csv
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from course.grader.grading import TodoResult
from course.grader.integration import IntegrationResult

SCHEMA_VERSION = 1


@dataclass
class Record:
    """One graded submission.

    Args:
        submission: its name.
        assignment: the assignment's id.
        problems: why it, or parts of it, could not be read.
        todos: results, as `todo_row` gives them.
        integration: the integration run's result, or None if there was none.
        fingerprints: a hash of each TODO's syntax tree.
        provenance: seed's hash, versions, tier, hashes of submission and grader.
        seconds: that grading took.
        is_complete: whether nothing is left to do.
    """

    submission: str
    assignment: str
    problems: list[str] = field(default_factory=list)
    todos: list[dict[str, Any]] = field(default_factory=list)
    integration: dict[str, Any] | None = None
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
    def is_ungraded(self) -> bool:
        """Whether a fault of the grader leaves a part without a score."""
        faults = [row["fault"] for row in self.todos]
        if self.integration is not None:
            faults.append(self.integration["fault"])
        return any(faults)


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


def write_whole(path: Path, text: str) -> None:
    """Write a file such that readers see all of it or nothing."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def gradescope(record: Record, card_of: dict[str, str]) -> dict[str, Any]:
    """The contents of `results.json`, as Gradescope documents it.

    Args:
        record: of the submission.
        card_of: where each TODO's docstring stands.
    """
    tests = []
    for number, row in enumerate(record.todos, start=1):
        tests.append(
            {
                "name": row["todo"],
                "number": str(number),
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
        tests.append(
            {
                "name": "all together",
                "number": str(len(tests) + 1),
                "score": record.integration["score"],
                "max_score": record.integration["points"],
                "status": "passed"
                if record.integration["score"] >= record.integration["points"]
                else "failed",
                "output": explain_integration(record.integration),
                "output_format": "text",
                "visibility": "visible",
            }
        )
    return {
        "score": record.score,
        "execution_time": round(record.seconds, 1),
        "output": "\n".join(record.problems) or "Each method was graded by itself.",
        "output_format": "text",
        "test_output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {**record.provenance, "schema": SCHEMA_VERSION},
    }


def explain(row: dict[str, Any], card: str) -> str:
    """What a student is told of one TODO."""
    if row["fault"]:
        return "not graded: a fault of the grader, which is no fault of yours; tell your instructor"
    if not row["category"]:
        return f"right in all of {row['cases']} cases"
    words = row["category"].replace("_", " ")
    where = f" in the case '{row['case']}'" if row["case"] else " in a hidden case"
    text = f"{words}{where}: {row['summary'] or words}"
    if row["category"] in ("not_implemented", "missing", "syntax", "signature"):
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
        return "not graded: a fault of the grader, which is no fault of yours; tell your instructor"
    if row["complaint"]:
        return f"training does not come to an end: {row['complaint']}"
    text = f"mean return {row['mean_return']:.1f} over the grader's own episodes"
    if row["blame"]:
        text += f"; it is repaired by replacing {' and '.join(row['blame'])}"
    return text


def write_grades(path: Path, records: list[Record]) -> None:
    """The gradebook: one row a submission, one column a TODO."""
    names = [row["todo"] for row in max((r.todos for r in records), key=len, default=[])]
    rows = [("submission", "score", "ungraded", *names, "all together")]
    for record in sorted(records, key=lambda record: record.submission):
        scores = {row["todo"]: row["score"] for row in record.todos}
        together = "" if record.integration is None else record.integration["score"]
        cells = (scores.get(name, "") for name in names)
        name = plain_cell(record.submission)
        rows.append((name, record.score, int(record.is_ungraded), *cells, together))
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    os.replace(temporary, path)


def plain_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
