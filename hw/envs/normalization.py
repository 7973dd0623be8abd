"""Observations and rewards brought to unit scale by statistics gathered on the way.

Shapes: N environments, B batch, * one observation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from hw.envs.wrappers import RewardWrapper


class RunningMeanStd:
    """Mean and variance, component by component, of all samples seen so far; it keeps none of them.

    Before the first sample the mean is 0 and the variance 1, so that normalising changes nothing.

    Args:
        shape: * of one sample; () for scalars.
    """

    def __init__(self, shape: tuple[int, ...]):
        self.mean = np.zeros(shape, np.float64)
        self.variance = np.ones(shape, np.float64)
        self.count = 0

    def update(self, batch: np.ndarray) -> None:
        """Take in B samples: merge the moments of this batch, computed in float64.

        The batch's own moments are its mean and its variance (the mean squared deviation, divided
        by B and not B - 1). An empty batch changes nothing; one sample has variance 0.

        Args:
            batch: (B, *), of any dtype.
        """
        batch = np.asarray(batch, np.float64)
        count = len(batch)
        if count > 0:
            mean = batch.sum(axis=0) / count  # half the time of np.mean, for small batches
            self.merge(mean, ((batch - mean) ** 2).sum(axis=0) / count, count)

    def merge(self, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        """Combine with the moments of other samples, exactly as if all had been seen together.

            n = n_a + n_b
            delta = mean_b - mean_a
            mean = mean_a + delta * n_b / n
            variance = (n_a variance_a + n_b variance_b + delta^2 n_a n_b / n) / n

        where a is `self` and b the arguments (Chan, Golub and LeVeque, 1979, "Updating formulae and
        a pairwise algorithm for computing sample variances", eq. 2.1; with n_b = 1 it is Welford's
        method). Sums of squares are not used: where the mean is large they cancel to noise. With
        n_a = 0 the formulas give b (up to rounding). It sets `self.mean`, `self.variance` and
        `self.count`, an int. The arguments are left as they are, and what is kept is no part of
        them: the caller may use the arrays again.

        Args:
            mean: (*).
            variance: (*), divided by the count.
            count: at least 1.
        """
        total = self.count + count
        delta = mean - self.mean
        between = delta**2 * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.variance = (self.count * self.variance + count * variance + between) / total
        self.count = total

    def state_dict(self) -> dict[str, Any]:
        """Mean, variance and count."""
        return {"mean": self.mean.copy(), "variance": self.variance.copy(), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`.

        Raises:
            ValueError: it is of samples of another shape.
        """
        if np.shape(state["mean"]) != self.mean.shape:
            raise ValueError(
                f"statistics of shape {np.shape(state['mean'])} do not fit {self.mean.shape}"
            )
        self.mean = np.array(state["mean"], np.float64)
        self.variance = np.array(state["variance"], np.float64)
        self.count = int(state["count"])


