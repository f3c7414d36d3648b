"""Pictures: rows in, pictures out.

What varies is the question that a picture answers: how did one run go (`curves`), which choice won (`sweep`). What is
fixed is that a picture is derived. It is drawn from the files of a run folder alone, so it can be drawn again, on
another machine and without the model; the same files give the same bytes; the old picture stays until the new one is
complete. Nothing here asks the user's matplotlibrc, the clock or the screen, and pyplot, which would look for a screen,
is never imported.

Rules that all pictures share:

    scale      logarithmic if every value is positive and the largest is more than ten times the smallest
    thinning   a curve keeps first, last, lowest and highest row of each pixel column, so a spike of one epoch in a
               million is still drawn (M4: Jugel, Jerzak, Hackenbroich, Markl, VLDB 2014)
    not finite a NaN is "not measured" and left out; the row where the loss itself is lost becomes a cross at the top
               edge, never a gap that looks like success
    grey       two curves differ in lightness and in dash or marker, not in hue alone
    text       shown as it was typed: no mathematics between dollars, control characters as their escapes

Sizes are inches on a slide 10 wide and 5.625 high (16:9); text is 10 points or more. All panels are placed by hand:
matplotlib's layout engines and its tight bounding box draw everything twice. Ticks are computed here and few, because
a tick with its label costs more than a curve.
"""

from __future__ import annotations

import io
import json
import math
import os
import warnings
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray

from runner.core.errors import CorruptError, DiskError

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

Values = NDArray[np.float64]

WIDTH, HEIGHT, MARGIN = 10.0, 5.625, 0.3
DPI = 160  # 1600 x 900 pixels: sharp on a projector, and half the time of 2400 x 1350

INK, QUIET, GRID = "#222222", "#6b6b6b", "#e3e3e3"
TRAIN, VALIDATION = "#e07b00", "#12365e"  # CIE lightness 62 and 22: apart on a grey printer too
BAD = "#b3001b"

LOOK: dict[RcKeyType, Any] = {
    "font.family": ["DejaVu Sans"],  # the font that comes with matplotlib: the same widths everywhere
    "font.size": 11,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "optrun",  # without it the ids in the file are random
    "svg.fonttype": "path",  # letters as outlines: a slide shows what was measured here, whatever fonts it has
}

LABEL = 0.62  # inches left of a panel for the numbers of its y axis; wider ones (1.55e182) are set smaller
HUGE = 1e300  # above it the margins around a curve could overflow; drawn as infinite


# ---- the look


