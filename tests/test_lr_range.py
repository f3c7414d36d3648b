"""The learning-rate range test: rates, smoothing, suggestions, and that nothing outlives it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from runner import lr_range
from runner.core.errors import ConfigError
from runner.lr_range import Tried, advice, tried
from runner.run import prepare
from tests.lanes.sides import composed, run

QUADRATIC = ("problem=bowl", "optimizer=sgd", "epochs=1")


def curve(losses: list[float], low: float = 1e-4, high: float = 1.0) -> Tried:
    """A curve that needs no smoothing."""
    values = np.array(losses)
    return Tried(np.geomspace(low, high, len(losses)), values, values)


def test_the_rates_grow_by_one_factor_from_low_to_high() -> None:
    chosen = run("lr=0.1")
    found = tried(chosen, prepare(chosen), 1e-5, 1e-2, 31)
    assert found.rates == pytest.approx(np.geomspace(1e-5, 1e-2, 31), rel=1e-12)
    assert len(found.losses) == 31


def test_the_losses_are_those_of_a_training_by_hand() -> None:
    """Three steps of gradient descent on all of iris, whose losses one can compute from the objective alone."""
    chosen = run("optimizer=sgd", "sampler=full")
    found = tried(chosen, prepare(chosen), 1e-3, 1e-1, 3)
    m = prepare(chosen)
    theta, losses = m.theta, []
    for lr in (1e-3, 1e-2, 1e-1):
        m.objective.on(*m.train.rows(torch.arange(len(m.train))))
        loss, g = m.objective.value_and_grad(theta)
        losses.append(loss)
        theta -= lr * g
    assert found.losses == pytest.approx(losses, rel=1e-12)  # another order of the examples in the sum


def test_smoothing_is_a_moving_average_without_the_bias_of_its_start() -> None:
    chosen = run("lr=0.1")
    found = tried(chosen, prepare(chosen), 1e-5, 1e-2, 31)
    for t in (1, 2, 31):
        weights = np.array([lr_range.SMOOTHING ** (t - k) for k in range(1, t + 1)])
        assert found.smooth[t - 1] == pytest.approx((weights @ found.losses[:t]) / weights.sum(), rel=1e-12)


def test_the_steepest_rate_is_where_the_loss_falls_fastest_and_the_tenth_lies_below_the_lowest() -> None:
    x = np.linspace(0, 1, 101)  # the losses are over ln lr: a step around 0.5, the lowest point at 0.8
    found = curve((-1 / (1 + np.exp(-20 * (x - 0.5))) + 20 * np.maximum(x - 0.8, 0) ** 2).tolist())
    assert found.steepest == pytest.approx(1e-2, rel=1e-6)
    assert found.lowest == pytest.approx(75, abs=5)
    assert found.tenth == found.rates[found.lowest] / 10


def test_a_loss_that_stays_at_nothing_has_ended_its_fall_where_it_came_there() -> None:
    losses = [1.0] * 10 + [1.0 - k / 20 for k in range(1, 21)] + [1e-9 / k for k in range(1, 31)]
    assert curve(losses).lowest == 29


def test_the_valley_is_the_middle_of_the_longest_descent() -> None:
    losses = [5.0] * 10 + [5.0 - k / 10 for k in range(1, 41)] + [1.0 + k for k in range(1, 11)]
    assert curve(losses).valley == curve(losses).rates[49 - 20]
    assert curve([1.0 + k for k in range(30)]).valley is None
    noisy = [3.0, 2.0, 2.5, 1.0, 4.0]  # 3 2 1 and 3 2.5 1 are as long, and end alike
    assert curve(noisy).valley == curve(noisy).rates[3 - 1]


def test_a_loss_that_only_rises_suggests_nothing() -> None:
    found = curve([1.0 + k for k in range(40)])
    assert (found.steepest, found.tenth) == (None, None)
    assert list(advice(found)) == [
        "suggests:   nothing: the loss never falls. Start lower (low=1e-9), or take more steps (steps=1000)"
    ]


def test_the_advice_is_a_number_and_a_command() -> None:
    falling = list(advice(curve([40.0 - k for k in range(40)])))
    assert [line.split(":")[0] for line in falling] == ["suggests", "others say", "next"]
    assert falling[0] == "suggests:   lr=0.1, a tenth of the rate at which its fall has ended (1)"
    assert falling[2].startswith("next:       optrun -m lr=0.1,0.32,1,3.2 ")


def test_it_ends_where_the_loss_is_four_times_its_lowest() -> None:
    chosen = run("optimizer=sgd", "batch_size=20")
    found = tried(chosen, prepare(chosen), 1e-4, 1e4, 200)
    assert lr_range.FEWEST <= len(found.rates) < 200
    assert found.smooth[-1] > lr_range.ENOUGH * found.smooth.min()
    assert all(found.smooth[:-1] <= lr_range.ENOUGH * np.minimum.accumulate(found.smooth)[:-1])


def test_nothing_outlives_the_test(tmp_path: Path) -> None:
    chosen = run("architecture.dropout=0.3", "optimizer=adam")
    before = prepare(chosen).theta.clone()
    first = list(lr_range.show(chosen, 1e-5, 1.0, 40, tmp_path / "seen"))
    assert torch.equal(prepare(chosen).theta, before)
    assert list(lr_range.show(chosen, 1e-5, 1.0, 40, tmp_path / "seen")) == first
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {"lr_range.csv", "lr_range.png", "lr_range.svg"}
    rows = (tmp_path / "seen" / "lr_range.csv").read_text().splitlines()
    assert rows[0] == "lr,loss,smoothed"
    assert float(rows[1].split(",")[0]) == 1e-5


def test_on_a_quadratic_it_ends_soon_after_the_rate_that_diverges(tmp_path: Path) -> None:
    """Gradient descent on a quadratic climbs for lr > 2/L: the end lies above, the suggestions below."""
    chosen = composed(*QUADRATIC, "start=[1,1]")
    m = prepare(chosen)
    m.objective.on(*m.train.rows(torch.arange(1)))
    curvature = m.objective.hessian(m.theta)
    largest = torch.linalg.eigvalsh(torch.stack([curvature(e) for e in torch.eye(2, dtype=m.theta.dtype)])).max().item()
    found = tried(chosen, prepare(chosen), 1e-3 / largest, 1e3 / largest, 200)
    assert found.rates[-1] > 2 / largest
    assert found.steepest is not None
    assert found.steepest < 2 / largest
    assert not math.isnan(found.losses[-1])


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (1.0, 0.1)])
def test_a_range_without_an_inside_is_refused(low: float, high: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        next(lr_range.show(run(), low, high, 30, tmp_path))
    assert str(refused.value) == (
        f"low={low} is refused\n  allowed: a rate below high={high:g}\n  do this: give low=1e-6 high=10, say"
    )
