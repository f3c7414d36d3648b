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
from runner.schedule.cyclic import Cyclic
from runner.schedule.exponential import Exponential
from runner.schedule.inverse_time import InverseTime
from runner.schedule.multi_step import MultiStep
from runner.schedule.one_cycle import OneCycle
from runner.schedule.plateau import Plateau
from runner.schedule.polynomial import Polynomial
from runner.schedule.robbins_monro import RobbinsMonro
from runner.schedule.staircase import Staircase
from runner.schedule.warm_restarts import WarmRestarts
from runner.schedule.warmup import Warmup
from runner.schedule.warmup_stable_decay import WarmupStableDecay


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
    assert Staircase(divide_by=1e30, every=1).factor(Progress(99, 1, 100), []) == 0.0


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
            "  allowed: a number in (1, 1e+30]\n"
            "  do this: give divide_by=... a value in that range; the default is 10.0",
        ),
        (
            lambda: Staircase(every=0),
            "every=0 is refused\n"
            "  allowed: a whole number in [1, 1e+15]\n"
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


def test_progress_after_a_warmup_counts_from_its_end_and_to_the_same_end() -> None:
    at = Progress(step=10, steps=4, epochs=5).after(6)
    assert (at.step, at.epoch, at.total) == (4, 1, 14)
    assert at.after(1).total == 13
    assert Progress(0, 4, 1).after(9).total == 1  # a share of no step at all is not asked for


def test_a_rate_of_one_over_time_is_halved_after_one_over_decay_steps() -> None:
    # 1 / (1 + 0.25 k)
    assert factors(InverseTime(decay=0.25), 2, 2) == [1.0, 0.8, 1 / 1.5, 1 / 1.75]
    assert InverseTime(decay=0.25).factor(Progress(4, 1, 9), []) == 0.5


def test_one_over_time_is_robbins_monro_with_power_1() -> None:
    # two divisions each: a few roundings of 1e-16
    assert factors(InverseTime(decay=0.01), 5, 8) == pytest.approx(factors(RobbinsMonro(b=100, c=1), 5, 8), rel=1e-15)


def test_robbins_monro_by_hand() -> None:
    # (4 / (4 + k))^(1/2) for k = 0, 5, 12: 1, 2/3, 1/2
    at = [RobbinsMonro(b=4, c=0.5).factor(Progress(k, 3, 9), []) for k in (0, 5, 12)]
    assert at == pytest.approx([1, 2 / 3, 1 / 2], rel=1e-15)


def test_exponential_multiplies_by_one_number_in_every_step_and_ends_at_0() -> None:
    schedule = Exponential(decay=math.log(2))
    assert factors(schedule, 2, 2) == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8], rel=1e-15)
    assert schedule.factor(Progress(5000, 1, 9999), []) == 0.0


def test_multi_step_drops_after_its_epochs_and_not_within_one() -> None:
    assert factors(MultiStep(divide_by=4, milestones=(1, 3)), 2, 4) == [1.0] * 2 + [0.25] * 4 + [0.0625] * 2
    assert factors(MultiStep(divide_by=4, milestones=()), 2, 2) == [1.0] * 4


def test_polynomial_by_hand_and_after_its_end() -> None:
    # 0.2 + 0.8 (1 - k/4)^2
    assert factors(Polynomial(power=2, floor=0.2), 2, 2) == pytest.approx([1, 0.65, 0.4, 0.25], rel=1e-15)
    assert Polynomial(power=0.5, floor=0.25).factor(Progress(5, 2, 2), []) == 0.25


def test_warm_restarts_begin_again_at_1_with_ever_longer_periods() -> None:
    found = factors(WarmRestarts(first=1, times=3), 2, 14)
    # periods of 2, 6 and 18 steps
    assert [step for step, factor in enumerate(found) if factor == 1.0] == [0, 2, 8, 26]
    assert found[:4] == pytest.approx([1, 0.5, 1, (1 + math.sqrt(3) / 2) / 2], rel=1e-15)
    assert WarmRestarts(first=3, times=1).factor(Progress(3 * 10**15, 1, 9), []) == 1.0


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 10])
def test_one_cycle_of_few_steps_stays_within_its_bounds(steps: int) -> None:
    for warm in (0.1, 0.25, 0.5, 0.9):
        for three in (False, True):
            found = factors(OneCycle(warm=warm, three_phase=three), steps, 1)
            assert all(4e-6 - 1e-15 <= factor <= 1 for factor in found)


