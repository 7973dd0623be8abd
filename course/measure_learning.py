"""Measures the bands of the learning checks, and tries the checks on other seeds and on mistakes.

    python course/measure_learning.py run hw3_dqn --seeds 1-20 101-120
    python course/measure_learning.py run hw3_dqn --mistakes --seeds 1-2
    python course/measure_learning.py bands hw3_dqn
    python course/measure_learning.py report hw3_dqn

`run` trains, one run after the other, and keeps the rows of each in RAW/ASSIGNMENT; runs that are
there already are left out, so it can be stopped and called again. `bands` sets the limits in
experiments/learning/ASSIGNMENT.json (everything else in it is written by hand). `report` writes
docs/results/learning_ASSIGNMENT.csv and prints a section for the results' page.

Every run is in a process forked from one that has imported torch and none of `hw`, so that a
mistake planted in one leaves no trace in the next.
"""

import argparse
import csv
import dataclasses
import json
import multiprocessing
import re
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium  # noqa: F401
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from course.mutation import SourceOf  # noqa: E402

BAND_SEEDS = range(1, 21)
OTHER_SEEDS = range(101, 121)  # on which the first bands were tried, and one-sided ones decided
FRESH_SEEDS = range(201, 221)
TIME_LIMIT = 1800  # seconds, of a run
RULE = (
    "low, high = min(q05 - w, smallest), max(q95 + w, largest) of the seeds, with "
    "w = max(q95 - q05, slack); on a scale `log` of logarithms; no limit on a side without advice"
)

# Mistakes to try on each check, of the banks in `course/assignments`: TODO and name. The first
# ones should be seen in a curve; after None come those that are expected to change none.
MISTAKES: dict[str, list[tuple[str, str] | None]] = {
    "hw1_harness": [
        ("TimeLimit.step", "the limit terminates"),
        ("TimeLimit.step", "one step too late"),
        ("EnvRunner.count_step", "begins anew everywhere"),
        ("EnvRunner.count_step", "truncation does not end an episode"),
        ("EnvRunner.count_step", "the last reward instead of the return"),
        ("FrameStack.push", "the newest comes first"),
        ("ReplayBuffer.sample", "draws slots that were never written"),
        ("RunningMeanStd.merge", "forgets that the means differ"),
        ("ReplayBuffer.next_slots", "starts over as soon as the step does not fit"),
        None,
        ("EnvRunner.count_step", "writes truncation into dones"),
        ("RunningMeanStd.merge", "does not count"),
        ("ReplayBuffer.sample", "never draws the newest"),
        ("SumTree.set", "the first of two values counts"),
        ("TimeLimit.step", "forgets the environment's own limit"),
    ],
    "hw2_policy_gradients": [
        ("PolicyGradient.actor_loss", "descends the return"),
        ("PolicyGradient.actor_loss", "the likeliest action for the one that was done"),
        ("reward_to_go", "runs on through the end of an episode"),
        ("reward_to_go", "bootstraps through termination"),
        ("PolicyGradient.critic_loss", "every value meets every return"),
        ("PolicyGradient.estimate_advantages", "the baseline is fitted to advantages"),
        ("PolicyGradient.estimate_advantages", "the baseline is not subtracted"),
        ("Categorical.log_prob", "probabilities, not their logarithm"),
        None,
        ("normalize", "divides by the number, not by one less"),
        ("reward_to_go", "the next state's value is not discounted"),
        ("gae", "the trace decays by lambda alone"),
    ],
    "hw3_dqn": [
        ("n_step_targets", "bootstraps through termination"),
        ("n_step_targets", "rewards not discounted"),
        ("n_step_targets", "discounts the next state once"),
        ("DQN.critic_loss", "value of the best action"),
        ("DQN.act", "epsilon the wrong way round"),
        ("DQN.act", "epsilon does not follow the schedule"),
        ("DQN.bellman_targets", "dones the wrong way round"),
        ("DuelingHead.forward", "mean over the batch"),
        None,
        ("DuelingHead.forward", "no gradient through the mean"),
        ("huber_td_loss", "weights ignored"),
        ("double_q_values", "the smaller of two maxima"),
    ],
    "hw4_sac": [
        ("SoftActorCritic.bellman_targets", "bootstraps through termination"),
        ("SoftActorCritic.bellman_targets", "no discount"),
        ("SoftActorCritic.actor_loss_reparametrize", "descends on the values"),
        ("SoftActorCritic.actor_loss_reparametrize", "entropy with the wrong sign"),
        ("SoftActorCritic.actor_loss_reparametrize", "no gradient through the critics"),
        ("SoftActorCritic.soft_update_target_critic", "the rate on the wrong side"),
        ("log_tanh_slope", "the sign turned round"),
        ("min_backup", "maximum"),
        None,
        ("SoftActorCritic.soft_values", "gradient into alpha"),
        ("SoftActorCritic.update_target_critic", "the wrong way round"),
        ("SoftActorCritic.actor_loss_reparametrize", "climbs the target critics"),
    ],
    "hw5_ppo": [
        ("PPO.actor_loss", "the sign is not turned"),
        ("PPO.actor_loss", "the ratio is detached"),
        ("clipped_surrogate", "the larger of the two"),
        ("PPO.evaluate_rollout", "returns are the advantages"),
        ("PPO.ppo_loss", "punishes entropy"),
        ("PPO.minibatches", "one epoch only"),
        ("PPO.minibatches", "each tensor shuffled on its own"),
        ("PPO.evaluate_rollout", "dones and truncateds swapped"),
        None,
        ("PPO.minibatch_steps", "never stops"),
        ("PPO.values_of_next", "a time limit counts as a termination"),
        ("PPO.minibatches", "one permutation for all epochs"),
        ("PPO.actor_loss", "divides by the deviation without subtracting the mean"),
    ],
}


