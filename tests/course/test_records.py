"""What is kept of a submission, what Gradescope gets of it, and the gradebook."""

import csv
import json
import stat
from pathlib import Path

import jsonschema
import pytest

from course.grader import records
from course.grader.integration import IntegrationResult
from course.grader.records import (
    FAULT,
    TOGETHER,
    Record,
    explain,
    gradescope,
    integration_row,
    load_record,
    plain_cell,
    results_text,
    save_record,
    todo_row,
    write_grades,
    write_whole,
)
from tests.course.grading_fakes import NAMES, POINTS, record, result

SCHEMA = json.loads(Path("course/grader/results.schema.json").read_text())
FORMULA = '=HYPERLINK("http://evil")'


def valid(found):
    jsonschema.validate(found, SCHEMA)
    return found


def shown_tests(found):
    return {test["name"]: test for test in valid(gradescope(found, {}))["tests"]}


def test_the_schema_refuses_what_the_specification_does():
    for wrong in (
        {},
        {"tests": []},
        {"tests": [{"name": "a"}]},
        {"score": "1"},
        {"score": 1, "visibility": "never"},
        {"score": 1, "tests": [{"status": "ok"}]},
        {"score": 1, "stdout": "x"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)
    jsonschema.validate({"tests": [{"score": 1.0}]}, SCHEMA)
    jsonschema.validate({"score": 1, "tests": [{"name": "a"}]}, SCHEMA)


@pytest.mark.parametrize(("passed", "score"), [(3, 60.0), (2, 20.0), (1, 0.0), (0, 0.0)])
def test_partial_credit_is_the_share_of_the_cases_beyond_the_half(passed, score):
    category = "wrong_value" if passed < 3 else ""
    row = todo_row(result("gae", category, "is off", passed=passed, cases=3))
    assert (row["score"], row["passed"], row["cases"]) == (score, passed, 3)


def test_a_row_holds_no_outputs_and_no_name_of_a_hidden_case():
    found = result("gae", "wrong_value", "is off", passed=1)
    found.cases[1] = type(found.cases[1])("", True, found.cases[1].verdict)
    assert set(map(type, todo_row(found).values())) <= {str, int, float, bool, type(None)}


def test_a_public_failure_is_told_before_a_hidden_one():
    found = result("gae", "wrong_value", "is off", passed=1)
    row = todo_row(found)
    assert (row["case"], row["is_hidden"]) == ("case 2", False)


def test_records_come_back_as_they_were(tmp_path):
    found = record(problems=["ü"], pending={"gae": 3}, seconds=1.5)
    save_record(tmp_path / "ann", found)
    assert load_record(tmp_path / "ann") == found


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"submission": "a"}', '{"x": 1}'])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path, text):
    (tmp_path / "record.json").write_text(text)
    assert load_record(tmp_path) is None
    assert load_record(tmp_path / "nowhere") is None


def test_a_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_whole(path, "old")

    def fail(*paths):
        raise OSError("killed")

    monkeypatch.setattr(records.os, "replace", fail)
    with pytest.raises(OSError, match="killed"):
        write_whole(path, "new")
    assert path.read_text() == "old"


