"""The student's feedback page and the class report: one self-contained HTML file each.

Everything in them is escaped: whatever a student wrote is text.
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean, median
from typing import Any

import jinja2
from markupsafe import Markup

from course.grader.records import Record, explain_integration
from course.manifest import Assignment

TEMPLATES = Path(__file__).parent / "templates"
NUM_BINS = 10
RARE_SHARE = 0.1  # of the class, that may have the same method before it says nothing
LEAST_EQUAL = 3
CRASHES = ("crash", "out_of_memory", "protocol")


@functools.cache
def environment() -> jinja2.Environment:
    """Templates in which every value is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )


def feedback_page(record: Record, assignment: Assignment, cards: dict[str, str]) -> str:
    """What one student sees.

    Args:
        record: of the submission.
        assignment: that it is of.
        cards: where each TODO's docstring stands.
    """
    together = explain_integration(record.integration) if record.integration else ""
    return (
        environment()
        .get_template("feedback.html")
        .render(
            title=f"{assignment.id}: {assignment.title}",
            record=record,
            points=points_of(record),
            cards={row["todo"]: cards.get(row["todo"], "") for row in record.todos},
            together=together,
            protection=protection_of(record),
            style=style(),
        )
    )


def points_of(record: Record) -> int:
    """What could be earned in all."""
    together = record.integration["points"] if record.integration else 0
    return sum(row["points"] for row in record.todos) + together + sum(record.pending.values())


def class_report(
    records: list[Record],
    assignment: Assignment,
    provenance: dict[str, Any],
    culprits: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """What the instructor sees of the whole class.

    Args:
        records: of the class.
        assignment: that they are of.
        provenance: of the grading session.
        culprits: TODOs that break the integration run, by submission, where they were looked for.
    """
    records = sorted(records, key=lambda record: record.submission)
    scores = [record.score for record in records if record.is_final]
    return (
        environment()
        .get_template("report.html")
        .render(
            title=f"{assignment.id}: {assignment.title}",
            records=records,
            num_final=len(scores),
            mean=mean(scores) if scores else None,
            median=median(scores) if scores else None,
            tiers=", ".join(sorted({protection_of(r) for r in records})) or "none",
            bins=score_bins(scores),
            todos=todo_rows(records, assignment),
            clusters=clusters(records, "misconception"),
            others=clusters(records, "category"),
            pairs=equal_pairs(records),
            culprits=culprits or {},
            provenance=provenance,
            style=style(),
        )
    )


def protection_of(record: Record) -> str:
    """The sandbox's tier and protections in words."""
    words = " + ".join(record.provenance.get("protections", []))
    return f"{record.provenance.get('tier')}" + (f" ({words})" if words else "")


def style() -> Markup:
    """Our own style sheet, the one thing that is not escaped."""
    return Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))


def score_bins(scores: list[float]) -> list[dict[str, Any]]:
    """How many scores lie in each tenth of 100 points; 100 itself is in the last."""
    width = 100 // NUM_BINS
    counts = Counter(min(int(score // width), NUM_BINS - 1) for score in scores)
    most = max(counts.values(), default=1)
    return [
        {
            "label": f"{i * width} to {(i + 1) * width}",
            "count": counts[i],
            "percent": round(100 * counts[i] / most),
        }
        for i in range(NUM_BINS)
    ]


def todo_rows(records: list[Record], assignment: Assignment) -> list[dict[str, Any]]:
    """How the class did at each TODO, the hardest first."""
    rows = []
    for todo in assignment.todos:
        results = [row for r in records for row in r.todos if row["todo"] == todo.name]
        categories = Counter(row["category"] for row in results)
        shares = [row["score"] / row["points"] for row in results if not row["fault"]]
        rows.append(
            {
                "todo": todo.name,
                "points": todo.points,
                "share": mean(shares) if shares else None,
                "right": categories[""],
                "blank": categories["not_implemented"] + categories["missing"],
                "timeouts": categories["timeout"],
                "crashes": sum(categories[name] for name in CRASHES),
            }
        )
    return sorted(rows, key=lambda row: 2.0 if row["share"] is None else row["share"])


def clusters(records: list[Record], kind: str) -> list[dict[str, Any]]:
    """Submissions that are wrong in the same way, the largest group first.

    Args:
        records: of the class.
        kind: `misconception`, or `category` of those without one. Faults of ours are neither.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for record in records:
        for row in record.todos:
            is_known = bool(row["misconception"])
            if row[kind] and not row["fault"] and is_known == (kind == "misconception"):
                groups.setdefault((row["todo"], row[kind]), []).append(record.submission)
    found = [{"todo": todo, "name": name, "who": who} for (todo, name), who in groups.items()]
    return sorted(found, key=lambda group: (-len(group["who"]), group["todo"], group["name"]))


def equal_pairs(records: list[Record]) -> list[dict[str, Any]]:
    """Pairs that share at least three syntax trees which few others have."""
    owners: dict[tuple[str, str], list[str]] = {}
    for record in records:
        blank = {row["todo"] for row in record.todos if row["category"] == "not_implemented"}
        for todo, fingerprint in record.fingerprints.items():
            if todo not in blank and fingerprint:
                owners.setdefault((todo, fingerprint), []).append(record.submission)
    most = max(2, int(RARE_SHARE * len(records)))
    shared: dict[tuple[str, str], list[str]] = {}
    for (todo, _), names in owners.items():
        if len(names) <= most:
            for pair in combinations(sorted(names), 2):
                shared.setdefault(pair, []).append(todo)
    found = [
        {"a": a, "b": b, "todos": sorted(todos)}
        for (a, b), todos in shared.items()
        if len(todos) >= LEAST_EQUAL
    ]
    return sorted(found, key=lambda pair: (-len(pair["todos"]), pair["a"], pair["b"]))
