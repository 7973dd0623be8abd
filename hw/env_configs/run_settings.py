"""Settings that every run has, whatever its algorithm."""

from dataclasses import dataclass
from typing import Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from hw.env_configs.setting_types import Count, Name, Natural, Number, PositiveFloat

UPDATES_WORTH_COMPILING = 30_000


@with_config(ConfigDict(extra="forbid"))
class Expect(TypedDict):
    """What an experiment should reach: a bound for the final evaluation, and the time it takes."""

    eval_return: Number
    minutes_on_2_cores: NotRequired[PositiveFloat]


@dataclass(frozen=True)
class RunSettings:
    """Keys of an experiment beside those of its factory.

    Args:
        exp_name: part of the run directory's name.
        seed: of everything random in the run.
        expect: what the experiment was measured to reach, or that this was not done yet.
        eval_interval: environment steps between evaluations; one always follows at the end.
        num_eval_trajectories: episodes in each evaluation.
        num_render_trajectories: how many of them are kept as videos.
        eval_deterministic: evaluate the policy's mode rather than its samples.
        log_interval: environment steps between rows of training metrics.
        log_every_step: write every transition to steps.jsonl.
        checkpoint_interval, snapshot_interval: environment steps between full checkpoints, and
            between snapshots of the weights; both are always written at the end.
        use_wandb: log to Weights & Biases too.
        compile: run the agent's losses and gradients as compiled graphs; `auto` does so in a run of
            at least `UPDATES_WORTH_COMPILING` updates, which win back the ten to thirty seconds
            it takes.
        products: precision in which backbones and critics multiply. bfloat16 rounds each factor to
            eight bits; it makes large networks faster on a CPU that has such instructions.
    """

    exp_name: Name = "default"
    seed: Natural = 1
    expect: Expect | Literal["not yet measured"] = "not yet measured"
    eval_interval: Count = 10_000
    num_eval_trajectories: Count = 10
    num_render_trajectories: Natural = 0
    eval_deterministic: bool = True
    log_interval: Count = 1000
    log_every_step: bool = False
    checkpoint_interval: Count = 50_000
    snapshot_interval: Count = 200_000
    use_wandb: bool = False
    compile: Literal["auto"] | bool = "auto"
    products: Literal["float32", "bfloat16"] = "float32"