def test_a_secret_file_is_for_its_owner_only(tmp_path):
    write_whole(tmp_path / "a", "secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_results_of_a_right_submission():
    found = valid(gradescope(record(), {}))
    assert found["score"] == 100
    assert found["stdout_visibility"] == "hidden"
    assert [test["status"] for test in found["tests"]] == ["passed"] * 3
    assert sum(test["score"] for test in found["tests"]) == found["score"]
    assert {test["visibility"] for test in found["tests"]} == {"visible"}


def test_a_fault_of_the_grader_is_no_zero_and_hides_the_total():
    faulty = [result("gae"), result("normalize", fault="disk full /root/x"), result("reward_to_go")]
    found = record(results=faulty)
    assert found.is_ungraded
    assert not found.is_final
    test = shown_tests(found)["normalize"]
    assert "score" not in test
    assert "status" not in test
    assert test["visibility"] == "after_published"  # so that students do not see the total
    assert test["output"] == FAULT
    results = results_text(found, {})
    assert "disk full" not in results
    assert "normalize" in json.loads(results)["output"]


def test_what_is_pending_is_no_zero_and_hides_the_total():
    pending = {name: POINTS[name] for name in NAMES[1:]}
    found = record(results=[result("gae")], pending=pending, is_complete=False)
    tests = shown_tests(found)
    assert list(tests) == NAMES
    assert tests["gae"]["score"] == 60
    assert all("score" not in tests[name] for name in pending)
    assert "has not come to its end" in gradescope(found, {})["output"]


def test_results_of_nothing_graded_yet_are_valid():
    found = valid(gradescope(Record("ann", "hw2", pending=POINTS), {}))
    assert found["score"] == 0
    assert all(test["visibility"] == "after_published" for test in found["tests"])


@pytest.mark.parametrize(
    ("together", "score", "status"),
    [
        (IntegrationResult(10, 10.0, 480.0), 10.0, "passed"),
        (IntegrationResult(10, 2.5, 100.0, is_capped=True), 2.5, "failed"),
        (IntegrationResult(10, complaint="takes \x1b[1m too long"), 0.0, "failed"),
        (IntegrationResult(10, fault="no bwrap"), None, None),
    ],
)
def test_the_integration_run_is_a_test_too(together, score, status):
    found = record(integration=integration_row(together))
    test = shown_tests(found)[TOGETHER]
    assert (test.get("score"), test.get("status")) == (score, status)
    assert "\x1b" not in test["output"]
    assert found.is_ungraded == bool(together.fault)


def test_a_result_says_under_which_protections_it_was_made():
    found = record(provenance={"tier": "T2", "protections": ["limits", "Landlock 6", "seccomp"]})
    extra = valid(gradescope(found, {}))["extra_data"]
    assert (extra["tier"], extra["protections"][1]) == ("T2", "Landlock 6")
    with pytest.raises(jsonschema.ValidationError):
        valid(gradescope(record(provenance={"protections": "none"}), {}))


def test_no_results_file_holds_a_number_that_json_has_not():
    with pytest.raises(ValueError, match="JSON"):
        results_text(
            record(integration=integration_row(IntegrationResult(10, float("nan"), 1.0))), {}
        )


def test_feedback_names_case_error_mistake_and_card():
    found = result("gae", "wrong_value", "the advantage is off", misconception="M", hint="Look.")
    text = explain(todo_row(found), "hw/a.py:7")
    for part in (
        "case 0",
        "the advantage is off",
        "0 of 4 cases",
        "mistake: M. Look.",
        "hw/a.py:7",
    ):
        assert part in text


def test_feedback_of_a_hidden_case_without_a_summary_has_its_category():
    row = todo_row(result("gae", "protocol")) | {"case": "", "is_hidden": True}
    assert explain(row, "c").startswith("protocol in a hidden case.")


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_gradebook_has_a_row_for_each_submission(tmp_path):
    some = [result("gae", "crash"), *map(result, NAMES[1:])]
    write_grades(tmp_path / "g.csv", [record("zoe", some), record("ann")])
    rows = read_csv(tmp_path / "g.csv")
    assert [row["submission"] for row in rows] == ["ann", "zoe"]
    assert [row["score"] for row in rows] == ["100.0", "40.0"]
    assert [row["gae"] for row in rows] == ["60.0", "0.0"]


def test_the_gradebook_gives_no_score_for_what_is_not_graded(tmp_path):
    faulty = record("ann", [result("gae", fault="x"), *map(result, NAMES[1:])])
    unfinished = record("bob", [result("gae")], pending=POINTS, is_complete=False)
    write_grades(tmp_path / "g.csv", [faulty, unfinished])
    ann, bob = read_csv(tmp_path / "g.csv")
    assert (ann["score"], ann["ungraded"], ann["provisional score"]) == ("", "1", "40.0")
    assert ann["gae"] == ""
    assert (bob["score"], bob["ungraded"], bob["normalize"]) == ("", "1", "")


def test_an_empty_gradebook_has_its_head(tmp_path):
    write_grades(tmp_path / "g.csv", [])
    assert (tmp_path / "g.csv").read_text().startswith("submission,score")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "|", "%", "\t=", " =", "\r\n=", "＝"])
def test_no_name_is_a_formula_in_the_gradebook(tmp_path, sign):
    assert plain_cell(f"{sign}1+1").startswith("'")
    write_grades(tmp_path / "g.csv", [record(f"{sign}cmd|' /C calc'!A0,\"x\"\n")])
    (row,) = read_csv(tmp_path / "g.csv")
    assert row["submission"].startswith("'")
    assert row["score"] == "100.0"


def test_ordinary_names_stay_as_they_are():
    assert plain_cell("Ann-Marie O'Neil_7") == "Ann-Marie O'Neil_7"
