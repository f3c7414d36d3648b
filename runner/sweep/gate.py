"""What a CI job expects of a sweep: bounds that its best setting must keep, by the mean over its seeds.

The best single run would be the luckiest one. Where no axis is a seed, a setting is one run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.core.seeds import mean_and_half


@dataclass(frozen=True)
class Judged:
    """Whether an expectation was met, and the sentence about it."""

    met: bool
    words: str


def judged(summaries: Sequence[Mapping[str, Any]]) -> Iterator[Judged]:
    """The expectations of the runs of a setting, from the summaries of those that completed.

    The mean is held against the bound that all of them have; a number that one did not measure is missed.
    """
    subject = "the best run" if len(summaries) == 1 else f"the best setting, the mean of {len(summaries)} runs"
    for name, first in summaries[0].get("expect", {}).items():
        values = [summary["expect"][name]["measured"] for summary in summaries]
        mean = None if None in values else mean_and_half(values)[0]
        least = first["at"] == "least"
        met = mean is not None and (mean >= first["bound"] if least else mean <= first["bound"])
        value = "not measured" if mean is None else f"{mean:.6g}"
        verb = "met" if met else "MISSED"
        yield Judged(met, f"expected of {subject}: {name} at {first['at']} {first['bound']:g}: {verb}, {value}")
