"""The plot script: every kind of figure, as PNG and SVG, with the tables that belong to it."""

import pytest

from hw.infrastructure.errors import UserError
from hw.scripts import plot

pytest.importorskip("matplotlib")
pytest.importorskip("rliable")
CURVES = ["docs/results/pendulum.csv", "docs/results/td3_pendulum.csv"]


def svg_text(path):
    """What an SVG says: matplotlib writes each text as a comment beside its glyphs."""
    return path.with_suffix(".svg").read_text(encoding="utf-8")


def test_curves_say_what_is_drawn_how_it_is_smoothed_and_of_how_many_seeds(tmp_path, capsys):
    out = tmp_path / "curves.png"
    flags = ["--labels", "SAC", "TD3", "--smooth", "2", "--estimate", "iqm", "--title", "Pendulum"]
    assert plot.main([*CURVES, "--out", str(out), *flags]) == 0
    text = svg_text(out)
    for words in (
        "SAC (10 runs)",
        "TD3 (5 runs)",
        "interquartile mean over runs",
        "95 % bootstrap interval",
        "each point the mean of 2",
        "environment steps",
        "evaluation return",
    ):
        assert f"<!-- {words} -->" in text or words in text
    assert out.stat().st_size > 10_000
    assert str(out) in capsys.readouterr().out


def test_a_comparison_comes_with_its_table(tmp_path):
    out = tmp_path / "scores.svg"
    assert plot.main([*CURVES, "--out", str(out), "--kind", "comparison"]) == 0
    assert "pendulum &gt; td3_pendulum" in svg_text(out)
    table = (tmp_path / "scores.md").read_text(encoding="utf-8")
    assert table.splitlines()[2].startswith("| pendulum | -143.3 | [")


def test_sensitivity_shows_heatmap_and_shares_of_a_table(tmp_path):
    path = tmp_path / "trials.csv"
    rows = [f"{i},{rate},{clip},1,finished,{rate * 10 + clip},r" for i, (rate, clip) in
            enumerate((rate, clip) for rate in (1, 2) for clip in (3, 4))]  # fmt: skip
    head = "config,rate,clip,seed,status,score,run"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    out = tmp_path / "sensitivity.png"
    assert plot.main([str(path), "--out", str(out), "--kind", "sensitivity"]) == 0
    table = (tmp_path / "sensitivity.md").read_text(encoding="utf-8")
    assert "| rate | 99% |" in table
    assert "| 1 | 2 | 4 | 24.0 |" in table


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out", "figure.pdf"], "must end in .png or .svg"),
        (["--out", "figure.png", "--labels", "one"], "1 names for 2 groups"),
        (["--out", "figure.png", "--metric", "eval/retrun"], "holds no 'eval/retrun'"),
        (["--out", "figure.png", "--smooth", "0"], "--smooth must be at least 1"),
        (["--out", "figure.png", "--kind", "sensitivity"], "takes one study"),
    ],
)
def test_mistakes_are_named(flags, message, tmp_path, monkeypatch):
    paths = [str(plot.Path(path).resolve()) for path in CURVES]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        plot.main([*paths, *flags])