class NormalizeObservation(VectorWrapper):
    """Observations with mean 0 and variance 1 in each component.

    One statistic is shared by the N environments. Each new observation enters it once: N with a
    step, and with a reset those of the environments that were reset. What is returned is always all
    N current observations under the latest statistic.

    The raw observations are in `infos["raw_observations"]`: a replay buffer keeps those, and what
    it samples is normalised anew. Otherwise one state would stand in it under as many numbers as
    the statistic has had values.

    Args:
        env: N environments with a Box of observations.
        clip: the largest absolute value returned.
        epsilon: added to the variance, for components that never change.
        is_frozen: leave the statistic as it is, as evaluation does.
    """

    def __init__(
        self,
        env: VectorEnv,
        *,
        clip: float = 10.0,
        epsilon: float = 1e-8,
        is_frozen: bool = False,
    ):
        super().__init__(env)
        space = env.single_observation_space
        if not isinstance(space, Box):
            raise TypeError(f"needs a Box of observations, not {space}")
        _check_positive(clip=clip, epsilon=epsilon)
        self.clip = clip
        self.epsilon = epsilon
        self.is_frozen = is_frozen
        self.statistics = RunningMeanStd(space.shape)
        self.single_observation_space = Box(-clip, clip, space.shape, np.float32)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin episodes: everywhere, or where `options["reset_mask"]` (N,) says so."""
        # The environments take the mask out of the options.
        is_new = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        observations, infos = self.env.reset(seed=seed, options=options)
        self.observe(observations[is_new])
        return self.normalize(observations), {**infos, "raw_observations": observations}

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act; all N observations are new."""
        observations, rewards, dones, truncateds, infos = self.env.step(actions)
        self.observe(observations)
        infos = {**infos, "raw_observations": observations}
        return self.normalize(observations), rewards, dones, truncateds, infos

    def observe(self, observations: np.ndarray) -> None:
        """Update the statistic with new raw observations (B, *), unless it is frozen.

        Observations that are not finite, which end a run, leave no trace in it.
        """
        if not self.is_frozen and np.isfinite(observations).all():
            self.statistics.update(observations)

    def normalize(self, observations: np.ndarray) -> np.ndarray:
        """(x - mean) / sqrt(variance + epsilon), cut to [-clip, clip].

        Mean and variance are those of `self.statistics`, which this leaves alone.

        Args:
            observations: x (N, *), raw.

        Returns:
            (N, *) float32.
        """
        scale = np.sqrt(self.statistics.variance + self.epsilon)
        normalized = (observations - self.statistics.mean) / scale
        return np.clip(normalized, -self.clip, self.clip).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """The statistic."""
        return {"statistics": self.statistics.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`, of any number of environments."""
        self.statistics.load_state_dict(state["statistics"])


class NormalizeReward(RewardWrapper):
    """Rewards divided by the standard deviation of the discounted return they add up to.

    Returns, and so values, then have a scale of about 1, whatever the task's units. Rewards are
    not centred: subtracting a mean would pay for longer or shorter episodes. The statistic is
    shared by the N environments. (Engstrom et al., 2020, "Implementation Matters in Deep RL: A Case
    Study on PPO and TRPO", section 3.)

    Args:
        env: N environments.
        discount: gamma, the agent's.
        clip: the largest absolute reward returned.
        epsilon: added to the variance. While all returns seen were equal the variance is 0, and
            every reward but 0 comes out as -clip or clip.
        is_frozen: change nothing of `state_dict()`.
    """

    def __init__(
        self,
        env: VectorEnv,
        *,
        discount: float,
        clip: float = 10.0,
        epsilon: float = 1e-8,
        is_frozen: bool = False,
    ):
        super().__init__(env)
        if not 0 <= discount <= 1:
            raise ValueError(f"discount is {discount}; it must lie in [0, 1]")
        _check_positive(clip=clip, epsilon=epsilon)
        self.discount = discount
        self.clip = clip
        self.epsilon = epsilon
        self.is_frozen = is_frozen
        self.statistics = RunningMeanStd(())
        self.discounted_returns = np.zeros(env.num_envs)

    def transform_rewards(self, rewards: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Update the statistic with this step's discounted returns, then scale its rewards.

        Args: see `RewardWrapper.transform_rewards`.
        """
        if not self.is_frozen:
            self.accumulate(rewards)
            self.statistics.update(self.discounted_returns)
            self.begin_episodes(ended)
        return self.scale(rewards)

    def accumulate(self, rewards: np.ndarray) -> None:
        """One step of each environment's discounted return: G_i <- discount G_i + r_i.

        G_i is 0 when its episode begins. It looks back, not ahead, so that no episode has to be
        waited for. It sets `self.discounted_returns` (N,).

        Args:
            rewards: r (N,).
        """
        self.discounted_returns = self.discount * self.discounted_returns + rewards

    def scale(self, rewards: np.ndarray) -> np.ndarray:
        """r / sqrt(variance + epsilon), cut to [-clip, clip]; the variance is that of the G.

        Args:
            rewards: r (N,).

        Returns:
            (N,); nothing is changed.
        """
        scale = np.sqrt(self.statistics.variance + self.epsilon)
        return np.clip(rewards / scale, -self.clip, self.clip)

    def begin_episodes(self, mask: np.ndarray) -> None:
        """G_i <- 0 where `mask` (N,) is true, unless frozen."""
        if not self.is_frozen:
            self.discounted_returns = np.where(mask, 0.0, self.discounted_returns)

    def state_dict(self) -> dict[str, Any]:
        """The statistic, and the discounted returns of the episodes under way."""
        return {
            "statistics": self.statistics.state_dict(),
            "discounted_returns": self.discounted_returns.copy(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`, of the same number of environments.

        Raises:
            ValueError: it is of another number.
        """
        returns = np.array(state["discounted_returns"], np.float64)
        if returns.shape != (self.num_envs,):
            raise ValueError(f"the state of {len(returns)} environments, not {self.num_envs}")
        self.statistics.load_state_dict(state["statistics"])
        self.discounted_returns = returns


def _check_positive(*, clip: float, epsilon: float) -> None:
    for name, value in (("clip", clip), ("epsilon", epsilon)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} is {value}; it must be positive and finite")
