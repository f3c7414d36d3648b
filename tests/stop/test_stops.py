"""When a run has had enough, and why."""

from __future__ import annotations

from math import inf, nan

import pytest

from runner.core.errors import ConfigError
from runner.stop.all_of import AllOf
from runner.stop.any_of import AnyOf
from runner.stop.base import Direction, Row, Stop
from runner.stop.early_stopping import EarlyStopping
from runner.stop.epochs import Epochs
from runner.stop.gradient_norm import GradientNorm
from runner.stop.hurdles import Hurdles
from runner.stop.no_progress import NoProgress
from runner.stop.seconds import Seconds
from runner.stop.steps import Steps
from runner.stop.target import Target


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


def watched(**columns: list[float]) -> list[Row]:
    """Rows with the given columns."""
    length = len(next(iter(columns.values())))
    return [{"epoch": e + 1} | {name: values[e] for name, values in columns.items()} for e in range(length)]


def test_early_stopping_follows_the_column_and_the_direction_that_it_is_told() -> None:
    rule = EarlyStopping(patience=2, monitor="val_accuracy", direction="max")
    assert rule.verdict(watched(val_accuracy=[0.5, 0.75, 0.75, 0.625])) == (
        "no improvement of val_accuracy for 2 epochs; the best was 0.75 in epoch 2"
    )
    assert rule.verdict(watched(val_accuracy=[0.5, 0.25, 0.75, 0.625])) is None
    assert rule.verdict(watched(val_accuracy=[0.5, nan, inf])) == (
        "no improvement of val_accuracy for 2 epochs; the best was 0.5 in epoch 1"
    )
    strict = EarlyStopping(patience=1, monitor="val_accuracy", direction="max", min_delta=0.25)
    assert strict.verdict(watched(val_accuracy=[0.5, 0.75])) is not None
    assert strict.verdict(watched(val_accuracy=[0.5, 0.76])) is None


@pytest.mark.parametrize(
    ("direction", "value", "found", "stops"),
    [
        ("min", 0.5, 0.5, True),
        ("min", 0.5, 0.51, False),
        ("min", 0.5, -1.0, True),
        ("min", 0.5, nan, False),
        ("min", 0.5, -inf, False),
        ("max", 0.5, 0.5, True),
        ("max", 0.5, 0.49, False),
        ("max", 0.5, nan, False),
        ("max", 0.5, inf, False),
    ],
)
def test_a_target_is_reached_from_the_right_side_and_never_by_what_is_no_number(
    direction: Direction, value: float, found: float, stops: bool
) -> None:
    rule = Target(monitor="m", value=value, direction=direction)
    verdict = rule.verdict(watched(m=[9.0, found]))
    assert verdict == (f"m is {found:.6g}, which reaches the target 0.5" if stops else None)


def test_only_the_last_epoch_counts_for_a_target() -> None:
    assert Target(monitor="m", value=0.5).verdict(watched(m=[0.25, 0.75])) is None


def test_steps_stop_at_their_number_within_an_epoch_or_at_its_end() -> None:
    rule = Steps(steps=7)
    assert [rule.due(step, 0.0) for step in (5, 6, 7, 8)] == [False, False, True, True]
    assert rule.verdict(watched(step=[3, 6])) is None
    assert rule.verdict(watched(step=[3, 6, 7])) == "reached the limit of 7 steps"
    assert Steps(steps=1).verdict(watched(step=[1])) == "reached the limit of 1 step"
    assert rule.limit is None  # how many epochs these are, only the data know


def test_seconds_are_those_of_training() -> None:
    rule = Seconds(seconds=1.5)
    assert [rule.due(10**9, elapsed) for elapsed in (0.0, 1.49, 1.5, 9.0)] == [False, False, True, True]
    assert rule.verdict(rows(1.0), 1.25) is None
    assert rule.verdict(rows(1.0), 1.75) == "reached the limit of 1.5 seconds of training"


def test_no_progress_is_a_number_that_stays_where_it_is() -> None:
    rule = NoProgress(monitor="m", patience=2, tolerance=0.25)
    assert rule.verdict(watched(m=[1.0, 1.0])) is None  # two values are one epoch of staying
    assert rule.verdict(watched(m=[9.0, 1.0, 0.875, 0.75])) == "m moved by 0.25 in 2 epochs"
    assert rule.verdict(watched(m=[1.0, 0.875, 0.74])) is None
    assert rule.verdict(watched(m=[1.0, 2.0, 1.0])) is None  # it moved, though not on
    assert rule.verdict(watched(m=[-4.0, -4.0, -3.0])) == "m moved by 1 in 2 epochs"
    assert rule.verdict(watched(m=[0.0, 0.0, 0.0])) == "m moved by 0 in 2 epochs"


def test_what_is_no_number_is_no_progress() -> None:
    rule = NoProgress(monitor="m", patience=2, tolerance=0.25)
    assert rule.verdict(watched(m=[1.0, nan, 1.0])) == "m moved by 0 in 2 epochs"
    assert rule.verdict(watched(m=[1.0, nan, inf, nan])) == "m was not finite for 2 epochs"
    assert rule.verdict(watched(m=[1.0, nan, 2.0])) is None


def test_a_gradient_is_small_only_where_it_was_measured() -> None:
    rule = GradientNorm(eps=0.5, every=2)
    assert rule.full_gradient_every == 2
    assert rule.verdict(watched(full_grad_norm=[0.25])) is None  # not an epoch of its own
    assert rule.verdict(watched(full_grad_norm=[nan, 0.5])) == "the norm of the full gradient is 0.5, at most 0.5"
    assert rule.verdict(watched(full_grad_norm=[nan, 0.51])) is None
    assert rule.verdict(watched(full_grad_norm=[nan, nan])) is None


