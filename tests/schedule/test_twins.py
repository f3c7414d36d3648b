"""Every schedule that torch has too is torch's, to 1e-12 in every step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as by

from runner.schedule.base import Progress, Row, Schedule
from runner.schedule.cosine import Cosine
from runner.schedule.cyclic import Cyclic
from runner.schedule.exponential import Exponential
from runner.schedule.inverse_time import InverseTime
from runner.schedule.multi_step import MultiStep
from runner.schedule.one_cycle import OneCycle
from runner.schedule.plateau import Plateau
from runner.schedule.polynomial import Polynomial
from runner.schedule.robbins_monro import RobbinsMonro
from runner.schedule.warm_restarts import WarmRestarts
from runner.schedule.warmup import Warmup
from runner.schedule.warmup_stable_decay import WarmupStableDecay

STEPS, EPOCHS = 4, 25  # 100 steps
TOTAL = STEPS * EPOCHS
Make = Callable[[torch.optim.Optimizer], Any]


def rates(schedule: Schedule, steps: int = STEPS, epochs: int = EPOCHS) -> list[float]:
    return [schedule.factor(Progress(step, steps, epochs), []) for step in range(steps * epochs)]


def by_torch(make: Make, per_epoch: bool = False) -> list[float]:
    """The rate of each of the 100 steps, with lr=1 and the scheduler called after every step or epoch."""
    live = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=1.0)
    found = []
    with warnings.catch_warnings():
        # SequentialLR passes an argument to its parts that torch itself has deprecated.
        warnings.filterwarnings("ignore", message="The epoch parameter in `scheduler.step")
        scheduler = make(live)
        for step in range(1, TOTAL + 1):
            found.append(float(live.param_groups[0]["lr"]))
            live.step()
            if not per_epoch or step % STEPS == 0:
                scheduler.step()
    return found


PER_STEP: dict[str, tuple[Schedule, Make]] = {
    "inverse_time": (InverseTime(decay=0.3), lambda o: by.LambdaLR(o, lambda k: 1 / (1 + 0.3 * k))),
    "robbins_monro": (RobbinsMonro(b=5, c=0.6), lambda o: by.LambdaLR(o, lambda k: 5**0.6 / (5 + k) ** 0.6)),
    "exponential": (Exponential(decay=0.05), lambda o: by.ExponentialLR(o, gamma=math.exp(-0.05))),
    "polynomial 1": (Polynomial(power=1), lambda o: by.PolynomialLR(o, total_iters=TOTAL, power=1)),
    "polynomial 0.9": (Polynomial(power=0.9), lambda o: by.PolynomialLR(o, total_iters=TOTAL, power=0.9)),
    "polynomial 3": (Polynomial(power=3), lambda o: by.PolynomialLR(o, total_iters=TOTAL, power=3)),
    "warm_restarts 1": (
        WarmRestarts(first=3, times=1),
        lambda o: by.CosineAnnealingWarmRestarts(o, T_0=12, T_mult=1),
    ),
    "warm_restarts 2": (
        WarmRestarts(first=2, times=2, floor=0.1),
        lambda o: by.CosineAnnealingWarmRestarts(o, T_0=8, T_mult=2, eta_min=0.1),
    ),
    "one_cycle": (OneCycle(), lambda o: by.OneCycleLR(o, 1.0, total_steps=TOTAL, cycle_momentum=False)),
    "one_cycle linear": (
        OneCycle(anneal="linear", warm=0.45, start=0.2, end=0.02),
        lambda o: by.OneCycleLR(
            o,
            1.0,
            total_steps=TOTAL,
            pct_start=0.45,
            anneal_strategy="linear",
            div_factor=5,
            final_div_factor=10,
            cycle_momentum=False,
        ),
    ),
    "one_cycle three_phase": (
        OneCycle(three_phase=True),
        lambda o: by.OneCycleLR(o, 1.0, total_steps=TOTAL, three_phase=True, cycle_momentum=False),
    ),
    "triangular": (
        Cyclic(up=2, low=0.1),
        lambda o: by.CyclicLR(o, 0.1, 1.0, step_size_up=8, cycle_momentum=False),
    ),
    "triangular up and down": (
        Cyclic(up=1.75, down=3, low=0.1),
        lambda o: by.CyclicLR(o, 0.1, 1.0, step_size_up=7, step_size_down=12, cycle_momentum=False),
    ),
    "triangular2": (
        Cyclic(up=2, low=0.1, per_cycle=0.5),
        lambda o: by.CyclicLR(o, 0.1, 1.0, step_size_up=8, mode="triangular2", cycle_momentum=False),
    ),
    "exp_range": (
        Cyclic(up=2, low=0.1, per_step=0.97),
        lambda o: by.CyclicLR(o, 0.1, 1.0, step_size_up=8, mode="exp_range", gamma=0.97, cycle_momentum=False),
    ),
    "warmup": (
        Warmup(epochs=3, start=0.1),
        lambda o: by.LinearLR(o, start_factor=0.1, total_iters=12),
    ),
    "warmup then cosine": (
        Warmup(epochs=3, start=0.1, then=Cosine(floor=0.05)),
        lambda o: by.SequentialLR(
            o,
            [
                by.LinearLR(o, start_factor=0.1, total_iters=12),
                by.CosineAnnealingLR(o, T_max=TOTAL - 12, eta_min=0.05),
            ],
            milestones=[12],
        ),
    ),
    "warmup then polynomial": (
        Warmup(epochs=0.5, start=0.25, then=Polynomial(power=2)),
        lambda o: by.SequentialLR(
            o,
            [
                by.LinearLR(o, start_factor=0.25, total_iters=2),
                by.PolynomialLR(o, total_iters=TOTAL - 2, power=2),
            ],
            milestones=[2],
        ),
    ),
    "warmup_stable_decay": (
        WarmupStableDecay(warm=0.2, decay=0.4),
        lambda o: by.LambdaLR(o, lambda k: min(1.0, (k + 1) / 20, (100 - k) / 40)),
    ),
    "warmup_stable_decay sqrt": (
        WarmupStableDecay(warm=0.2, decay=0.4, shape="sqrt", floor=0.1),
        lambda o: by.LambdaLR(
            o, lambda k: min(1.0, (k + 1) / 20) if k < 60 else 0.1 + 0.9 * (1 - math.sqrt((k - 60) / 40))
        ),
    ),
}


# torch computes most rates from the one before, so it gathers a rounding a step: 100 of 1e-16 against a rate of 1.
@pytest.mark.parametrize(("ours", "theirs"), PER_STEP.values(), ids=PER_STEP)
def test_a_schedule_of_steps_is_that_of_torch(ours: Schedule, theirs: Make) -> None:
    assert rates(ours) == pytest.approx(by_torch(theirs), rel=0, abs=1e-12)


@pytest.mark.parametrize(("divide_by", "milestones"), [(10, (3, 7, 20)), (1.5, (1, 2, 24)), (2, ())])
def test_multi_step_is_that_of_torch(divide_by: float, milestones: tuple[int, ...]) -> None:
    twin = by_torch(lambda o: by.MultiStepLR(o, list(milestones), gamma=1 / divide_by), per_epoch=True)
    assert rates(MultiStep(divide_by=divide_by, milestones=milestones)) == pytest.approx(twin, rel=1e-12, abs=0)


# Losses that fall, stay, rise, come back, and are no number.
LOSSES = [
    *(1.0, 0.5, 0.5, 0.6, 0.4999, 0.499, 0.6, 0.6, 0.6, 0.6, 0.49, 0.49),
    *(math.nan, 0.48, math.nan, math.nan, math.nan, 0.3, 0.3, 0.2999, 0.2998, 0.2997, 0.29, 1.0, 2.0, math.nan, 0.1),
    *(0.1,) * 20,
]


def plateaus(schedule: Schedule, losses: Sequence[float]) -> list[float]:
    """The rate of each epoch, and after the last."""
    rows: list[Row] = [{"val_loss": loss} for loss in losses]
    return [schedule.factor(Progress(epoch, 1, 99), rows[:epoch]) for epoch in range(len(rows) + 1)]


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("cooldown", [0, 1, 3])
@pytest.mark.parametrize(("mode", "threshold"), [("rel", 1e-4), ("abs", 1e-4), ("rel", 0.0), ("abs", 0.05)])
@pytest.mark.parametrize("floor", [0.0, 1e-3])
def test_plateau_counts_as_torch_does_where_the_patience_is_to_be_exceeded(
    patience: int, cooldown: int, mode: Any, threshold: float, floor: float
) -> None:
    ours = Plateau(
        patience=patience, cooldown=cooldown, threshold_mode=mode, threshold=threshold, floor=floor, counting="exceed"
    )
    live = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = by.ReduceLROnPlateau(
        live, factor=0.1, patience=patience, cooldown=cooldown, threshold=threshold, threshold_mode=mode, min_lr=floor,
        eps=0,
    )  # fmt: skip
    twin = [1.0]
    for loss in LOSSES:
        scheduler.step(loss)
        twin.append(live.param_groups[0]["lr"])
    assert min(twin) < 0.1  # it did drop
    assert plateaus(ours, LOSSES) == pytest.approx(twin, rel=1e-12, abs=0)


@pytest.mark.parametrize("patience", [2, 3, 5])
def test_the_deck_drops_one_bad_epoch_earlier_than_torch(patience: int) -> None:
    losses = [1.0, *[2.0] * 30]
    deck, torchs = (plateaus(Plateau(patience=patience, counting=how), losses) for how in ("reach", "exceed"))
    # Epoch 1 is the best; `patience` bad ones follow, and the rate is that of the next epoch.
    assert deck.index(0.1) == 1 + patience
    assert torchs.index(0.1) == 1 + patience + 1


def test_the_deck_with_k_is_torch_with_k_minus_1_until_the_cooldown() -> None:
    assert plateaus(Plateau(patience=3, counting="reach"), LOSSES) == plateaus(
        Plateau(patience=2, counting="exceed"), LOSSES
    )