@contextmanager
def look() -> Iterator[None]:
    """matplotlib's own defaults plus `LOOK`, whatever the user's matplotlibrc says; everything is put back."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # The backend is left alone: setting it makes matplotlib look for a screen.
        default = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
        matplotlib.rcParams.update(default)
        matplotlib.rcParams.update(LOOK)
        # A letter that the font lacks is drawn as a box; that is no reason to disturb a training.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def page(title: str, notes: Sequence[tuple[str, str]], body: float) -> tuple[Figure, float]:
    """A figure with its heading; returns it and the height in inches that is left for panels.

    notes: (text, colour) of the lines under the title. A long title is set smaller, then wrapped; the page grows so
    that `body` inches are left.
    """
    inside = WIDTH - 2 * MARGIN
    size = next((size for size in (17, 15, 13) if text_width(literal(title), size, bold=True) <= inside), 12)
    lines = [(line, size, INK, True) for line in wrapped(title, size, inside, bold=True)]
    lines += [(line, 11, colour, False) for text, colour in notes for line in wrapped(text, 11, inside)]
    heading = MARGIN + sum(size * 1.35 / 72 for _, size, _, _ in lines)
    height = max(HEIGHT, heading + body)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    y = height - MARGIN * 0.8
    for line, size, colour, bold in lines:
        weight = "bold" if bold else "normal"
        figure.text(MARGIN / WIDTH, y / height, line, size=size, color=colour, weight=weight, va="top")
        y -= size * 1.35 / 72
    return figure, height - heading


def panel(figure: Figure, left: float, bottom: float, width: float, height: float, title: str) -> Axes:
    """Axes at a place in inches, with a bold title at the left above them, set smaller if it would leave the page."""
    wide, high = figure.get_size_inches()
    axes = figure.add_axes((left / wide, bottom / high, width / wide, height / high))
    size = 12 * min(1.0, (WIDTH - left - 0.1) / max(text_width(title, 12, bold=True), 1.0))
    axes.set_title(title, loc="left", size=size, weight="bold", pad=8)
    axes.tick_params(length=3, labelsize=10.5)
    return axes


# ---- text


def literal(text: str) -> str:
    r"""The text with control characters as their escapes, so that it is one line of valid XML.

    >>> print(literal("50 $ <b>\n"))
    50 $ <b>\n
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of a line in inches."""
    font = get_font(_font_path(bold))
    font.set_size(size, 72)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / 72


@cache
def _font_path(bold: bool) -> str:
    return str(findfont(FontProperties(family=["DejaVu Sans"], weight="bold" if bold else "normal")))


def wrapped(text: str, size: float, width: float, bold: bool = False) -> list[str]:
    """The lines of `literal(text)` no wider than `width` inches; a word that is wider alone is broken."""
    lines: list[str] = []
    line = ""
    for word in literal(text).split(" "):
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, bold) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = ""
        for character in word:
            if line and text_width(line + character, size, bold) > width:
                lines.append(line)
                line = ""
            line += character
    return [*lines, line] if line else lines


def cut(text: str, width: float, size: float = 10.5) -> str:
    """The text in one line, shortened to `width` inches."""
    text = literal(text)
    while text_width(text, size) > width:
        text = text.rstrip("…")[:-1] + "…"
    return text


def number(value: float) -> str:
    """Three significant digits, as one would write them.

    >>> [number(value) for value in (0.12345, 0.1, 1e-5, 12345.6, 2e6, 0)]
    ['0.123', '0.1', '1e-5', '12,346', '2e6', '0']
    """
    if 1000 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


# ---- reading


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; `DiskError` if it cannot be read, `CorruptError` if it holds something else."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{path} is not JSON: {error}") from None
    if not isinstance(held, dict):
        raise CorruptError(f"{path} holds no JSON object")
    return held


def read_columns(path: Path, needed: Sequence[str]) -> dict[str, Values]:
    """Name -> values of a CSV file of floats; an empty field is NaN.

    A last line without its newline is the trace of a kill and is left out. Raises `DiskError` if the file cannot be
    read and `CorruptError` if a column is missing or a row does not fit the header.
    """
    flat = array("d")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header = file.readline().rstrip("\r\n").split(",")
            # Floats are never quoted: splitting at the commas is enough.
            for at, line in enumerate(file, start=2):
                if not line.endswith("\n"):
                    break
                fields = line.rstrip("\r\n").split(",")
                if len(fields) != len(header):
                    raise CorruptError(f"{path}, line {at}: {len(fields)} fields, the header has {len(header)}")
                try:
                    flat.extend([float(field) if field else math.nan for field in fields])
                except ValueError:
                    raise CorruptError(f"{path}, line {at}: not all fields are numbers: {line.rstrip()}") from None
    except OSError as error:
        raise DiskError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CorruptError(f"{path} is not text") from None
    missing = [name for name in needed if name not in header]
    if missing:
        raise CorruptError(f"{path}: no column {', '.join(missing)}; it has {', '.join(header)}")
    table = np.array(flat, dtype=np.float64).reshape(-1, len(header))
    table[np.abs(table) > HUGE] = np.inf
    return dict(zip(header, table.T, strict=True))


# ---- values


def measured(x: Values, y: Values) -> tuple[Values, Values]:
    """The points whose y is finite."""
    keep = np.isfinite(y)
    return x[keep], y[keep]


def lost_at(train: Values, validation: Values) -> int | None:
    """The first row where the training loss is not finite or the validation loss is infinite.

    A NaN validation loss alone is "not measured in this epoch".
    """
    rows = np.flatnonzero(~np.isfinite(train) | np.isinf(validation))
    return int(rows[0]) if rows.size else None


def thin(x: Values, y: Values, buckets: int = 600) -> tuple[Values, Values]:
    """First, last, lowest and highest point of each bucket; 600 buckets are the pixel columns of a panel."""
    if len(y) <= 4 * buckets:
        return x, y
    edges = np.linspace(0, len(y), buckets + 1).astype(int)
    keep: set[int] = set()
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = y[start:end]
        keep.update((start, end - 1, start + int(part.argmin()), start + int(part.argmax())))
    rows = np.array(sorted(keep))
    return x[rows], y[rows]


def is_log(values: Values) -> bool:
    """Whether the finite values are all positive and span more than a factor of ten."""
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() > 0 and finite.max() > 10 * finite.min())


# ---- axes


def limits(values: Values, log: bool, room: float = 0.06, headroom: float = 0.0) -> tuple[float, float]:
    """The ends of an axis: the finite values, `room` around them, and `headroom` above; shares of the whole axis."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return (1.0, 10.0) if log else (0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    if log:
        low, high = math.log10(low), math.log10(high)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        around = 0.3 if log else 0.05 * abs(low) or 0.5
        low, high = low - around, high + around
    unit = (high - low) / (1 - 2 * room - headroom)
    low, high = low - room * unit, high + (room + headroom) * unit
    # Beyond these exponents floats lose digits or overflow.
    return (10 ** max(low, -307.0), 10 ** min(high, 307.0)) if log else (low, high)