def test_the_norm_of_the_mini_batches_is_another_number_and_costs_nothing() -> None:
    rule = GradientNorm(eps=0.5, of="batches")
    assert rule.full_gradient_every is None
    assert rule.verdict(watched(grad_norm=[0.25])) == (
        "the norm of the mini-batch gradients, in the mean, is 0.25, at most 0.5"
    )


def test_all_of_stops_when_all_say_so_about_the_same_epoch() -> None:
    both = AllOf(rules={"epochs": Epochs(epochs=3), "target": Target(value=0.5)})
    assert both.verdict(rows(1.0, 0.25)) is None
    assert both.verdict(rows(1.0, 0.25, 1.0)) is None
    assert both.verdict(rows(1.0, 1.0, 1.0, 0.25)) == (
        "reached the limit of 3 epochs; val_loss is 0.25, which reaches the target 0.5"
    )
    assert both.limit is None


def test_all_of_has_the_highest_limit_of_its_rules_if_all_have_one() -> None:
    assert AllOf(rules={"a": Epochs(epochs=9), "b": Epochs(epochs=5)}).limit == 9
    assert AllOf().limit is None
    assert AllOf().verdict(rows(1.0)) is None
    assert not AllOf().due(1, 1.0)


def test_a_rule_within_an_epoch_counts_alone_in_any_of_and_with_the_others_in_all_of() -> None:
    cut: dict[str, Stop] = {"steps": Steps(steps=5), "seconds": Seconds(seconds=2)}
    assert [AnyOf(rules=cut).due(*at) for at in ((4, 1.0), (5, 1.0), (4, 2.0), (5, 2.0))] == [False, True, True, True]
    assert [AllOf(rules=cut).due(*at) for at in ((4, 1.0), (5, 1.0), (4, 2.0), (5, 2.0))] == [False, False, False, True]
    # early stopping can speak only at the end of an epoch, so the epoch goes on
    assert not AllOf(rules=cut | {"early": EarlyStopping()}).due(5, 2.0)


def test_several_looks_at_the_full_gradient_are_often_enough_for_each() -> None:
    rules = {"a": GradientNorm(every=4), "b": GradientNorm(every=6), "c": Epochs(), "d": GradientNorm(of="batches")}
    assert AnyOf(rules=rules).full_gradient_every == 2
    assert AllOf(rules={"x": AnyOf(rules={"a": GradientNorm(every=4)})}).full_gradient_every == 4
    assert AnyOf(rules={"c": Epochs()}).full_gradient_every is None


def test_what_is_watched_is_named_by_the_way_to_its_argument() -> None:
    inner = AnyOf(rules={"goal": Target(monitor="val_accuracy", direction="max")})
    assert AllOf(rules={"a": EarlyStopping(), "b": inner, "c": NoProgress(), "d": Epochs()}).watched == {
        "rules.a.monitor": ("val_loss", "min"),
        "rules.b.rules.goal.monitor": ("val_accuracy", "max"),
        "rules.c.monitor": ("train_loss", None),
    }


def test_early_stopping_reads_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    after = EarlyStopping.after

    def counting(self: EarlyStopping, state: tuple[float, int, int], row: Row) -> tuple[float, int, int]:
        nonlocal asked
        asked += 1
        return after(self, state, row)

    monkeypatch.setattr(EarlyStopping, "after", counting)
    rule, seen = EarlyStopping(patience=9999), []
    for row in rows(*[1.0] * 1000):
        seen.append(row)
        rule.verdict(seen)
    assert asked == 1000


@pytest.mark.parametrize(
    ("losses", "epoch"),
    [
        ([1.0, 0.5, 0.3], None),  # on the bound is good enough
        ([0.5, 0.8, 0.3], None),  # the best so far counts, not the last
        ([1.0, 0.51, 0.3], 2),
        ([9.0, 0.4, 0.31, 0.1], 3),
        ([9.0, 0.4, 0.3, 9.0, 9.0], None),  # behind the last hurdle there is none
        ([nan, inf], 2),
        ([nan, 0.5, 0.1], None),
        ([9.0], None),
    ],
)
def test_hurdles_stop_a_run_that_is_not_good_enough_by_given_epochs(losses: list[float], epoch: int | None) -> None:
    assert stops_after(Hurdles(epochs=(2, 3), bounds=(0.5, 0.3)), *losses) == epoch


def test_hurdles_for_a_number_that_should_be_high() -> None:
    rule = Hurdles(epochs=(2,), bounds=(0.9,), monitor="a", direction="max")
    assert rule.verdict([{"a": 0.9}, {"a": 0.1}]) is None
    assert rule.verdict([{"a": 0.89}, {"a": 0.1}]) == "the best a after 2 epochs is 0.89, and the bound there is 0.9"
    assert rule.verdict([{"a": nan}, {"a": nan}]) == (
        "the best a after 2 epochs was never finite, and the bound there is 0.9"
    )


def test_hurdles_without_order_or_without_a_bound_each_are_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        Hurdles(epochs=(3, 2), bounds=(1.0, 1.0))
    assert str(refused.value) == (
        "epochs=[3,2] is refused\n  allowed: epochs in rising order, each once\n  do this: give epochs=[2,3]"
    )
    with pytest.raises(ConfigError) as refused:
        Hurdles(epochs=(2, 3), bounds=(1.0,))
    assert str(refused.value) == (
        "bounds=[1.0] is refused\n  allowed: one bound for each of epochs\n  do this: give 2 numbers in bounds=[...]"
    )