def test_one_cycle_by_hand() -> None:
    # K = 8, p = 0.5 * 8 - 1 = 3: up 0.1, 0.4, 0.7, 1, then down to 0.2 at k = 7
    cycle = OneCycle(warm=0.5, start=0.1, end=0.2, anneal="linear")
    assert factors(cycle, 8, 1) == pytest.approx([0.1, 0.4, 0.7, 1.0, 0.8, 0.6, 0.4, 0.2], rel=1e-15)
    assert cycle.factor(Progress(99, 8, 1), []) == pytest.approx(0.2, rel=1e-15)
    # three phases: p = 0.25 * 12 - 1 = 2, back at k = 4, then to the end at k = 11 in 7 steps of 0.01
    three = OneCycle(warm=0.25, start=0.1, end=0.03, anneal="linear", three_phase=True)
    found = factors(three, 12, 1)
    assert found[:5] == pytest.approx([0.1, 0.55, 1.0, 0.55, 0.1], rel=1e-15)
    assert found[4:] == pytest.approx([0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.03], rel=1e-12)


def test_cyclic_by_hand() -> None:
    # up 2 steps, down 4, heights 1, 1/2, 1/4 over a bound of 0.2
    found = factors(Cyclic(up=0.5, down=1, low=0.2, per_cycle=0.5), 4, 4)
    assert found[:6] == pytest.approx([0.2, 0.6, 1.0, 0.8, 0.6, 0.4], rel=1e-12)
    assert [found[8], found[14]] == pytest.approx([0.2 + 0.4, 0.2 + 0.2], rel=1e-12)


def test_warmup_rises_for_its_epochs_and_then_the_other_begins() -> None:
    # W = 4 steps from 0.2; then a stair of one epoch of 2 steps, counted from the end of the warm-up
    warm = Warmup(epochs=2, start=0.2, then=Staircase(divide_by=2, every=1))
    assert factors(warm, 2, 5) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 0.5, 0.5, 0.25, 0.25], rel=1e-15)


def test_a_cosine_after_a_warmup_still_ends_with_the_run() -> None:
    warm = Warmup(epochs=3, then=Cosine(floor=0.1))
    assert warm.factor(Progress(15, 5, 10), []) == 1.0
    assert warm.factor(Progress(50, 5, 10), []) == 0.1


def test_warmups_can_be_stacked() -> None:
    stacked = Warmup(epochs=1, start=0.5, then=Warmup(epochs=1, start=0.75, then=Polynomial()))
    # two steps each; the line has 8 - 4 steps
    assert factors(stacked, 2, 4) == [0.5, 0.75, 0.75, 0.875, 1.0, 0.75, 0.5, 0.25]


def test_a_warmup_of_less_than_half_a_step_is_none() -> None:
    assert factors(Warmup(epochs=0.1, start=0.0), 4, 1) == [1.0] * 4


def test_warmup_shows_what_it_goes_on_with() -> None:
    assert Warmup(then=Cosine()).label == "warmup then=cosine"
    assert Warmup(epochs=1, then=Cosine(floor=0.5)).label == "warmup epochs=1.0 then=(cosine floor=0.5)"
    assert Warmup(then=Plateau(monitor="train_loss")).monitored == "train_loss"
    assert Warmup().monitored is None


def test_warmup_stable_decay_by_hand() -> None:
    # K = 10: W = 2, D = 4; sqrt(1/4) = 1/2
    found = factors(WarmupStableDecay(warm=0.2, decay=0.4), 5, 2)
    assert found == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25], rel=1e-15)
    sqrt = WarmupStableDecay(warm=0.2, decay=0.4, shape="sqrt", floor=0.5)
    assert sqrt.factor(Progress(7, 5, 2), []) == pytest.approx(0.5 + 0.5 * 0.5, rel=1e-15)
    assert sqrt.factor(Progress(11, 5, 2), []) == 0.5
    assert factors(WarmupStableDecay(warm=0, decay=0), 2, 2) == [1.0] * 4


