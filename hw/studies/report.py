"""What a report says of a run or a study: what it is, what it reached, how to do it again."""

import base64
import io
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from hw.infrastructure.errors import UserError
from hw.studies.comparison import final_scores, scores_rows
from hw.studies.curves import curves_figure
from hw.studies.report_page import Media, Section, Table, render
from hw.studies.runs import Run, group_runs, lagging_runs, load_runs, telling_keys
from hw.studies.sensitivity import (
    make_grid,
    panels_of,
    ranking_rows,
    sensitivity_figure,
    shares_rows,
)
from hw.studies.trials_table import TrialRow, read_trials

MAX_VIDEO_BYTES = 20_000_000  # of all videos of a page
MAX_CURVES = 8
NUM_RANKED = 3
RETURN_METRICS = ("eval/return_mean", "train/return_mean_10")
MAX_LOSSES = 3


def report_of(path: Path) -> str:
    """The page of a run's or a study's directory.

    Raises:
        UserError: it is neither.
    """
    if (path / "sweep.yaml").exists():
        return report_of_study(path)
    if (path / "metrics.jsonl").exists():
        return report_of_run(path)
    raise UserError(f"{path}: neither a run nor a study")


def report_of_run(path: Path) -> str:
    """The page of one run."""
    (run,) = load_runs([path])
    settings = {key: value for key, value in run.config.items() if key != "provenance"}
    sections = [
        Section("Result", tables=_last_values(run)),
        Section("Curves", pictures=curve_pictures({path.name: [run]})),
        Section("Videos", **_videos(path)),
        Section(
            "To do it again",
            text="On the same machine, with the same versions and number of threads: the same "
            "numbers, to the last bit.",
            commands=_commands(
                run.config, [f"python hw/scripts/run.py -cfg {path / 'config.yaml'}"]
            ),
        ),
        Section("Settings", tables=[Table(_pairs(settings))]),
        _provenance(run.config),
    ]
    title = f"{settings['base_config']} on {settings['env_name']}, seed {settings['seed']}"
    return render(title, path.name, _filled(sections))


def report_of_study(path: Path) -> str:
    """The page of a study."""
    sweep = yaml.safe_load((path / "sweep.yaml").read_text(encoding="utf-8"))
    base = yaml.safe_load((path / "base.yaml").read_text(encoding="utf-8"))
    rows = read_trials(path / "trials.csv")
    runs = load_runs([path])
    swept = list(rows[0].settings) if rows else []
    groups = group_runs(runs, telling_keys(runs, swept))
    shown = dict(list(groups.items())[:MAX_CURVES])
    what = f"{len(shown)} of {len(groups)} configurations" if len(shown) < len(groups) else ""
    scores = final_scores(shown, RETURN_METRICS[0], 1)
    notes = [what] * bool(what) + lagging_runs(shown, RETURN_METRICS[0])
    head, cells = scores_rows(scores, "mean", "last evaluation")
    sections = [
        Section("Result", text=_tally(rows), tables=_rankings(rows)),
        Section("Sensitivity", **_sensitivity(rows)),
        Section("Curves", text=what, pictures=curve_pictures(shown)),
        Section("Last evaluations", text="; ".join(notes), tables=[Table(cells, head)]),
        Section(
            "To do it again",
            commands=_commands(
                runs[0].config,
                [
                    f"python hw/scripts/sweep.py -cfg {path / 'sweep.yaml'} --name again",
                    f"python hw/scripts/run.py -cfg {runs[0].path / 'config.yaml'}  # one trial",
                ],
            ),
            tables=[Table(_pairs(sweep), caption="sweep.yaml", is_folded=True)],
        ),
        Section("Settings that all trials share", tables=[Table(_pairs(base))]),
        Section("Trials", tables=[_trials_table(rows)]),
        _provenance(runs[0].config),
    ]
    title = f"{sweep['name']}: {base['base_config']} on {base['env_name']}"
    return render(title, f"a study of {len(rows)} trials, {path.name}", _filled(sections))


def curve_pictures(groups: dict[str, list[Run]]) -> list[Media]:
    """Returns, then losses, as far as every run has logged them."""
    logged = set.intersection(
        *({name for row in run.rows for name in row} for runs in groups.values() for run in runs)
    )
    returns = [name for name in RETURN_METRICS if name in logged]
    losses = sorted(name for name in logged if name.endswith("/loss"))[:MAX_LOSSES]
    return [
        Media(picture(curves_figure(groups, [metric], "steps", "mean", 1, "")), metric)
        for metric in (*returns, *losses)
    ]


