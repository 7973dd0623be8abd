"""Which replay buffer."""

from collections.abc import Callable
from dataclasses import dataclass

from hw.env_configs.schedule import ConstantSchedule, linear_schedule
from hw.envs.make_env import EnvFactory
from hw.infrastructure.prioritized_replay import PrioritizedReplayBuffer
from hw.infrastructure.replay_buffer import ReplayBuffer


@dataclass(frozen=True)
class ReplaySettings:
    """A replay buffer, uniform or prioritised.

    Args:
        replay_buffer_capacity: transitions.
        use_prioritized_replay: draw transitions by their last TD error.
        priority_exponent: alpha: 0 draws uniformly, 1 in proportion to the TD error.
        importance_exponent: beta at the start: how far the importance weights undo the
            prioritisation. It rises to 1 over the run's steps.
        n_step: steps that a sample looks ahead.

    """

    replay_buffer_capacity: int
    use_prioritized_replay: bool
    priority_exponent: float
    importance_exponent: float
    n_step: int = 1

    def make_buffer(self, envs: EnvFactory, seed: int) -> ReplayBuffer:
        """An empty buffer for these environments' observations."""
        if self.use_prioritized_replay:
            return PrioritizedReplayBuffer(
                self.replay_buffer_capacity,
                seed,
                envs.num_stacked_frames,
                self.n_step,
                priority_exponent=self.priority_exponent,
                priority_epsilon=1e-6,
            )
        return ReplayBuffer(self.replay_buffer_capacity, seed, envs.num_stacked_frames, self.n_step)

    def importance_schedule(self, total_steps: int | None) -> Callable[[int], float] | None:
        """Environment step -> beta; None for uniform replay."""
        if not self.use_prioritized_replay:
            return None
        if total_steps is None:
            return ConstantSchedule(self.importance_exponent)
        return linear_schedule(self.importance_exponent, 1.0, total_steps)
