"""What it takes for a planted run to have its fault, on losses made by hand: CHANCE is 1, a clear share of it 0.06."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.doctor.base import Row
from tests.doctor.cases import case, rows
from tests.doctor.cures import CURES, ends_lower, is_better, is_healthy, swings_less, was_better

FLAT = [1.0, *[0.5] * 11]
SWUNG = [1.0, 0.4, *[0.3, 0.4] * 5]


def ended(train: float, val: float) -> list[Row]:
    """The rows of a twin that came there at once."""
    return rows([train] * 12, [val] * 12)


def test_a_cure_is_better_by_a_tenth_that_is_a_share_of_a_constant_answer() -> None:
    assert is_better(case(train=FLAT), ended(1.0, 0.44))
    assert not is_better(case(train=FLAT), ended(0.0, 0.45))
    low = case(train=[0.05] * 12)
    assert not is_better(low, ended(0.0, 0.01))


def test_what_ends_lower_does_so_in_the_middle_one_of_its_last_epochs() -> None:
    assert ends_lower(case(train=[*FLAT[:-1], 0.1]), ended(0.44, 1.0))
    assert not ends_lower(case(train=[*FLAT[:-1], 0.9]), ended(0.45, 0.0))


def test_a_loss_that_blew_up_neither_flattens_nor_swings() -> None:
    assert not ends_lower(case(train=[100.0, *FLAT[1:]]), ended(0.1, 0.1))
    assert ends_lower(case(train=[99.0, *FLAT[1:]]), ended(0.1, 0.1))
    assert not swings_less(case(train=[100.0, *SWUNG[1:]]), ended(0.1, 0.1))


def test_what_overfits_had_a_clearly_lower_validation_loss_when_it_would_have_been_stopped() -> None:
    risen = case(train=FLAT, val=[0.5] * 3 + [0.6] * 9)
    assert was_better(risen, ended(1.0, 0.5))
    assert not was_better(risen, ended(0.0, 0.55))


def test_what_swings_climbs_a_tenth_of_a_constant_answer_and_its_cure_half_as_much() -> None:
    assert swings_less(case(train=SWUNG), ended(0.5, 0.5))
    assert not swings_less(case(train=SWUNG), rows(SWUNG))
    assert not swings_less(case(train=[1.0, 0.4, *[0.3, 0.31] * 5]), ended(0.5, 0.5))


CHANGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "TooLow": (("lr=1e-05",), ("lr=0.001",)),
    "StoppedEarly": (("epochs=5",), ("epochs=20",)),
    "Oscillating": (("lr=1.5",), ("lr=0.5",)),
    "Overfitting": (("stop=epochs",), ("stop=any_of",)),
    "Flattening": (("lr=2",), ("lr=0.2",)),
}


@pytest.mark.parametrize("fault", CHANGES)
def test_a_cure_changes_one_thing(fault: str) -> None:
    given, change = CHANGES[fault]
    assert CURES[fault][0](given) == change


def test_a_run_that_ended_by_itself_is_healthy_without_a_twin(tmp_path: Path) -> None:
    assert is_healthy(("epochs=13",), case("epochs=13"), tmp_path / "twin")
    assert not (tmp_path / "twin").exists()


def test_a_run_at_its_limit_is_healthy_where_four_times_the_epochs_make_it_hardly_better(tmp_path: Path) -> None:
    words = ("dataset=iris", "architecture.hidden=[8]", "optimizer=sgd", "lr=0.001", "epochs=4", "seed=0")
    short, enough = case("epochs=4", train=[1.5] * 4), case("epochs=4", train=[0.01] * 4)
    assert not is_healthy(words, short, tmp_path / "a")
    assert is_healthy(words, enough, tmp_path / "b")
