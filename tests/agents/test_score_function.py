"""The leave-one-out baseline by hand."""

import torch

from hw.agents.functional.score_function import leave_one_out_advantages


def test_each_sample_is_compared_with_the_mean_of_the_others():
    values = torch.tensor([[1.0, 0.0], [2.0, 0.0], [6.0, 9.0]])
    expected = torch.tensor([[1.0 - 4.0, -4.5], [2.0 - 3.5, -4.5], [6.0 - 1.5, 9.0]])
    torch.testing.assert_close(leave_one_out_advantages(values), expected)


def test_a_single_sample_is_left_as_it_is():
    values = torch.tensor([[3.0, -1.0]])
    assert torch.equal(leave_one_out_advantages(values), values)


def test_what_all_samples_share_cancels():
    values = torch.randn(5, 7)
    torch.testing.assert_close(
        leave_one_out_advantages(values + 1000.0),
        leave_one_out_advantages(values),
        atol=1e-3,
        rtol=1e-4,
    )
