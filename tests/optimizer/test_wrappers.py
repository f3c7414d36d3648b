"""Rules around a rule."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from runner.core.curvature import Curved
from runner.core.errors import ConfigError
from runner.core.theta import adopt
from runner.optimizer.adam import Adam
from runner.optimizer.adamw import AdamW
from runner.optimizer.base import Optimizer
from runner.optimizer.clip_norm import ClipNorm
from runner.optimizer.clip_value import ClipValue
from runner.optimizer.decoupled_decay import DecoupledDecay
from runner.optimizer.ema import EMA
from runner.optimizer.lookahead import Lookahead
from runner.optimizer.momentum import Momentum
from runner.optimizer.nesterov_original import NesterovOriginal
from runner.optimizer.sam import SAM
from runner.optimizer.sgd import SGD
from runner.optimizer.torch import Torch
from tests.optimizer.problems import Given, Quadratic, apart, batches, descend, flat, network, trained, trained_by_hand

SAME = 1e-12


def rate(t: int) -> float:
    return 0.05 / t


def judged(rule: Optimizer, steps: int) -> tuple[Tensor, Tensor]:
    """theta of the network after some steps, and the parameters to judge by."""
    module = network()
    theta, layout = adopt(module)
    asked = Curved(module, F.cross_entropy, theta, layout)
    state = rule.start(theta, layout)
    for t, (x, y) in zip(range(1, steps + 1), batches(), strict=False):
        asked.on(x, y)
        rule.step(theta, state, asked, 0.1, t)
    return theta, rule.eval_theta(theta, state)


def moved(rule: Optimizer, g: list[float], lr: float = 1.0) -> list[float]:
    """theta after one step from 0 with a given gradient."""
    theta = torch.zeros(len(g), dtype=torch.float64)
    rule.step(theta, rule.start(theta, flat(len(g))), Given(repeat(torch.tensor(g).double())), lr, 1)
    found: list[float] = theta.tolist()
    return found


def test_two_steps_of_sam() -> None:
    # L = (x^2 + 4 y^2)/2, theta = (3, 1), rho = 0.5, lr = 0.1: g = (3, 4), ||g|| = 5, e = (0.3, 0.4),
    # g' = (3.3, 5.6), theta = (2.67, 0.44)
    # g = (2.67, 1.76), ||g|| = sqrt(10.2265), e = 0.5 g / ||g||, theta <- theta - 0.1 ((2.67, 1.76) + (e_x, 4 e_y))
    asked = Quadratic(torch.tensor([1.0, 4.0]).double(), torch.zeros(2).double())
    theta = torch.tensor([3.0, 1.0], dtype=torch.float64)
    one = descend(SAM(inner=SGD(), rho=0.5), asked, theta.clone(), 0.1, 1)
    assert one.tolist() == pytest.approx([2.67, 0.44], rel=1e-14)
    length = 10.2265**0.5
    two = descend(SAM(inner=SGD(), rho=0.5), asked, theta.clone(), 0.1, 2)
    expected = [2.67 - 0.1 * (2.67 + 0.5 * 2.67 / length), 0.44 - 0.1 * (1.76 + 4 * 0.5 * 1.76 / length)]
    assert two.tolist() == pytest.approx(expected, rel=1e-13)


def test_sam_on_a_network_is_a_step_up_and_a_step_of_torch_with_the_gradient_there() -> None:
    module = network()
    live = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    for _, (x, y) in zip(range(20), batches(), strict=False):
        live.zero_grad()
        F.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad.clone() for p in module.parameters() if p.grad is not None]
        length = torch.cat([g.flatten() for g in gradients]).norm()
        with torch.no_grad():
            kept = [p.clone() for p in module.parameters()]
            for p, g in zip(module.parameters(), gradients, strict=True):
                p.add_(0.05 * g / length)
        live.zero_grad()
        F.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for p, before in zip(module.parameters(), kept, strict=True):
                p.copy_(before)
        live.step()
    assert apart(trained(SAM(inner=Momentum(mu=0.9)), lambda t: 0.1, 20), adopt(module)[0]) < SAME


def test_sam_costs_two_gradients_and_reports_the_loss_at_theta() -> None:
    module = network()
    theta, layout = adopt(module)
    asked = Curved(module, F.cross_entropy, theta, layout)
    x, y = next(batches())
    asked.on(x, y)
    here = asked.value(theta)
    rule = SAM(inner=SGD(), rho=0.5)
    rule.step(theta, rule.start(theta, layout), asked, 0.1, 1)
    assert asked.counts.backward == 2 * len(y)
    assert asked.first[0] == here


def test_a_rule_inside_sam_that_asks_elsewhere_is_told_the_gradient_up_from_there() -> None:
    # L = theta^2/2 in one element: e = rho sign(theta). Nesterov's first step asks at theta itself, where g' = 2 + 0.5.
    asked = Quadratic(torch.ones(1).double(), torch.zeros(1).double())
    rule = SAM(inner=NesterovOriginal(mu=0.5), rho=0.5)
    assert descend(rule, asked, torch.tensor([2.0]).double(), 0.1, 1).item() == pytest.approx(2 - 0.25, rel=1e-14)
    # second: theta = 1.75, ahead = 1.75 + 0.5 * (-0.25) = 1.625, g' = 1.625 + 0.5 = 2.125
    found = descend(rule, asked, torch.tensor([2.0]).double(), 0.1, 2).item()
    assert found == pytest.approx(1.625 - 0.2125, rel=1e-14)


def test_lookahead_goes_half_of_the_way_every_k_steps() -> None:
    # SGD with g = 1, lr = 1 from 0: fast -1, -2 -> slow -1; fast -2, -3 -> slow -1 + (-3 + 1)/2 = -2
    rule, asked = Lookahead(inner=SGD(), k=2, alpha=0.5), Given(repeat(torch.ones(1).double()))
    theta = torch.zeros(1, dtype=torch.float64)
    state = rule.start(theta, flat(1))
    seen = []
    for t in range(1, 6):
        rule.step(theta, state, asked, 1.0, t)
        seen.append((theta.item(), rule.eval_theta(theta, state).item()))
    assert seen == [(-1, 0), (-1, -1), (-2, -1), (-2, -2), (-3, -2)]


def test_lookahead_that_goes_all_the_way_is_its_inner_rule() -> None:
    assert torch.equal(judged(Lookahead(inner=Adam(), k=5, alpha=1.0), 20)[0], judged(Adam(), 20)[0])


def test_the_inner_rule_of_lookahead_keeps_its_velocity() -> None:
    # g = 1, mu = 0.5, k = 1, alpha = 0.5, lr = 1: v = 1, 1.5; theta = -0.5, then -0.5 - 1.5/2
    rule, asked = Lookahead(inner=Momentum(mu=0.5), k=1, alpha=0.5), Given(repeat(torch.ones(1).double()))
    theta = torch.zeros(1, dtype=torch.float64)
    state = rule.start(theta, flat(1))
    rule.step(theta, state, asked, 1.0, 1)
    rule.step(theta, state, asked, 1.0, 2)
    assert theta.item() == -1.25


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.0])
def test_the_average_of_the_parameters_is_that_of_torch(decay: float) -> None:
    module = network()
    live = torch.optim.SGD(module.parameters(), lr=0.1)
    averaged = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
    for _, (x, y) in zip(range(50), batches(), strict=False):
        live.zero_grad()
        F.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
        live.step()
        averaged.update_parameters(module)
    theta, mean = judged(EMA(inner=SGD(), decay=decay), 50)
    assert apart(mean, adopt(averaged.module)[0]) < SAME
    assert torch.equal(theta, judged(SGD(), 50)[0])


def test_a_long_gradient_is_shortened_and_a_short_one_is_not() -> None:
    assert moved(ClipNorm(inner=SGD(), max_norm=1.0), [3.0, -4.0]) == pytest.approx([-0.6, 0.8], rel=1e-14)
    assert moved(ClipNorm(inner=SGD(), max_norm=5.0), [3.0, -4.0]) == [-3.0, 4.0]
    assert moved(ClipNorm(inner=SGD(), max_norm=6.0), [3.0, -4.0]) == [-3.0, 4.0]
    assert moved(ClipNorm(inner=SGD(), max_norm=1.0), [0.0, 0.0]) == [0.0, 0.0]


def test_large_elements_are_brought_back() -> None:
    assert moved(ClipValue(inner=SGD(), max_value=1.0), [3.0, -4.0, 0.5]) == [-1.0, 1.0, -0.5]


def clipped(clip: Any, limit: float) -> Tensor:
    """theta after 50 steps of torch's SGD with torch's clipping."""
    module = network()
    live = torch.optim.SGD(module.parameters(), lr=0.5, momentum=0.9)
    for _, (x, y) in zip(range(50), batches(), strict=False):
        live.zero_grad()
        F.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
        clip(module.parameters(), limit)
        live.step()
    return adopt(module)[0]


def test_clipping_by_value_is_that_of_torch() -> None:
    ours = trained(ClipValue(inner=Momentum(mu=0.9), max_value=0.02), lambda t: 0.5, 50)
    assert apart(ours, clipped(nn.utils.clip_grad_value_, 0.02)) < SAME


def test_clipping_by_norm_is_that_of_torch_but_for_its_millionth() -> None:
    ours = trained(ClipNorm(inner=Momentum(mu=0.9), max_norm=0.1), lambda t: 0.5, 50)
    # torch: c/(||g|| + 1e-6) with ||g|| above 0.1, so a step is shorter by up to 1e-5
    assert 1e-12 < apart(ours, clipped(nn.utils.clip_grad_norm_, 0.1)) < 1e-3
    # its true value, by limiting to c (||g|| + 1e-6)/||g||
    assert apart(ours, clipped(exactly, 0.1)) < SAME


def exactly(parameters: Any, limit: float) -> None:
    gradients = [p.grad for p in parameters]
    length = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g.mul_(min(1.0, limit / length.item()))


@pytest.mark.parametrize("decay", [0.01, 1.0])
def test_decoupled_decay_around_adam_is_adamw(decay: float) -> None:
    around = trained(DecoupledDecay(inner=Adam(), weight_decay=decay), rate, 100)
    assert apart(around, trained(AdamW(weight_decay=decay), rate, 100)) < SAME
    by_hand = trained_by_hand(lambda p: torch.optim.AdamW(p, weight_decay=decay), rate, 100)
    assert apart(around, by_hand) < SAME


def test_decoupled_decay_around_sgd_is_torchs_weight_decay_and_around_adam_it_is_not() -> None:
    for inner, cls, same in ((SGD(), torch.optim.SGD, True), (Adam(), torch.optim.Adam, False)):
        around = trained(DecoupledDecay(inner=inner, weight_decay=0.1), lambda t: 0.01, 100)
        coupled = trained_by_hand(lambda p, cls=cls: cls(p, weight_decay=0.1), lambda t: 0.01, 100)  # type: ignore[misc]
        assert (apart(around, coupled) < SAME) == same


def test_wrappers_around_wrappers() -> None:
    rule = EMA(inner=ClipNorm(inner=DecoupledDecay(inner=Adam(eps=1e-6), weight_decay=0.1), max_norm=2.0), decay=0.5)
    assert rule.label == "ema decay=0.5 around clip_norm max_norm=2.0 around decoupled_decay weight_decay=0.1 " \
        "around adam eps=1e-06"  # fmt: skip
    assert rule.rule(0.25).startswith("g <- g min(1, 2.0/||g||);  m <- 0.9 m + 0.1 g;  s <- ")
    assert rule.rule(0.25).endswith(
        ";  theta <- theta - 0.25 * 0.1 (theta before the step);  judged by mean <- 0.5 mean + 0.5 theta"
    )
    assert rule.equivalent_to(0.25) is None
    assert not torch.equal(*judged(rule, 5))


def test_an_optimizer_of_torch_can_be_wrapped_and_its_state_kept() -> None:
    rule = ClipNorm(inner=Torch(cls=torch.optim.Adam), max_norm=0.05)
    assert apart(trained(rule, rate, 20), trained(ClipNorm(inner=Adam(), max_norm=0.05), rate, 20)) < SAME
    theta = torch.zeros(3)
    state = rule.start(theta, flat(3))
    assert set(rule.saved(state)["inner"]) == {"state", "param_groups"}


def test_what_is_wrapped_must_be_a_rule() -> None:
    with pytest.raises(ConfigError) as refused:
        SAM(inner="adam")  # type: ignore[arg-type]
    assert str(refused.value) == ("inner=adam is refused\n  allowed: Optimizer\n  do this: give inner=... Optimizer")
