"""One run with each fault, trained and looked at again: `make doctor-truth` does it with all of them.

These are of the lot by which the thresholds were chosen, and small; what the census counts is the other lot.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.doctor.rules import RULES
from tests.doctor.planted import MIXED, NOISY, SETS, faults, healthy
from tests.doctor.trained import looked_at, named

NAMES = [type(rule).__name__ for rule in RULES]
FEW = 10  # runs with each fault, of which the census says something


@pytest.mark.parametrize("fault", NAMES)
def test_a_planted_fault_is_named_first(fault: str, tmp_path: Path) -> None:
    of = faults("chosen")[fault]
    words = next((words for words in of if "dataset=iris" in words), of[0])
    assert named(looked_at(words, tmp_path / "run"))[:1] == [fault]


@pytest.mark.parametrize("number", [11, 13])
def test_a_healthy_run_is_left_alone(number: int, tmp_path: Path) -> None:
    words = healthy("chosen")[number]
    assert "dataset=iris" in words
    assert named(looked_at(words, tmp_path / "run")) == []


def test_the_census_has_ten_runs_with_each_fault_and_fifty_healthy_ones() -> None:
    for lot in ("chosen", "judged"):
        assert {name: len(of) >= FEW for name, of in faults(lot).items()} == dict.fromkeys(NAMES, True)
        assert len(healthy(lot)) >= 50


def test_no_run_that_is_judged_was_chosen_by() -> None:
    for lots in (SETS, MIXED, NOISY):
        assert not set(lots["chosen"]) & set(lots["judged"])
    seeds = [
        {word for of in (*faults(lot).values(), healthy(lot)) for words in of for word in words if "seed=" in word}
        for lot in ("chosen", "judged")
    ]
    assert not {word for word in seeds[0] & seeds[1] if not word.startswith("dataset.")}
