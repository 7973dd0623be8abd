"""Estimates, intervals and shares against values worked out by hand."""

import numpy as np
import pytest

from hw.studies.statistics import (
    estimate,
    interval,
    main_effects,
    noise_shares,
    performance_profile,
    probability_of_improvement,
)

rng = np.random.default_rng(0)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    scores = np.array([[-1000.0], [1.0], [3.0], [1e6]])
    assert estimate(scores, "iqm") == [2.0]
    assert estimate(scores[1:3], "mean") == [2.0]


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says():
    pytest.importorskip("rliable")
    scores = rng.normal(size=(20, 60))  # 60 experiments of 20 runs each
    low, high = interval(scores, "mean")
    assert ((low < 0) & (high > 0)).mean() == pytest.approx(0.92, abs=0.08)
    again = interval(scores, "mean")
    np.testing.assert_array_equal((low, high), again)


def test_one_run_has_no_interval():
    assert np.isnan(interval(np.ones((1, 3)), "mean")).all()


def test_probability_of_improvement_counts_pairs_and_half_of_ties():
    pytest.importorskip("rliable")
    from hw.studies.statistics import probability_of_improvement

    middle, low, high = probability_of_improvement(np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    assert middle == (0.5 + 0 + 1 + 1) / 4
    assert low <= middle <= high


def test_a_performance_profile_is_the_fraction_of_runs_above():
    pytest.importorskip("rliable")
    from hw.studies.statistics import performance_profile

    fractions, (low, high) = performance_profile(np.array([1.0, 2.0, 4.0]), np.array([0, 1.5, 5]))
    assert fractions.tolist() == pytest.approx([1, 2 / 3, 0])
    assert (low <= fractions).all()
    assert (fractions <= high).all()


def test_shares_of_an_additive_function_are_those_of_its_terms():
    # f = a + 3b on {0, 1}^2: variances 1/4 and 9/4.
    a, b = np.meshgrid([0, 1], [0, 1], indexing="ij")
    assert main_effects(a + 3.0 * b) == pytest.approx([0.1, 0.9])


def test_what_two_explain_only_together_belongs_to_neither():
    a, b = np.meshgrid([-1, 1], [-1, 1], indexing="ij")
    assert main_effects(a * b * 1.0) == pytest.approx([0, 0])
    assert main_effects(np.ones((2, 3))) == [0.0, 0.0]


@pytest.mark.parametrize("shape", [(2, 2), (3, 2, 4)])
def test_noise_has_the_shares_of_its_degrees_of_freedom(shape):
    generator = np.random.default_rng(0)
    found = np.mean([main_effects(generator.standard_normal(shape)) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(found, noise_shares(shape), atol=0.02)


def test_of_one_run_nothing_is_certain():
    one, two = np.array([1.0]), np.array([0.0, 0.5])
    assert np.isnan(probability_of_improvement(one, two)[1:]).all()
    fractions, interval_ends = performance_profile(one, np.array([0.0, 2.0]))
    assert fractions.tolist() == [1.0, 0.0]
    assert np.isnan(interval_ends).all()
