"""What stands beside the panel of a landscape: the name of every run in its colour, and what the signs mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from runner.plot.base import INK, MARGIN, QUIET, WIDTH, cut, wrapped
from runner.plot.panel.base import STYLES, lighter, style_slots

BESIDE = 2.75  # inches
SAMPLE, GAP = 0.32, 0.1  # of a line, and between it and its name
LARGE, SMALL = 10.5, 9.5
APART = 0.13  # inches between two runs
TIGHT = 0.145  # inches from line to line: less, and letters touch
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (2, 1)))
PALE = 0.6  # white in the last of several runs with one optimizer


@dataclass(frozen=True)
class Name:
    """A run: its name, what is told of it, its colour and dash."""

    text: str
    told: tuple[str, ...]
    look: tuple[str, Any]


@dataclass(frozen=True)
class Sign:
    """A marker, or a line where it is empty, and what it means."""

    text: str
    marker: str = ""
    dash: Any = "solid"
    face: str = QUIET
    edge: str = QUIET


def inches(slide: Figure) -> float:
    """The height of a slide."""
    return float(slide.get_size_inches()[1])


def styles(optimizers: Sequence[str]) -> list[tuple[str, Any]]:
    """Colour and dash of every run: those of its optimizer, lighter and with another dash from its second run on."""
    slots = style_slots(list(dict.fromkeys(optimizers)))
    found = []
    for number, optimizer in enumerate(optimizers):
        again, same = optimizers[:number].count(optimizer), optimizers.count(optimizer)
        colour = lighter(STYLES[slots[optimizer]][0], PALE * again / max(same - 1, 1))
        found.append((colour, DASHES[again % len(DASHES)]))
    return found


def beside(slide: Figure, names: Sequence[Name], signs: Sequence[Sign], bottom: float, top: float) -> None:
    """Write them into the column at the right, from the top down; the signs at its foot. Inches."""
    left = WIDTH - BESIDE
    words = left + SAMPLE + GAP
    foot = bottom + 0.22 * len(signs)
    bold, told, step = fitted(names, WIDTH - MARGIN / 2 - words, top - foot - APART * len(names))
    y = top - step / 2
    for name, first, others in zip(names, bold, told, strict=True):
        line(slide, left, y, name.look)
        for text in first:
            write(slide, words, y, text, LARGE, INK, "bold")
            y -= step
        for text in others:
            write(slide, words, y, text, SMALL, QUIET)
            y -= step
        y -= APART
    y = foot - 0.11
    for sign in signs:
        if sign.marker:
            place = [(left + SAMPLE / 2) / WIDTH], [y / inches(slide)]
            slide.add_artist(Line2D(*place, ls="", marker=sign.marker, color=sign.face, mec=sign.edge, ms=8.5, mew=1.3))
        else:
            line(slide, left, y, (sign.face, sign.dash))
        write(slide, words, y, sign.text, SMALL, INK)
        y -= 0.22


def fitted(names: Sequence[Name], room: float, high: float) -> tuple[list[list[str]], list[list[str]], float]:
    """The lines of all names and of what is told of them, and how far these are apart, in a column of these inches.

    Where it is full, less is told, and names that are too long are cut.
    """
    bold = [wrapped(name.text, LARGE, room, bold=True) for name in names]
    for most in range(max(len(name.told) for name in names), -1, -1):
        told = [[line for text in name.told[:most] for line in wrapped(text, SMALL, room)] for name in names]
        step = high / sum(map(len, (*bold, *told)))
        if step >= TIGHT:
            return bold, told, min(step, 0.2)
    return [[cut(name.text, room, LARGE)] for name in names], [[] for _ in names], min(high / len(names), 0.2)


def line(slide: Figure, left: float, y: float, look: tuple[str, Any]) -> None:
    """A sample of a line."""
    colour, dash = look
    ends = [left / WIDTH, (left + SAMPLE) / WIDTH]
    slide.add_artist(Line2D(ends, [y / inches(slide)] * 2, color=colour, ls=dash, lw=2.6))


def write(slide: Figure, left: float, y: float, text: str, size: float, colour: str, weight: str = "normal") -> None:
    """A line of text, its middle at y."""
    slide.text(
        left / WIDTH, y / inches(slide), text, size=size, color=colour, weight=weight, va="center_baseline"
    )  # fmt: skip
