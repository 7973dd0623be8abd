"""EnvPool behaves like the others: nothing resets silently, and what it cannot do is refused."""

import sys
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from hw.envs.make_env import EnvFactory
from hw.infrastructure.env_runner import EnvRunner
from hw.infrastructure.errors import ConfigError, UserError
from hw.scripts import run


@pytest.fixture
def make():
    """Makes environments of EnvPool, which must be installed, and closes them."""
    pytest.importorskip("envpool")
    made = []

    def make_envs(env_name, num_envs, wrappers=(), max_episode_steps=None, env_kwargs=None):
        factory = EnvFactory(
            env_name,
            env_kwargs=env_kwargs or {},
            wrappers=wrappers,
            max_episode_steps=max_episode_steps,
            vectorization="envpool",
        )
        made.append(factory.make_training_envs(num_envs))
        return made[-1]

    yield make_envs
    for envs in made:
        envs.close()


# What it refuses, with or without the package


def refusal(env_name="CartPole-v1", wrappers=()):
    factory = EnvFactory(env_name, wrappers=wrappers, vectorization="envpool")
    with pytest.raises(ConfigError) as error:
        factory.make_training_envs(2)
    assert error.value.key == "vectorization"
    return str(error.value)


def test_where_the_package_is_missing_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)
    assert refusal() == (
        "vectorization: envpool: needs a package that is not installed: pip install -e '.[envpool]'"
    )


def test_an_environment_that_envpool_does_not_have_is_refused(monkeypatch):
    stub = SimpleNamespace(list_all_envs=lambda: ["CartPole-v1", "Pong-v5"])
    monkeypatch.setitem(sys.modules, "envpool", stub)
    message = refusal("GridWorld-v0")
    assert message.endswith("no GridWorld-v0 in EnvPool; use sync, async or native")
    assert "the wrapper atari goes with games" in refusal("ALE/Pong-v5")
    assert "the wrapper atari goes with games" in refusal("CartPole-v1", ["atari"])


@pytest.mark.parametrize("vectorization", ["envpool", "native"])
def test_it_takes_no_wrappers_of_single_environments_and_no_limit_of_games(vectorization):
    with pytest.raises(ConfigError, match=f"{vectorization} cannot apply flatten_obs") as error:
        EnvFactory("CartPole-v1", vectorization=vectorization, wrappers=["flatten_observation"])
    assert error.value.key == "vectorization"
    with pytest.raises(ConfigError, match="the games' own limit") as error:
        EnvFactory(
            "ALE/Pong-v5", vectorization=vectorization, wrappers=["atari"], max_episode_steps=9
        )
    assert error.value.key == "max_episode_steps"


def test_a_runner_refuses_to_resume_what_cannot_be_played_again():
    def make_runner(is_restorable):
        envs = SyncVectorEnv(
            [lambda: gym.make("CartPole-v1")] * 2, autoreset_mode=AutoresetMode.DISABLED
        )
        if not is_restorable:
            envs.metadata["is_restorable"] = False
        runner = EnvRunner(envs, seed=0)
        runner.reset()
        return runner

    sound, unsound = make_runner(True), make_runner(False)
    sound.load_state_dict(sound.state_dict())
    for runner, other in ((unsound, unsound), (unsound, sound), (sound, unsound)):
        with pytest.raises(UserError, match="cannot be resumed exactly; .* sync, async or native"):
            runner.load_state_dict(other.state_dict())


# What it does


@pytest.mark.parametrize("num_envs", [1, 7])
def test_nothing_resets_silently_and_only_what_is_named_resets(make, drive, num_envs):
    """`elapsed_step` is EnvPool's own count; its silent reset would be a step number 0."""
    envs = make("CartPole-v1", num_envs)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    counts, last = np.zeros(num_envs, np.int64), np.zeros((num_envs, 4), np.float32)
    num_resets = 0
    for event in drive(envs, 400):
        if event.rewards is None:
            num_resets += 1
            counts[event.is_new] = 0
            np.testing.assert_array_equal(event.observations[~event.is_new], last[~event.is_new])
            assert np.abs(event.observations[event.is_new]).max() <= 0.05
        else:
            counts += 1
            np.testing.assert_array_equal(event.infos["elapsed_step"], counts)
            np.testing.assert_array_equal(event.infos["env_id"], np.arange(num_envs))
            assert (event.rewards == 1.0).all()
        last = event.observations
    assert num_resets > 10


