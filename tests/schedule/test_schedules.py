"""The learning rate of each step."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR

from runner.core.errors import ConfigError
from runner.schedule.base import Progress, Schedule
from runner.schedule.constant import Constant
from runner.schedule.cosine import Cosine
from runner.schedule.staircase import Staircase


def factors(schedule: Schedule, steps: int, epochs: int) -> list[float]:
    """The factor of every step of a run."""
    return [schedule.factor(Progress(step, steps, epochs), []) for step in range(steps * epochs)]


def test_progress_counts_whole_epochs() -> None:
    assert [Progress(step, steps=3, epochs=4).epoch for step in range(8)] == [0, 0, 0, 1, 1, 1, 2, 2]


def test_constant_keeps_the_rate() -> None:
    assert factors(Constant(), 2, 3) == [1.0] * 6


def test_staircase_divides_after_every_so_many_epochs_and_not_within_one() -> None:
    assert factors(Staircase(divide_by=4, every=2), 2, 5) == [1.0] * 4 + [0.25] * 4 + [0.0625] * 2
    assert factors(Staircase(divide_by=2, every=1), 1, 4) == [1.0, 0.5, 0.25, 0.125]
    assert factors(Staircase(divide_by=2, every=9), 1, 4) == [1.0] * 4


def test_staircase_ends_at_0_where_its_power_leaves_the_numbers() -> None:
    stairs = Staircase(divide_by=10, every=1)
    assert stairs.factor(Progress(300, 1, 1000), []) == 1e-300
    assert stairs.factor(Progress(999, 1, 1000), []) == 0.0
    assert Staircase(divide_by=1e300, every=1).factor(Progress(9, 1, 10), []) == 0.0


def test_cosine_goes_from_1_through_the_middle_towards_its_floor() -> None:
    # cos(0), cos(pi/4), cos(pi/2), cos(3 pi/4) = 1, r, 0, -r with r = sqrt(1/2)
    r = math.sqrt(0.5)
    # a last bit of the cosine: 1e-16
    assert factors(Cosine(), 2, 2) == pytest.approx([1.0, (1 + r) / 2, 0.5, (1 - r) / 2], abs=1e-15)
    assert factors(Cosine(floor=0.5), 4, 1) == pytest.approx([1.0, (3 + r) / 4, 0.75, (3 - r) / 4], abs=1e-15)
    assert factors(Cosine(floor=1.0), 2, 2) == [1.0] * 4


def test_cosine_is_at_its_floor_after_the_last_step_and_stays_there() -> None:
    assert [Cosine(floor=0.25).factor(Progress(step, 2, 5), []) for step in (10, 11, 99)] == [0.25] * 3
    assert Cosine().factor(Progress(10, 2, 5), []) == 0.0


def by_torch(make: Callable[[torch.optim.Optimizer], LRScheduler], steps: int, between: int) -> list[float]:
    """The rates of so many steps, with the scheduler called after every `between` of them."""
    live = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = make(live), []
    for step in range(1, steps + 1):
        found.append(live.param_groups[0]["lr"])
        live.step()
        if step % between == 0:
            scheduler.step()
    return found


# torch computes each rate from the one before, so it gathers a rounding a step: 100 of 1e-16. At the end of a cosine,
# where 1 + cos is nearly 0, they count against a rate of 1: hence `abs`.
@pytest.mark.parametrize(("divide_by", "every"), [(10, 10), (5, 3), (1.5, 1)])
def test_staircase_is_the_step_schedule_of_torch(divide_by: float, every: int) -> None:
    twin = by_torch(lambda live: StepLR(live, step_size=every, gamma=1 / divide_by), 4 * 25, between=4)
    assert factors(Staircase(divide_by=divide_by, every=every), 4, 25) == pytest.approx(twin, rel=1e-12, abs=0)


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_is_the_cosine_schedule_of_torch(floor: float) -> None:
    twin = by_torch(lambda live: CosineAnnealingLR(live, T_max=100, eta_min=floor), 100, between=1)
    assert factors(Cosine(floor=floor), 4, 25) == pytest.approx(twin, rel=0, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Staircase(divide_by=1),
            "divide_by=1 is refused\n"
            "  allowed: a number in (1, inf)\n"
            "  do this: give divide_by=... a value in that range; the default is 10.0",
        ),
        (
            lambda: Staircase(every=0),
            "every=0 is refused\n"
            "  allowed: a whole number in [1, inf)\n"
            "  do this: give every=... a value in that range; the default is 10",
        ),
        (
            lambda: Cosine(floor=1.5),
            "floor=1.5 is refused\n"
            "  allowed: a number in [0, 1]\n"
            "  do this: give floor=... a value in that range; the default is 0.0",
        ),
    ],
)
def test_a_constant_outside_its_range_is_refused(make: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == message
