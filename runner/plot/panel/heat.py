"""The best validation loss for each pair of two numbers."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from runner.plot.base import INK, MARGIN, TRAIN, WIDTH, cut, is_log, number, panel, text_width
from runner.plot.panel.base import Setting, Sweep, short


def draw(slide: Figure, foot: float, high: float, sweep: Sweep) -> None:
    """Add the panel for the first two numeric axes, from `foot` inches up and `high` inches high."""
    x_axis, y_axis = sweep.numeric[:2]
    rest = [short(axis) for axis in sweep.live if axis not in (x_axis, y_axis)]
    over = f"   (best over {', '.join(rest)})" if rest else ""
    columns, rows = sweep.values(x_axis), sweep.values(y_axis)
    indent = max(text_width(value, 10.5) for value in rows)
    left = 5.75 + max(0.0, indent - 0.45)
    cells: dict[tuple[int, int], Setting] = {}
    for setting in sweep.settings:
        at = columns.index(setting.values[x_axis]), rows.index(setting.values[y_axis])
        cells[at] = min(cells.get(at, setting), setting, key=lambda one: one.rank)
    losses = np.array([setting.best for setting in cells.values() if setting.kept])
    low, top = (float(losses.min()), float(losses.max())) if losses.size else (1.0, 1.0)
    room = (WIDTH - MARGIN - left) / len(columns), high / len(rows)
    readable = room[0] > 0.45 and room[1] > 0.2
    # Without numbers in the cells the heading says what the shades are.
    shaded = "" if readable else f": {number(low)} (dark) to {number(top)}"
    axes = panel(slide, left, foot, WIDTH - MARGIN - left, high, f"best validation loss{shaded}")
    scale = LogNorm(low, top) if is_log(losses) else Normalize(low, top if top > low else low + 1)
    shades = LinearSegmentedColormap.from_list("loss", ["#12365e", "#4f81b5", "#a9c6e3", "#eef4fa"])
    winner = min(cells, key=lambda at: cells[at].rank)
    kept = np.full((len(rows), len(columns)), np.nan)
    for (column, row), setting in cells.items():
        kept[row, column] = setting.best
    # A cell narrower than a few pixels has no room for an edge, and ten thousand of them are an image in the SVG.
    edge, image = ("white", False) if readable else ("none", True)
    axes.pcolormesh(
        np.ma.masked_invalid(kept), cmap=shades, norm=scale, edgecolor=edge, lw=1.0, rasterized=image, zorder=1
    )
    lost = [at for at, setting in cells.items() if setting.lost and not setting.kept]
    corners = [[(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)] for x, y in lost]
    axes.add_collection(
        PolyCollection(corners, facecolor="#f4f4f4", edgecolor="#9a9a9a", hatch="////", lw=0, rasterized=image),
        autolim=False,
    )
    if readable:
        for (column, row), setting in cells.items():
            face = to_hex(shades(float(scale(setting.best)))) if setting.kept else "#f4f4f4"
            _cell(axes, column, row, setting, face, room, (column, row) == winner)
    if cells[winner].kept:
        axes.add_patch(Rectangle(winner, 1, 1, fill=False, edgecolor="white", lw=6, zorder=5, clip_on=False))
        axes.add_patch(Rectangle(winner, 1, 1, fill=False, edgecolor=TRAIN, lw=3, zorder=5, clip_on=False))
    _name_cells(axes, columns, rows, room)
    hatched = "" if readable or all(setting.kept for setting in cells.values()) else "   hatched: diverged"
    axes.set_xlabel(cut(short(x_axis) + over + hatched, 4.2, 11))
    axes.set_ylabel(short(y_axis))


def _cell(
    axes: Axes, column: int, row: int, setting: Setting, face: str, room: tuple[float, float], winner: bool
) -> None:
    """The number in a cell, and how many of its seeds diverged."""
    size = 11.0 if room[0] > 0.62 else 9.0
    lines = [number(setting.best)] if setting.kept else ["diverged" if setting.lost else "–"]
    if setting.kept and setting.lost and room[1] > 0.4:
        lines.append(f"{setting.lost} of {len(setting.jobs)} ×")
    size *= min(1.0, (room[0] - 0.1) / max(text_width(line, size, bold=True) for line in lines))
    red, green, blue = to_rgb(face)
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
    axes.text(
        column + 0.5, row + 0.5, "\n".join(lines), ha="center", va="center", size=size, zorder=6,
        color="white" if dark else INK, weight="bold" if winner or not setting.kept else "normal",
    )  # fmt: skip


def _name_cells(axes: Axes, columns: list[str], rows: list[str], room: tuple[float, float]) -> None:
    axes.set_xlim(0, len(columns))
    axes.set_ylim(0, len(rows))
    every_x = math.ceil((max(text_width(value, 10.5) for value in columns) + 0.08) / room[0])
    every_y = math.ceil(0.2 / room[1])
    axes.set_xticks([k + 0.5 for k in range(0, len(columns), every_x)], columns[::every_x])
    axes.set_yticks([k + 0.5 for k in range(0, len(rows), every_y)], rows[::every_y])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
