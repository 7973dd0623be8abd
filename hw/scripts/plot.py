"""Draws runs: learning curves, comparisons of final scores, sensitivity to hyperparameters."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from hw.infrastructure.errors import UserError
from hw.scripts.command_line import run_main
from hw.studies.comparison import comparison_figure, final_scores, markdown_table, scores_rows
from hw.studies.curves import X_LABELS, curves_figure, metric_label
from hw.studies.figure_style import save
from hw.studies.runs import Run, group_runs, lagging_runs, load_runs
from hw.studies.sensitivity import make_grid, ranking_rows, sensitivity_figure, shares_rows
from hw.studies.statistics import ESTIMATES
from hw.studies.trials_table import read_trials

NUM_RANKED = 3


def main(arguments: Sequence[str]) -> int:
    """Draw; returns the exit status."""
    args = parse_arguments(arguments)
    KINDS[args.kind](args)
    return 0


def draw_curves(args: argparse.Namespace) -> None:
    """A panel for each metric, a curve for each group of seeds."""
    groups = make_groups(args)
    warn_of_lagging(groups, args.metric)
    with curves_figure(
        groups, args.metric, args.x, args.estimate, args.smooth, args.title
    ) as figure:
        report(save(figure, args.out))


def draw_comparison(args: argparse.Namespace) -> None:
    """Final scores with intervals, profiles, probabilities of improvement; a table beside them."""
    groups = make_groups(args)
    warn_of_lagging(groups, args.metric[:1])
    scores = final_scores(groups, args.metric[0], args.last)
    name = metric_label(args.metric[0])
    with comparison_figure(scores, args.estimate, name, args.title) as figure:
        report(save(figure, args.out))
    write_tables(args.out, [scores_rows(scores, args.estimate, name)])


def draw_sensitivity(args: argparse.Namespace) -> None:
    """A study's heatmap and importances; its best and worst configurations as a table."""
    if len(args.paths) != 1:
        raise UserError("--kind sensitivity takes one study")
    path = args.paths[0]
    rows = read_trials(path if path.suffix == ".csv" else path / "trials.csv")
    grid = make_grid(rows)
    with sensitivity_figure(grid, "score", args.title) as figure:
        report(save(figure, args.out))
    shares = [shares_rows(grid)] if len(grid.axes) > 1 else []
    write_tables(args.out, [ranking_rows(rows, NUM_RANKED, "score"), *shares])


KINDS = {"curves": draw_curves, "comparison": draw_comparison, "sensitivity": draw_sensitivity}


def make_groups(args: argparse.Namespace) -> dict[str, list[Run]]:
    """The runs by label, under the names given with --labels."""
    groups = group_runs(load_runs(args.paths), args.by)
    if args.labels is None:
        return groups
    if len(args.labels) != len(groups):
        raise UserError(
            f"--labels: {len(args.labels)} names for {len(groups)} groups: {list(groups)}"
        )
    return dict(zip(args.labels, groups.values(), strict=True))


def warn_of_lagging(groups: dict[str, list[Run]], metrics: list[str]) -> None:
    """Say which runs have not come as far as others of their group."""
    for text in dict.fromkeys(line for name in metrics for line in lagging_runs(groups, name)):
        print(f"note: {text}")


def write_tables(figure_path: Path, tables: list[tuple[list[str], list[list[str]]]]) -> None:
    """Print Markdown tables, and write them beside the figure."""
    text = "\n".join(markdown_table(head, cells) for head, cells in tables)
    path = figure_path.with_suffix(".md")
    path.write_text(text, encoding="utf-8")
    print(text)
    report([path])


def report(paths: list[Path]) -> None:
    """Say what was written."""
    for path in paths:
        print(path)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="a run, a study, or a CSV file of curves",
    )
    parser.add_argument("--out", type=Path, required=True, help="figure.png; an SVG is written too")
    parser.add_argument("--kind", choices=KINDS, default="curves")
    parser.add_argument("--metric", nargs="+", default=["eval/return_mean"], help="one a panel")
    parser.add_argument("--x", choices=X_LABELS, default="steps")
    parser.add_argument("--by", nargs="+", metavar="KEY", help="settings to group runs by")
    parser.add_argument("--estimate", choices=ESTIMATES, default="mean")
    parser.add_argument(
        "--smooth", type=int, default=1, metavar="N", help="points to average; the figure says so"
    )
    parser.add_argument(
        "--last", type=int, default=1, metavar="N", help="values that make a final score"
    )
    parser.add_argument("--labels", nargs="+", help="names of the groups, in their order")
    parser.add_argument("--title", default="")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    args = parser.parse_args(arguments)
    for name in ("smooth", "last"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} must be at least 1")
    return args


if __name__ == "__main__":
    run_main(main)
