"""The sweep script: its summary, its exit status, and the mistakes it names."""

import pytest
import yaml

from hw.infrastructure.errors import ConfigError, UserError
from hw.scripts import sweep

TINY = {
    "base": {"base_config": "random", "env_name": "CartPole-v1", "total_steps": 40},
    "set": {"num_eval_trajectories": 1},
    "grid": {"max_episode_steps": [5, 10]},
}


@pytest.fixture
def arguments(tmp_path):
    """Write a sweep, with changes, and return the command line for it."""

    def write(**changes):
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(TINY | changes), encoding="utf-8")
        return ["-cfg", str(path), "--data_dir", str(tmp_path / "data"), "--jobs", "1"]

    return write


def test_a_sweep_ends_with_its_table_and_resuming_a_whole_one_runs_nothing(
    arguments, tmp_path, capsys
):
    assert sweep.main(arguments()) == 0
    table = tmp_path / "data" / "tiny" / "trials.csv"
    before = table.read_text(encoding="utf-8")
    assert before.count("finished") == 2
    assert f"{table}: 2 trials, 0 failed" in capsys.readouterr().out
    assert sweep.main([*arguments(), "--resume"]) == 0
    assert "2 trials, 2 of them done" in capsys.readouterr().out
    assert table.read_text(encoding="utf-8") == before


def test_another_name_makes_another_study_which_its_own_file_makes_again(
    arguments, tmp_path, capsys
):
    assert sweep.main([*arguments(), "--name", "first"]) == 0
    path = tmp_path / "data" / "first" / "sweep.yaml"
    flags = ["--data_dir", str(tmp_path), "--name", "second", "--jobs", "1"]
    assert sweep.main(["-cfg", str(path), *flags]) == 0
    tables = [folder / "trials.csv" for folder in (path.parent, tmp_path / "second")]
    scores = [[line.split(",")[4] for line in table.open(encoding="utf-8")] for table in tables]
    assert scores[0] == scores[1]


def test_mistakes_on_the_command_line_and_in_the_file_are_named(arguments):
    for flags, message in (
        (["--address", "auto"], "--address goes with --backend ray"),
        (["--threads", "0"], "--threads must be at least 1"),
        (["--resume"], "no study to resume"),
    ):
        with pytest.raises(UserError, match=message):
            sweep.main([*arguments(), *flags])
    with pytest.raises(ConfigError, match="max_episode_step: unknown key; did you mean"):
        sweep.main(arguments(grid={"max_episode_step": [5]}))
