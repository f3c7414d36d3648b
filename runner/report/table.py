"""Tables that a reader can sort: what a cell shows, and the number that it is sorted by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.report.base import number

MOST = 500  # rows of a table on a page: about 300 kB; the files have all of them
LONG = 8  # characters: a number with more is shown with four digits


@dataclass(frozen=True)
class Cell:
    """A field: its text, and its number in full precision, empty where it is none."""

    text: str
    number: str


@dataclass(frozen=True)
class Table:
    """Rows under a header.

    name  what the rows are, in a few words
    left  how many rows there are beside these
    file  which has all of them; empty: none has
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left: int
    file: str = ""


def table(name: str, lines: Iterable[Sequence[str]], file: str = "") -> Table:
    """The table of the lines of a CSV file, whose first one is the header."""
    header, *rows = lines
    return Table(name, header, [[cell(text) for text in row] for row in rows[:MOST]], max(0, len(rows) - MOST), file)


def cell(text: str) -> Cell:
    """A field as it is shown.

    >>> cell("0.06655227641264598"), cell("0.003"), cell("adam"), cell("inf")
    (Cell(text='0.06655', number='0.06655227641264598'), Cell(text='0.003', number='0.003'), \
Cell(text='adam', number=''), Cell(text='inf', number='Infinity'))
    """
    try:
        value = float(text)
    except ValueError:
        return Cell(text, "")
    if not math.isfinite(value):
        return Cell(text, "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity")  # as JavaScript spells them
    return Cell(text if len(text) <= LONG else number(value), repr(value).removesuffix(".0"))
