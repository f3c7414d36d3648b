"""Probes of a step, of noise, of layers and of units, against what theory says of small cases."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.activation.relu import ReLU
from runner.architecture.activation.sigmoid import Sigmoid
from runner.architecture.activation.tanh import Tanh
from runner.architecture.mlp import MLP
from runner.architecture.normalization.batch import Batch
from runner.core.activity import activity, watching
from runner.core.curvature import Curved
from runner.core.errors import ConfigError
from runner.core.moments import Moments
from runner.core.theta import Layout, adopt
from runner.optimizer.adam import Adam
from runner.optimizer.base import Optimizer
from runner.optimizer.heavy_ball import HeavyBall
from runner.optimizer.momentum import Momentum
from runner.optimizer.momentum_ema import MomentumEMA
from runner.optimizer.nesterov import Nesterov
from runner.optimizer.nesterov_original import NesterovOriginal
from runner.optimizer.sgd import SGD
from runner.probe.activations import Activations
from runner.probe.base import Network, Observation, Step
from runner.probe.batch_norm_gap import BatchNormGap
from runner.probe.distance import Distance
from runner.probe.effective_rate import EffectiveRate
from runner.probe.gradient_cosine import GradientCosine
from runner.probe.gradient_noise import GradientNoise
from runner.probe.layers import Layers
from runner.probe.several import Several
from runner.probe.sharpness import Sharpness
from runner.probe.spectrum import Spectrum
from runner.probe.step_quality import StepQuality
from runner.probe.symmetry import Symmetry
from tests.optimizer.problems import Examples, Quadratic, drawn, network
from tests.probe.test_curvature import bent


def asked() -> Curved:
    theta, layout = adopt(module := network())
    return Curved(module, F.cross_entropy, theta, layout, pool=Examples(torch.float64), drawn=drawn)


def step_of(objective: Curved, update: Tensor, n: int = 50) -> Step:
    """The step by `update` on the first n of the examples that the probe takes for all of them."""
    part = objective.sample(50, 0).among(torch.arange(n))
    before = objective.theta.clone()
    value, g = part.value_and_grad(before)
    after = before + update
    values = value, part.value(after)
    return Step(before, after, g.clone(), values, 0.1, objective.layout, lambda n: objective.sample(n, 0), n)


def seen_of(objective: Curved, theta: Tensor | None = None) -> Observation:
    theta = objective.theta.clone() if theta is None else theta
    return Observation(theta, theta, objective.layout, lambda n: objective.sample(n, 0))


def gradient(objective: Curved) -> Tensor:
    return objective.sample(50, 0).value_and_grad(objective.theta)[1].clone()


# ---- noise


def test_the_variance_of_a_mini_batch_is_that_of_the_examples_divided_by_its_size() -> None:
    objective = asked()
    each = objective.sample(50, 0).per_example(objective.theta)
    whole = ((each - each.mean(0)).square().sum() / len(each)).item()  # tr Sigma of the distribution that is drawn from
    probe = GradientNoise(examples=50, sizes=(1, 4, 16), draws=4000)
    signal, ratio, *variances = probe.measure(seen_of(objective))
    assert signal == pytest.approx(each.mean(0).norm().item(), rel=1e-12)
    # relative standard error of a variance from 4000 draws: at most sqrt(2 / 4000) = 2.2 %, were it one-dimensional
    for size, variance in zip((1, 4, 16), variances, strict=True):
        assert variance == pytest.approx(whole / size, rel=0.1)
    assert ratio == pytest.approx(signal**2 / variances[0], rel=1e-12)


def test_a_batch_with_all_examples_alike_has_no_noise() -> None:
    _, ratio, *variances = GradientNoise(examples=50, sizes=(1, 5), draws=3).measure(bent([2.0, 1.0], [1.0, 1.0]))
    assert variances == [0.0, 0.0]
    assert ratio == math.inf


# ---- steps


def test_the_layers_of_sgd_move_by_the_rate_times_their_gradient() -> None:
    objective = asked()
    g = gradient(objective)
    numbers = Layers().measure_step(step_of(objective, -0.1 * g))
    weights = [view for view in objective.layout.views(objective.theta) if view.ndim > 1]
    slopes = [view for view in objective.layout.views(g) if view.ndim > 1]
    count = len(weights)
    assert Layers().stepped(Network(objective.layout, 0, 0)) == (
        *(f"grad_norm_{k}" for k in range(1, count + 1)),
        *(f"update_ratio_{k}" for k in range(1, count + 1)),
    )
    expected = [slope.norm().item() for slope in slopes]
    expected += [0.1 * (slope.norm() / w.norm()).item() for slope, w in zip(slopes, weights, strict=True)]
    assert numbers == pytest.approx(expected, rel=1e-12)


def test_every_element_of_sgd_has_the_rate_that_was_chosen() -> None:
    objective = asked()
    numbers = EffectiveRate().measure_step(step_of(objective, -0.03 * gradient(objective)))
    assert numbers == pytest.approx((0.03,) * 3, rel=1e-9)  # after - before loses digits


def test_signs_give_every_element_another_rate() -> None:
    objective = asked()
    g = gradient(objective)
    low, median, high = EffectiveRate().measure_step(step_of(objective, -0.03 * g.sign()))
    rates = (0.03 / g[g != 0].abs()).sort().values
    assert median == pytest.approx(rates[round(0.5 * (len(rates) - 1))].item(), rel=1e-9)
    assert low < median < high


def test_the_gradient_of_all_examples_points_along_itself() -> None:
    objective = asked()
    full, following = GradientCosine(examples=50).measure_step(step_of(objective, torch.zeros_like(objective.theta)))
    assert full == pytest.approx(1, rel=1e-12)
    assert following == pytest.approx(1, rel=1e-12)  # the same examples in another order, at the same place


def across(rate: float) -> Step:
    """A step of gradient descent on sum theta^2 (h = 2), whose minimum it reaches with rate 1/2."""
    seen = bent([2.0, 2.0], [1.0, -3.0])
    part = seen.examine(5)
    value, g = part.value_and_grad(seen.theta)
    after = seen.theta - rate * g
    values = value, part.value(after)
    return Step(seen.theta, after, g.clone(), values, rate, seen.layout, seen.examine, 5)


@pytest.mark.parametrize(
    ("rate", "alpha", "gain", "following"),
    [
        (0.25, -0.5, 0.75, 1),
        (0.5, 0.0, 0.5, math.nan),
        (0.75, 0.5, 0.25, -1),
        (1.0, 1.0, 0.0, -1),
        (1.5, 2.0, -0.5, -1),
    ],
)
def test_on_a_parabola_the_quality_of_a_step_is_what_its_rate_says(
    rate: float, alpha: float, gain: float, following: float
) -> None:
    step = across(rate)
    assert StepQuality().measure_step(step) == pytest.approx((alpha, gain), abs=1e-12)
    assert GradientCosine().measure_step(step)[1] == pytest.approx(following, nan_ok=True)


def test_a_line_has_no_minimum_and_gives_the_whole_gain() -> None:
    step = across(0.5)
    straight = Step(**vars(step) | {"value": (0.0, float(step.gradient @ step.update))})
    alpha, gain = StepQuality().measure_step(straight)
    assert math.isnan(alpha)
    assert gain == pytest.approx(1, rel=1e-12)


# ---- curvature


def test_the_spectrum_of_a_quadratic_is_its_own() -> None:
    low, high, condition, negative = Spectrum(draws=4, steps=4).measure(bent([-1.0, 2.0, 3.0, 4.0], [1.0] * 4))
    assert (low, high, condition) == pytest.approx((-1, 4, 4), rel=1e-9)
    assert 0 < negative < 1  # a quarter in the mean over many draws
    many = Spectrum(draws=4000, steps=4).measure(bent([-1.0, 2.0, 3.0, 4.0], [1.0] * 4))
    assert many[3] == pytest.approx(0.25, abs=0.02)  # v_1^2/|v|^2 has deviation 0.22, of 4000: 0.0035


RULES = [SGD(), Momentum(mu=0.8), HeavyBall(mu=0.8), MomentumEMA(mu=0.8), Nesterov(mu=0.8), NesterovOriginal(mu=0.8)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.label)
def test_below_the_stable_sharpness_a_quadratic_is_descended_and_above_it_climbed(rule: Optimizer) -> None:
    limit = rule.stable_below(0.1)
    assert limit is not None
    for share, converges in ((0.99, True), (1.01, False)):
        problem = Quadratic(torch.tensor([share * limit]).double(), torch.zeros(1).double())
        theta = torch.ones(1).double()
        state = rule.start(theta, Layout(()))
        for t in range(1, 3001):
            rule.step(theta, state, problem, 0.1, t)
        assert (abs(theta.item()) < 1) == converges


def test_the_limit_stands_beside_the_sharpness() -> None:
    seen = bent([2.0, 5.0], [1.0, 1.0])
    assert Sharpness(steps=2).measure(Observation(**vars(seen) | {"stable": 20.0})) == pytest.approx((5, 20), rel=1e-9)
    assert math.isnan(Sharpness(steps=2).measure(seen)[1])
    assert Adam().stable_below(0.1) is None


# ---- inside


def mlp(activation: object, *, normalization: object = None, hidden: tuple[int, ...] = (400, 300)) -> Curved:
    more = {} if normalization is None else {"normalization": normalization}
    module = MLP(hidden=hidden, activation=activation, **more).build((4,), 3).double()  # type: ignore[arg-type]
    theta, layout = adopt(module)
    theta.copy_(torch.randn(theta.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    return Curved(module, F.cross_entropy, theta, layout, pool=Examples(torch.float64), drawn=drawn)


def told(objective: Curved, level: float = 0.05) -> list[tuple[float, ...]]:
    """(mean, second moment, saturated, dead) of every activation."""
    numbers = Activations(level=level).measure(seen_of(objective))
    count = len(numbers) // 4
    return [tuple(numbers[k::count]) for k in range(count)]


def test_activations_are_counted_in_the_order_of_their_use() -> None:
    objective = mlp(ReLU())
    found = activity(objective.sample(7, 0), objective.theta)
    assert [tuple(each.a.shape) for each in found] == [(7, 400), (7, 300)]
    first = objective.layout.named(objective.theta)["layers.0.weight"]
    z = objective.sample(7, 0).x @ first.T + objective.layout.named(objective.theta)["layers.0.bias"]
    torch.testing.assert_close(found[0].z, z, rtol=1e-12, atol=1e-12)
    assert torch.equal(found[0].slope, (z > 0).double())
    names = Activations().layered(Network(objective.layout, 2, 0))
    assert names[:3] == ("activation_mean_1", "activation_mean_2", "activation_second_1")


def test_who_looked_leaves_the_network_as_it_was() -> None:
    for activation in (ReLU(), Sigmoid()):  # a plain function, and one that is a module
        module = mlp(activation).module
        before = {name: getattr(part, "activation", None) for name, part in module.named_modules()}
        with pytest.raises(ZeroDivisionError), watching(module):
            raise ZeroDivisionError
        assert {name: getattr(part, "activation", None) for name, part in module.named_modules()} == before


def test_half_of_a_relu_is_saturated_and_its_moments_are_those_of_a_half_normal() -> None:
    objective = mlp(ReLU(), hidden=(20_000,))
    views = objective.layout.named(objective.theta)
    views["layers.0.bias"].zero_()
    (x,) = (objective.sample(500, 0).x.square().sum(1),)  # Var(w.x) of weights of variance 1
    ((mean, second, saturated, dead),) = told(objective)
    # 20,000 independent units: relative errors about 1 %; E2 of the decks: s/sqrt(2 pi), s^2/2, not 0
    assert mean == pytest.approx((x.sqrt() / math.sqrt(2 * math.pi)).mean().item(), rel=0.03)
    assert second == pytest.approx((x / 2).mean().item(), rel=0.03)
    assert saturated == pytest.approx(0.5, abs=0.02)
    assert 0 <= dead < 0.5


def test_units_far_below_zero_are_dead_and_those_far_out_are_saturated() -> None:
    objective = mlp(ReLU())
    bias = objective.layout.named(objective.theta)["layers.0.bias"]
    bias[:100] = -1e3
    bias[100:] = 1e3
    first, _ = told(objective)
    assert (first[2], first[3]) == (0.25, 0.25)
    for activation in (Sigmoid(), Tanh()):
        objective = mlp(activation)
        objective.layout.named(objective.theta)["layers.0.bias"][:200] = 30.0
        objective.layout.named(objective.theta)["layers.0.bias"][200:] = 0.0
        objective.layout.named(objective.theta)["layers.0.weight"][200:] = 0.0
        first, _ = told(objective)
        assert first[2] == 0.5
        assert first[0] == pytest.approx(0.75 if activation == Sigmoid() else 0.5, abs=1e-6)


@pytest.mark.parametrize("same", [0.0, 1.0])
def test_units_with_equal_weights_have_no_distance(same: float) -> None:
    objective = mlp(ReLU(), hidden=(5, 4))
    theta = torch.full_like(objective.theta, same)
    assert Symmetry().measure(seen_of(objective, theta)) == (0.0, 0.0, 0.0)
    assert Symmetry().layered(Network(objective.layout, 2, 0)) == (
        "unit_distance_1",
        "unit_distance_2",
        "unit_distance_3",
    )


def test_random_units_are_about_the_root_of_two_apart() -> None:
    w = nn.Linear(10_000, 3, bias=False).double()
    theta, layout = adopt(w)
    theta.copy_(torch.randn(theta.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    seen = Observation(theta, theta, layout, lambda n: pytest.fail("asked"))
    assert Symmetry().measure(seen) == pytest.approx((math.sqrt(2),), rel=0.03)


def test_a_unit_that_is_almost_a_copy_is_found() -> None:
    objective = mlp(ReLU(), hidden=(5, 4))
    w = objective.layout.named(objective.theta)["layers.0.weight"]
    w[3] = w[1] + 1e-6
    first, *_ = Symmetry().measure(seen_of(objective))
    assert first == pytest.approx(2e-6 / w.norm(dim=1).mean().item(), rel=1e-6)  # four inputs: sqrt(4) 1e-6


def test_kept_moments_are_compared_with_those_of_the_data_and_stay() -> None:
    objective = mlp(Tanh(), normalization=Batch(), hidden=(6, 5))
    buffers = {name: buffer.clone() for name, buffer in objective.buffers.items()}
    probe = BatchNormGap(examples=50)
    gaps = probe.measure(seen_of(objective))
    assert all(torch.equal(objective.buffers[name], buffer) for name, buffer in buffers.items())
    x = objective.sample(50, 0).x @ objective.layout.named(objective.theta)["layers.0.weight"].T
    mean, var = x.mean(0), x.var(0, unbiased=False)
    assert gaps[0] == pytest.approx(((0 - mean) / var.sqrt()).square().mean().sqrt().item(), rel=1e-10)
    assert gaps[2] == pytest.approx((1 / var).log().square().mean().sqrt().item(), rel=1e-10)
    first = next(part for part in objective.module.modules() if isinstance(part, Moments))
    first.mean.copy_(mean)
    first.var.copy_(var)
    after = probe.measure(seen_of(objective))
    assert (after[0], after[2]) == pytest.approx((0, 0), abs=1e-12)
    assert probe.layered(Network(objective.layout, 2, 2)) == ("mean_gap_1", "mean_gap_2", "var_gap_1", "var_gap_2")


# ---- several


def test_several_answer_in_the_order_of_their_columns() -> None:
    both = Several(of={"symmetry": Symmetry(), "distance": Distance(), "quality": StepQuality(), "layers": Layers()})
    objective = asked()
    net = Network(objective.layout, 0, 0)
    assert both.columns == ("distance_from_start",)
    assert both.layered(net) == Symmetry().layered(net)
    assert both.stepped(net) == ("alpha", "gain", *Layers().stepped(net))
    assert both.follows
    assert not Several(of={"distance": Distance()}).follows
    seen = seen_of(objective)
    assert both.measure(seen) == (*Distance().measure(seen), *Symmetry().measure(seen))
    step = step_of(objective, -0.1 * gradient(objective))
    assert both.measure_step(step) == (*StepQuality().measure_step(step), *Layers().measure_step(step))


def test_two_probes_with_one_column_are_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        Several(of={"a": Distance(), "b": Distance()})
    assert str(refused.value) == (
        "of=a, b is refused\n"
        "  allowed: probes without a column in common; distance_from_start comes twice\n"
        "  do this: leave one of them out"
    )
