"""Kills runs with SIGKILL at random moments, resumes them, and compares with one left in peace.

    python tests/resume/kill_and_resume.py --kills 50
    python tests/resume/kill_and_resume.py --kills 50 --only sac_pendulum ppo_pong

A session is a process forked from this one, which has made a very short run itself and so imported
everything; every tenth is a true start of hw/scripts/run.py. A kill falls at a random moment of
the start-up, or of training, or as soon as a file is being written. When a run is finished, it is
compared, and another one begun, until there were enough kills.

The same must be, to the last bit: everything in the last checkpoint and in each snapshot, every
row of metrics.jsonl and every scalar in the event files, but for times; and no step may be missing
or there twice.
"""

import argparse
import contextlib
import gc
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader  # noqa: E402
from tqdm import tqdm  # noqa: E402

import hw.env_configs.dqn_config  # noqa: E402, F401
import hw.env_configs.pg_config  # noqa: E402, F401
import hw.env_configs.ppo_config  # noqa: E402, F401
import hw.env_configs.sac_config  # noqa: E402, F401
import hw.env_configs.td3_config  # noqa: E402, F401
from hw.infrastructure import segments  # noqa: E402
from hw.infrastructure.checkpoint import list_states, load_state  # noqa: E402
from hw.infrastructure.files import UNFINISHED  # noqa: E402
from hw.infrastructure.segments import StoredRows  # noqa: E402
from hw.infrastructure.summary_writer import event_files  # noqa: E402
from hw.scripts import run  # noqa: E402

SMALL_SEGMENTS = 4096  # bytes, so that even a short run's replay buffer has many
TRUE_STARTS = 10
PHASES = ("training", "writing", "starting", "training")  # in which kills fall, in turn
TIME_LIMIT = 600.0  # seconds, of a session that is left alone

COMMON = {
    "num_eval_trajectories": 1,
    "eval_deterministic": False,
    "compile": False,
    "seed": 7,
}
PERIODS = ("log_interval", "eval_interval", "snapshot_interval", "checkpoint_interval")


def case(total_steps: int, **settings: Any) -> dict[str, Any]:
    """An experiment that logs, evaluates and saves often."""
    periods = (total_steps // 20, total_steps // 6, total_steps // 3, total_steps // 40)
    return (
        COMMON | {"total_steps": total_steps, **dict(zip(PERIODS, periods, strict=True))} | settings
    )


REPLAY = {
    "random_steps": 60,
    "training_starts": 100,
    "batch_size": 16,
    "hidden_size": 16,
    "replay_buffer_capacity": 500,
    "max_episode_steps": 70,
}
SAC = REPLAY | {"base_config": "sac", "learn_temperature": True, "target_update_period": 40}
DQN = REPLAY | {"base_config": "dqn", "use_prioritized_replay": True, "target_update_period": 40}
PPO = {"base_config": "ppo", "num_epochs": 2, "rollout_length": 32, "batch_size": 64}
PG = {"base_config": "pg", "batch_size": 200, "use_reward_to_go": True, "use_baseline": True}
CARTPOLE = {"env_name": "CartPole-v1", "num_envs": 4, "hidden_size": 16}
PONG = {
    "env_name": "ALE/Pong-v5",
    "num_envs": 2,
    "vectorization": "native",
    "backbone": "nature_cnn",
    "wrappers": ["atari"],
    "rollout_length": 16,
    "batch_size": 16,
    "num_epochs": 1,
    "eval_interval": 300,  # an evaluation plays until the game is lost
}
CASES: dict[str, dict[str, Any]] = {
    "sac_pendulum": case(1200, env_name="Pendulum-v1", **SAC),
    "sac_halfcheetah": case(800, env_name="HalfCheetah-v5", **SAC),
    "td3_hopper": case(1000, env_name="Hopper-v5", base_config="td3", **REPLAY),
    "dqn_prioritized": case(1200, env_name="CartPole-v1", **DQN),
    "ppo_cartpole": case(6000, vectorization="native", **CARTPOLE, **PPO),
    "reinforce_cartpole": case(6000, **CARTPOLE, **PG),
    "ppo_pong": case(480, **(PPO | PONG)),
    "sac_pendulum_compiled": case(1200, env_name="Pendulum-v1", **(SAC | {"compile": True})),
    "ppo_cartpole_compiled": case(6000, **CARTPOLE, **(PPO | {"compile": True})),
}


@dataclass
class Outcome:
    """What became of a case."""

    kills: Counter = field(default_factory=Counter)  # by what was going on
    runs: int = 0
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kills.items()))
        found = "; ".join(self.differences[:5]) or "no difference"
        return (
            f"{self.kills.total()} kills ({kinds}), {self.runs} runs, {self.seconds:.0f} s: {found}"
        )


