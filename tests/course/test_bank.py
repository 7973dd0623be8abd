"""Every TODO has its probes, mistakes and variants; each mistake loses points, no variant does."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from course.bank import load_misconceptions, load_variants
from course.manifest import assignment_ids, load_assignment
from course.probe import load_probes, load_recipes

IDS = assignment_ids()


@pytest.mark.parametrize("name", IDS)
def test_every_todo_has_a_recipe_and_a_probe_with_public_and_hidden_cases(name):
    todos = set(load_assignment(name).todos_by_name)
    assert set(load_recipes(name)) == todos
    probes = load_probes(name)
    assert set(probes) == todos
    for probe in probes.values():
        hidden = [case.is_hidden for case in probe.cases(7)]
        assert hidden.count(False) >= 2, probe.todo
        assert hidden.count(True) >= 2, probe.todo


@pytest.mark.parametrize("name", IDS)
def test_every_todo_has_four_mistakes_and_two_variants(name):
    todos = load_assignment(name).todos_by_name
    mistakes = Counter(entry.todo for entry in load_misconceptions(name))
    variants = Counter(entry.todo for entry in load_variants(name))
    assert set(mistakes) == set(variants) == set(todos)
    assert min(mistakes.values()) >= 4
    assert min(variants.values()) >= 2
    names = [(entry.todo, entry.name) for entry in load_misconceptions(name)]
    assert len(set(names)) == len(names)


def test_the_bank_is_large():
    assert sum(len(load_misconceptions(name)) for name in IDS) >= 150


@pytest.mark.parametrize("name", IDS)
def test_the_same_seed_draws_the_same_cases(name):
    for probe in load_probes(name).values():
        first, second = probe.cases(3), probe.cases(3)
        assert repr(first) == repr(second)
        assert repr(first) != repr(probe.cases(4)) or all(
            not hasattr(value, "shape") for case in first for value in case.inputs.values()
        )


@pytest.mark.parametrize("name", IDS)
def test_every_mistake_loses_points_and_no_variant_does(name):
    """At its own TODO; that no other loses any is `make mutation`."""
    done = subprocess.run(
        [sys.executable, "course/mutation.py", name, "--quick", "--jobs", "1"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, "\n".join(
        line for line in done.stdout.splitlines() if line.startswith("FAIL")
    )
