"""What single rules see and do not see, and what they advise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from runner.architecture.linear import Linear
from runner.doctor.base import Case
from runner.doctor.oscillating import swings
from runner.doctor.trend import alternates, held_up, level, rises
from tests.doctor.cases import case
from tests.doctor.test_rules import LEVEL, NEARBY, OVERFIT, SWING, rule


def test_saturation_is_of_activations_that_are_no_gates() -> None:
    flat = {"saturated": (0.9, 0.9), "gates": (False, False)}
    finding = rule("Dead").look(case("init=normal", first=flat, inside=flat))  # type: ignore[attr-defined]
    assert finding.seen == "activation 1 is saturated at 90% of its inputs (90% at the start)"
    assert finding.change == ("init=xavier_normal",)


def test_a_run_that_diverged_names_where_and_what_it_had_come_to() -> None:
    finding = rule("Unstable").look(case(status="diverged", train=[2.0, 30.0, math.inf]))  # type: ignore[attr-defined]
    assert finding.seen == "the run diverged in epoch 3, step 30, after 30; lr 0.1"


def test_units_that_training_has_killed_are_told_with_the_level() -> None:
    finding = rule("Flattening").look(case(train=LEVEL, inside={"dead": (0.1, 0.4)}))  # type: ignore[attr-defined]
    assert finding.seen == (
        "the training loss has stood at 0.5 since about epoch 3; training has killed 40% of the units of a layer"
    )


def test_a_penalty_is_what_an_underfitting_run_tries_without() -> None:
    held = case("regularizer=l2", train=LEVEL, neighbours={"loss": 0.2})
    finding = rule("Underfitting").look(held)  # type: ignore[attr-defined]
    assert finding.change == ("regularizer=none",)
    assert finding.seen == (
        "validation loss 0.5 at best, the mean of the 5 nearest 0.2; the training loss has come to a level"
    )


def test_a_rise_within_a_bump_is_no_rise() -> None:
    assert rises([1.0, 1.0, 1.0, 1.019, 1.0, 1.03]) == pytest.approx(1 / 3)


def test_the_noise_of_the_epochs_does_not_hide_a_level() -> None:
    wild = [1.0, 0.5, 0.9, 0.6, 0.8, 0.5, 0.9, 0.7, 0.8, 0.6, 0.5, 0.75]  # the last three 0.62 in the mean, 0.8 before
    assert level(case(train=wild))
    assert not level(case(train=[1.2 - k / 15 for k in range(12)]))


def test_a_run_that_is_stopped_is_held_up_above_what_it_did_not_have_before() -> None:
    stopped = case("epochs=13", train=LEVEL, val=[1.0, 0.43, *[0.5] * 10], slid=NEARBY)
    assert held_up(stopped) == pytest.approx(0.1)


def test_a_slow_swing_above_where_the_loss_began_is_no_momentum_alone() -> None:
    thrown = [1.2, 0.4, 0.2, 0.5, 0.9, 1.3, 0.9, 0.4, 0.2, 0.3, 0.4, 0.5]
    finding = rule("Oscillating").look(case("sampler=full", train=thrown, sharpness=1.0))  # type: ignore[attr-defined]
    assert finding.change == ("lr=0.033",)
    dying = case("sampler=full", train=[1.4, *thrown[1:]], sharpness=1.0)
    assert rule("Oscillating").look(dying) is None  # type: ignore[attr-defined]


def test_one_high_climb_late_in_a_run_is_as_much_of_a_swing_as_many_small_ones() -> None:
    once = case("sampler=full", train=[1.0, 0.3, *[0.2] * 18, 0.31, 0.2], sharpness=10.0)
    assert swings(once)
    assert rule("Oscillating").look(once) is not None  # type: ignore[attr-defined]


def test_changes_that_do_not_follow_each_other_do_not_alternate() -> None:
    assert alternates([1.0, 1.1, 1.1, 1.0, 1.0, 1.1]) == 0.0
    assert alternates([1.0, 2.0, 1.0, 1.0, 2.0, 1.0]) == 1.0


def test_a_gradient_that_vanished_at_the_start_alone_is_told_where_little_was_learned() -> None:
    faint, strong = {"backward": (1e-5, 1e-3, 1e-2)}, {"backward": (0.1, 0.1, 0.1)}
    slow = case("init=normal", first=faint, inside=strong, train=[1.0, *[0.5] * 11])
    assert rule("Vanishing").look(slow).seen == (  # type: ignore[attr-defined]
        "the gradient of a layer's outputs falls from 0.01 in layer 3 to 1e-05 in layer 1 at the start; "
        "the training loss is at 0.5"
    )
    learned = case("init=normal", first=faint, inside=strong, train=[1.0, *[0.49] * 11])
    assert rule("Vanishing").look(learned) is None  # type: ignore[attr-defined]


def test_momentum_that_swings_at_the_edge_of_its_stability_oscillates() -> None:
    finding = rule("Oscillating").look(case("sampler=full", train=SWING, sharpness=10.0))  # type: ignore[attr-defined]
    assert finding.change == ("lr=0.033",)


def test_what_was_learned_by_heart_is_overfitting_though_the_validation_loss_did_not_rise() -> None:
    finding = rule("Overfitting").look(case(train=[0.6] * 30, val=[1.1] * 30))  # type: ignore[attr-defined]
    assert finding.seen == "the training loss came to 0.6, the validation loss to 1.1, where a constant answer has 1"


def test_scores_that_are_held_down_are_underfitting_though_the_mistakes_are_few() -> None:
    held = case("regularizer=l2", train=LEVEL, neighbours={"accuracy": 0.875, "loss": 0.24})
    finding = rule("Underfitting").look(held)  # type: ignore[attr-defined]
    assert finding.seen == (
        "validation loss 0.5 at best, the shares of the 5 nearest 0.24; the training loss has come to a level"
    )


def test_of_those_that_need_no_training_the_best_is_told() -> None:
    curved = case(train=LEVEL, neighbours={"loss": 0.4, "vectors": 0.2})
    finding = rule("Underfitting").look(curved)  # type: ignore[attr-defined]
    assert finding.seen == ("validation loss 0.5 at best, support vectors 0.2; the training loss has come to a level")


HIGH = case(train=LEVEL, neighbours={"loss": 0.2})
ADVICE: dict[str, tuple[str, Case, tuple[str, ...]]] = {
    "larger than it is": (
        "Underfitting",
        case("architecture.hidden=[300,8]", train=LEVEL, neighbours={"loss": 0.2}),
        ("architecture=mlp", "architecture.hidden=[600,128]"),
    ),
    "with hidden units": (
        "Underfitting",
        replace(HIGH, run=replace(HIGH.run, architecture=Linear())),
        ("architecture=mlp", "architecture.hidden=[128,128]"),
    ),
    "more of a penalty": (
        "Overfitting",
        case("regularizer=l2", "regularizer.strength=0.02", train=OVERFIT[0], val=OVERFIT[1]),
        ("stop=any_of", "regularizer=l2", "regularizer.strength=0.2"),
    ),
    "time for a schedule": (
        "NoiseFloor",
        case("schedule=cosine", "epochs=20", train=LEVEL, slid=NEARBY),
        ("stop=epochs",),
    ),
    "batches for a schedule": ("NoiseFloor", case("schedule=cosine", train=LEVEL, slid=NEARBY), ("batch_size=240",)),
    "a rate for what is normalized": (
        "Symmetric",
        case("architecture/normalization=layer", first={"twins": (1.0,)}, inside={"twins": (1.0,)}),
        ("lr=0.01",),
    ),
}


@pytest.mark.parametrize("name", ADVICE)
def test_advice_is_something_that_the_run_does_not_have(name: str) -> None:
    which, given, change = ADVICE[name]
    assert rule(which).look(given).change == change  # type: ignore[attr-defined]
