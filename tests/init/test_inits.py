"""The value of theta before the first step."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from runner.core.errors import ConfigError
from runner.core.streams import stream
from runner.init.base import Init, fans
from runner.init.kaiming_normal import KaimingNormal
from runner.init.normal import Normal
from runner.init.xavier_uniform import XavierUniform

D_OUT, D_IN = 300, 500
N = D_OUT * D_IN
NORMAL = (3.0, 105.0)  # E[w^4] and E[w^8] for a variance of 1
UNIFORM = (9 / 5, 9.0)
# rule, the variance that it promises, the shape of its distribution
RULES: list[tuple[Init, float, tuple[float, float]]] = [
    (KaimingNormal(), 2 / D_IN, NORMAL),
    (XavierUniform(), 2 / (D_IN + D_OUT), UNIFORM),
    (Normal(), 1e-4, NORMAL),
    (Normal(std=0.5), 0.25, NORMAL),
]
each_rule = pytest.mark.parametrize(("rule", "variance", "moments"), RULES, ids=[repr(rule) for rule, _, _ in RULES])


def filled(rule: Init, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    weight = torch.full(shape, math.nan, dtype=dtype)
    rule.fill(weight, *fans(weight), stream(0, "init/weight"))
    return weight


# Fixed seeds, so these are facts; the bounds are 4 deviations of the estimate from N = 150,000 draws, which one seed
# in 16,000 exceeds.
@each_rule
def test_the_mean_of_the_weights_is_0(rule: Init, variance: float, moments: tuple[float, float]) -> None:
    assert filled(rule, D_OUT, D_IN).mean().item() == pytest.approx(0, abs=4 * math.sqrt(variance / N))


@each_rule
def test_the_variance_of_the_weights_is_the_one_that_is_promised(
    rule: Init, variance: float, moments: tuple[float, float]
) -> None:
    # Var(mean of w^2) = (E[w^4] - E[w^2]^2) / N
    found = filled(rule, D_OUT, D_IN).square().mean().item()
    assert found == pytest.approx(variance, rel=4 * math.sqrt((moments[0] - 1) / N))


@each_rule
def test_the_weights_have_the_shape_of_their_distribution(
    rule: Init, variance: float, moments: tuple[float, float]
) -> None:
    # Var(mean of w^4) = (E[w^8] - E[w^4]^2) / N
    fourth, eighth = moments
    w = filled(rule, D_OUT, D_IN) / math.sqrt(variance)
    assert w.pow(4).mean().item() == pytest.approx(fourth, abs=4 * math.sqrt((eighth - fourth**2) / N))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_uniform_weights_fill_their_interval_and_do_not_leave_it(dtype: torch.dtype) -> None:
    a = math.sqrt(6 / (D_IN + D_OUT))
    w = filled(XavierUniform(), D_OUT, D_IN, dtype=dtype)
    assert w.abs().max().item() <= torch.tensor(a, dtype=dtype).item()
    # the largest of N uniform numbers is below 1 - 10/N with probability e^-10
    assert w.max().item() > a * (1 - 20 / N)
    assert w.min().item() < -a * (1 - 20 / N)


def test_kaiming_keeps_the_second_moment_from_layer_to_layer_and_not_the_variance() -> None:
    # u = W v has Var(u) = d_in * 2/d_in * E[v^2] = 2 E[v^2]; a ReLU halves the second moment to E[v^2], and with
    # E[relu(u)]^2 = Var(u) / (2 pi) = E[v^2]/pi its variance is (1 - 1/pi) E[v^2].
    d, batch = 400, 500
    v = torch.randn(batch, d, generator=stream(0, "v"), dtype=torch.float64)
    u = torch.relu(v @ filled(KaimingNormal(), d, d).T)
    # The deviation of the first ratio is 0.6 percent: sqrt(2/400)/sqrt(400) = 0.35 from the lengths of the 400 rows,
    # sqrt((6 - 1)/200,000) = 0.5 from as many squares with E[relu^4] = 6 E[relu^2]^2. The bound is 4 of them.
    assert u.square().mean().item() / v.square().mean().item() == pytest.approx(1.0, rel=0.024)
    assert u.var().item() / v.square().mean().item() == pytest.approx(1 - 1 / math.pi, rel=0.024)


SHAPES = [(8, 3), (1, 1), (10, 64), (33, 127), (16, 3, 5, 5), (4, 2, 7)]


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_weights_are_bit_for_bit_those_of_torch(shape: tuple[int, ...]) -> None:
    w = torch.empty(shape)
    assert torch.equal(
        filled(KaimingNormal(), *shape, dtype=torch.float32),
        nn.init.kaiming_normal_(w, nonlinearity="relu", generator=stream(0, "init/weight")),
    )
    assert torch.equal(
        filled(XavierUniform(), *shape, dtype=torch.float32),
        nn.init.xavier_uniform_(w, generator=stream(0, "init/weight")),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_float64_weights_are_those_of_torch_to_two_last_bits(shape: tuple[int, ...]) -> None:
    # torch writes the deviation as sqrt(2) / sqrt(d_in) and the bound as sqrt(3) sqrt(2 / (d_in + d_out))
    w = torch.empty(shape, dtype=torch.float64)
    twins = {
        KaimingNormal(): nn.init.kaiming_normal_(w.clone(), nonlinearity="relu", generator=stream(0, "init/weight")),
        XavierUniform(): nn.init.xavier_uniform_(w.clone(), generator=stream(0, "init/weight")),
    }
    for rule, twin in twins.items():
        torch.testing.assert_close(filled(rule, *shape), twin, rtol=0, atol=twin.abs().max().item() * 5e-16)


@pytest.mark.parametrize("shape", SHAPES)
def test_fans_are_those_of_torch(shape: tuple[int, ...]) -> None:
    weight = torch.empty(shape)
    assert fans(weight) == nn.init._calculate_fan_in_and_fan_out(weight)


def test_normal_weights_of_deviation_0_are_0() -> None:
    assert not filled(Normal(std=0), 3, 4).any()
    with pytest.raises(ConfigError) as caught:
        Normal(std=-0.1)
    assert str(caught.value) == (
        "std=-0.1 is refused\n"
        "  allowed: a number in [0, inf)\n"
        "  do this: give std=... a value in that range; the default is 0.01"
    )


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 5), nn.LayerNorm(5), nn.Linear(5, 2)
    )


def test_biases_start_at_0_and_scales_of_normalizations_at_1() -> None:
    module = small()
    for parameter in module.parameters():
        nn.init.constant_(parameter, 7.0)
    KaimingNormal().apply(module, seed=0)
    named = dict(module.named_parameters())
    for name in ("0.bias", "1.bias", "3.bias", "4.bias", "5.bias"):
        assert not named[name].any()
    for name in ("1.weight", "4.weight"):
        assert torch.equal(named[name], torch.ones_like(named[name]))
    for name in ("0.weight", "3.weight", "5.weight"):
        assert named[name].unique().numel() == named[name].numel()


def test_a_normalization_by_itself_starts_at_1() -> None:
    norm = nn.LayerNorm(4)
    nn.init.constant_(norm.weight, 7.0)
    KaimingNormal().apply(norm, seed=0)
    assert torch.equal(norm.weight, torch.ones(4))


def test_a_weight_depends_on_the_seed_and_its_name_alone() -> None:
    class Named(nn.Module):
        def __init__(self, **parts: nn.Module) -> None:
            super().__init__()
            for name, part in parts.items():
                self.add_module(name, part)

    def weight(seed: int, name: str, **parts: nn.Module) -> Tensor:
        module = Named(**parts)
        KaimingNormal().apply(module, seed)
        return module.get_submodule(name).weight  # type: ignore[return-value]

    alone = weight(0, "b", b=nn.Linear(6, 4))
    among = weight(0, "b", a=nn.Linear(3, 6), b=nn.Linear(6, 4), c=nn.Linear(4, 2))
    assert torch.equal(alone, among)
    assert torch.equal(alone, weight(0, "b", b=nn.Linear(6, 4)))
    assert not torch.equal(alone, weight(1, "b", b=nn.Linear(6, 4)))
    assert not torch.equal(alone, weight(0, "a", a=nn.Linear(6, 4)))


def test_equal_layers_of_one_network_start_differently() -> None:
    module = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    KaimingNormal().apply(module, seed=0)
    assert not torch.equal(module[0].weight, module[1].weight)


def test_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    KaimingNormal().apply(small(), seed=0)
    after = torch.random.get_rng_state()
    small()  # building alone draws from it
    assert not torch.equal(torch.random.get_rng_state(), after)
    torch.random.set_rng_state(before)
    module = small()
    built = torch.random.get_rng_state()
    KaimingNormal().apply(module, seed=0)
    assert torch.equal(torch.random.get_rng_state(), built)