def mistakes_of(assignment: str) -> list[tuple[str, str]]:
    """The mistakes to try, in order."""
    return [entry for entry in MISTAKES[assignment] if entry is not None]


def path_of(raw: Path, assignment: str, mistake: tuple[str, str] | None, seed: int) -> Path:
    """Where the rows of a run are kept."""
    folder = raw / assignment
    if mistake is not None:
        folder /= re.sub(r"\W+", "_", ": ".join(mistake)).strip("_")
    return folder / f"{seed}.json"


def plant(assignment: str, todo_name: str, name: str) -> None:
    """Let the module of a TODO be imported with a mistake in it; nothing has imported it yet."""
    from course.bank import load_misconceptions
    from course.handout.blanking import find_bodies, put_back
    from course.manifest import load_assignment
    from hw.homework.public_tests import split_name

    bank = load_misconceptions(assignment)
    (entry,) = [e for e in bank if (e.todo, e.name) == (todo_name, name)]
    todo = load_assignment(assignment, ROOT).todos_by_name[todo_name]
    source = (ROOT / todo.file).read_text(encoding="utf-8")
    indent = find_bodies(source)[todo_name].indent
    body = textwrap.indent(textwrap.dedent(entry.body).strip("\n") + "\n", indent)
    module = split_name(todo.method)[0]
    for loaded in [n for n in sys.modules if n == "hw" or n.startswith("hw.")]:
        del sys.modules[loaded]
    changed = put_back(source, {todo_name: body})
    sys.meta_path.insert(0, SourceOf(module, ROOT / todo.file, changed))


def train(assignment: str, seed: int, mistake: tuple[str, str] | None, path: Path) -> None:
    """In a child: one run; its rows, or the error that ended it, go to a file."""
    torch.set_num_threads(1)
    if mistake is not None:
        plant(assignment, *mistake)
    from hw.env_configs.loading import load_config
    from hw.scripts import learn

    run_dir = Path(tempfile.mkdtemp())
    started_at = time.process_time()
    try:
        config = load_config(ROOT / learn.FOLDER / f"{assignment}.yaml", {"seed": seed})
        if not learn.train(config, run_dir, show_progress=False):
            return  # interrupted
        found: dict[str, Any] = {"rows": _without_times(learn.read_rows(run_dir))}
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}"[:300]}
    finally:
        shutil.rmtree(run_dir)
    found["seconds"] = round(time.process_time() - started_at, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found), encoding="utf-8")