def picture(context: AbstractContextManager[Any]) -> str:
    """A figure as an address that holds it, drawn in vectors."""
    with context as figure:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _address("image/svg+xml", buffer.getvalue())


def _sensitivity(rows: list[TrialRow]) -> dict[str, Any]:
    """Pictures and tables, where the study is a full grid of several configurations."""
    try:
        grid = make_grid(rows)
    except UserError:
        return {}
    if grid.scores.size < 2:
        return {}
    tables = []
    if len(grid.axes) > 1:
        head, cells = shares_rows(grid)
        tables.append(Table(cells, head))
    drawn = [
        Media(picture(sensitivity_figure(grid, "score", "", [panel])), panel)
        for panel in panels_of(grid)
    ]
    return {"pictures": drawn, "tables": tables}


def _rankings(rows: list[TrialRow]) -> list[Table]:
    try:
        head, cells = ranking_rows(rows, NUM_RANKED, "score")
    except UserError:
        return []
    return [
        Table(cells, head, caption="best and worst configurations (score: mean, and each seed)")
    ]


def _tally(rows: list[TrialRow]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.status] = counts.get(row.status, 0) + 1
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items())


def _trials_table(rows: list[TrialRow]) -> Table:
    keys = list(rows[0].settings) if rows else []
    cells = [
        [
            str(row.config),
            *(_text(row.settings[key]) for key in keys),
            str(row.seed),
            row.status,
            "" if row.score is None else f"{row.score:.1f}",
        ]
        for row in rows
    ]
    head = ["configuration", *keys, "seed", "status", "score"]
    return Table(cells, head, caption=f"all {len(rows)}", is_folded=len(rows) > 12)


def _last_values(run: Run) -> list[Table]:
    """What the run ended with: the evaluation, then the rest folded."""
    latest: dict[str, Any] = {}
    for row in run.rows:
        latest |= {name: value for name, value in row.items() if value is not None}
    first = {
        name: value
        for name, value in latest.items()
        if name in ("step", "time/seconds") or name.startswith("eval/")
    }
    rest = {name: value for name, value in latest.items() if name not in first}
    return [
        Table(_pairs(first)),
        Table(_pairs(rest), caption="all other values at the end", is_folded=True),
    ]


def _videos(path: Path) -> dict[str, Any]:
    """The newest videos that fit into a page, and how many do not."""
    videos, num_bytes, num_left_out = [], 0, 0
    files = sorted((path / "videos").glob("*.mp4"), key=lambda file: -file.stat().st_mtime)
    for file in files:
        num_bytes += file.stat().st_size
        if num_bytes > MAX_VIDEO_BYTES:
            num_left_out += 1
            continue
        videos.append(Media(_address("video/mp4", file.read_bytes()), file.name))
    text = f"{num_left_out} more in {path / 'videos'}" if num_left_out else ""
    return {"videos": videos, "text": text}


def _commands(config: dict[str, Any], commands: list[str]) -> list[str]:
    """The commands, after those that bring the code they ran."""
    session = (config.get("provenance") or [{}])[0]
    commit = session.get("git_commit")
    if not commit:
        return commands
    changed = "" if session.get("git_clean") else "  # and changes that were not committed"
    threads = session.get("num_threads")
    return [f"git checkout {commit}{changed}", f"export OMP_NUM_THREADS={threads}", *commands]


def _provenance(config: dict[str, Any]) -> Section:
    """Versions and machine of each session."""
    tables = []
    for i, session in enumerate(config.get("provenance", [])):
        flat = {**session, **session.get("packages", {})}
        flat.pop("packages", None)
        tables.append(Table(_pairs(flat), caption=f"session {i + 1}" if i else ""))
    return Section("Versions", tables=tables)


def _filled(sections: list[Section]) -> list[Section]:
    """Those that say something."""
    return [s for s in sections if s.text or s.commands or s.pictures or s.videos or s.tables]


def _pairs(mapping: dict[str, Any]) -> list[list[str]]:
    return [[str(key), _text(value)] for key, value in mapping.items()]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
