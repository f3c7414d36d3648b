"""Screens: what a person sees while a run works. Rows in, lines out; a screen cannot change anything.

`live` draws in a terminal; `plain` prints lines, for pipes, files and CI, without control codes. Both survive a reader
that goes away (`| head`): the run matters, its output does not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

Row = Mapping[str, float]

LISTED = 50  # runs of a sweep, up to which each of them has a line of its own


@dataclass(frozen=True)
class Header:
    """What is trained on what: one line, the update rule, what the preprocessing found.

    limit  epochs after which the run surely stops
    done   epochs that an earlier process did
    """

    line: str
    rule: str
    remarks: tuple[str, ...]
    limit: int
    path: Path
    done: int
    metrics: Mapping[str, str]


class Screen(ABC):
    """Where a run is shown."""

    shows: ClassVar[bool] = True  # whether anybody can see it

    @abstractmethod
    def say(self, text: str) -> None:
        """A line of plain report."""

    @abstractmethod
    def notice(self, text: str) -> None:
        """Something the user should know."""

    @abstractmethod
    @contextmanager
    def training(self, header: Header) -> Iterator[None]:
        """Around the epochs of one run."""

    @abstractmethod
    def row(self, row: Row) -> None:
        """An epoch has ended."""

    @abstractmethod
    def tick(self, share: float) -> None:
        """An epoch is under way, this share of it is done."""

    @abstractmethod
    def ended(self, path: Path, summary: dict[str, Any]) -> None:
        """The run is over and its files are written."""

    @abstractmethod
    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """Around the runs of a sweep."""

    @abstractmethod
    def standing(self, text: str, done: int, total: int) -> None:
        """How a sweep stands; comes with every run that ends, and a few times a second."""

    @abstractmethod
    def table(self, header: list[str], cells: list[list[str]], caption: str) -> None:
        """The ranked runs of a sweep."""


class Silent(Screen):
    """Shows nothing: the runs of a sweep, of which the sweep says one line each."""

    shows = False

    def say(self, text: str) -> None: ...

    def notice(self, text: str) -> None: ...

    @contextmanager
    def training(self, header: Header) -> Iterator[None]:
        yield

    def row(self, row: Row) -> None: ...

    def tick(self, share: float) -> None: ...

    def ended(self, path: Path, summary: dict[str, Any]) -> None: ...

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        yield

    def standing(self, text: str, done: int, total: int) -> None: ...

    def table(self, header: list[str], cells: list[list[str]], caption: str) -> None: ...


def percent(name: str, value: float) -> str:
    """A metric for the eye: shares in percent, the rest with five digits.

    >>> percent("accuracy", 0.9815), percent("mae", 0.123456)
    ('98.15 %', '0.12346')
    """
    return f"{100 * value:.2f} %" if "accuracy" in name else f"{value:.5g}"


def conclusion(path: Path, summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The closing lines as (label, text): verdict, best epoch, test, expectations, files."""
    lines = [(str(summary["status"]), str(summary["verdict"]))]
    if best := summary.get("best"):
        shares = [f"{name} {percent(name, best[name])}" for name in best if name.startswith("val_")]
        lines.append(("best epoch", f"{best['epoch']}: " + ", ".join(shares)))
    if summary.get("test"):
        shares = [f"{name} {percent(name, value)}" for name, value in summary["test"].items()]
        lines.append(("test", ", ".join(shares) + ", at the best epoch"))
    for name, each in summary.get("expect", {}).items():
        verb = "met" if each["met"] else "MISSED"
        measured = "was not measured" if each["measured"] is None else f"is {each['measured']:.6g}"
        lines.append(("expected", f"{name} at {each['at']} {each['bound']:g}: {verb}, it {measured}"))
    lines.append(("files", str(shortest(path))))
    return lines


def shortest(path: Path) -> Path:
    """A path as one would type it here."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
