"""How our figures look: colours that the colour-blind can tell apart, legends beside the data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hw.infrastructure.errors import MissingExtraError, UserError

# Okabe and Ito, 2008; yellow is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
# Beside colours, so that a figure survives being printed in grey.
LINES = ("-", "--", "-.", ":")
FORMATS = (".png", ".svg")
STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.title_fontsize": 8,
    "svg.hashsalt": "hw",
}


def pyplot() -> Any:
    """matplotlib.pyplot, drawing to files.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError("a figure", "plots") from error
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


@contextmanager
def new_figure(num_panels: int, width: float = 5.2, height: float = 3.8) -> Iterator[Any]:
    """A figure with panels side by side, as (figure, list of axes); closed at the end."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, num_panels, figsize=(width * num_panels, height), layout="constrained", squeeze=False
        )
        try:
            yield figure, list(axes[0])
        finally:
            plt.close(figure)


def add_legend(figure: Any, axes: Any, caption: str) -> None:
    """One legend for the whole figure, below the data; the caption says what is drawn."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    width = figure.get_size_inches()[0]
    longest = max(len(label) for label in labels)
    columns = max(1, min(len(labels), int(width * 12 / (longest + 6))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, title=caption)


def add_title(figure: Any, title: str) -> None:
    """Above all panels; an empty one takes no room."""
    if title:
        figure.suptitle(title)


def save(figure: Any, path: Path) -> list[Path]:
    """Write the figure as PNG and as SVG, whichever of the two the path names.

    Raises:
        UserError: it names neither.
    """
    if path.suffix not in FORMATS:
        raise UserError(f"{path}: must end in {' or '.join(FORMATS)}; both are written")
    path.parent.mkdir(parents=True, exist_ok=True)
    paths = [path.with_suffix(suffix) for suffix in FORMATS]
    for each in paths:
        metadata = {"Date": None} if each.suffix == ".svg" else None
        figure.savefig(each, dpi=150, metadata=metadata)
    return paths


def colour(i: int) -> str:
    """Of the i-th curve."""
    return COLOURS[i % len(COLOURS)]


def line(i: int) -> str:
    """Dashes of the i-th curve."""
    return LINES[(i + i // len(COLOURS)) % len(LINES)]


def thousands(value: float, _: Any = None) -> str:
    """A tick in words: 20k, 1.5M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