def test_what_ended_wants_to_be_reset(make):
    envs = make("CartPole-v1", 2, max_episode_steps=1)
    actions = np.zeros(2, np.int64)
    with pytest.raises(ResetNeeded, match=r"\[0, 1\]"):
        envs.step(actions)
    envs.reset(seed=[0, 1])
    _, _, dones, truncateds, _ = envs.step(actions)
    assert not dones.any()
    assert truncateds.all()
    envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded, match=r"reset environments \[1\] first"):
        envs.step(actions)


@pytest.mark.parametrize(
    "mask", [np.ones(3, np.bool_), np.ones(2, np.int64), np.zeros(2, np.bool_)]
)
def test_a_mask_of_another_kind_is_refused(make, mask):
    with pytest.raises(ValueError, match="reset_mask must be 2 booleans"):
        make("CartPole-v1", 2).reset(seed=[0, 1], options={"reset_mask": mask})


@pytest.mark.parametrize("env_name", ["CartPole-v1", "Pendulum-v1"])
def test_each_step_is_gymnasiums(make, env_name):
    """From the state that EnvPool shows, Gymnasium's own step leads to the same."""
    runner = EnvRunner(make(env_name, 3), seed=0)
    env = gym.make(env_name).unwrapped
    env.reset(seed=0)
    actions = runner.envs.action_space
    actions.seed(0)
    runner.reset()
    for _ in range(100):
        transitions, _ = runner.step(actions.sample())
        for i, (observation, action) in enumerate(
            zip(transitions.observations, transitions.actions, strict=True)
        ):
            if env_name == "Pendulum-v1":
                env.state = np.array([np.arctan2(observation[1], observation[0]), observation[2]])
                found, reward, done, _, _ = env.step(2.0 * action)
            else:
                env.state, env.steps_beyond_terminated = observation.astype(np.float64), None
                found, reward, done, _, _ = env.step(action)
            is_too_fast = env_name == "Pendulum-v1" and abs(found[2]) == 8.0
            tolerance = 0.06 if is_too_fast else 2e-5  # EnvPool turns it before it cuts the speed
            np.testing.assert_allclose(transitions.next_observations[i], found, atol=tolerance)
            np.testing.assert_allclose(transitions.rewards[i], reward, atol=1e-4)
            assert transitions.dones[i] == done


def test_the_same_seed_gives_the_same_run(make, drive):
    def run_once(seed):
        return drive(make("HalfCheetah-v5", 3, max_episode_steps=20), 50, seed)

    first, again, other = run_once(1), run_once(1), run_once(2)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.observations, two.observations)
    assert not np.array_equal(first[0].observations, other[0].observations)
    assert not np.array_equal(first[0].observations[0], first[0].observations[1])


@pytest.mark.parametrize("env_name", ["CartPole-v1", "Pendulum-v1", "Ant-v5", "LunarLander-v3"])
def test_spaces_are_those_of_sync(make, env_name):
    if env_name == "LunarLander-v3":
        pytest.importorskip("Box2D")
    envs = make(env_name, 2)
    sync = EnvFactory(env_name).make_training_envs(2)
    assert envs.observation_space == sync.observation_space
    assert envs.action_space == sync.action_space
    observations, _ = envs.reset(seed=3)
    assert observations in envs.observation_space
    assert envs.step(envs.action_space.sample())[0].dtype == envs.observation_space.dtype
    sync.close()


