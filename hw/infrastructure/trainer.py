"""The training loop: act, store, learn, and now and then log, evaluate and save.

Shapes: N environments.
"""

import contextlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from tqdm import tqdm

import hw.infrastructure.pytorch_util as ptu
from hw.infrastructure.checkpoint import CheckpointDirectory
from hw.infrastructure.clock import Clock
from hw.infrastructure.env_runner import (
    EnvRunner,
    Transitions,
    find_normalizer,
    wrapper_states,
)
from hw.infrastructure.errors import EnvError, StorageError, TrainingError
from hw.infrastructure.evaluation import Evaluator
from hw.infrastructure.graceful_stop import GracefulStop
from hw.infrastructure.interval import Interval
from hw.infrastructure.logger import Logger
from hw.infrastructure.metrics import MetricsTracker


class Buffer(Protocol):
    """Where transitions go: a `ReplayBuffer`, `RolloutBuffer` or `EpisodeBuffer`."""

    def insert(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        next_observations: np.ndarray,
        dones: np.ndarray,
        truncateds: np.ndarray,
    ) -> None:
        """Add one vector step of N environments."""

    def state_dict(self) -> dict[str, Any]:
        """All that it holds."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`."""


@dataclass(frozen=True)
class TrainerSettings:
    """When things happen, in environment steps (summed over the N environments).

    Args:
        total_steps, total_episodes: the budget; one of them is None.
        random_steps: so many uniformly random actions before the policy acts.
        training_starts: no update before this step.
        updates_per_step: calls of `agent.update` for each step after that.
        batch_size: of each update.
        importance_schedule: environment step -> exponent of the importance weights, where the
            replay buffer is prioritised; None where it is not.
        eval_interval, log_interval: between evaluations, and between rows of metrics.
        log_every_step: write every transition to steps.jsonl.

    `training_starts`, `updates_per_step` and `batch_size` are for agents that learn from a replay
    buffer; the others learn whenever their buffer is full.
    """

    total_steps: int | None
    total_episodes: int | None
    eval_interval: int | None
    log_interval: int
    random_steps: int = 0
    training_starts: int = 0
    updates_per_step: float = 0.0
    batch_size: int = 0
    importance_schedule: Callable[[int], float] | None = None
    log_every_step: bool = False


