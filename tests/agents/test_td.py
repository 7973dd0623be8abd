"""Temporal-difference targets and backups by hand."""

import pytest
import torch

from hw.agents.functional.td import (
    double_q_backup,
    mean_backup,
    min_backup,
    random_subset_min_backup,
    td_targets,
)

Q_VALUES = torch.tensor([[1.0, 8.0], [3.0, 4.0], [5.0, 0.0]])


def test_a_time_limit_still_bootstraps():
    targets = td_targets(
        rewards=torch.ones(2),
        dones=torch.tensor([1.0, 0.0]),
        next_values=torch.full((2,), 10.0),
        discount=0.5,
    )
    torch.testing.assert_close(targets, torch.tensor([1.0, 6.0]))


def test_targets_take_boolean_dones_and_several_critics():
    targets = td_targets(
        torch.tensor([1.0, 2.0]), torch.tensor([False, True]), Q_VALUES, discount=0.1
    )
    torch.testing.assert_close(targets, torch.tensor([[1.1, 2.0], [1.3, 2.0], [1.5, 2.0]]))


def test_gradient_flows_through_targets_where_the_arguments_carry_it():
    next_values = torch.ones(2, requires_grad=True)
    td_targets(torch.zeros(2), torch.tensor([0.0, 1.0]), next_values, 0.9).sum().backward()
    torch.testing.assert_close(next_values.grad, torch.tensor([0.9, 0.0]))


@pytest.mark.parametrize(
    ("backup", "expected"),
    [
        (mean_backup, [[3.0, 4.0]] * 3),
        (min_backup, [[1.0, 0.0]] * 3),
        (double_q_backup, [[3.0, 4.0], [5.0, 0.0], [1.0, 8.0]]),
    ],
)
def test_backups_of_three_critics(backup, expected):
    torch.testing.assert_close(backup(Q_VALUES), torch.tensor(expected))


def test_double_q_swaps_two_critics():
    torch.testing.assert_close(double_q_backup(Q_VALUES[:2]), Q_VALUES[[1, 0]])


def test_a_random_subset_of_one_is_a_critic_and_of_all_is_the_minimum():
    torch.manual_seed(0)
    seen = set()
    for _ in range(60):
        ((first, second),) = {tuple(row) for row in random_subset_min_backup(Q_VALUES, 1).tolist()}
        assert [first, second] in Q_VALUES.tolist()
        seen.add(first)
    assert seen == {1.0, 3.0, 5.0}
    torch.testing.assert_close(random_subset_min_backup(Q_VALUES, 3), min_backup(Q_VALUES))


def test_a_random_subset_of_two_is_drawn_uniformly():
    torch.manual_seed(0)
    firsts = [random_subset_min_backup(Q_VALUES, 2)[0, 0].item() for _ in range(600)]
    # Of the three pairs, two contain critic 0 (value 1), and one does not (value 3).
    assert firsts.count(1.0) == pytest.approx(400, abs=50)
    assert firsts.count(3.0) == pytest.approx(200, abs=50)
