"""The report script writes beside the run, or where it is told."""

import json

import pytest
import yaml

from hw.scripts import report

pytest.importorskip("matplotlib")


def test_a_report_lies_in_the_run_s_directory_or_where_it_was_asked_for(tmp_path, capsys):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    config = {"base_config": "ppo", "env_name": "CartPole-v1", "exp_name": "x", "seed": 1}
    (run_dir / "config.yaml").write_text(yaml.safe_dump(config))
    (run_dir / "metrics.jsonl").write_text(json.dumps({"step": 1, "eval/return_mean": 2.0}) + "\n")
    assert report.main([str(run_dir)]) == 0
    assert report.main([str(run_dir), "--out", str(tmp_path / "pages" / "a.html")]) == 0
    pages = [run_dir / "report.html", tmp_path / "pages" / "a.html"]
    assert capsys.readouterr().out.split() == [str(page) for page in pages]
    assert pages[0].read_text(encoding="utf-8").startswith("<!doctype html>")