class Trainer:
    """Runs one agent on one vector environment until its budget is spent.

    Args:
        agent: a `BaseAgent`.
        envs: N environments to train on, which do not reset by themselves.
        buffer: of the kind that the agent's `collects` asks for.
        evaluator: with environments of its own.
        logger, checkpoints: where results go.
        settings: when.
        seeds: of the environments and of random actions.
        show_progress: draw a progress bar.
    """

    def __init__(
        self,
        *,
        agent: Any,
        envs: VectorEnv,
        buffer: Buffer,
        evaluator: Evaluator,
        logger: Logger,
        checkpoints: CheckpointDirectory,
        settings: TrainerSettings,
        seeds: ptu.RunSeeds,
        show_progress: bool = True,
    ):
        self.agent = agent
        self.learn = {
            "transitions": self.learn_from_replay,
            "rollout": self.learn_from_all,
            "episodes": self.learn_from_all,
        }[agent.collects]
        self.runner = EnvRunner(envs, seeds.env)
        self.action_space = envs.action_space
        self.action_space.seed(seeds.action_space)
        self.buffer = buffer
        self.normalizer = find_normalizer(envs) if agent.collects == "transitions" else None
        self.evaluator = evaluator
        self.logger = logger
        self.checkpoints = checkpoints
        self.settings = settings
        self.show_progress = show_progress

        self.step = 0
        self.metrics = MetricsTracker()
        self.log_interval = Interval(settings.log_interval)
        self.eval_interval = Interval(settings.eval_interval)
        self.last_evaluation: dict[str, float] = {}
        self.last_gradient_norms: dict[str, torch.Tensor] = {}
        self.evaluated_step: int | None = None
        self.stop = GracefulStop()
        self.clock = Clock()

    def train(self) -> dict[str, float]:
        """Train until the budget is spent, or until Ctrl-C or SIGTERM.

        Either way the logs, a checkpoint and a snapshot are complete at the end.

        Returns:
            the last evaluation's metrics.

        Raises:
            TrainingError: a loss or a weight is not finite.
            StorageError: a file cannot be written, for instance because the disk is full.

            No checkpoint is written then: the last good one stays. After any other error one is
            written, if that is still possible.
        """
        if self.is_finished():
            return self.last_evaluation
        self.clock.start(self.step)
        try:
            with self.stop, self._progress_bar() as bar:
                while not (self.is_finished() or self.stop.is_requested):
                    self.run_step()
                    self.report(bar)
                if self.is_finished():
                    self.evaluate()
                    self.log_progress(bar)
                self.save_snapshot()
                self.save_checkpoint()
        except StorageError as error:
            raise StorageError(
                f"{error} at step {self.step}; training has stopped, {self.checkpoints.last_good()}"
            ) from error
        except TrainingError:
            raise
        except Exception as error:
            if isinstance(error, EnvError):
                error.step = self.step
            with contextlib.suppress(Exception):  # the first error is the one to show
                self.save_checkpoint()
            raise
        return self.last_evaluation

    def is_finished(self) -> bool:
        """Whether the budget is spent."""
        return self._progress() >= self._budget()

    def run_step(self) -> None:
        """Act once in every environment, and make the updates that this calls for."""
        self.collect()
        self.learn()

    def collect(self) -> None:
        """Act once in every environment and store what happened."""
        if self.runner.observations is None:
            self.runner.reset()
        transitions, episodes = self.runner.step(self.choose_actions())
        self.step += self.runner.num_envs
        self.store(transitions)
        if episodes:
            for episode in episodes:
                self.metrics.add_episode(episode)
            self.logger.log_episode(
                float(np.mean([episode.episode_return for episode in episodes])),
                float(np.mean([episode.episode_length for episode in episodes])),
                self.step,
            )

    def choose_actions(self) -> np.ndarray:
        """Random actions at first, then the agent's, one for each environment.

        Raises:
            TrainingError: an action is not finite.
        """
        if self.step < self.settings.random_steps:
            return self.action_space.sample()
        actions = self.agent.get_action(self.runner.observations, step=self.step)
        if actions.dtype.kind == "f" and not np.isfinite(actions).all():
            self.fail("an action is not finite")
        return actions

    def store(self, transitions: Transitions) -> None:
        """Insert one vector step into the buffer: raw if what is sampled will be normalised."""
        is_raw = self.normalizer is not None
        self.buffer.insert(
            transitions.raw_observations if is_raw else transitions.observations,
            transitions.actions,
            transitions.rewards,
            transitions.raw_next_observations if is_raw else transitions.next_observations,
            transitions.dones,
            transitions.truncateds,
        )
        if self.settings.log_every_step:
            self.logger.log_step(vars(transitions), self.step)

    def learn_from_replay(self) -> None:
        """Make the updates that are due, each on a batch of the replay buffer."""
        for _ in range(self.num_updates_due()):
            batch = ptu.from_numpy(self.sample())
            metrics = self.agent.update(**batch, step=self.step)
            if self.settings.importance_schedule is not None:
                self.buffer.update_priorities(ptu.to_numpy(metrics["td_errors"]))
                metrics = metrics | {"batch/weight_mean": batch["weights"].mean()}
            self.record_update(metrics)

    def sample(self) -> dict[str, np.ndarray]:
        """A batch of the replay buffer, with importance weights where it is prioritised.

        Where there is a `NormalizeObservation`, the batch is normalised as observations are now.
        """
        arguments = [self.settings.batch_size]
        if self.settings.importance_schedule is not None:
            arguments.append(self.settings.importance_schedule(self.step))
        batch = self.buffer.sample(*arguments)
        if self.normalizer is not None:
            for name in ("observations", "next_observations"):
                batch[name] = self.normalizer.normalize(batch[name])
        return batch

    def learn_from_all(self) -> None:
        """Once the buffer is full, make one update on all that it holds, and begin anew."""
        if self.buffer.is_full:
            experience = ptu.from_numpy(self.buffer.take())
            self.record_update(self.agent.update(experience, step=self.step))

    def record_update(self, metrics: dict[str, torch.Tensor]) -> None:
        """Take note of what an update reported."""
        self.metrics.add_update(metrics)
        # On a GPU this would wait for the device, so there it is done before logging only.
        if ptu.device.type == "cpu":
            self.check_losses()

    def num_updates_due(self) -> int:
        """`updates_per_step` for each step since training started, less the updates made."""
        num_training_steps = max(0, self.step - self.settings.training_starts)
        num_updates = math.floor(num_training_steps * self.settings.updates_per_step)
        return num_updates - self.metrics.num_updates

    def check_losses(self) -> None:
        """Raise a TrainingError if a loss of the last update is not finite."""
        for name, value in self.metrics.last_update.items():
            if name.endswith("/loss") and not math.isfinite(value):
                self.fail(f"{name} is {float(value)}")

    def report(self, bar: tqdm) -> None:
        """Log, evaluate and save, each where its interval was crossed."""
        bar.update(self._progress() - bar.n)
        log = self.log_interval.crossed(self.step)
        evaluate = self.eval_interval.crossed(self.step)
        save_snapshot = self.checkpoints.snapshot_interval.crossed(self.step)
        save_checkpoint = self.checkpoints.checkpoint_interval.crossed(self.step)
        if self.is_finished():
            return  # `train` does all of it once more
        if evaluate:
            self.evaluate()
        if log:
            self.log_progress(bar)
        if save_snapshot:
            self.save_snapshot()
        if save_checkpoint:
            self.save_checkpoint()

    def evaluate(self) -> None:
        """Run the evaluation episodes; log their statistics, and videos if asked for."""
        self.check_weights()
        evaluation = self.evaluator.run(self.agent, self.step, wrapper_states(self.runner.envs))
        self.last_evaluation, self.evaluated_step = evaluation.metrics(), self.step
        self.logger.log_scalars(self.last_evaluation, self.step)
        for i, frames in enumerate(evaluation.videos):
            self.logger.log_video(
                frames, f"eval/episode_{i}", self.step, self.evaluator.frames_per_second
            )

    def log_progress(self, bar: tqdm) -> None:
        """Log the last update, running means and speed; write all that was logged to disk."""
        self.check_losses()
        training_metrics = self.gradient_norms() | self.metrics.take_training_metrics()
        self.logger.log_scalars(training_metrics, self.step)
        self.logger.log_scalars(self.metrics.episode_metrics(), self.step)
        self.logger.log_scalars(self.clock.lap(self.step), self.step)
        self.logger.flush()
        returns = {"return": self.metrics.mean_return()}
        if self.last_evaluation:
            returns["eval"] = self.last_evaluation["eval/return_mean"]
        known = {name: value for name, value in returns.items() if not math.isnan(value)}
        bar.set_postfix_str(", ".join(f"{name} {value:.1f}" for name, value in known.items()))

    def gradient_norms(self) -> dict[str, torch.Tensor]:
        """The agent's, and before its first update since a resume those that were saved."""
        self.last_gradient_norms = self.last_gradient_norms | self.agent.gradient_norms()
        return self.last_gradient_norms

    def check_weights(self) -> None:
        """Raise a TrainingError if a weight is not finite."""
        for name, weight in self.agent.weights().items():
            if not torch.isfinite(weight).all():
                self.fail(f"{name} is not finite")

    def fail(self, what: str) -> NoReturn:
        """Raise a TrainingError that says what is wrong, when, and what is left of the run."""
        raise TrainingError(
            f"{what} at step {self.step}; training has stopped, {self.checkpoints.last_good()}"
        )

    def save_checkpoint(self) -> None:
        """Write everything that `load_state_dict` needs to go on."""
        self.check_weights()
        is_evaluated = self.evaluated_step == self.step
        score = self.last_evaluation["eval/return_mean"] if is_evaluated else None
        self.checkpoints.save_checkpoint(self.step, self.state_dict(), score)

    def save_snapshot(self) -> None:
        """Write all that acting needs: the agent's weights and the wrappers' statistics."""
        self.check_weights()
        snapshot = {"weights": self.agent.weights(), "wrappers": wrapper_states(self.runner.envs)}
        self.checkpoints.save_snapshot(self.step, snapshot)

    def state_dict(self) -> dict[str, Any]:
        """The whole state of the run."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        return state | {
            "step": self.step,
            "last_evaluation": self.last_evaluation,
            "gradient_norms": self.gradient_norms(),
            "action_space": self.action_space.np_random.bit_generator.state,
            "torch": ptu.torch_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict()`."""
        self.step = state["step"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.last_evaluation = state["last_evaluation"]
        self.last_gradient_norms = state["gradient_norms"]
        self.action_space.np_random.bit_generator.state = state["action_space"]
        ptu.load_torch_state(state["torch"])

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the environments and the log files."""
        self.runner.close()
        self.evaluator.close()
        self.logger.close()

    def _parts(self) -> dict[str, Any]:
        return {
            "agent": self.agent,
            "runner": self.runner,
            "buffer": self.buffer,
            "metrics": self.metrics,
            "logger": self.logger,
            "checkpoints": self.checkpoints,
            "log_interval": self.log_interval,
            "eval_interval": self.eval_interval,
            "clock": self.clock,
        }

    def _progress(self) -> int:
        in_steps = self.settings.total_steps is not None
        return self.step if in_steps else self.metrics.num_episodes

    def _budget(self) -> int:
        in_steps = self.settings.total_steps is not None
        return self.settings.total_steps if in_steps else self.settings.total_episodes

    def _progress_bar(self) -> tqdm:
        unit = "step" if self.settings.total_steps is not None else "episode"
        return tqdm(
            total=self._budget(),
            initial=self._progress(),
            unit=unit,
            dynamic_ncols=True,
            mininterval=0.1 if sys.stderr.isatty() else 60.0,
            disable=not self.show_progress,
        )
