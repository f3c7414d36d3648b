"""When a run has had enough, and why."""

from __future__ import annotations

from math import inf, nan

import pytest

from runner.core.errors import ConfigError
from runner.stop.any_of import AnyOf
from runner.stop.base import Row, Stop
from runner.stop.early_stopping import EarlyStopping
from runner.stop.epochs import Epochs


def rows(*val_losses: float) -> list[Row]:
    return [{"epoch": epoch, "val_loss": loss} for epoch, loss in enumerate(val_losses, start=1)]


def stops_after(rule: Stop, *val_losses: float) -> int | None:
    """The epoch after which the rule stops a run with these losses, as the loop asks it."""
    seen = rows(*val_losses)
    return next((epoch for epoch in range(1, len(seen) + 1) if rule.verdict(seen[:epoch]) is not None), None)


def test_epochs_stops_at_its_number_and_not_before() -> None:
    assert Epochs(epochs=3).verdict(rows(1, 1)) is None
    assert Epochs(epochs=3).verdict(rows(1, 1, 1)) == "reached the limit of 3 epochs"
    assert Epochs(epochs=3).verdict(rows(1, 1, 1, 1)) == "reached the limit of 3 epochs"
    assert Epochs(epochs=1).verdict(rows(1)) == "reached the limit of 1 epoch"


def test_epochs_has_its_number_as_limit() -> None:
    assert Epochs(epochs=7).limit == 7


@pytest.mark.parametrize(
    ("patience", "losses", "epoch"),
    [
        (1, [1.0, 0.5], None),
        (1, [1.0, 1.0], 2),  # equal is not better
        (1, [1.0, 2.0, 0.5], 2),
        (2, [1.0, 2.0, 0.5, 0.6, 0.4], None),
        (2, [1.0, 0.5, 0.6, 0.7], 4),
        (2, [1.0, 0.5, 0.6, 0.55], 4),  # better than the last, not than the best
        (3, [0.1, 0.9, 0.8, 0.7], 4),
        (3, [3.0, 2.0, 1.0], None),
    ],
)
def test_early_stopping_waits_for_so_many_epochs_without_a_new_best(
    patience: int, losses: list[float], epoch: int | None
) -> None:
    assert stops_after(EarlyStopping(patience=patience), *losses) == epoch


def test_early_stopping_says_how_long_it_waited_and_what_was_best() -> None:
    assert EarlyStopping(patience=2).verdict(rows(1.0, 0.5, 0.6, 0.7)) == (
        "no improvement of val_loss for 2 epochs; the best was 0.5 in epoch 2"
    )
    assert EarlyStopping(patience=1).verdict(rows(1 / 3, 0.5)) == (
        "no improvement of val_loss for 1 epoch; the best was 0.333333 in epoch 1"
    )
    assert EarlyStopping(patience=2).verdict(rows(1.0, 2.0, 2.0, 2.0)) == (
        "no improvement of val_loss for 3 epochs; the best was 1 in epoch 1"
    )


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_loss_that_is_not_finite_is_never_an_improvement(bad: float) -> None:
    rule = EarlyStopping(patience=2)
    assert stops_after(rule, 1.0, bad, bad) == 3
    assert stops_after(rule, bad, 1.0, bad, 0.5) is None
    assert stops_after(rule, bad, 1.0, 2.0, bad) == 4
    assert rule.verdict(rows(bad, bad)) == "no improvement of val_loss for 2 epochs; it was never finite"


def test_after_a_loss_that_is_not_finite_the_best_is_still_the_one_before() -> None:
    assert EarlyStopping(patience=2).verdict(rows(1.0, nan, 1.5)) == (
        "no improvement of val_loss for 2 epochs; the best was 1 in epoch 1"
    )


# 1.0, 0.5 and 0.25 are exact, so the boundary is exactly met.
@pytest.mark.parametrize(("loss", "improves"), [(0.5, False), (0.49, True), (0.51, False)])
def test_an_improvement_is_by_more_than_min_delta(loss: float, improves: bool) -> None:
    verdict = EarlyStopping(patience=1, min_delta=0.5).verdict(rows(1.0, loss))
    assert (verdict is None) == improves


def test_small_steps_down_add_up_to_an_improvement_over_the_best() -> None:
    # The best stays 1.0 until a loss is more than 0.5 below it; it is not the lowest number seen.
    rule = EarlyStopping(patience=3, min_delta=0.5)
    assert stops_after(rule, 1.0, 0.75, 0.5, 0.25) is None
    assert stops_after(rule, 1.0, 0.75, 0.625, 0.5) == 4
    assert rule.verdict(rows(1.0, 0.75, 0.625, 0.5)) == (
        "no improvement of val_loss for 3 epochs; the best was 1 in epoch 1"
    )


def test_early_stopping_has_no_limit() -> None:
    assert EarlyStopping().limit is None


def test_any_of_stops_with_the_first_of_its_rules() -> None:
    both = AnyOf(rules={"epochs": Epochs(epochs=4), "early": EarlyStopping(patience=2)})
    assert both.verdict(rows(1.0, 0.5, 0.6)) is None
    assert both.verdict(rows(1.0, 2.0, 2.0)) == "no improvement of val_loss for 2 epochs; the best was 1 in epoch 1"
    assert both.verdict(rows(4.0, 3.0, 2.0, 1.0)) == "reached the limit of 4 epochs"


def test_any_of_joins_the_sentences_of_all_that_stop() -> None:
    both = AnyOf(rules={"epochs": Epochs(epochs=3), "early": EarlyStopping(patience=2)})
    assert both.verdict(rows(1.0, 2.0, 2.0)) == (
        "reached the limit of 3 epochs; no improvement of val_loss for 2 epochs; the best was 1 in epoch 1"
    )


def test_any_of_has_the_lowest_limit_of_its_rules() -> None:
    rules = {"a": Epochs(epochs=9), "b": EarlyStopping(), "c": Epochs(epochs=5)}
    assert AnyOf(rules=rules).limit == 5
    assert AnyOf(rules={"outer": AnyOf(rules=rules), "d": Epochs(epochs=8)}).limit == 5
    assert AnyOf(rules={"b": EarlyStopping()}).limit is None


def test_any_of_nothing_never_stops() -> None:
    assert AnyOf().verdict(rows(1.0, nan)) is None
    assert AnyOf().limit is None


def test_any_of_takes_nothing_but_rules() -> None:
    with pytest.raises(ConfigError) as caught:
        AnyOf(rules={"epochs": 3})  # type: ignore[dict-item]
    assert str(caught.value) == (
        "rules={epochs:3} is refused\n"
        "  allowed: named values, each Stop\n"
        "  do this: give rules=... Stop; the default is {}"
    )


def test_a_rule_refuses_constants_outside_their_range() -> None:
    with pytest.raises(ConfigError, match=r"^patience=0 is refused\n"):
        EarlyStopping(patience=0)
    with pytest.raises(ConfigError, match=r"^min_delta=-1 is refused\n"):
        EarlyStopping(min_delta=-1)
    with pytest.raises(ConfigError, match=r"^epochs=0 is refused\n"):
        Epochs(epochs=0)