def torment(settings: dict[str, Any], kills: int, folder: Path, seed: int = 0) -> Outcome:
    """Compare runs of an experiment that are killed so many times in all with one that is not.

    Args:
        settings: of the experiment.
        kills: how many.
        folder: an empty one to work in.
        seed: of the moments.
    """
    chance = random.Random(seed)
    outcome = Outcome()
    began_at = time.monotonic()
    cfg = folder / "experiment.yaml"
    cfg.write_text(yaml.safe_dump(settings), encoding="utf-8")
    warm_up(cfg, folder / "warm_up")
    reference, start, seconds = whole_run(cfg, folder / "reference")
    data, sessions = folder / "killed", 0
    while outcome.kills.total() < kills:
        session = Session(cfg, data, is_true_start=sessions % TRUE_STARTS == TRUE_STARTS - 1)
        sessions += 1
        phase = PHASES[outcome.kills.total() % len(PHASES)]
        longest = start if phase == "starting" else 2 * (seconds - start) / (1 + min(kills, 9))
        kind = session.kill(phase, chance.uniform(0.0, longest))
        if kind is not None:
            outcome.kills[kind] += 1
        else:
            finish(session, data, reference, outcome)
    session = Session(cfg, data)
    session.wait()
    finish(session, data, reference, outcome)
    outcome.seconds = time.monotonic() - began_at
    return outcome


def warm_up(cfg: Path, data: Path) -> None:
    """Make a run of a few steps in this process, which imports what starts would import each."""
    flags = ["--no-compile", "--set", "total_steps=8", "training_starts=4", "random_steps=2"]
    if "training_starts" not in yaml.safe_load(cfg.read_text(encoding="utf-8")):
        flags = flags[:3]
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        run.main(["-cfg", str(cfg), "--data_dir", str(data), "--no_gpu", *flags])
    gc.collect()  # a game whose threads stayed here could not be closed in a child
    shutil.rmtree(data)


def whole_run(cfg: Path, data: Path) -> tuple[Path, float, float]:
    """Run in peace; returns the run's directory, and the seconds to its first row and its end."""
    began_at = time.monotonic()
    session = Session(cfg, data)
    session.wait_for_rows()
    started_at = time.monotonic()
    session.wait()
    session.check()
    (reference,) = data.glob("*_seed*")
    return reference, started_at - began_at, time.monotonic() - began_at


def finish(session: "Session", data: Path, reference: Path, outcome: Outcome) -> None:
    """Compare a finished run with the reference, and clear it away."""
    session.check()
    (run_dir,) = data.glob("*_seed*")
    outcome.differences += differences(reference, run_dir)
    outcome.runs += 1
    shutil.rmtree(data)


class Session:
    """A process that starts a run, or goes on with the one that is there.

    Args:
        cfg: the experiment.
        data: where its run is, or will be.
        is_true_start: go on by the command line that a user types.
    """

    def __init__(self, cfg: Path, data: Path, is_true_start: bool = False):
        self.data = data
        for run_dir in data.glob("*_seed*"):
            if not (run_dir / "config.yaml").exists():  # killed before it was a run
                shutil.rmtree(run_dir)
        (self.run_dir,) = [*data.glob("*_seed*")] or [None]
        arguments = ["--resume", str(self.run_dir)] if self.run_dir else ["-cfg", str(cfg)]
        arguments += ["--data_dir", str(data), "--no_gpu"]
        data.mkdir(exist_ok=True)
        self.log = data / "output.txt"
        # A true start chooses how matrices are multiplied; a resume keeps what was chosen.
        if is_true_start and self.run_dir is not None:
            with self.log.open("ab") as log:
                command = [sys.executable, str(ROOT / "hw/scripts/run.py"), *arguments]
                process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            self.pid = process.pid
        else:
            process = multiprocessing.get_context("fork").Process(
                target=_train, args=(arguments, self.log)
            )
            process.start()
            self.pid = process.pid
        self.status: int | None = None

    def poll(self) -> bool:
        """Whether it has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def kill(self, phase: str, seconds: float) -> str | None:
        """Kill it, so many seconds after a phase began; None if it ended by itself before.

        Args:
            phase: "starting", "training" (it has logged a row), or "writing": as soon as it writes
                a file while training, or else after these seconds.

        Returns:
            what was going on, in the same words.
        """
        is_training = phase != "starting" and self.wait_for_rows()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.poll():
            if phase == "writing" and self._is_writing():
                break
            left = max(0.0, deadline - time.monotonic())
            time.sleep(0.0002 if phase == "writing" else min(0.01, left))
        if self.poll():
            return None
        os.kill(self.pid, signal.SIGKILL)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self.status != -signal.SIGKILL:
            return None
        if self._is_writing():
            return "writing"
        return "training" if is_training else "starting"

    def wait_for_rows(self) -> bool:
        """Wait until it has logged something; False if it ended before."""
        size = self._num_logged_bytes()
        while not self.poll():
            time.sleep(0.002)
            # A resumed run first cuts off what was logged since its checkpoint.
            before, size = size, self._num_logged_bytes()
            if size > before:
                return True
        return False

    def wait(self) -> None:
        """Let it end by itself."""
        deadline = time.monotonic() + TIME_LIMIT
        while not self.poll():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.005)

    def check(self) -> None:
        """Raise an AssertionError if it ended badly."""
        assert self.status == 0, f"status {self.status}: {self.log.read_text()[-3000:]}"

    def _is_writing(self) -> bool:
        folders = ("", "checkpoints", "checkpoints/segments", "snapshots")
        return any(
            name.endswith(UNFINISHED)
            for run_dir in self.data.glob("*_seed*")
            for folder in folders
            if (run_dir / folder).is_dir()
            for name in os.listdir(run_dir / folder)
        )

    def _num_logged_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.data.glob("*_seed*/metrics.jsonl"))


def _train(arguments: Sequence[str], log: Path) -> None:
    """In the child: what hw/scripts/run.py does."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    tqdm.set_lock(threading.RLock())  # not one that a killed sister may hold
    os._exit(_status(arguments))


