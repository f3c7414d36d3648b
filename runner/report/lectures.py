"""The claims of the lectures on one page: what was found of each, its figure, and the command that makes it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runner.core.errors import CorruptError
from runner.report.base import number, page, picture
from runner.store.base import read_json


@dataclass(frozen=True)
class Circumstance:
    """What was measured in a case or a control, and whether the claim holds of it."""

    title: str
    control: bool
    measured: str
    interval: str
    within: bool


@dataclass(frozen=True)
class Tried:
    """What came of an experiment: `verdict.json`, as it is shown."""

    place: str
    claim: str
    right: str
    as_printed: str
    verdict: str
    what: str
    predicted: str
    because: str
    seeds: int
    circumstances: tuple[Circumstance, ...]
    figure: str
    command: str

    @property
    def kind(self) -> Literal["good", "partly", "bad"]:
        """Of the verdict: it holds, under a condition, or not."""
        return "good" if self.verdict == "holds" else "partly" if self.verdict.startswith("holds") else "bad"

    @property
    def errs(self) -> bool:
        """Whether the claim as it is printed was found wrong."""
        return self.as_printed.startswith("does not hold")

    @property
    def first(self) -> Circumstance:
        """The case that the table of results shows: the first in which the claim holds, else the first."""
        cases = [each for each in self.circumstances if not each.control]
        return next((each for each in cases if each.within), cases[0])


@dataclass(frozen=True)
class Claim:
    """An experiment by its name, with what one should see; and what came of it, if it was run."""

    name: str
    meaning: str
    tried: Tried | None


@dataclass(frozen=True)
class Deck:
    """A lecture with its claims."""

    name: str
    title: str
    claims: tuple[Claim, ...]


def gallery(decks: Sequence[Deck]) -> str:
    """The page.

    >>> mine = Deck("mine", "My Lecture", (Claim("mine/one", "see it", None),))
    >>> '<td colspan="4">not run yet</td>' in gallery([mine])
    True
    """
    found = [claim.tried for deck in decks for claim in deck.claims if claim.tried]
    count = Counter(each.kind for each in found)
    return page(
        "lectures.html", decks=decks, tried=len(found), claims=sum(len(deck.claims) for deck in decks), count=count
    )


def tried(folder: Path) -> Tried:
    """What came of the experiment in a folder; `CorruptError` where its verdict does not say it."""
    told = read_json(folder / "verdict.json")
    try:
        if all(each["control"] for each in told["measured"].values()):
            raise ValueError("no case was measured")
        return Tried(
            **{key: str(told[key]) for key in ("place", "claim", "right", "as_printed", "verdict", "what", "because")},
            predicted=number(float(told["predicted"])),
            seeds=int(told["seeds"]),
            circumstances=tuple(circumstance(each) for each in told["measured"].values()),
            figure=picture(folder / "claim.svg"),
            command=str(told["command"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{folder / 'verdict.json'} is no verdict of this optrun: {error!r}"
        raise CorruptError(f"{what}; `optrun plot {folder}` makes it anew") from None


def circumstance(told: Mapping[str, Any]) -> Circumstance:
    """One row of what was measured."""
    value, low, high = (float(told[key]) for key in ("value", "low", "high"))
    said = number(value) if math.isfinite(value) else "never" if math.isinf(value) else "none"
    interval = f"{number(low)} to {number(high)}" if number(low) != number(high) else ""
    return Circumstance(str(told["title"]), bool(told["control"]), said, interval, bool(told["within"]))
