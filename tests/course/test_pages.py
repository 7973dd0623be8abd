"""The feedback page and the class report: escaped, self-contained, and right in their numbers."""

import re
from html.parser import HTMLParser

import pytest

from course.grader.pages import (
    class_report,
    clusters,
    equal_pairs,
    feedback_page,
    points_of,
    score_bins,
    todo_rows,
)
from tests.course.grading_fakes import ASSIGNMENT, NAMES, record, result

EVIL = "</style></p><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[31m{{ 7 * 7 }}"
TAGS_THAT_LOAD = {"script", "img", "iframe", "link", "object", "embed", "audio", "video", "form"}


class Elements(HTMLParser):
    """All elements of a page and their attributes; fails where tags do not match."""

    def __init__(self, page):
        super().__init__()
        self.found, self.open = [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def evil_record(name="ann"):
    evil = result("gae", "exception", EVIL, misconception=EVIL, hint=EVIL)
    faulty = result("normalize", fault=EVIL)
    return record(name, [evil, faulty, result("reward_to_go")], problems=[EVIL])


def report(records):
    return class_report(records, ASSIGNMENT, {"tier": "T3", "python": EVIL})


@pytest.mark.parametrize("kind", ["feedback", "report"])
def test_pages_escape_all_and_load_nothing(kind):
    found = evil_record(EVIL)
    page = feedback_page(found, ASSIGNMENT, dict.fromkeys(NAMES, EVIL))
    page = report([found, record("bob")]) if kind == "report" else page
    elements = Elements(page).found
    assert not TAGS_THAT_LOAD & {tag for tag, _ in elements}
    for _, attributes in elements:
        assert not {"src", "href", "action"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page  # text of a student's is no template
    assert not re.search(r"url\(|@import|https?://", page)
    assert "&lt;tests&gt;" in page  # the title


def test_feedback_states_score_points_and_each_todo():
    rows = [result("gae", "wrong_value", "is off", passed=3), *map(result, NAMES[1:])]
    page = feedback_page(record(results=rows), ASSIGNMENT, dict.fromkeys(NAMES, "hw/a.py:7"))
    assert '70 <span class="soft">of 100</span>' in page
    assert "30 / 60" in page
    assert "3 of 4 cases are right" in page
    assert "is off" in page
    assert "no grade" not in page


def test_feedback_of_an_unfinished_or_faulty_record_says_that_it_is_no_grade():
    faulty = record(results=[result("gae", fault="disk full"), *map(result, NAMES[1:])])
    page = feedback_page(faulty, ASSIGNMENT, {})
    assert "no grade" in page
    assert "ungraded / 60" in page
    assert "disk full" not in page
    unfinished = record(results=[result("gae")], pending={"normalize": 30}, is_complete=False)
    assert "no grade" in feedback_page(unfinished, ASSIGNMENT, {})
    assert points_of(unfinished) == 90


def test_the_report_shows_the_instructor_what_went_wrong():
    faulty = record("ann", [result("gae", fault="disk full"), *map(result, NAMES[1:])])
    page = report([faulty, record("bob"), record("cy", [result("gae")], is_complete=False)])
    assert "disk full" in page
    assert "not finished" in page
    assert "Mean 100.0, median 100.0 of the 1 whose score is final" in page


def test_the_report_of_nobody_is_a_page():
    assert "No score is final" in report([])


def test_bins_hold_every_score_once():
    bins = score_bins([0, 9.99, 10, 55, 99.5, 100, 100])
    assert [row["count"] for row in bins] == [2, 1, 0, 0, 0, 1, 0, 0, 0, 3]
    assert max(row["percent"] for row in bins) == 100
    assert [row["count"] for row in score_bins([])] == [0] * 10


def test_the_hardest_todo_comes_first_and_faults_count_neither_way():
    classmates = [
        record("a", [result("gae", "timeout"), result("normalize"), result("reward_to_go")]),
        record("b", [result("gae", "crash", passed=3), *map(result, NAMES[1:])]),
        record("c", [result("gae", fault="x"), result("normalize", "not_implemented")]),
    ]
    rows = {row["todo"]: row for row in todo_rows(classmates, ASSIGNMENT)}
    assert list(rows) == ["gae", "normalize", "reward_to_go"]
    assert rows["gae"]["share"] == pytest.approx(0.25)
    assert rows["normalize"]["share"] == pytest.approx(2 / 3)
    counts = [rows["gae"][key] for key in ("right", "blank", "timeouts", "crashes")]
    assert counts == [0, 0, 1, 1]
    assert (rows["normalize"]["right"], rows["normalize"]["blank"]) == (2, 1)


def test_a_todo_that_nobody_has_a_score_for_comes_last():
    rows = todo_rows([record("a", [result("gae", fault="x")])], ASSIGNMENT)
    assert rows[-1]["share"] is None
    assert "ungraded" in report([record("a", [result("gae", fault="x")])])


def test_students_are_grouped_by_misconception_and_else_by_category():
    def wrong(name):
        return result("gae", "wrong_value", misconception=name)

    classmates = [
        record("a", [wrong("min over the batch")]),
        record("b", [wrong("min over the batch"), result("normalize", "timeout")]),
        record("c", [wrong("no detach"), result("normalize", fault="x")]),
        record("d", [wrong("")]),
    ]
    assert [(c["name"], c["who"]) for c in clusters(classmates, "misconception")] == [
        ("min over the batch", ["a", "b"]),
        ("no detach", ["c"]),
    ]
    others = [(c["todo"], c["name"], c["who"]) for c in clusters(classmates, "category")]
    assert others == [("gae", "wrong_value", ["d"]), ("normalize", "timeout", ["b"])]


def prints(*hashes):
    return dict(zip(NAMES, hashes, strict=True))


def test_two_with_three_equal_trees_are_a_pair():
    classmates = [
        record("zoe", fingerprints=prints("1", "2", "3")),
        record("ann", fingerprints=prints("1", "2", "3")),
        record("bob", fingerprints=prints("4", "5", "6")),
        record("cy", fingerprints=prints("4", "5", "7")),
    ]
    assert equal_pairs(classmates) == [{"a": "ann", "b": "zoe", "todos": sorted(NAMES)}]


def test_what_many_share_says_nothing():
    many = [record(f"s{i:02}", fingerprints=prints("1", "2", "3")) for i in range(12)]
    assert equal_pairs(many) == []


def test_blank_methods_are_equal_to_nobodys():
    blank = [result(name, "not_implemented") for name in NAMES]
    both = [record(name, blank, fingerprints=prints("1", "2", "3")) for name in "ab"]
    assert equal_pairs(both) == []
    no_prints = [record(name, fingerprints=prints("", "", "")) for name in "ab"]
    assert equal_pairs(no_prints) == []