def test_arguments_of_the_environment_reach_it(make):
    envs = make("HalfCheetah-v5", 1, env_kwargs={"ctrl_cost_weight": 100.0}, max_episode_steps=4)
    envs.reset(seed=[0])
    rewards = [envs.step(np.ones((1, 6), np.float32))[1][0] for _ in range(4)]
    assert max(rewards) < -500.0
    with pytest.raises(ConfigError, match="EnvPool's Pendulum-v1 knows no 'g'") as error:
        make("Pendulum-v1", 1, env_kwargs={"g": 9.0})
    assert error.value.key == "env_kwargs"


def test_what_falls_when_the_time_is_up_is_truncated_only(make):
    """Known difference: Gymnasium says both."""
    lengths = {}
    for limit in (None, 10):
        runner = EnvRunner(make("CartPole-v1", 8, max_episode_steps=limit), seed=0)
        runner.reset()
        for step in range(1, 11):
            transitions, _ = runner.step(np.ones(8, np.int64))
            for i in np.flatnonzero(transitions.dones | transitions.truncateds):
                lengths.setdefault((limit, i), (step, transitions.dones[i]))
    falls = [i for i in range(8) if lengths.get((None, i)) == (10, True)]
    assert falls
    assert all(lengths[10, i] == (10, False) for i in falls)


def test_games_are_those_of_the_wrapper_atari(make):
    """Without idle frames at the start both play the same game."""
    pytest.importorskip("ale_py")
    wrappers = [{"atari": {"noop_max": 1}}, {"clip_reward": {"low": -1, "high": 1}}]
    envs = make("ALE/Breakout-v5", 2, wrappers)
    plain = EnvFactory("ALE/Breakout-v5", wrappers=[{"atari": {"noop_max": 0}}, wrappers[1]])
    plain = plain.make_training_envs(2)
    assert envs.observation_space == plain.observation_space
    assert envs.action_space == plain.action_space
    envs.reset(seed=[1, 2])
    plain.reset(seed=[1, 2])
    generator = np.random.default_rng(0)
    for step in range(60):
        actions = generator.integers(4, size=2)
        found, expected = envs.step(actions), plain.step(actions)
        if step > 2:  # the first stacks are padded in different ways
            difference = np.abs(found[0].astype(int) - expected[0].astype(int))
            assert difference.mean() < 1.0
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[2], expected[2])
    plain.close()


def test_a_lost_life_ends_an_episode_and_the_game_begins_anew(make):
    pytest.importorskip("ale_py")
    envs = make("ALE/Breakout-v5", 2, [{"atari": {"episodic_life": True}}])
    envs.reset(seed=[0, 1])
    num_ended = 0
    for _ in range(200):
        _, _, dones, _, infos = envs.step(np.ones(2, np.int64))
        np.testing.assert_array_equal(infos["lives"], np.where(dones, 4, 5))
        if dones.any():
            num_ended += 1
            envs.reset(options={"reset_mask": dones})
    assert num_ended > 3


def test_a_game_needs_an_idle_frame(make):
    pytest.importorskip("ale_py")
    with pytest.raises(ConfigError, match="noop_max of at least 1"):
        make("ALE/Pong-v5", 2, [{"atari": {"noop_max": 0}}])


def test_actions_are_accepted_within_one(make):
    envs = make("Pendulum-v1", 2)
    assert envs.single_action_space == Box(-1.0, 1.0, (1,))


def test_a_run_trains_and_its_resumption_is_refused(make, tmp_path):
    arguments = ["-cfg", "experiments/ppo/cartpole.yaml", "--data_dir", str(tmp_path), "--set"]
    changes = ["vectorization=envpool", "total_steps=600", "num_eval_trajectories=1"]
    assert run.main([*arguments, *changes]) == 0
    (run_dir,) = tmp_path.iterdir()
    with pytest.raises(UserError, match="CartPole-v1: these environments cannot be brought back"):
        run.main(["--resume", str(run_dir), "--set", "total_steps=900"])