def _status(arguments: Sequence[str]) -> int:
    try:
        return run.main(arguments)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise
    finally:
        sys.stdout.flush()


def differences(expected: Path, found: Path) -> list[str]:
    """What one run left otherwise than another, in words."""
    result = []
    for folder in ("checkpoints", "snapshots"):
        states = [list_states(run_dir / folder) for run_dir in (expected, found)]
        names = [[path.name for path in paths] for paths in states]
        if names[0] != names[1]:
            result.append(f"{folder}: {names[1]} instead of {names[0]}")
            continue
        for paths in zip(*states, strict=True):
            first, second = (_without_places(load_state(path)) for path in paths)
            result += [f"{paths[0].name}: {where}" for where in _unequal(first, second)]
    rows = [_rows(run_dir) for run_dir in (expected, found)]
    result += [f"metrics.jsonl: {where}" for where in _unequal(*rows)]
    scalars = [_scalars(run_dir) for run_dir in (expected, found)]
    result += [f"event files: {where}" for where in _unequal(*scalars)]
    result += [f"event files: {name} is there twice" for name in _repeated(found)]
    return result


def _without_places(state: dict[str, Any]) -> dict[str, Any]:
    """A state without times and file sizes, which depend on them."""
    logger = {"last_step": state["logger"]["last_step"]} if "logger" in state else None
    return {name: part for name, part in state.items() if name != "clock"} | {"logger": logger}


def _rows(run_dir: Path) -> list[dict[str, Any]]:
    with (run_dir / "metrics.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def _scalars(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows."""
    events = EventAccumulator(str(run_dir), size_guidance={"scalars": 0}).Reload()
    names = [name for name in events.Tags()["scalars"] if not name.startswith("time/")]
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in names}


def _repeated(run_dir: Path) -> list[str]:
    """What the event files hold more than once, also before TensorBoard drops anything."""
    counts = Counter(
        f"{value.tag} of step {event.step}"
        for path in event_files(run_dir)
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    )
    return [name for name, count in counts.items() if count > 1]


def _unequal(first: Any, second: Any, where: str = "") -> list[str]:
    """The places at which two nested states differ in a bit."""
    if type(first) is not type(second):
        return [f"{where} is {second!r:.50} instead of {first!r:.50}"]
    if isinstance(first, dict):
        if list(first) != list(second):
            return [f"{where} has {list(second)} instead of {list(first)}"]
        return [w for key in first for w in _unequal(first[key], second[key], f"{where}/{key}")]
    if isinstance(first, list | tuple):
        if len(first) != len(second):
            return [f"{where} has {len(second)} instead of {len(first)} entries"]
        pairs = enumerate(zip(first, second, strict=True))
        return [w for i, pair in pairs for w in _unequal(*pair, f"{where}/{i}")]
    if isinstance(first, StoredRows):
        first, second = _memory(first), _memory(second)
    if isinstance(first, torch.Tensor):
        first, second = first.numpy(), second.numpy()
    if isinstance(first, np.ndarray):
        same = (first.dtype, first.shape) == (second.dtype, second.shape)
        return [] if same and first.tobytes() == second.tobytes() else [f"{where} differs"]
    both_nan = first != first and second != second
    return [] if first == second or both_nan else [f"{where} is {second!r} instead of {first!r}"]


def _memory(rows: StoredRows) -> np.ndarray:
    memory = np.zeros(rows.shape, np.uint8)
    rows.read_into(memory)
    return memory


def main(arguments: Sequence[str]) -> int:
    """Run the cases; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="of each case")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    segments.SEGMENT_BYTES = SMALL_SEGMENTS
    run.ptu.enable_fast_matmul = lambda: False  # it chooses by timing
    is_good = True
    for name in args.only:
        with tempfile.TemporaryDirectory() as folder:
            outcome = torment(CASES[name], args.kills, Path(folder), args.seed)
        is_good = is_good and not outcome.differences
        print(f"{name}: {outcome}", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
