"""Contenders that take turns, so that a machine whose speed drifts slows all alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def take_turns(
    contenders: Mapping[str, Callable[[], object]], rounds: int, warm_ups: int = 1
) -> dict[str, list[float]]:
    """Seconds of each contender in each of the rounds; each round begins with another one."""
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_ups, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            started_at = time.perf_counter()
            contenders[name]()
            elapsed = time.perf_counter() - started_at
            if turn >= 0:
                seconds[name].append(elapsed)
    return seconds


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median, and from the least to the greatest."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{_shown(middle, digits)} ({_shown(low, digits)} to {_shown(high, digits)})"


def paired(ours: Sequence[float], others: Sequence[float]) -> float:
    """Median over the rounds of ours divided by the other's."""
    return statistics.median(one / other for one, other in zip(ours, others, strict=True))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace(",", " ")
