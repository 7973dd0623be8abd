"""Atari: ale-py's own vectorization and Gymnasium's wrappers show the same game."""

import numpy as np
import pytest

from hw.envs.make_env import EnvFactory, make_env
from hw.infrastructure.env_runner import EnvRunner
from hw.infrastructure.errors import ConfigError

NOOP, FIRE = 0, 1
NO_NOOPS = {"noop_max": 0}  # which each of the two draws in its own way


def make_pair(game, num_envs, **arguments):
    wrappers = [{"atari": {**NO_NOOPS, **arguments}}, {"clip_reward": {"low": -1, "high": 1}}]
    return [
        EnvFactory(game, wrappers=wrappers, vectorization=kind).make_training_envs(num_envs)
        for kind in ("sync", "native")
    ]


@pytest.mark.parametrize(
    ("game", "arguments", "num_steps"),
    [
        ("ALE/Pong-v5", {}, 250),
        ("ALE/Breakout-v5", {}, 250),
        ("ALE/Breakout-v5", {"episodic_life": True}, 150),
        ("ALE/Breakout-v5", {"fire_reset": False, "num_frames": 3, "frame_skip": 3}, 300),
        ("ALE/SpaceInvaders-v5", {"episodic_life": True}, 250),
    ],
)
def test_native_and_plain_show_the_same_to_the_last_pixel(game, arguments, num_steps):
    pair = make_pair(game, 2, **arguments)
    observations = [envs.reset(seed=[1, 2])[0] for envs in pair]
    np.testing.assert_array_equal(*observations)
    assert observations[0].dtype == observations[1].dtype == np.uint8
    generator = np.random.default_rng(0)
    num_resets = 0
    for step in range(num_steps):
        actions = generator.integers(pair[0].single_action_space.n, size=2)
        plain, native = (envs.step(actions) for envs in pair)
        for ours, theirs in zip(plain[:4], native[:4], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        ended = plain[2] | plain[3]
        if ended.any():
            num_resets += 1
            options = {"reset_mask": ended}
            seeds = [step, step + 1]
            np.testing.assert_array_equal(
                *(envs.reset(seed=seeds, options=dict(options))[0] for envs in pair)
            )
    assert num_resets > 0 or game == "ALE/Pong-v5"
    for envs in pair:
        envs.close()


def test_an_observation_is_four_small_gray_images():
    env = make_env("ALE/Pong-v5", wrappers=["atari"])
    observation, _ = env.reset(seed=1)
    assert env.observation_space.shape == observation.shape == (4, 84, 84)
    assert observation.dtype == np.uint8
    assert observation[:3].max() == 0 < observation[3].max()
    assert env.unwrapped._frameskip == 1
    env.close()


@pytest.mark.parametrize("kind", ["sync", "native"])
def test_a_runner_restores_a_game_from_its_seed_and_actions(kind):
    def make_runner():
        factory = EnvFactory("ALE/Breakout-v5", wrappers=["atari"], vectorization=kind)
        return EnvRunner(factory.make_training_envs(2), seed=3)

    runner, restored = make_runner(), make_runner()
    generator = np.random.default_rng(0)
    runner.collect_rollouts(260, lambda observations: generator.integers(4, size=2))
    restored.load_state_dict(runner.state_dict())
    actions = generator.integers(4, size=(40, 2))
    for action in actions:
        ours, theirs = runner.step(action)[0], restored.step(action)[0]
        np.testing.assert_array_equal(ours.next_observations, theirs.next_observations)
        np.testing.assert_array_equal(ours.rewards, theirs.rewards)
    runner.close()
    restored.close()


def test_the_start_is_random_from_the_seed():
    for kind in ("sync", "native"):
        factory = EnvFactory("ALE/Breakout-v5", wrappers=["atari"], vectorization=kind)
        envs = factory.make_training_envs(4)
        first, _ = envs.reset(seed=[1, 1, 2, 3])
        assert np.array_equal(first[0], first[1])
        assert not np.array_equal(first[0], first[2]) or not np.array_equal(first[0], first[3])
        again, _ = envs.reset(seed=[1, 1, 2, 3])
        np.testing.assert_array_equal(first, again)
        envs.close()


def test_evaluation_plays_whole_games_for_unclipped_rewards():
    wrappers = [{"atari": {"episodic_life": True}}, {"clip_reward": {"low": -1, "high": 1}}]
    factory = EnvFactory("ALE/Breakout-v5", wrappers=wrappers, vectorization="native")
    assert factory.num_stacked_frames == 4
    envs = factory.make_evaluation_envs(1)
    envs.reset(seed=[1])
    lives = set()
    done = False
    while not done:
        _, _, dones, _, infos = envs.step(np.array([NOOP]))
        lives.add(int(infos["lives"][0]))
        done = dones[0]
    assert lives == {5, 4, 3, 2, 1, 0}
    envs.close()


def test_without_episodic_life_whoever_plays_presses_fire_also_in_evaluation():
    envs = EnvFactory("ALE/Breakout-v5", wrappers=["atari"]).make_evaluation_envs(1)
    envs.reset(seed=[1])
    for _ in range(300):
        _, _, _, _, infos = envs.step(np.array([NOOP]))
    assert infos["lives"] == [4]
    envs.close()


def test_fire_is_pressed_again_where_sticky_actions_swallow_it():
    factory = EnvFactory(
        "ALE/Breakout-v5",
        env_kwargs={"repeat_action_probability": 0.25},
        wrappers=[{"atari": {"episodic_life": True}}],
    )
    envs = factory.make_evaluation_envs(4)
    envs.reset(seed=[1, 2, 3, 4])
    lives = []
    for _ in range(300):
        _, _, dones, _, infos = envs.step(np.full(4, NOOP))
        lives.append(infos["lives"])
        if dones.any():
            break
    begun_late = lives[-1] == 5  # its first press, before any life was lost, was swallowed
    assert (lives[-1][~begun_late] < 3).all()
    assert not begun_late.all()
    envs.close()


@pytest.mark.parametrize(
    ("name", "value"), [("mode", 12), ("difficulty", 1), ("frameskip", 4), ("obs_type", "ram")]
)
def test_native_refuses_what_it_would_not_heed(name, value):
    factory = EnvFactory(
        "ALE/Breakout-v5", env_kwargs={name: value}, wrappers=["atari"], vectorization="native"
    )
    with pytest.raises(ConfigError, match=f"env_kwargs: native does not heed {name}"):
        factory.make_training_envs(1)


@pytest.mark.parametrize("kind", ["sync", "native"])
def test_the_games_own_limit_is_in_frames(kind):
    factory = EnvFactory(
        "ALE/Pong-v5",
        env_kwargs={"max_num_frames_per_episode": 80},
        wrappers=[{"atari": NO_NOOPS}],
        vectorization=kind,
    )
    envs = factory.make_training_envs(1)
    envs.reset(seed=[1])
    ends = [bool(np.any(envs.step(np.array([NOOP]))[2:4])) for _ in range(20)]
    assert ends == [False] * 19 + [True]
    envs.close()


@pytest.mark.parametrize(
    "wrapper", ["atari", "atari_preprocessing", {"max_and_skip_observation": {"skip": 3}}]
)
def test_the_limit_of_steps_counts_the_agents(wrapper):
    env = make_env(
        "ALE/Pong-v5", wrappers=[wrapper], env_kwargs={"frameskip": 1}, max_episode_steps=10
    )
    env.reset(seed=1)
    ends = [env.step(NOOP)[3] for _ in range(10)]
    assert ends == [False] * 9 + [True]
    env.close()


def test_evaluation_plays_whole_games_with_gymnasiums_preprocessing_too():
    wrappers = [{"atari_preprocessing": {"terminal_on_life_loss": True}}]
    factory = EnvFactory("ALE/Breakout-v5", env_kwargs={"frameskip": 1}, wrappers=wrappers)
    envs = factory.make_evaluation_envs(1)
    envs.reset(seed=[1])
    for _ in range(60):
        _, _, dones, _, infos = envs.step(np.array([FIRE]))
        assert not dones[0]
    assert infos["lives"] < [4]
    envs.close()


@pytest.mark.parametrize("kind", ["native", "envpool"])
def test_nobody_presses_fire_in_games_that_ale_py_or_envpool_step(kind):
    with pytest.raises(ConfigError, match="vectorization: .* use sync or async for fire_each_life"):
        EnvFactory(
            "ALE/Breakout-v5", wrappers=[{"atari": {"fire_each_life": True}}], vectorization=kind
        )


def test_a_game_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="env_name: cannot make 'ALE/Pongg-v5'.*ALE/Pong-v5"):
        make_env("ALE/Pongg-v5", wrappers=["atari"])
