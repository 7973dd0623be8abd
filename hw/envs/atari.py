"""Atari games, seen as DQN saw them.

Mnih et al. 2015, "Human-level control through deep reinforcement learning" (methods); the options
are those of Machado et al. 2018, "Revisiting the arcade learning environment".
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import AtariPreprocessing

from hw.envs.wrappers import FrameStack

NUM_PRESSES = 8  # of which, at the usual stickiness of 0.25, one in 65 536 times all are lost


def prepare_atari(env_name: str) -> None:
    """Register the `ALE/` games if one is asked for.

    Raises:
        ImportError: ale-py is not installed.
    """
    if env_name.startswith("ALE/"):
        import ale_py

        gym.register_envs(ale_py)


class Atari(gym.Wrapper):
    """Each action for several frames, the last two merged, gray, small, and a few of them stacked.

    A game flickers: some things are drawn on every second frame only, so the larger of two
    successive frames is what is seen. An episode begins with the fire button, where there is one,
    and a random number of frames in which nothing is done. The stack of a new episode is black but
    for its newest image.

    Args:
        env: a game that shows every frame (`frameskip=1`).
        num_frames: images in an observation (S, size, size), uint8.
        frame_skip: frames for each action.
        noop_max: at most so many frames at the start.
        screen_size: of the square images.
        fire_reset: press fire at the start.
        episodic_life: a lost life ends the episode, and the game is begun anew. Only in training:
            evaluation plays on, with `fire_each_life`.
        fire_each_life: press fire after each lost life, too. An agent that has only seen first
            lives has not learned that the game waits for it.
    """

    env_defaults = {"frameskip": 1, "repeat_action_probability": 0.0}

    def __init__(
        self,
        env: gym.Env,
        *,
        num_frames: int = 4,
        frame_skip: int = 4,
        noop_max: int = 30,
        screen_size: int = 84,
        fire_reset: bool = True,
        episodic_life: bool = False,
        fire_each_life: bool = False,
    ):
        if fire_reset and "FIRE" in env.unwrapped.get_action_meanings():
            env = FireAtStart(env, each_life=fire_each_life)
        env = AtariPreprocessing(
            env,
            noop_max=noop_max,
            frame_skip=frame_skip,
            screen_size=screen_size,
            terminal_on_life_loss=episodic_life,
        )
        super().__init__(FrameStack(env, num_frames=num_frames, padding="zeros"))

    @staticmethod
    def evaluation_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments in evaluation, for those in training."""
        if not arguments.get("episodic_life", False):
            return dict(arguments)
        return {**arguments, "episodic_life": False, "fire_each_life": True}


class FireAtStart(gym.Wrapper):
    """Presses fire in an episode's first frame.

    Some games wait for it, and an agent might take long to find out.

    Args:
        env: a game that shows every frame.
        each_life: press it, instead of what was to be done, in the frames after a lost life too:
            in several, since with sticky actions one may be lost.
    """

    def __init__(self, env: gym.Env, each_life: bool = False):
        super().__init__(env)
        self.each_life = each_life
        self.fire = env.unwrapped.get_action_meanings().index("FIRE")
        self.num_lives = 0
        self.num_presses_due = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; the first observation is that after the button was pressed."""
        self.env.reset(seed=seed, options=options)
        observation, _, _, _, info = self.env.step(self.fire)
        self.num_lives, self.num_presses_due = info["lives"], 0
        return observation, info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One frame."""
        observation, reward, terminated, truncated, info = self.env.step(
            self.fire if self.num_presses_due else action
        )
        self.num_presses_due = max(0, self.num_presses_due - 1)
        if self.each_life and info["lives"] < self.num_lives:
            self.num_presses_due = NUM_PRESSES
        self.num_lives = info["lives"]
        return observation, reward, terminated, truncated, info
