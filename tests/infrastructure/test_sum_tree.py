"""The sum tree against cumulative sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.infrastructure.sum_tree import SumTree


def filled_tree(values):
    tree = SumTree(len(values))
    tree.set(np.arange(len(values)), np.array(values, np.float64))
    return tree


def assert_sums(tree):
    """Every node is the sum of its two children, to the last bit."""
    for node in range(1, tree.num_leaves):
        assert tree.sums[node] == tree.sums[2 * node] + tree.sums[2 * node + 1]


def test_a_tree_by_hand():
    tree = filled_tree([1.0, 2.0, 0.0, 4.0])
    np.testing.assert_array_equal(tree.sums, [0.0, 7.0, 3.0, 4.0, 1.0, 2.0, 0.0, 4.0])
    found = tree.find(np.array([0.0, 0.5, 1.0, 2.75, 3.0, 6.75]))
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 3, 3])
    tree.set(np.array([1, 2]), np.array([0.5, 3.0]))
    np.testing.assert_array_equal(tree.sums, [0.0, 8.5, 1.5, 7.0, 1.0, 0.5, 3.0, 4.0])


@pytest.mark.parametrize(
    ("num_leaves", "power"), [(1, 1), (2, 2), (3, 4), (8, 8), (9, 16), (1000, 1024)]
)
def test_leaves_are_a_power_of_two(num_leaves, power):
    tree = SumTree(num_leaves)
    assert tree.num_leaves == len(tree.leaves) == power
    assert SumTree.num_bytes(num_leaves) == tree.sums.nbytes
    assert tree.total == 0.0


def test_a_single_leaf_is_the_root():
    tree = filled_tree([3.0])
    assert tree.total == 3.0
    np.testing.assert_array_equal(tree.find(np.array([0.0, 2.9])), [0, 0])


@settings(max_examples=100, deadline=None)
@given(
    num_leaves=st.integers(1, 3000),
    batches=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_setting_and_finding_are_those_of_a_list(num_leaves, batches, seed):
    """Integers, so that sums are exact; many are 0, and leaves are set more than once."""
    random = np.random.default_rng(seed)
    tree, values = SumTree(num_leaves), np.zeros(num_leaves)
    for batch_size in batches:
        leaves = random.integers(num_leaves, size=batch_size)
        new = random.integers(4, size=batch_size).astype(float)
        before = leaves.copy()
        tree.set(leaves, new)
        np.testing.assert_array_equal(leaves, before)
        for leaf, value in zip(leaves, new, strict=True):
            values[leaf] = value
    np.testing.assert_array_equal(tree.leaves[:num_leaves], values)
    assert_sums(tree)
    assert tree.total == values.sum()
    if tree.total:
        positions = np.concatenate([[0.0], random.random(50) * tree.total, np.cumsum(values)[:-1]])
        positions = positions[positions < tree.total]
        before = positions.copy()
        expected = np.searchsorted(np.cumsum(values), positions, side="right")
        np.testing.assert_array_equal(tree.find(positions), expected)
        np.testing.assert_array_equal(positions, before)


def test_one_value_for_all():
    tree = SumTree(6)
    tree.set(np.array([1, 4, 5]), 0.5)
    np.testing.assert_array_equal(tree.leaves, [0, 0.5, 0, 0, 0.5, 0.5, 0, 0])
    assert tree.total == 1.5


def test_sums_do_not_drift():
    """After 1e5 updates over 24 orders of magnitude the sums are those of a tree built anew."""
    random = np.random.default_rng(0)
    tree = SumTree(5000)
    for _ in range(1000):
        leaves = random.integers(5000, size=100)
        tree.set(leaves, 10.0 ** random.uniform(-12, 12, size=100))
    tree.set(np.arange(5000), random.random(5000))
    np.testing.assert_array_equal(tree.sums, filled_tree(tree.leaves.copy()).sums)
    np.testing.assert_allclose(tree.total, tree.leaves.sum(), rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.3, 1e-9, 1e9]), min_size=1, max_size=40))
def test_rounding_never_finds_a_leaf_of_nothing(values):
    """Also at the total and beyond it, and at every border between leaves."""
    tree = filled_tree(values)
    if tree.total:
        borders = np.cumsum(values)
        positions = np.concatenate(
            [borders, np.nextafter(borders, 0.0), np.nextafter(borders, np.inf), [2 * tree.total]]
        )
        assert (np.array(values)[tree.find(positions)] > 0.0).all()
