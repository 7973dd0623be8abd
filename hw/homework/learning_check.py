"""Whether a run went as the reference's runs go: numbers that sum up its curves, against bands.

A curve is a list of rows as in metrics.jsonl, {"step": 2000, "eval/return_mean": 61.3, ...}. A band
is what a number came to over the seeds of the reference, widened by the rule of `widened`.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hw.infrastructure.errors import UserError

Row = Mapping[str, Any]
RETURN = "eval/return_mean"
QUANTILES = (0.05, 0.95)
STATISTICS: dict[str, Callable[[np.ndarray], float]] = {
    "mean": np.mean,
    "lowest": np.min,
    "highest": np.max,
}
ROUNDING = 1e-6  # of the limits' magnitude


@dataclass(frozen=True)
class Band:
    """A number of a run, and where it should lie.

    Args:
        name: of the number, in words: "evaluation return".
        metric: the column that it sums up.
        statistic: of the column's finite values, one of `STATISTICS`.
        first_step, last_step: of the rows that count, both included.
        if_low, if_high: what to look at, for who is outside; empty where that is no fault, as it is
            none to learn sooner than the reference.
        scale: whether the band is widened by a difference or by a ratio.
        slack: it is widened by at least so much, in units of the number (a ratio, if `log`).
        low, high: the limits; infinite where there is none.
    """

    name: str
    metric: str
    statistic: Literal["mean", "lowest", "highest"]
    first_step: int
    last_step: int
    if_low: str
    if_high: str
    scale: Literal["linear", "log"] = "linear"
    slack: float = 0.0
    low: float = -math.inf
    high: float = math.inf

    def measure(self, rows: Sequence[Row]) -> float:
        """The number of a run; nan if the run has no finite value of the metric there."""
        values = [
            row[self.metric]
            for row in rows
            if self.first_step <= row["step"] <= self.last_step
            and row.get(self.metric) is not None
            and math.isfinite(row[self.metric])
        ]
        return float(STATISTICS[self.statistic](np.array(values))) if values else math.nan

    def holds(self, number: float) -> bool:
        """Whether a number is inside; nan is not."""
        room = ROUNDING * abs(number)
        return self.low - room <= number <= self.high + room

    @property
    def limits(self) -> str:
        """Both limits, or the one that there is, in words."""
        if math.isinf(self.high):
            return f"{self.low:.4g} or more"
        return (
            f"{self.high:.4g} or less"
            if math.isinf(self.low)
            else f"{self.low:.4g} to {self.high:.4g}"
        )


@dataclass(frozen=True)
class Reference:
    """What the runs of the reference came to.

    Args:
        bands: the most telling first; the verdict is about the first that is missed.
        curve: step -> low and high quantile of the evaluation return there, to be printed only.
        measured: how: seeds, rule, command, versions.
    """

    bands: list[Band]
    curve: dict[int, tuple[float, float]]
    measured: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Whether every number is in its band, and a line that says so or says what is off."""

    is_good: bool
    line: str


def judge(rows: Sequence[Row], reference: Reference) -> Verdict:
    """Compare a run with the reference."""
    numbers = [(band, band.measure(rows)) for band in reference.bands]
    missed = [(band, number) for band, number in numbers if not band.holds(number)]
    if not missed:
        names = ", ".join(dict.fromkeys(band.name for band in reference.bands))
        return Verdict(True, f"as the reference learns, in {len(numbers)} numbers: {names}")
    line = complaint(*missed[0], rows)
    others = ", ".join(dict.fromkeys(band.name for band, _ in missed[1:]))
    return Verdict(False, line + (f" Also off: {others}." if others else ""))


def complaint(band: Band, number: float, rows: Sequence[Row]) -> str:
    """What is off about a number outside its band, and what to look at."""
    if math.isnan(number):
        return (
            f"{band.name}: there is no finite {band.metric} from step {band.first_step} to "
            f"{band.last_step}. {band.if_low}"
        )
    is_low = number < band.low
    values = [row[band.metric] for row in rows if row.get(band.metric) is not None]
    if is_low and band.metric == RETURN and max(values) < band.low:
        what = f"never rises (best {max(values):.4g})"
    elif is_low:
        what = f"too low by step {band.last_step}"
    else:
        what = f"suspiciously high by step {band.last_step}"
    advice = band.if_low if is_low else band.if_high
    return (
        f"{band.name} {what}: {band.statistic} {number:.4g} from step {band.first_step} on, "
        f"the reference's {band.limits}. {advice}"
    )


