"""Training with all of a student's methods together, scored by the grader itself.

The sandbox trains and then only acts; the environments stand here, with secret seeds, and what a
submission says of its own returns counts nothing.
"""

import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np
import yaml

import hw.envs.make_env  # noqa: F401  registers GridWorld
from course.grader.grading import derived_seed
from course.grader.judge import PLAIN_ERRORS
from course.grader.sandbox import Limits, Sandbox
from course.grader.wire import ProtocolError, decode, encode
from course.grader.worker import MAX_JOB_HEADER, as_bytes
from course.manifest import Assignment

NUM_EPISODES = 20
ACT_SECONDS = 10.0
REPLY_BYTES = 2**20


@dataclass(frozen=True)
class IntegrationTask:
    """What an assignment's integration run is.

    Args:
        experiment: path of the YAML file to train.
        settings: that differ from it.
        low, high: returns that earn nothing and everything; between them the score is linear.
        seconds: that training may take, and then the grader's episodes.
    """

    experiment: str
    settings: dict[str, object]
    low: float
    high: float
    seconds: float


@dataclass
class IntegrationResult:
    """What came of an integration run.

    Args:
        points: what it counts.
        score: what it earned.
        mean_return: over the grader's episodes; None if there is no trained agent.
        complaint: what went wrong.
        is_capped: whether it would have earned more with methods that are right.
        fault: why it could not be graded.
    """

    points: int
    score: float = 0.0
    mean_return: float | None = None
    complaint: str = ""
    is_capped: bool = False
    fault: str = ""

    def cap(self, share: float) -> None:
        """Earn no larger share of its points than the methods do of theirs.

        Who hides a finished controller in a method that is wrong gets nothing for it.
        """
        most = round(self.points * share, 2)
        if self.score > most:
            self.score, self.is_capped = most, True


def load_task(assignment: Assignment, root: Path = Path(".")) -> IntegrationTask | None:
    """The assignment's `integration.yaml`, or None if it has none."""
    path = root / assignment.folder / "integration.yaml"
    if not path.exists():
        return None
    return IntegrationTask(**yaml.safe_load(path.read_text(encoding="utf-8")))


def run_integration(
    sandbox: Sandbox,
    task: IntegrationTask,
    assignment: Assignment,
    sources: dict[Path, str],
    seed: int,
    root: Path = Path("."),
    replaced: Sequence[str] = (),
) -> IntegrationResult:
    """Train in the sandbox, and score the agent's actions in environments of our own.

    Args:
        sources: the student's files.
        seed: of the training run and of the episodes.
        root: of the repository.
        replaced: TODOs that are the reference's instead of the student's, who can then read it;
            see `course/grader/blame.py`.
    """
    points = assignment.integration_points
    names: dict[str, list[str]] = {}
    for todo in assignment.todos:
        names.setdefault(todo.file.as_posix(), []).append(todo.name)
    missing = [file for file in names if Path(file) not in sources]
    if missing:
        return IntegrationResult(points, complaint=f"{missing[0]} is not in the submission")
    settings = task.settings | {"seed": derived_seed(seed, "training") % 2**31}
    fills: dict[str, list[str]] = {}
    for name in replaced:
        fills.setdefault(assignment.todos_by_name[name].file.as_posix(), []).append(name)
    values = {
        "experiment": task.experiment,
        "settings": settings,
        "files": names,
        "fills": fills,
    }
    arrays = {file: as_bytes(sources[Path(file)]) for file in names}
    for file in fills:
        arrays[f"fill.{file}"] = as_bytes((root / file).read_text(encoding="utf-8"))
    job = encode(values, arrays, MAX_JOB_HEADER)
    reply = sandbox.open_session(job, Limits(task.seconds, task.seconds, REPLY_BYTES))
    blanks = assignment.todos_by_name.keys()
    complaint = _complaint(reply.status, reply.payload, blanks)
    if complaint:
        if reply.status == "ok":
            sandbox.close_session()
        return IntegrationResult(points, complaint=complaint)
    with (root / task.experiment).open(encoding="utf-8") as file:
        env_name = yaml.safe_load(file)["env_name"]
    returns, complaint = _play(sandbox, env_name, seed, task.seconds, blanks)
    if complaint:
        return IntegrationResult(points, complaint=complaint)
    mean_return = float(np.mean(returns))
    share = float(np.clip((mean_return - task.low) / (task.high - task.low), 0.0, 1.0))
    return IntegrationResult(points, round(points * share, 2), mean_return)


def _play(
    sandbox: Sandbox, env_name: str, seed: int, seconds: float, blanks: Container[str]
) -> tuple[list[float], str]:
    """Returns of the grader's episodes, all environments together, or what went wrong."""
    deadline = time.monotonic() + seconds
    envs = [gym.make(env_name) for _ in range(NUM_EPISODES)]
    generator = np.random.default_rng(derived_seed(seed, "episodes"))
    seeds = generator.integers(2**31, size=NUM_EPISODES).tolist()
    observations = [env.reset(seed=s)[0] for env, s in zip(envs, seeds, strict=True)]
    space = envs[0].action_space
    is_box = isinstance(space, gym.spaces.Box)
    returns = [0.0] * NUM_EPISODES
    running = list(range(NUM_EPISODES))
    complaint = ""
    while running and not complaint:
        batch = np.stack([observations[i] for i in running])
        limits = Limits(ACT_SECONDS, ACT_SECONDS, REPLY_BYTES)
        reply = sandbox.ask(encode({}, {"observations": batch}), limits)
        is_late = time.monotonic() > deadline
        complaint = _complaint("timeout" if is_late else reply.status, reply.payload, blanks)
        if complaint:
            break
        _, outputs = decode(reply.payload, REPLY_BYTES)
        actions = outputs.get("actions")
        due = (len(running), *space.shape)
        kind = "f" if is_box else "iu"
        if actions is None or actions.shape != due or actions.dtype.kind not in kind:
            complaint = f"actions are not of shape {due}"
            break
        if not np.isfinite(actions).all():
            complaint = "actions are not finite"
            break
        for i, action in zip(list(running), actions, strict=True):
            if is_box:  # the agent acts in [-1, 1]
                scaled = space.low + (np.clip(action, -1, 1) + 1) / 2 * (space.high - space.low)
                step = envs[i].step(scaled.astype(space.dtype))
            elif not 0 <= action < space.n:
                complaint = "actions are not of the action space"
                break
            else:
                step = envs[i].step(int(action))
            observations[i], reward, done, truncated, _ = step
            returns[i] += float(reward)
            if done or truncated:
                running.remove(i)
    sandbox.close_session()
    for env in envs:
        env.close()
    return returns, complaint


def _complaint(status: str, payload: bytes, blanks: Container[str]) -> str:
    """What is wrong with a reply of a session, if anything.

    Args:
        status, payload: of the reply.
        blanks: names of the TODOs.
    """
    if status == "timeout":
        return "takes too long"
    if status != "ok":
        return "the process ended without a result"
    try:
        values, _ = decode(payload, REPLY_BYTES)
    except ProtocolError:
        return "the reply cannot be read"
    error = values.get("error")
    if error is None:
        return ""
    if not isinstance(error, dict):
        return "the reply cannot be read"
    if error.get("category") == "not_implemented":
        blank = str(error.get("message", "")).partition("TODO(*.")[2].partition(")")[0]
        return f"{blank if blank in blanks else 'a TODO'} is still blank"
    # No text of the process: it knows the observations that the grader's episodes begin with.
    name = error.get("type")
    return name if isinstance(name, str) and name in PLAIN_ERRORS else "an exception of its own"