def plateau(schedule: Schedule, *losses: float) -> list[float]:
    """The rate of each epoch, and after the last."""
    rows = [{"val_loss": loss, "train_loss": -loss} for loss in losses]
    return [schedule.factor(Progress(epoch, 1, 99), rows[:epoch]) for epoch in range(len(rows) + 1)]


def test_plateau_drops_after_so_many_epochs_without_improvement() -> None:
    # exact binary numbers, so that the rates are compared exactly
    rule = Plateau(patience=2, shrink=0.5)
    assert plateau(rule, 1, 2, 2) == [1, 1, 1, 0.5]
    assert plateau(rule, 1, 2, 0.5, 0.75, 0.75, 0.75, 0.75) == [1, 1, 1, 1, 1, 0.5, 0.5, 0.25]
    assert plateau(rule, 4, 3, 2, 1) == [1] * 5
    assert plateau(Plateau(patience=2, shrink=0.5, floor=0.5), 1, 2, 2, 2, 2)[-1] == 0.5


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_never_an_improvement_for_plateau(bad: float) -> None:
    assert plateau(Plateau(patience=2, shrink=0.5), 1, bad, bad) == [1, 1, 1, 0.5]
    assert plateau(Plateau(patience=2, shrink=0.5), bad, bad, 1, 2) == [1, 1, 0.5, 0.5, 0.5]


def test_an_improvement_is_by_more_than_the_threshold() -> None:
    assert plateau(Plateau(patience=1, threshold=0.25, shrink=0.5), 4, 3) == [1, 1, 0.5]
    assert plateau(Plateau(patience=1, threshold=0.25, shrink=0.5), 4, 2.99) == [1, 1, 1]
    assert plateau(Plateau(patience=1, threshold=0.25, threshold_mode="abs", shrink=0.5), 4, 3.75) == [1, 1, 0.5]
    assert plateau(Plateau(patience=1, threshold=0.25, threshold_mode="abs", shrink=0.5), 4, 3.74) == [1, 1, 1]


def test_a_loss_below_0_improves_when_it_falls_not_when_it_rises() -> None:
    rule = Plateau(patience=1, threshold=0.25, shrink=0.5)
    assert plateau(rule, -4, -3.5) == [1, 1, 0.5]  # torch would take it for lower than -4 (1 - 0.25) = -3
    assert plateau(rule, -4, -5.1) == [1, 1, 1]


def test_plateau_watches_the_objective_where_it_is_told_to() -> None:
    assert plateau(Plateau(monitor="train_loss", patience=1, shrink=0.5), 1, 2) == [1, 1, 1]
    assert plateau(Plateau(monitor="train_loss", patience=1, shrink=0.5), 2, 1) == [1, 1, 0.5]


HOLD = {
    "constant": (Constant(), (True, False)),
    "inverse_time": (InverseTime(), (True, True)),
    "exponential": (Exponential(), (False, True)),
    "staircase": (Staircase(), (False, True)),
    "multi_step": (MultiStep(), (True, False)),
    "robbins_monro 1": (RobbinsMonro(c=1), (True, True)),
    "robbins_monro 0.51": (RobbinsMonro(c=0.51), (True, True)),
    "robbins_monro 0.5": (RobbinsMonro(c=0.5), (True, False)),
    "robbins_monro 1.01": (RobbinsMonro(c=1.01), (False, True)),
    "cosine": (Cosine(), (False, True)),
    "cosine floor": (Cosine(floor=0.1), (True, False)),
    "warm_restarts": (WarmRestarts(), (True, False)),
    "cyclic": (Cyclic(), (True, False)),
    "triangular to 0": (Cyclic(low=0), (True, False)),
    "triangular2 to 0": (Cyclic(low=0, per_cycle=0.5), (False, True)),
    "exp_range to 0": (Cyclic(low=0, per_step=0.99), (False, True)),
    "plateau": (Plateau(), (None, None)),
    "plateau floor": (Plateau(floor=0.01), (True, False)),
    "warmup": (Warmup(), (True, False)),
    "warmup 1/t": (Warmup(then=InverseTime()), (True, True)),
    "warmup exponential": (Warmup(then=Exponential()), (False, True)),
    "wsd": (WarmupStableDecay(), (False, True)),
    "wsd without decay": (WarmupStableDecay(decay=0), (True, False)),
}


