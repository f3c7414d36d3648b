"""Every rule on cases made by hand: what it says in full, and where it falls silent."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from runner.doctor.base import Case, Slid, Spread
from runner.doctor.rules import RULES, findings
from tests.doctor.cases import FALL, case

NEARBY = Slid(0.5, 0.4, 0.5, 0.4)
FAR = Slid(0.5, 0.3, 0.5, 0.3)
NOTHING = Slid(0.5, 0.49, 0.5, 0.5)
LEVEL = [1.0, 0.6, *[0.5] * 10]
STEPS = [0.1] * 3 + [0.001] * 9
SWING = [1.0, 0.4, 0.2, 0.4, 0.6, 0.7, 0.6, 0.4, 0.2, 0.3, 0.4, 0.5]
WAVES = [1.0, 0.6, *[0.5, 0.6] * 5]
OVERFIT = ([1.0 / k for k in range(1, 31)], [0.5] * 5 + [0.4] + [0.6] * 24)

# name of the rule: (a case that it sees, the words to try, its sentence), and the same cases just beyond its thresholds
SEEN: dict[str, tuple[Case, tuple[str, ...], str]] = {
    "NonFinite": (
        case("init=normal", status="diverged", first={"loss": math.nan, "gradient": math.nan, "first_bad": 2}),
        ("init=kaiming_normal",),
        "before the first step, activation 2 is the first place that is not finite; loss nan, gradient nan, widest "
        "input column 1",
    ),
    "Symmetric": (
        case("init=constant", first={"twins": (0.0, 1.0)}, inside={"twins": (0.0, 0.5)}),
        ("init=kaiming_normal",),
        "50% of the units of layer 2 have the weights of another one (100% at the start)",
    ),
    "Ravine": (
        case(spread=Spread(90000.0, 1000.0)),
        ("preprocess=standardize",),
        "the widest column of the inputs has a mean square of 9e+04, 1e+03 times the variance of the middle one",
    ),
    "Dead": (
        case(first={"dead": (0.0, 0.9)}, inside={"dead": (1.0, 1.0)}),
        ("architecture/normalization=layer",),
        "100% of the units after layer 2 are dead (90% at the start)",
    ),
    "Exploding": (
        case("init=normal", first={"backward": (2000.0, 40.0, 2.0)}),
        ("init=kaiming_normal",),
        "at the start the gradient of a layer's outputs grows 1e+03 times from layer 3 (2) back to layer 1 (2e+03)",
    ),
    "Vanishing": (
        case("init=normal", first={"backward": (1e-5, 1e-3, 1e-2)}, inside={"backward": (1e-6, 1e-4, 0.1)}),
        ("init=kaiming_normal",),
        "the gradient of a layer's outputs falls from 0.1 in layer 3 to 1e-06 in layer 1, and did so at the start",
    ),
    "Unstable": (
        case(train=[1.0, 100.0, *[0.5] * 10]),
        ("lr=0.01",),
        "the loss rose to 100, from 1 at the start; lr 0.1",
    ),
    "Plateau": (
        case("loss=softmax_squared", train=[0.6] * 12, inside={"idle": 0.9}),
        ("loss=cross_entropy",),
        "90% of the loss 0.6 comes from examples at which its slope is below a hundredth of what it is at scores of 0",
    ),
    "DecayedEarly": (
        case(rates=STEPS, train=LEVEL, slid=NEARBY),
        ("schedule=cosine",),
        "the rate fell from 0.1 to below a tenth of it after epoch 3 of 12, at a training loss of 0.5; it came to 0.5, "
        "and 10% of a constant answer's loss are still in reach",
    ),
    "TooLow": (
        case(slid=NEARBY, reach=64.0, signal=2.0),
        ("lr=1",),
        "12 epochs took the training loss from 1 to 0.2; a last step 64 times as long would have gone on downhill",
    ),
    "StoppedEarly": (
        case(train=[2.0 - k / 10 for k in range(12)], slid=Slid(0.9, 0.5, 0.9, 0.5)),
        ("epochs=48",),
        "the validation loss was still falling when the limit of 12 epochs came: by 25% in the last 3, to 0.9",
    ),
    "Oscillating": (
        case("sampler=full", train=WAVES),
        ("lr=0.033",),
        "each step sees all the examples, and the loss rose in 45% of the epochs; the largest curvature is 1, "
        "where the rule is stable below 20",
    ),
    "Overfitting": (
        case(train=OVERFIT[0], val=OVERFIT[1]),
        ("stop=any_of", "regularizer=l2", "regularizer.strength=0.001"),
        "the validation loss was lowest in epoch 6 (0.4) and rose to 0.6, while the training loss fell from 0.167 to "
        "0.0333",
    ),
    "Flattening": (
        case(train=LEVEL, signal=0.4, slid=FAR),
        ("lr=0.01",),
        "the training loss has stood at 0.5 since about epoch 3; it could fall by 20% of a constant answer's loss, and "
        "the gradient is 0.4 times its noise",
    ),
    "NoiseFloor": (
        case(train=LEVEL, slid=NEARBY),
        ("schedule=cosine",),
        "the training loss stands at 0.5; the gradient of 60 examples is 10 times as much noise as signal, and "
        "10% of a constant answer's loss lie below",
    ),
    "Underfitting": (
        case(train=LEVEL, slid=NOTHING, neighbours={"accuracy": 0.95}),
        ("architecture=mlp", "architecture.hidden=[128,128]"),
        "12.5% mistakes on validation at best; the 5 nearest neighbours make 5.0%; the training loss has come to a "
        "level",
    ),
}  # fmt: skip

SILENT: dict[str, tuple[Case, ...]] = {
    "NonFinite": (case(status="diverged"),),
    "Symmetric": (case(first={"twins": (0.0, 1.0)}, inside={"twins": (0.0, 0.4)}),),
    "Ravine": (case(spread=Spread(999.0, 999.0)), case(spread=Spread(9e4, 9e4), train=[1.0, *[0.09] * 11])),
    "Dead": (
        case(first={"dead": (0.0, 0.8)}, inside={"dead": (0.0, 1.0)}),
        case(first={"saturated": (0.9, 0.9)}, inside={"saturated": (0.9, 0.9)}),  # of a gate
    ),
    "Exploding": (case(first={"backward": (999.0, 40.0, 1.0)}), case(first={"backward": ()})),
    "Vanishing": (
        case(first={"backward": (1e-5, 1e-3, 1e-1)}),
        case(first={"backward": (0.0, 0.0, 1.0)}, inside={"backward": (0.0, 0.0, 1.0)}),  # dead
    ),
    "Unstable": (
        case(train=[3.0, 99.0, *[0.5] * 10]),
        case(train=[1.0, 100.0, *[0.4] * 10]),  # which came back
        case("optimizer=lbfgs", "sampler=full", train=[3.0, 100.0, *[0.5] * 10]),
    ),
    "Plateau": (case(train=[0.6] * 12, inside={"idle": 0.4}), case(train=[0.4] * 12, inside={"idle": 0.9})),
    "DecayedEarly": (
        case(rates=STEPS, train=LEVEL),
        case(rates=[0.1] * 8 + [0.001] * 4, train=LEVEL, slid=NEARBY),
        case(rates=[0.001] * 6 + [0.1] * 6, train=LEVEL, slid=NEARBY),  # a warm-up
    ),
    "TooLow": (
        case(slid=NEARBY, reach=32.0, signal=2.0),
        case(slid=NEARBY, reach=64.0, signal=0.3),
        case(slid=replace(NEARBY, val_least=0.49), reach=64.0, signal=2.0),
        case(train=[1.2 - k / 15 for k in range(12)], slid=NEARBY, reach=64.0, signal=2.0),  # two more epochs
    ),
    "StoppedEarly": (
        case("epochs=13", train=[2.0 - k / 10 for k in range(12)], slid=Slid(0.9, 0.5, 0.9, 0.5)),
        case(train=[2.0 - k / 10 for k in range(12)], slid=Slid(0.9, 0.88, 0.9, 0.5)),  # nothing lies downhill
        case(train=FALL),
        case(train=[2.0 - k / 10 for k in range(10)] + [1.2, 1.1], slid=Slid(1.1, 0.5, 1.1, 0.5)),
        case(train=[0.01 / k for k in range(1, 13)], slid=NEARBY),  # of separable classes
    ),
    "Oscillating": (
        case(train=WAVES),
        case("sampler=full", train=FALL),
        case("sampler=full", train=SWING, sharpness=9.0),  # stable below 20
        case("sampler=full", train=[1.0, 0.3, *[0.2] * 8, 0.29, 0.2]),  # climbs once, by less than a tenth
    ),
    "Overfitting": (
        case(train=OVERFIT[0][:25], val=OVERFIT[1][:25]),
        case(train=OVERFIT[0], val=[0.5] * 5 + [0.4] + [0.45] * 24),
        case(train=[0.5] * 30, val=OVERFIT[1]),
        case(train=[0.6] * 30, val=[0.9] * 30),
        case(train=[0.7] * 30, val=[1.1] * 30),
        case(train=[0.6] * 19, val=[1.0] * 19),
    ),
    "Flattening": (
        case(train=LEVEL, signal=0.3, slid=FAR),
        case(train=LEVEL, signal=0.4, slid=NEARBY),
        case(train=[1.0, 0.6, *[0.4] * 10], signal=0.4, slid=FAR),  # the last theta is a bad one of its level
        case(train=LEVEL, rates=[0.1] * 8 + [0.001] * 4, signal=0.4, slid=FAR),
        case("sampler=full", train=LEVEL, noise=0.0, slid=FAR),
        case(train=[1.0, *[0.2] * 11], inside={"dead": (0.0, 0.4)}),  # not missed
        case(train=LEVEL, inside={"dead": (0.0, 0.4), "units": (128, 7)}),  # too few for a share
        case("regularizer=l2", train=LEVEL, inside={"dead": (0.0, 0.4)}),  # by the penalty
    ),
    "NoiseFloor": (
        case(train=LEVEL, slid=NEARBY, signal=0.4),
        case(train=LEVEL, rates=[0.1] * 8 + [0.001] * 4, slid=NEARBY),
        case(train=LEVEL, slid=Slid(0.5, 0.43, 0.5, 0.4)),
        case(train=LEVEL, slid=Slid(0.5, 0.4, 0.5, 0.48)),
        case("epochs=13", train=LEVEL, val=[1.0, 0.41, *[0.5] * 10], slid=NEARBY),  # stopped: 0.41 was had before
        case("sampler=full", train=LEVEL, slid=NEARBY, noise=0.0),
    ),
    "Underfitting": (
        case(train=LEVEL, neighbours={"accuracy": 0.93}),
        case(train=LEVEL, slid=NEARBY, neighbours={"accuracy": 0.95}),  # it is not the network that ends there
        case(train=[1.0, 0.3, *[0.15] * 10], neighbours={"accuracy": 0.9, "loss": 0.06}),
        case(train=[1.0, 0.5, *[0.0] * 10], neighbours={"accuracy": 1.0}),  # no mistake is not twice as many as none
        case(train=LEVEL, neighbours={}),
        case(train=LEVEL, neighbours={"loss": 0.3}),
    ),
}


def rule(name: str) -> object:
    (found,) = [each for each in RULES if type(each).__name__ == name]
    return found


def test_every_rule_stands_in_both_tables() -> None:
    names = {type(each).__name__ for each in RULES}
    assert names == SEEN.keys() == SILENT.keys()


@pytest.mark.parametrize("name", SEEN)
def test_a_rule_tells_its_numbers_and_what_to_try(name: str) -> None:
    found, change, seen = SEEN[name]
    finding = rule(name).look(found)  # type: ignore[attr-defined]
    assert finding is not None
    assert (finding.seen, finding.change) == (seen, change)
    assert finding.name
    assert finding.source


@pytest.mark.parametrize("name", SEEN)
def test_what_a_rule_sees_is_told_first(name: str) -> None:
    assert findings(SEEN[name][0])[0].name == rule(name).name  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SILENT)
def test_a_rule_is_silent_just_beyond_its_thresholds(name: str) -> None:
    assert [rule(name).look(each) for each in SILENT[name]] == [None] * len(SILENT[name])  # type: ignore[attr-defined]


def test_a_healthy_run_gives_no_findings() -> None:
    assert findings(case()) == []


@pytest.mark.parametrize("name", SEEN)
def test_without_measurements_a_rule_goes_by_the_rows_or_says_nothing(name: str) -> None:
    bare = replace(SEEN[name][0], measured=None)
    by_rows = {"Unstable", "StoppedEarly", "Oscillating", "Overfitting"}
    assert [type(each).__name__ for each in RULES if each.look(bare)] == ([name] if name in by_rows else []) or (
        name == "NonFinite"  # which diverged: from the rows alone, a rate much too high
    )
