"""A run gives the same numbers side by side with others as alone.

1e-10 is the promise for float64: kernels for many rows add in another order than those for one, 1e-16 in a sum, and
training multiplies it. How much is in the hands of the run: `test_a_run_whose_start_is_a_rounding_away...` shows runs
that multiply it by more; here none does.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.optimizer.base import Elementwise, Optimizer
from runner.run import Run, prepare
from runner.screen.base import Silent
from runner.stop.epochs import Epochs
from runner.stop.steps import Steps
from runner.train import train
from tests.contract.rooms import choices, made, variants
from tests.lanes.sides import (
    Left,
    alone,
    apart,
    claimed,
    composed,
    farthest,
    left,
    most,
    numbered,
    rates,
    run,
    seeds,
    together,
)

PROMISE = 1e-10

# What asks for anything it likes cannot be in step with others.
RUNS = {name: run(f"optimizer={name}") for name in choices("optimizer")}
HERE = {name: each for name, each in RUNS.items() if each.optimizer.gradients == "here"}
ELSEWHERE = {name: each for name, each in RUNS.items() if each.optimizer.gradients == "elsewhere"}


def ending(one: Run, epochs: int) -> Run:
    return replace(one, epochs=epochs, stop=Epochs(epochs=epochs))


def with_constants(rule: Optimizer) -> list[Optimizer]:
    """The rule, and one for each of its constants that has another value."""
    return [rule, *(other for _, other in variants(type(rule), rule).values())]


def test_most_rules_can_be_side_by_side() -> None:
    assert {"sgd", "momentum", "adam", "muon", "schedule_free_sgd", "lookahead", "ema"} <= HERE.keys()
    assert ELSEWHERE.keys() == {"sam", "nesterov_original"}
    rest = RUNS.keys() - HERE.keys() - ELSEWHERE.keys()
    assert {"torch", "kfac", "shampoo", "soap"} <= rest
    assert not any(isinstance(RUNS[name].optimizer, Elementwise) for name in rest)


@pytest.mark.parametrize("name", HERE)
def test_every_rule_with_rates_seeds_and_constants_of_its_own(name: str, tmp_path: Path) -> None:
    one = HERE[name]
    rules = with_constants(one.optimizer)
    lrs = [one.lr * factor for factor in (0.5, 0.25, 0.125)]
    company = [{"optimizer": rule, "lr": lrs[k % 3]} for k, rule in enumerate([*rules, one.optimizer])]
    assert farthest(seeds(one, *company), tmp_path) < PROMISE


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_rule_that_asks_elsewhere_with_rates_and_seeds_of_its_own(name: str, tmp_path: Path) -> None:
    assert farthest(rates(ELSEWHERE[name], 0.5, 0.25, 0.125), tmp_path) < PROMISE


def test_different_rules(tmp_path: Path) -> None:
    mixed = [HERE[name] for name in ("adam", "sgd", "muon", "adam", "schedule_free_adamw", "ema", "sgd")]
    company = [{"optimizer": each.optimizer, "lr": each.lr / (2 + k)} for k, each in enumerate(mixed)]
    assert farthest(seeds(mixed[0], *company), tmp_path) < PROMISE


SCHEDULES = {
    **dict.fromkeys(choices("schedule"), ()),
    # with a floor: at a rate of 1e-30 all epochs are equally good, and rounding chooses the best
    "plateau": ("schedule.patience=1", "schedule.threshold=0.05", "schedule.floor=0.1"),
    "multi_step": ("schedule.milestones=[3,7]",),
    "staircase": ("schedule.every=4",),
    "warm_restarts": ("schedule.first=4",),
    "warmup": ("schedule@schedule.then=plateau", "schedule.then.patience=2", "schedule.then.floor=0.1"),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_with_limits_of_its_own(name: str, tmp_path: Path) -> None:
    one = run(f"schedule={name}", *SCHEDULES[name])
    company = [ending(each, epochs) for each, epochs in zip(rates(one, 1.0, 3.0), (30, 17), strict=True)]
    assert farthest(company, tmp_path) < PROMISE


def test_a_schedule_that_watches_the_loss_watches_that_of_its_own_run(tmp_path: Path) -> None:
    company = rates(run("schedule=plateau", "schedule.patience=1", "schedule.floor=0.1"), 1.0, 0.001)
    found = together(company, numbered(tmp_path / "both", 2))
    first, second = ([row["lr"] / each.lr for row in its.rows] for each, its in zip(company, found, strict=True))
    assert first != second
    assert farthest(company, tmp_path) < PROMISE


def test_different_schedules(tmp_path: Path) -> None:
    company = [{"schedule": made("schedule", name)} for name in ("cosine", "constant", "plateau", "cosine", "warmup")]
    assert farthest(seeds(run(), *company), tmp_path) < PROMISE


# The rule -> its words in each of the runs; chosen so that they end in different epochs.
STOPS = {
    "all_of": [
        ("stop.rules.steps.steps=25", "stop.rules.early_stopping.patience=1", "lr=0.03"),
        ("stop.rules.steps.steps=13", "stop.rules.early_stopping.patience=2", "lr=0.05"),
    ],
    "any_of": [("stop.rules.early_stopping.patience=1", "lr=0.05"), ("epochs=7",), ("epochs=9",)],
    "early_stopping": [("stop.patience=1", "lr=0.05"), ("stop.patience=2", "lr=0.03"), ("stop.patience=4", "lr=0.03")],
    "epochs": [("epochs=3",), ("epochs=30",), ("epochs=5",)],
    "gradient_norm": [("stop.eps=0.3",), ("stop.eps=0.2", "stop.every=2"), ("stop.eps=0.3", "lr=0.02")],
    "hurdles": [
        ("stop.epochs=[3]", "stop.bounds=[0.01]"),
        ("stop.epochs=[2,5]", "stop.bounds=[9,0.01]"),
        ("stop.epochs=[4]", "stop.bounds=[9]", "epochs=6"),
    ],
    "no_progress": [("stop.tolerance=0.1",), ("stop.tolerance=0.02",), ("stop.tolerance=0.1", "stop.patience=2")],
    "steps": [("stop.steps=45",), ("stop.steps=46",), ("stop.steps=1",), ("stop.steps=45",)],
    "target": [("stop.value=0.5", "lr=0.02"), ("stop.value=0.3", "lr=0.02"), ("stop.value=0.01",)],
}


def test_every_rule_that_does_not_go_by_the_clock_is_among_them() -> None:
    assert {name for name in choices("stop") if not run(f"stop={name}").stop.timed} == STOPS.keys()


@pytest.mark.parametrize("name", STOPS)
def test_every_stop_rule_where_runs_end_in_different_epochs(name: str, tmp_path: Path) -> None:
    company = [run(f"stop={name}", f"seed={seed}", *words) for seed, words in enumerate(STOPS[name])]
    singles = [alone(each, tmp_path / "alone" / str(k)) for k, each in enumerate(company)]
    assert len({each.rows[-1]["step"] for each in singles}) > 1
    assert most(singles, together(company, numbered(tmp_path, len(company)))) < PROMISE


def test_runs_that_end_within_an_epoch_have_a_short_row(tmp_path: Path) -> None:
    steps = (6, 5, 6, 3, 9)
    company = seeds(run("batch_size=30"), *({"stop": Steps(steps=n)} for n in steps))
    found = together(company, numbered(tmp_path, len(company)))
    assert [each.rows[-1]["step"] for each in found] == list(steps)
    assert [each.rows[-1]["examples"] for each in found] == [166, 136, 166, 90, 242]  # 30 + 30 + 30 + 16


MLPS: dict[str, list[tuple[str, ...]]] = {
    "dropout": [(f"architecture.dropout={rate}",) for rate in (0.1, 0.5, 0.1)],
    "dropout, rescaled in use": [("architecture.dropout=0.3", "architecture.dropout_scaling=test")] * 3,
    "batch norm": [("architecture/normalization=batch",)] * 3,
    "batch norm, exact": [("architecture/normalization=batch", "architecture.normalization.evaluation=exact")] * 3,
    "batch norm and dropout": [("architecture/normalization=batch", "architecture.dropout=0.2")] * 3,
    "batch norm and two gradients": [("architecture/normalization=batch", "optimizer=sam", "lr=0.01")] * 3,
    "layer norm": [("architecture/normalization=layer",)] * 3,
    "group norm": [("architecture/normalization=group", "architecture.normalization.groups=1")] * 3,
    "a batch of one": [("architecture/normalization=batch", "batch_size=105", "sampler=sequential")] * 3,
    "orthogonal": [(f"architecture.orthogonal={how}",) for how in ("cayley",)] * 3,
}


@pytest.mark.parametrize("what", MLPS)
def test_an_mlp_with_more_in_it(what: str, tmp_path: Path) -> None:
    company = [run(f"seed={seed}", *words) for seed, words in enumerate(MLPS[what])]
    company = [ending(each, 8) for each in company]
    assert farthest(company, tmp_path) < PROMISE


@pytest.mark.parametrize("activation", choices("architecture/activation"))
def test_every_activation(activation: str, tmp_path: Path) -> None:
    assert farthest(rates(run(f"architecture/activation={activation}", "epochs=8"), 1.0, 3.0, 0.3), tmp_path) < PROMISE


IMAGES = ("dataset=digits", "batch_size=600", "stop=epochs")
SMALL = {
    "convnet": ("architecture.channels=[2,3]", "architecture.hidden=[5]", "epochs=30", "batch_size=1300"),
    "resnet": ("architecture.channels=[2,3]", "epochs=3"),
    "rnn": ("architecture.hidden=5", "epochs=3"),
    "lstm": ("architecture.hidden=5", "epochs=3"),
    "transformer": ("architecture.hidden=5", "architecture.layers=1", "epochs=3"),
    "linear": ("epochs=3",),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_architecture(name: str, tmp_path: Path) -> None:
    company = rates(composed(*IMAGES, f"architecture={name}", *SMALL[name]), 1.0, 0.5)
    assert farthest(company, tmp_path) < PROMISE


def test_a_convnet_with_batch_norm_and_dropout(tmp_path: Path) -> None:
    more = (
        "architecture=convnet",
        *SMALL["convnet"][:2],
        "epochs=4",
        "architecture/normalization=batch",
        "architecture.dropout=0.2",
    )
    assert farthest(rates(composed(*IMAGES, *more), 1.0, 0.5), tmp_path) < PROMISE


def test_a_convnet_beside_three_neighbours(tmp_path: Path) -> None:
    one = composed(*IMAGES, "architecture=convnet", *SMALL["convnet"][:2], "epochs=2")
    assert farthest(rates(one, 1.0, 0.5, 0.25, 2.0), tmp_path) < PROMISE


LOSSES: dict[str, list[tuple[str, ...]]] = {
    "label smoothing": [
        ("loss.label_smoothing=0.1",),
        (),
        ("loss.label_smoothing=0.2",),
        ("loss.label_smoothing=0.1",),
    ],
    "a sum": [("loss.reduction=sum", "lr=1e-4", "optimizer=sgd")] * 3,
    "other losses": [(), ("loss=softmax_squared",), ()],
}


@pytest.mark.parametrize("what", LOSSES)
def test_the_loss(what: str, tmp_path: Path) -> None:
    company = [run("epochs=8", f"seed={seed}", *words) for seed, words in enumerate(LOSSES[what])]
    assert farthest(company, tmp_path) < PROMISE


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", choices("regularizer"))
def test_every_regularizer_with_strengths_of_its_own(name: str, reduction: str, tmp_path: Path) -> None:
    one = run(f"regularizer={name}", "epochs=8", f"loss.reduction={reduction}")
    kinds: list[Any] = [
        one.regularizer,
        *(other for _, other in variants(type(one.regularizer), one.regularizer).values()),
    ]
    company = seeds(one, *({"regularizer": kind} for kind in [*kinds, kinds[0]]))
    assert farthest(company, tmp_path) < PROMISE


@pytest.mark.parametrize("name", sorted(choices("sampler").keys() - {"single"}))
def test_every_sampler(name: str, tmp_path: Path) -> None:
    assert farthest(rates(run(f"sampler={name}", "epochs=8"), 1.0, 3.0, 0.3), tmp_path) < PROMISE


def test_a_sampler_of_single_examples(tmp_path: Path) -> None:
    assert farthest(rates(run("sampler=single", "epochs=2"), 1.0, 0.3), tmp_path) < PROMISE


def test_a_short_batch_that_is_left_out(tmp_path: Path) -> None:
    assert farthest(rates(run("sampler.drop_last=true", "epochs=8"), 1.0, 3.0), tmp_path) < PROMISE


def test_first_weights_from_everywhere(tmp_path: Path) -> None:
    inits = [made("init", name) for name in sorted(choices("init").keys() - {"start"})]
    scaled = [other for _, other in variants(type(inits[-2]), inits[-2]).values()]
    company = seeds(run("epochs=8"), *({"init": init} for init in [*inits, *scaled]))
    assert farthest(company, tmp_path) < PROMISE


@pytest.mark.parametrize("loss", ["mse", "huber", "l1"])
def test_regression(loss: str, tmp_path: Path) -> None:
    one = composed("dataset=diabetes", f"loss={loss}", "architecture.hidden=[7,5]", "stop=epochs", "epochs=8")
    assert farthest(rates(one, 1.0, 3.0, 0.3), tmp_path) < PROMISE


@pytest.mark.parametrize("problem", ["rosenbrock", "himmelblau", "bounded_saddle"])
def test_a_problem_in_the_plane(problem: str, tmp_path: Path) -> None:
    one = composed(f"problem={problem}", "epochs=60")
    assert farthest(rates(one, 1.0, 0.5, 0.25), tmp_path) < PROMISE


@pytest.mark.parametrize("probe", ["distance", "point"])
def test_probes(probe: str, tmp_path: Path) -> None:
    assert farthest(rates(run(f"probe={probe}", "epochs=8"), 1.0, 3.0), tmp_path) < PROMISE


def test_a_run_without_neighbours(tmp_path: Path) -> None:
    company = [run("architecture/normalization=batch", "architecture.dropout=0.2", "epochs=8")]
    assert farthest(company, tmp_path) < PROMISE


def test_float32_within_its_own_rounding(tmp_path: Path) -> None:
    # eps is 1e-7 instead of 1e-16; a factor of 1000 as in float64 leaves 1e-4
    assert farthest([replace(each, precision="float32") for each in rates(run(), 1.0, 3.0, 0.3)], tmp_path) < 1e-4


def test_a_run_whose_start_is_a_rounding_away_goes_as_far_astray_as_one_that_has_neighbours(tmp_path: Path) -> None:
    # A rate that is far too large, with momentum: training itself multiplies a rounding by a million and more.
    wild, calm = (run("optimizer=momentum", f"lr={lr}", "seed=3") for lr in (1.0, 0.1))
    for one, path, kept in ((wild, tmp_path / "wild", False), (calm, tmp_path / "calm", True)):
        single, *_ = found = [alone(one, path / "alone"), shifted(one, path / "shifted")]
        found += together([one, calm], numbered(path, 2))[:1]
        assert [apart(single, other) < PROMISE for other in found[1:]] == [kept, kept]


def shifted(one: Run, path: Path) -> Left:
    """What the run leaves from a start whose first number is the next one."""
    m = prepare(one)
    m.theta[0] *= 1 + 2**-52
    with claimed(one, path) as folder:
        return left(folder, train(one, m, folder, Silent()), m.theta)