def widened(band: Band, numbers: Sequence[float]) -> tuple[float, float]:
    """The limits of a band, from what the number came to over the seeds of the reference.

        low, high = min(q05 - w, smallest), max(q95 + w, largest),    w = max(q95 - q05, slack)

    On a logarithmic scale the same is done with logarithms. There is no limit on a side that is no
    fault.

    Raises:
        ValueError: a number is not finite, or not positive where logarithms are taken.
    """
    values = np.asarray(numbers, np.float64)
    if not np.isfinite(values).all() or (band.scale == "log" and (values <= 0).any()):
        raise ValueError(f"{band.name}: {values.tolist()}")
    slack = band.slack
    if band.scale == "log":
        values, slack = np.log(values), math.log(slack or 1.0)
    low, high = np.quantile(values, QUANTILES)
    margin = max(high - low, slack)
    limits = np.array([min(low - margin, values.min()), max(high + margin, values.max())])
    low, high = np.exp(limits) if band.scale == "log" else limits
    return (float(low) if band.if_low else -math.inf, float(high) if band.if_high else math.inf)


def return_curve(runs: Sequence[Sequence[Row]]) -> dict[int, tuple[float, float]]:
    """Low and high quantile of the evaluation return over runs, at each step evaluated in all."""
    curves = [{row["step"]: row[RETURN] for row in rows if RETURN in row} for rows in runs]
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    return {
        step: tuple(float(q) for q in np.quantile([curve[step] for curve in curves], QUANTILES))
        for step in steps
    }


def rows_of_steps(steps: Iterable[Row], interval: int) -> list[dict[str, float]]:
    """What steps.jsonl says about buffers, wrappers and statistics: a row each `interval` steps.

    Args:
        steps: one object for each step of N environments, in order, as the logger writes them:
            `observations`, `next_observations` and these before normalisation, (N, *); `rewards`,
            `dones`, `truncateds` (N,).
        interval: environment steps between rows.

    Returns:
        rows with means over the interval: `steps/done_share` and `steps/truncated_share`, of all
        steps; `steps/observation_mean` and `steps/observation_square`, over all components;
        `steps/continued_share`, where the next row begins with the state that the last one ended
        in if and only if no episode ended; and, where observations are stacks (S, ...) of frames,
        `steps/shifted_share`, where the next stack is the last one moved on by a frame.
    """
    rows: list[dict[str, float]] = []
    sums: dict[str, list[float]] = {}
    previous: tuple[np.ndarray, np.ndarray] | None = None
    for step in steps:
        arrays = {name: np.asarray(value) for name, value in step.items() if name != "step"}
        before, after = arrays["raw_observations"], arrays["raw_next_observations"]
        numbers = {
            "done_share": arrays["dones"].mean(),
            "truncated_share": arrays["truncateds"].mean(),
            "observation_mean": arrays["observations"].mean(),
            "observation_square": np.square(arrays["next_observations"]).mean(),
        }
        if before.ndim > 2:
            numbers["shifted_share"] = _equal_rows(after[:, :-1], before[:, 1:]).mean()
        if previous is not None:
            last_after, last_ended = previous
            numbers["continued_share"] = (_equal_rows(before, last_after) != last_ended).mean()
        previous = after, arrays["dones"] | arrays["truncateds"]
        for name, number in numbers.items():
            sums.setdefault(f"steps/{name}", []).append(float(number))
        if step["step"] % interval == 0:
            means = {name: float(np.mean(values)) for name, values in sums.items()}
            rows.append({"step": step["step"], **means})
            sums = {}
    return rows


def _equal_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a == b).reshape(len(a), -1).all(axis=1)


def load_reference(path: Path) -> Reference:
    """Read the bands of an assignment.

    Raises:
        UserError: the file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        bands = [Band(**band) for band in content["bands"]]
        curve = {int(step): tuple(limits) for step, limits in content["curve"].items()}
        return Reference(bands, curve, content["measured"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read as the bands of a learning check") from error


def save_reference(path: Path, reference: Reference) -> None:
    """Write the bands of an assignment, for `load_reference`; what is not finite is left out."""
    content = {
        "bands": [_without_defaults(band) for band in reference.bands],
        "curve": {str(step): limits for step, limits in reference.curve.items()},
        "measured": reference.measured,
    }
    path.write_text(json.dumps(_rounded(content), indent=1) + "\n", encoding="utf-8")


def _without_defaults(band: Band) -> dict[str, Any]:
    return {
        name: value
        for name, value in asdict(band).items()
        if not (isinstance(value, float) and not math.isfinite(value))
    }


def _rounded(value: Any) -> Any:
    """Floats to six digits, within whatever holds them."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(entry) for key, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list | tuple) else value
