"""Which replay buffer."""

from collections.abc import Callable
from dataclasses import dataclass

from hw.env_configs.schedule import ConstantSchedule, linear_schedule
from hw.envs.make_env import EnvFactory
from hw.infrastructure.errors import ConfigError
from hw.infrastructure.prioritized_replay import PrioritizedReplayBuffer
from hw.infrastructure.replay_buffer import ReplayBuffer


@dataclass(frozen=True)
class ReplaySettings:
    """A replay buffer, uniform or prioritised.

    Args:
        replay_buffer_capacity: transitions.
        use_prioritized_replay: draw transitions by their last TD error.
        priority_exponent: alpha: 0 draws uniformly, 1 in proportion to the TD error; 0.6 if not
            given.
        importance_exponent: beta at the start: how far the importance weights undo the
            prioritisation; 0.4 if not given. It rises to 1 over the run's steps.
        batch_size: transitions of a sample.
        n_step: steps that a sample looks ahead.

    Raises:
        ConfigError: an exponent is given, but replay is uniform; or a batch is larger than the
            buffer.
    """

    replay_buffer_capacity: int
    use_prioritized_replay: bool
    priority_exponent: float | None
    importance_exponent: float | None
    batch_size: int
    n_step: int = 1

    def __post_init__(self):
        for key in ("priority_exponent", "importance_exponent"):
            if not self.use_prioritized_replay and getattr(self, key) is not None:
                raise ConfigError("needs use_prioritized_replay: true", key=key)
        if self.batch_size > self.replay_buffer_capacity:
            raise ConfigError(
                f"is {self.batch_size}, more than replay_buffer_capacity, "
                f"{self.replay_buffer_capacity}",
                key="batch_size",
            )

    @property
    def resolved(self) -> dict[str, float | None]:
        """The exponents that hold; None where replay is uniform."""
        if not self.use_prioritized_replay:
            return {"priority_exponent": None, "importance_exponent": None}
        alpha, beta = self.priority_exponent, self.importance_exponent
        return {
            "priority_exponent": 0.6 if alpha is None else alpha,
            "importance_exponent": 0.4 if beta is None else beta,
        }

    def make_buffer(self, envs: EnvFactory, seed: int) -> ReplayBuffer:
        """An empty buffer for these environments' observations."""
        if self.use_prioritized_replay:
            return PrioritizedReplayBuffer(
                self.replay_buffer_capacity,
                seed,
                envs.num_stacked_frames,
                self.n_step,
                priority_exponent=self.resolved["priority_exponent"],
                priority_epsilon=1e-6,
            )
        return ReplayBuffer(self.replay_buffer_capacity, seed, envs.num_stacked_frames, self.n_step)

    def importance_schedule(self, total_steps: int | None) -> Callable[[int], float] | None:
        """Environment step -> beta; None for uniform replay."""
        beta = self.resolved["importance_exponent"]
        if beta is None:
            return None
        if total_steps is None:
            return ConstantSchedule(beta)
        return linear_schedule(beta, 1.0, total_steps)
