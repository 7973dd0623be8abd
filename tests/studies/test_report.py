"""The report: complete, escaped, and of one piece."""

import json
import re
from html.parser import HTMLParser

import pytest
import yaml

from hw.infrastructure.errors import UserError
from hw.studies.report import report_of

pytest.importorskip("matplotlib")
pytest.importorskip("rliable")
EVIL = "</td><script>alert(1)</script>"


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def run_dir(tmp_path):
    path = tmp_path / "run"
    (path / "videos").mkdir(parents=True)
    (path / "videos" / "eval.mp4").write_bytes(b"frames")
    rows = [{"step": s, "eval/return_mean": s / 2, "critic/loss": 1.0} for s in (10, 20)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {"base_config": "ppo", "env_name": "CartPole-v1", "exp_name": EVIL, "seed": 3}
    session = {
        "git_commit": "abc123",
        "git_clean": True,
        "num_threads": 1,
        "packages": {"torch": "2"},
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config | {"provenance": [session]}))
    return path


def test_a_run_s_page_shows_settings_curves_videos_versions_and_how_to_do_it_again(run_dir):
    page = Page(report_of(run_dir))
    assert page.tags.count("img") == 2
    assert page.tags.count("video") == 1
    for text in (
        "ppo on CartPole-v1, seed 3",
        "git checkout abc123",
        f"python hw/scripts/run.py -cfg {run_dir}/config.yaml",
        "critic/loss",
        "torch",
    ):
        assert text in page.text


def test_a_page_holds_all_it_shows_and_runs_nothing(run_dir):
    html = report_of(run_dir)
    page = Page(html)
    assert all(address.startswith("data:") for address in page.addresses)
    assert "default-src 'none'" in html
    assert "script" not in page.tags
    assert EVIL in page.text  # as text
    assert not re.search(r"https?://", re.sub(r"data:[^\"]*", "", html))


def test_a_study_s_page_ranks_its_configurations(sweep_file, make_study, run_all):
    study = make_study(sweep_file())
    study.create()
    run_all(study)
    page = Page(report_of(study.directory))
    for text in ("2 finished", "learning_rate", "sweep.py -cfg", "--name again", "means"):
        assert text in page.text
    assert page.tags.count("img") >= 3


def test_what_is_neither_a_run_nor_a_study_is_refused(tmp_path):
    with pytest.raises(UserError, match="neither a run nor a study"):
        report_of(tmp_path)