def _without_times(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def run_all(args: argparse.Namespace) -> None:
    """Train every assignment with every seed, and with every mistake if asked."""
    context = multiprocessing.get_context("fork")
    for seed in args.seeds:
        for assignment in args.assignments:
            for mistake in mistakes_of(assignment) if args.mistakes else [None]:
                path = path_of(args.raw, assignment, mistake, seed)
                if path.exists():
                    continue
                child = context.Process(target=train, args=(assignment, seed, mistake, path))
                child.start()
                child.join(TIME_LIMIT)
                if child.is_alive():
                    child.kill()
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(json.dumps({"error": "no end", "seconds": TIME_LIMIT}))
                child.join()
                what = "" if mistake is None else f" with {': '.join(mistake)}"
                print(f"{time.strftime('%H:%M:%S')} {assignment} seed {seed}{what}", flush=True)


def read_run(path: Path) -> dict[str, Any] | None:
    """`rows` or `error`, and `seconds`, of a run; None if it was not made."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def set_bands(assignment: str, raw: Path) -> None:
    """Set the limits of an assignment's bands by the runs with `BAND_SEEDS`."""
    from hw.homework.learning_check import (
        Reference,
        load_reference,
        return_curve,
        save_reference,
        widened,
    )
    from hw.infrastructure.run_dir import provenance
    from hw.scripts.learn import FOLDER

    path = ROOT / FOLDER / f"{assignment}.json"
    found = {seed: read_run(path_of(raw, assignment, None, seed)) for seed in BAND_SEEDS}
    missing = [seed for seed, run in found.items() if run is None]
    if missing:
        raise SystemExit(f"{assignment}: no runs yet with seeds {missing}")
    runs = [run["rows"] for run in found.values()]
    bands = []
    for band in load_reference(path).bands:
        low, high = widened(band, [band.measure(rows) for rows in runs])
        bands.append(dataclasses.replace(band, low=low, high=high))
    facts = provenance()
    measured = {
        "seeds": [min(BAND_SEEDS), max(BAND_SEEDS)],
        "rule": RULE,
        "command": f"python course/measure_learning.py run {assignment} --seeds 1-20",
        "cpu_seconds_a_run": [min(r["seconds"] for r in found.values())]
        + [max(r["seconds"] for r in found.values())],
        **{key: facts[key] for key in ("python", "packages", "machine", "git_commit")},
    }
    save_reference(path, Reference(bands, return_curve(runs), measured))
    print(path)


def verdict_of(run: dict[str, Any], reference: Any) -> tuple[bool, str]:
    """Whether the check finds nothing, and its line."""
    from hw.homework.learning_check import judge

    if "error" in run:
        return False, f"stops: {run['error']}"
    verdict = judge(run["rows"], reference)
    return verdict.is_good, verdict.line


def report(assignment: str, raw: Path) -> None:
    """Write the numbers of all runs as a table, and print what the check says of them."""
    from hw.homework.learning_check import load_reference
    from hw.scripts.learn import FOLDER

    reference = load_reference(ROOT / FOLDER / f"{assignment}.json")
    table = []
    counts: dict[tuple[str, str] | None, list[tuple[int, bool, str]]] = {}
    for mistake in [None, *mistakes_of(assignment)]:
        for seed in sorted({*BAND_SEEDS, *OTHER_SEEDS, *FRESH_SEEDS}):
            run = read_run(path_of(raw, assignment, mistake, seed))
            if run is None:
                continue
            is_good, line = verdict_of(run, reference)
            counts.setdefault(mistake, []).append((seed, is_good, line))
            numbers = [band.measure(run.get("rows", [])) for band in reference.bands]
            what = "" if mistake is None else ": ".join(mistake)
            table.append([what, seed, "ok" if is_good else "off", *(f"{n:.5g}" for n in numbers)])
    names = [f"{b.statistic} {b.metric} {b.first_step}-{b.last_step}" for b in reference.bands]
    path = ROOT / "docs" / "results" / f"learning_{assignment}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mistake", "seed", "verdict", *names])
        writer.writerows(table)
    print(f"### {assignment}\n")
    own = counts.pop(None, [])
    for seeds in (BAND_SEEDS, OTHER_SEEDS, FRESH_SEEDS):
        judged = [entry for entry in own if entry[0] in seeds]
        alarms = [entry for entry in judged if not entry[1]]
        print(f"Seeds {min(seeds)} to {max(seeds)}: {len(alarms)} alarms in {len(judged)} runs.")
        for seed, _, line in alarms:
            print(f"- seed {seed}: {line}")
    print("\n| mistake | seen | what the check says |\n|---|---|---|")
    for mistake, entries in counts.items():
        seen = [line for _, is_good, line in entries if not is_good]
        line = (seen or [""])[0]
        print(f"| `{mistake[0]}`: {mistake[1]} | {len(seen)} of {len(entries)} | {line} |")
    print()


def seeds_of(text: str) -> range:
    """`3` or `1-20`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main(arguments: Sequence[str]) -> int:
    """Measure; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "bands", "report"])
    parser.add_argument("assignments", nargs="+", choices=[*MISTAKES, "all"])
    parser.add_argument("--seeds", nargs="+", type=seeds_of, default=[BAND_SEEDS, OTHER_SEEDS])
    parser.add_argument("--mistakes", action="store_true", help="runs with mistakes planted")
    parser.add_argument("--raw", type=Path, default=Path("data/learning"), help="where runs are")
    args = parser.parse_args(arguments)
    args.seeds = [seed for seeds in args.seeds for seed in seeds]
    if "all" in args.assignments:
        args.assignments = list(MISTAKES)
    if args.what == "run":
        run_all(args)
    for assignment in args.assignments:
        if args.what == "bands":
            set_bands(assignment, args.raw)
        if args.what == "report":
            report(assignment, args.raw)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