def linear_ticks(low: float, high: float, most: int, whole: bool = False) -> list[float]:
    """At most `most` round numbers from low to high, steps of 1, 2 or 5 times a power of ten.

    >>> linear_ticks(0, 42, 5), linear_ticks(0.5, 1.5, 5, whole=True), linear_ticks(28, 4242, 2, whole=True)
    ([0.0, 10.0, 20.0, 30.0, 40.0], [1.0], [2000.0, 4000.0])
    """
    most = max(most, 2)
    raw = (high - low) / most
    step = 10.0 ** math.floor(math.log10(raw))
    step *= next(factor for factor in (1, 2, 5, 10) if step * factor >= raw * (1 - 1e-9))
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if first >= last and not (whole and step == 1.0):  # of one tick alone nobody reads a scale
        return linear_ticks(low, high, 2 * most, whole)
    return [k * step for k in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` powers of ten; with few of them in the range, 2 and 5 or 3 times them as well.

    >>> log_ticks(0.008, 1.2, 6), log_ticks(0.08, 1.2, 6)
    ([0.01, 0.03, 0.1, 0.3, 1.0], [0.1, 0.2, 0.5, 1.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))

    def inside(factors: tuple[int, ...], every: int = 1) -> list[float]:
        powers = [k for k in range(first, last + 1) if k % every == 0]
        # float("2e-3") is the nearest float to 0.002; 2 * 10.0**-3 is not always.
        return [v for k in powers for f in factors if low <= (v := float(f"{f}e{k}")) <= high]

    for factors in ((1, 2, 5), (1, 3)):
        if len(fine := inside(factors)) <= most and len(inside((1,))) < 4:
            return fine
    every = next(e for e in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500) if len(inside((1,), e)) <= max(most, 2))
    return inside((1,), every)


def set_y(axes: Axes, values: Values, log: bool, headroom: float = 0.0) -> None:
    """Scale, limits, ticks and grid of the y axis for these values; without a finite one, an axis without numbers."""
    low, high = limits(values, log, headroom=headroom)
    most = max(2, round(axes.get_window_extent().height / DPI * (2 if log else 1.5)))
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    ticks = log_ticks(low, high, most) if log else linear_ticks(low, high, most)
    # In the headroom is no value but what left the scale, so it has no number either.
    end = (low / high) ** headroom * high if log else high - headroom * (high - low)
    ticks = [tick for tick in ticks if tick <= end] if np.isfinite(values).any() else []
    labels = tick_labels(ticks, log)
    axes.set_yticks(ticks, labels)
    widest = max((text_width(label, 10.5) for label in labels), default=0.0)
    if widest > LABEL:
        axes.tick_params(axis="y", labelsize=10.5 * LABEL / widest)
    axes.set_ylim(low, high)
    axes.grid(axis="y")


def tick_labels(ticks: list[float], log: bool = False) -> list[str]:
    """The ticks as text; those of a linear axis with equally many decimals."""
    if log or len(ticks) < 2 or max(map(abs, ticks)) >= 1e6 or (step := ticks[1] - ticks[0]) < 1e-5:
        return [number(tick) for tick in ticks]
    decimals = max(0, -math.floor(math.log10(step * 1.000001)))
    return [f"{tick:,.{decimals}f}" for tick in ticks]


def set_epochs(axes: Axes, first: float, last: float, name: str = "epoch") -> None:
    """An x axis of whole epochs, or of something else that is counted."""
    room = 0.02 * (last - first) or 0.5
    axes.set_xlim(first - room, last + room)
    widest = text_width(_whole(last), 10.5)
    most = max(2, min(6, int(axes.get_window_extent().width / DPI / (widest + 0.35))))
    ticks = linear_ticks(first - room / 2, last + room / 2, most, whole=True)
    axes.set_xticks(ticks, [_whole(tick) for tick in ticks])
    axes.set_xlabel(name)


def _whole(value: float) -> str:
    return f"{value:,.0f}" if abs(value) < 1e7 else number(value)


def apart(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Places for labels, as near to the `wanted` ones as it goes with `distance` between them.

    >>> apart([1.0, 1.0, 9.0], 2.0, 0.0, 10.0)
    [0.0, 2.0, 9.0]
    """
    order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    # Least squares: without the distances k * d it is a monotone fit, solved by pooling neighbours in wrong order.
    pools: list[list[float]] = []
    for k, at in enumerate(order):
        pools.append([wanted[at] - k * distance])
        while len(pools) > 1 and sum(pools[-2]) / len(pools[-2]) >= sum(pools[-1]) / len(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    fitted = [sum(pool) / len(pool) for pool in pools for _ in pool]
    places = [0.0] * len(wanted)
    for k, at in enumerate(order):
        places[at] = max(low, min(fitted[k], high - (len(order) - 1) * distance)) + k * distance
    return places


# ---- saving


def save(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write `stem.png` and `stem.svg`; both are complete in memory before the first old file is replaced.

    Raises `DiskError` if they cannot be written.
    """
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    figure.savefig(svg, format="svg", metadata={"Date": None})
    paths = [folder / f"{stem}.png", folder / f"{stem}.svg"]
    fresh = [path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in paths]
    try:
        for path, picture in zip(fresh, (png, svg), strict=True):
            path.write_bytes(picture.getvalue())
        for path, target in zip(fresh, paths, strict=True):
            os.replace(path, target)
    except OSError as error:
        for path in fresh:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise DiskError(f"{folder}: the picture {stem} cannot be written: {error.strerror}") from None
    return paths
