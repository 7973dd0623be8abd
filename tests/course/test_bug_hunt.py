"""Bug hunts: a solved tree with one mistake in it, and its curves."""

from pathlib import Path

import pytest

from course.bank import load_misconceptions
from course.handout.blanking import put_back
from course.handout.bug_hunt import add_curves, choose_misconception, full_name, make_bug_hunt, seen
from course.manifest import assignment_ids, load_assignment
from hw.infrastructure.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
IDS = assignment_ids(ROOT)


@pytest.mark.parametrize("assignment_id", IDS)
def test_only_mistakes_that_change_a_curve_are_picked(assignment_id):
    assignment = load_assignment(assignment_id, ROOT)
    names = {full_name(entry) for entry in load_misconceptions(assignment_id)}
    assert len(seen(assignment, ROOT)) >= 4
    assert seen(assignment, ROOT) <= names
    picked = {full_name(choose_misconception(assignment, None, seed, ROOT)) for seed in range(100)}
    assert picked == seen(assignment, ROOT)


def test_a_mistake_can_be_named():
    assignment = load_assignment("hw4_sac", ROOT)
    for wanted in ("min_backup: maximum", "maximum"):
        assert choose_misconception(assignment, wanted, 0, ROOT).todo == "min_backup"
    with pytest.raises(
        UserError, match=r"--mistake 'nothing': choose one of .*min_backup: maximum"
    ):
        choose_misconception(assignment, "nothing", 0, ROOT)


@pytest.mark.parametrize("assignment_id", IDS)
def test_the_tree_is_the_reference_but_for_one_method(assignment_id):
    assignment = load_assignment(assignment_id, ROOT)
    mistake = choose_misconception(assignment, None, 1, ROOT)
    hunt = make_bug_hunt(assignment, mistake, ROOT)
    todo = assignment.todos_by_name[mistake.todo]
    for path, content in hunt.files.items():
        original = ROOT / path
        if path.parts[0] == "hw" and path != todo.file and original.exists():
            assert content == original.read_bytes(), path
    wrong, right = hunt.files[todo.file].decode(), (ROOT / todo.file).read_text(encoding="utf-8")
    assert wrong != right
    assert put_back(wrong, {todo.name: "pass\n"}) == put_back(right, {todo.name: "pass\n"})
    assert not [path for path in hunt.files if path.parts[0] == "tests"]


@pytest.mark.slow
def test_the_curves_are_drawn(tmp_path):
    assignment = load_assignment("hw1_harness", ROOT)
    mistake = choose_misconception(assignment, None, 0, ROOT)
    make_bug_hunt(assignment, mistake, ROOT).write(tmp_path / "hunt")
    add_curves(tmp_path / "hunt", assignment, [1], ROOT)
    picture = (tmp_path / "hunt/figures/curves.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
