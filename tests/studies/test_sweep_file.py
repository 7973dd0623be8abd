"""A sweep's file: what it may hold, and the mistakes that it names."""

from pathlib import Path

import pytest

from hw.infrastructure.errors import ConfigError
from hw.studies.search import make_search
from hw.studies.study import check_experiment
from hw.studies.sweep_file import load_sweep


@pytest.mark.parametrize("path", sorted(Path("experiments/sweeps").glob("*.yaml")), ids=str)
def test_every_sweep_of_ours_loads_and_its_configurations_are_valid(path):
    sweep, base = load_sweep(path)
    assert sweep.name == path.stem
    for settings in make_search(sweep).configs:
        check_experiment({**base, **settings}, sweep.swept_keys)


def test_the_base_may_stand_in_a_file_beside_the_sweep(tmp_path, sweep_file):
    (tmp_path / "base.yaml").write_text("base_config: ppo\nenv_name: CartPole-v1\n")
    sweep, base = load_sweep(sweep_file(base="base.yaml", set={"discount": 0.9}))
    assert sweep.name == "tiny"
    assert base == {
        "exp_name": "tiny",
        "base_config": "ppo",
        "env_name": "CartPole-v1",
        "discount": 0.9,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seedz": [1]}, "tiny.yaml: seedz: unknown key; did you mean 'seeds'"),
        ({"grid": None}, "needs one of grid, configs, random, tpe, got none"),
        ({"configs": [{"discount": 0.9}]}, "got grid and configs"),
        ({"grid": {}}, "grid: is empty"),
        ({"grid": {"learning_rate": []}}, "grid"),
        ({"grid": {"seed": [1, 2]}}, "is swept by `seeds`"),
        ({"seeds": [1, 1]}, "seeds: holds a seed twice"),
        ({"num_configs": 3}, "num_configs: goes with random and tpe"),
        ({"grid": None, "random": {"discount": [0.9]}}, "num_configs: is missing"),
        (
            {"grid": None, "tpe": {"learning_rate": {"low": 1, "high": 0.1}}, "num_configs": 2},
            "learning_rate: low must be below high",
        ),
        (
            {"grid": None, "random": {"discount": {"low": 0, "high": 1, "log": True}}}
            | {"num_configs": 2},
            "log needs low above 0",
        ),
        ({"early_stop": {"first_step": 10}}, "early_stop: factor"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(sweep_file, changes, message):
    with pytest.raises(ConfigError) as error:
        load_sweep(sweep_file(**changes))
    assert message in str(error.value)
