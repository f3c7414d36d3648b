"""One run with each fault, trained and looked at again: `make doctor-truth` does it with all of them.

These are of the lot by which the thresholds were chosen, and small; what the census counts is another one.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from runner.doctor.rules import RULES
from tests.doctor import judged, seen, seen_again
from tests.doctor.planted import BENT, LINEAR, LOTS, MIXED, NOISY, RAW, SETS, Words, faults, healthy
from tests.doctor.trained import idle_advice, looked_at, named

NAMES = [type(rule).__name__ for rule in RULES]
FEW = 12  # runs with each fault: nine in ten of them can be told from ten in ten


@pytest.mark.parametrize("fault", NAMES)
def test_a_planted_fault_is_named_first(fault: str, tmp_path: Path) -> None:
    of = faults("chosen")[fault]
    words = next((words for words in of if "dataset=iris" in words), of[0])
    case = looked_at(words, tmp_path / "run")
    assert named(case)[:1] == [fault]
    assert idle_advice(case, words) == []


@pytest.mark.parametrize("number", [17, 19])
def test_a_healthy_run_is_left_alone(number: int, tmp_path: Path) -> None:
    words = healthy("chosen")[number]
    assert "dataset=iris" in words
    assert named(looked_at(words, tmp_path / "run")) == []


def test_the_census_has_twelve_runs_with_each_fault_and_a_hundred_healthy_ones() -> None:
    assert {name: len(of) >= FEW for name, of in judged.faults().items()} == dict.fromkeys(NAMES, True)
    assert len(judged.healthy()) >= 100


def test_no_run_that_is_judged_was_chosen_by() -> None:
    given = {base for lot in LOTS for sets in (SETS, MIXED, NOISY, BENT, LINEAR, RAW) for base in sets[lot]}
    assert not (given | examples(seen) | examples(seen_again)) & examples(judged)
    looked = {seed for lot in LOTS for seed in seeds(faults(lot), healthy(lot))}
    looked |= {seed for lot in (seen, seen_again) for seed in seeds(lot.faults(), lot.healthy())}
    assert not looked & seeds(judged.faults(), judged.healthy())


def examples(lot: ModuleType) -> set[str]:
    """The words of the data of a lot."""
    sets = (lot.SETS, lot.MIXED, lot.NOISY, lot.BENT, lot.LINEAR_CLASSES, lot.LINEAR_NUMBERS, lot.RAW)
    return {base for of in sets for base in of}


def seeds(ill: dict[str, list[Words]], well: list[Words]) -> set[str]:
    return {word for of in (*ill.values(), well) for words in of for word in words if word.startswith("seed=")}