@pytest.mark.parametrize(("schedule", "sums"), HOLD.values(), ids=HOLD)
def test_of_all_schedules_those_that_fall_like_one_over_k_satisfy_robbins_and_monro(
    schedule: Schedule, sums: tuple[bool | None, bool | None]
) -> None:
    said = schedule.sums()
    assert (said.first, said.second) == sums
    assert said.hold == (None if None in sums else all(sums))


def test_the_exponential_of_the_deck_covers_a_finite_distance() -> None:
    schedule = Exponential(decay=0.01)
    # 4000 steps leave e^-40 = 4e-18 of the sum
    total = sum(schedule.factor(Progress(k, 1, 1), []) for k in range(4000))
    assert total == pytest.approx(1 / (1 - math.exp(-0.01)), rel=1e-12)
    assert schedule.sums().reason == "a geometric series: the sum of all rates is 100.5 lr"


def test_dropping_the_rate_early_costs_on_the_way_although_the_loss_drops_at_once() -> None:
    # SGD on (x^2 + 0.02 y^2) / 2, with noise of variance 1 in the gradient along the steep x alone. Exactly:
    #   v <- (1 - lr)^2 v + lr^2 is E x^2,   y <- (1 - 0.02 lr) y,   loss = (v + 0.02 y^2) / 2
    def losses(drop: int) -> list[float]:
        schedule, v, y, found = MultiStep(divide_by=10, milestones=(drop,)), 1.0, 8.0, []
        for step in range(100):
            lr = 0.5 * schedule.factor(Progress(step, 1, 100), [])
            v, y = (1 - lr) ** 2 * v + lr**2, (1 - 0.02 * lr) * y
            found.append((v + 0.02 * y * y) / 2)
        return found

    early, late, never = losses(60), losses(80), losses(101)
    assert early[75] < 0.8 * never[75]  # the fluctuations fade at once: it looks better
    assert late[99] < 0.9 * early[99]  # but the way along y goes on slowly, and in the end it is worse than waiting
    assert late[99] < never[99]


def test_without_decay_the_loss_settles_where_its_fluctuations_balance() -> None:
    h, lr, v = 0.5, 0.2, 0.0
    for _ in range(500):
        v = (1 - lr * h) ** 2 * v + lr**2
    # v = (1 - lr h)^2 v + lr^2 has the solution lr / (h (2 - lr h))
    assert v == pytest.approx(lr / (h * (2 - lr * h)), rel=1e-12)


def test_milestones_rise_and_shares_fit_into_the_run() -> None:
    with pytest.raises(ConfigError) as caught:
        MultiStep(milestones=(3, 2, 3))
    assert str(caught.value) == (
        "milestones=[3,2,3] is refused\n  allowed: epochs in rising order, each once\n  do this: give milestones=[2,3]"
    )
    with pytest.raises(ConfigError) as caught:
        WarmupStableDecay(warm=0.75, decay=0.5)
    assert str(caught.value) == (
        "decay=0.5 is refused\n"
        "  allowed: warm + decay <= 1, since both are shares of the run; warm is 0.75\n"
        "  do this: give a smaller decay=... or warm=..."
    )


def test_the_rows_decide_which_of_the_two_conditions_plateau_fails() -> None:
    rule = Plateau(patience=2, shrink=0.5)
    # Stagnating: the best epoch and two bad ones at 1, then two epochs at each of 1/2, 1/4, ...: the sum stays below 5.
    assert sum(plateau(rule, *[1.0] * 200)) == pytest.approx(3 + 2 * (0.5 + 0.25 + 0.125 + 0.125), rel=1e-12)
    # Improving: a constant rate, of which every sum grows.
    assert sum(rate**2 for rate in plateau(rule, *(1 / e for e in range(1, 201)))) == 201
