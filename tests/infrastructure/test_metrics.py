"""Running statistics by hand."""

import math

import torch

from hw.infrastructure.env_runner import Episode
from hw.infrastructure.metrics import MetricsTracker


def tracker_of(returns):
    tracker = MetricsTracker()
    for i, episode_return in enumerate(returns):
        tracker.add_episode(Episode(float(episode_return), episode_length=10 * (i + 1), seed=0))
    return tracker


def test_nothing_is_reported_before_the_first_episode_and_the_first_update():
    tracker = MetricsTracker()
    assert tracker.episode_metrics() == {}
    assert tracker.take_training_metrics() == {}
    assert math.isnan(tracker.mean_return())


def test_means_are_over_the_last_ten_and_the_last_hundred_episodes():
    assert tracker_of(range(1, 251)).episode_metrics() == {
        "train/num_episodes": 250,
        "train/return_mean_10": 245.5,  # of 241 .. 250
        "train/return_mean_100": 200.5,  # of 151 .. 250
        "train/episode_length_mean_10": 10 * 245.5,
        "train/episode_length_mean_100": 10 * 200.5,
    }


def test_means_of_few_episodes_are_over_those_there_are():
    metrics = tracker_of([4.0, 0.0]).episode_metrics()
    assert metrics["train/return_mean_10"] == metrics["train/return_mean_100"] == 2.0
    assert metrics["train/episode_length_mean_10"] == 15.0
    assert tracker_of([4.0, 0.0, 1.0]).mean_return(window=2) == 0.5


def test_the_last_update_is_reported_with_the_number_of_updates():
    tracker = MetricsTracker()
    loss = torch.tensor(2.0)
    delayed = torch.tensor(0.0)
    tracker.add_update({"critic/loss": torch.tensor(1.0), "actor/loss": delayed})
    tracker.add_update({"critic/loss": loss})
    metrics = tracker.take_training_metrics()
    assert metrics == {"critic/loss": loss, "actor/loss": delayed, "train/num_updates": 2}
    assert metrics["critic/loss"] is loss  # not copied off its device
    assert tracker.take_training_metrics() == metrics


def test_a_histogram_is_handed_out_once_even_if_later_updates_have_none():
    tracker = MetricsTracker()
    advantages = torch.ones(3)
    tracker.add_update({"actor/advantages": advantages})
    tracker.add_update({"actor/loss": torch.tensor(1.0)})
    assert tracker.take_training_metrics()["actor/advantages"] is advantages
    assert "actor/advantages" not in tracker.take_training_metrics()


def test_a_restored_tracker_goes_on_like_the_original():
    tracker, restored = tracker_of(range(130)), tracker_of([9.0])
    tracker.add_update({"critic/loss": torch.tensor(1.0)})
    restored.load_state_dict(tracker.state_dict())
    for each in (tracker, restored):
        for _ in range(60):
            each.add_episode(Episode(1000.0, 7, seed=0))
        each.add_update({"critic/loss": torch.tensor(3.0)})
    assert restored.episode_metrics() == tracker.episode_metrics()
    assert restored.take_training_metrics() == tracker.take_training_metrics()
    assert restored.episode_metrics()["train/return_mean_100"] == (40 * 109.5 + 60 * 1000) / 100


def test_a_state_is_not_changed_by_later_episodes():
    tracker = tracker_of([1.0, 2.0])
    state = tracker.state_dict()
    tracker.add_episode(Episode(3.0, 1, seed=0))
    assert state["returns"] == [1.0, 2.0]
    assert state["num_episodes"] == 2
