"""The value of theta before the first step."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from scipy.stats import truncnorm
from torch import Tensor, nn

from runner.core.errors import ConfigError
from runner.core.streams import key, stream
from runner.core.theta import adopt
from runner.init.base import Init, fans
from runner.init.constant import Constant
from runner.init.duplicate_units import DuplicateUnits
from runner.init.fan_in import FanIn
from runner.init.fan_out import FanOut
from runner.init.geometric import Geometric
from runner.init.kaiming_normal import KaimingNormal
from runner.init.kaiming_uniform import KaimingUniform
from runner.init.normal import Normal
from runner.init.orthogonal import Orthogonal
from runner.init.torch_default import TorchDefault
from runner.init.truncated_normal import TruncatedNormal
from runner.init.xavier_normal import XavierNormal
from runner.init.xavier_uniform import XavierUniform
from runner.init.zeros import Zeros

D_OUT, D_IN = 300, 500
N = D_OUT * D_IN
NORMAL = (3.0, 105.0)  # E[w^4] and E[w^8] for a variance of 1
UNIFORM = (9 / 5, 9.0)
CUT = truncnorm(-2, 2)  # a normal distribution without what lies beyond 2 deviations
TRUNCATED = (CUT.moment(4) / CUT.var() ** 2, CUT.moment(8) / CUT.var() ** 4)
# rule, the variance that it promises, the shape of its distribution
RULES: list[tuple[Init, float, tuple[float, float]]] = [
    (KaimingNormal(), 2 / D_IN, NORMAL),
    (XavierUniform(), 2 / (D_IN + D_OUT), UNIFORM),
    (KaimingUniform(), 2 / D_IN, UNIFORM),
    (XavierNormal(), 2 / (D_IN + D_OUT), NORMAL),
    (FanIn(), 1 / D_IN, NORMAL),
    (FanOut(), 1 / D_OUT, NORMAL),
    (Geometric(), 2 / math.sqrt(D_IN * D_OUT), NORMAL),
    (Geometric(c=0.5), 0.5 / math.sqrt(D_IN * D_OUT), NORMAL),
    (TorchDefault(), 1 / (3 * D_IN), UNIFORM),
    (TruncatedNormal(), 1e-4 * CUT.var(), TRUNCATED),
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
    assert torch.equal(
        filled(XavierNormal(), *shape, dtype=torch.float32),
        nn.init.xavier_normal_(w, generator=stream(0, "init/weight")),
    )
    assert torch.equal(
        filled(KaimingUniform(), *shape, dtype=torch.float32),
        nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=stream(0, "init/weight")),
    )
    assert torch.equal(
        filled(FanIn(), *shape, dtype=torch.float32),
        nn.init.kaiming_normal_(w, nonlinearity="linear", generator=stream(0, "init/weight")),
    )
    assert torch.equal(
        filled(FanOut(), *shape, dtype=torch.float32),
        nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear", generator=stream(0, "init/weight")),
    )
    assert torch.equal(
        filled(Orthogonal(gain=1.5), *shape, dtype=torch.float32),
        nn.init.orthogonal_(w, gain=1.5, generator=stream(0, "init/weight")),
    )
    assert torch.equal(
        filled(TruncatedNormal(std=0.3, cut=1.5), *shape, dtype=torch.float32),
        nn.init.trunc_normal_(w, std=0.3, a=-0.45, b=0.45, generator=stream(0, "init/weight")),
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
        "  allowed: a number in [0, 1e+30]\n"
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


def test_the_bounds_of_torch_s_truncated_normal_are_absolute_and_ours_are_deviations() -> None:
    ours = filled(TruncatedNormal(std=0.01, cut=2.0), D_OUT, D_IN)
    torchs = nn.init.trunc_normal_(torch.empty(D_OUT, D_IN, dtype=torch.float64), std=0.01, generator=stream(0, "w"))
    assert ours.abs().max().item() <= 0.02
    assert torchs.abs().max().item() > 0.03  # of 150,000 normal numbers one in 370 lies beyond 3 deviations
    assert truncnorm.std(-2, 2) == pytest.approx(0.8796, abs=5e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("cut", [0.1, 1.0, 3.0])
def test_truncated_weights_do_not_leave_their_interval(cut: float, dtype: torch.dtype) -> None:
    w = filled(TruncatedNormal(std=0.5, cut=cut), D_OUT, D_IN, dtype=dtype)
    assert w.abs().max().item() <= torch.tensor(0.5 * cut, dtype=dtype).item()
    assert w.abs().max().item() > 0.9 * 0.5 * cut


def test_relu_halves_the_second_moment_and_leaves_0_34_of_the_variance() -> None:
    # u ~ N(0, s^2): E = s/sqrt(2 pi), E[relu^2] = s^2/2, Var = s^2 (1/2 - 1/(2 pi)). The slide's mean 0 is wrong.
    s, n = 1.5, 1_000_000
    u = torch.relu(s * torch.randn(n, generator=stream(0, "u"), dtype=torch.float64))
    # 4 deviations of a mean: sqrt(0.34/n) for the first; relu^2 has variance 3/2 - 1/4 = 1.25, the last is below that
    assert u.mean().item() / s == pytest.approx(1 / math.sqrt(2 * math.pi), abs=4 * math.sqrt(0.34 / n))
    assert u.square().mean().item() / s**2 == pytest.approx(0.5, abs=4 * math.sqrt(1.25 / n))
    assert u.var().item() / s**2 == pytest.approx(0.5 - 1 / (2 * math.pi), abs=4 * math.sqrt(1.25 / n))


def test_fan_in_keeps_the_second_moment_forward_and_fan_out_backward_in_linear_layers() -> None:
    d_in, d_out, batch = 300, 600, 400
    v = torch.randn(batch, d_in, generator=stream(0, "v"), dtype=torch.float64)
    g = torch.randn(batch, d_out, generator=stream(0, "g"), dtype=torch.float64)
    forward = (v @ filled(FanIn(), d_out, d_in).T).square().mean() / v.square().mean()
    backward = (g @ filled(FanOut(), d_out, d_in)).square().mean() / g.square().mean()
    # The ratio is the mean of d_in * w^2 seen through the batch; of 180,000 weights and 400 directions its deviation is
    # about sqrt(2/180,000) + sqrt(2/120,000) = 0.7 percent; the bound is 4 of them.
    assert forward.item() == pytest.approx(1.0, rel=0.03)
    assert backward.item() == pytest.approx(1.0, rel=0.03)


def gradient_over_weight(rule: Init, widths: list[int]) -> list[float]:
    """E[(dL/dw)^2] / E[w^2] of every layer, over random inputs and random gradients at the output."""
    module = nn.Sequential(*(part for a, b in pairwise(widths) for part in (nn.Linear(a, b, bias=False), nn.ReLU())))[
        :-1
    ].double()
    rule.apply(module, seed=0)
    weights = list(module.parameters())
    x = torch.randn(widths[0], generator=stream(0, "x"), dtype=torch.float64)
    g = torch.randn(widths[-1], generator=stream(0, "g"), dtype=torch.float64)
    found = torch.autograd.grad(module(x), weights, g)
    return [(d.square().mean() / w.square().mean()).item() for d, w in zip(found, weights, strict=True)]


def test_geometric_makes_the_layers_of_a_relu_network_learn_evenly_and_kaiming_does_not() -> None:
    # With nu_l = E[a_{l-1}^2] E[delta_l^2] / E[w_l^2], nu_l / nu_{l+1} = n_{l+1} E[w_{l+1}^2]^2 / (n_{l-1} E[w_l^2]^2):
    # 1 for E[w_l^2] = c / sqrt(n_{l-1} n_l), and n_{l+1} n_{l-1} / n_l^2 for E[w_l^2] = 2 / n_{l-1}.
    widths = [400, 1600, 400, 1600]
    even = gradient_over_weight(Geometric(c=3.0), widths)
    # A layer of 400 halves by chance: the share of open units has deviation 1/sqrt(400) = 5 percent, its squares more.
    assert max(even) / min(even) < 1.5
    uneven = gradient_over_weight(KaimingNormal(), widths)
    assert uneven[0] / uneven[1] == pytest.approx(400 * 400 / 1600**2, rel=0.5)
    assert uneven[1] / uneven[2] == pytest.approx(1600 * 1600 / 400**2, rel=0.5)


def test_geometric_lies_between_both_fans_and_is_kaiming_in_a_square_layer() -> None:
    wide = filled(Geometric(), 30, 50).std().item()
    assert math.sqrt(2 / 50) < wide < math.sqrt(2 / 30)
    torch.testing.assert_close(filled(Geometric(), 40, 40), filled(KaimingNormal(), 40, 40), rtol=1e-15, atol=0)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (40, 40), (8, 3, 3, 3)])
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_orthogonal_rows_or_columns_have_length_gain_and_right_angles(shape: tuple[int, ...], gain: float) -> None:
    w = filled(Orthogonal(gain=gain), *shape).flatten(1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    torch.testing.assert_close(gram, gain**2 * torch.eye(len(gram), dtype=torch.float64), rtol=0, atol=1e-14)


def test_orthogonal_layers_keep_lengths_at_any_depth() -> None:
    v = torch.ones(20, dtype=torch.float64)
    for depth in range(50):
        w = torch.empty(20, 20, dtype=torch.float64)
        Orthogonal().fill(w, 20, 20, stream(depth, "init/weight"))
        v = w @ v
    assert v.norm().item() == pytest.approx(math.sqrt(20), rel=1e-13)  # 50 products, each exact to a few 1e-16


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_torch_default_is_what_torch_s_modules_start_with(dtype: torch.dtype) -> None:
    def attention() -> nn.Module:
        return nn.MultiheadAttention(8, 2, dtype=dtype)

    makers = [
        lambda: nn.Linear(7, 5, dtype=dtype),
        lambda: nn.Conv2d(2, 3, 3, dtype=dtype),
        lambda: nn.LSTM(4, 3, dtype=dtype),
        lambda: nn.LayerNorm(6, dtype=dtype),
        lambda: nn.Embedding(4, 3, dtype=dtype),
    ]
    for make in makers:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(5, "init/"))
            expected = make()
            ours = make()
        TorchDefault().apply(ours, seed=5)
        for found, wanted in zip(ours.parameters(), expected.parameters(), strict=True):
            assert torch.equal(found, wanted)
    ours = attention()
    TorchDefault().apply(ours, seed=5)
    assert not dict(ours.named_parameters())["out_proj.bias"].any()  # torch sets it after the child has drawn it


def test_torch_default_refuses_a_module_that_cannot_draw_its_parameters() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

    with pytest.raises(ConfigError) as caught:
        TorchDefault().apply(nn.Sequential(Own()), seed=0)
    assert str(caught.value) == (
        "init=torch_default is refused\n"
        "  allowed: modules with reset_parameters; Own has parameters without it\n"
        "  do this: choose another init, or give that module the method"
    )


X = torch.randn(20, 6, generator=stream(0, "x"), dtype=torch.float64)
Y = X[:, :3]  # needs three different units; a layer of copies has rank 1


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def test_from_zeros_the_hidden_layers_have_gradient_exactly_0_and_the_formula_says_so() -> None:
    # dL/dW_1 = -2/m sum_i [W_2^T (y_i - f(x_i)) * sigma'(W_1 x_i)] x_i^T for f(x) = W_2 sigma(W_1 x)
    module = nn.Sequential(nn.Linear(6, 5, bias=False), nn.Tanh(), nn.Linear(5, 3, bias=False)).double()

    def gradients() -> tuple[Tensor, Tensor, Tensor]:
        w1, w2 = module.parameters()
        g1, g2 = torch.autograd.grad((module(X) - Y).square().sum(1).mean(), [w1, w2])
        h = torch.tanh(X @ w1.T)
        by_hand = -2 / 20 * (((Y - h @ w2.T) @ w2) * (1 - h.square())).T @ X
        return g1, g2, by_hand.detach()

    KaimingNormal().apply(module, seed=0)
    g1, _, by_hand = gradients()
    torch.testing.assert_close(g1, by_hand, rtol=0, atol=1e-14)  # sums of 20 products of about 1
    Zeros().apply(module, seed=0)
    g1, g2, by_hand = gradients()
    assert not g1.any()
    assert not g2.any()  # tanh(0) = 0
    assert not by_hand.any()


def trained(rule: Init, steps: int = 50) -> nn.Sequential:
    module = net()
    rule.apply(module, seed=1)
    theta, layout = adopt(module)
    for _ in range(steps):
        g = torch.autograd.grad((module(X) - Y).square().sum(1).mean(), list(module.parameters()))
        with torch.no_grad():
            for view, part in zip(layout.views(theta), g, strict=True):
                view -= 0.1 * part
    return module


def spread(module: nn.Sequential) -> float:
    """The largest distance of a hidden unit's incoming weights from those of its layer's first unit."""
    return max((part.weight - part.weight[:1]).norm(dim=1).max().item() for part in (module[0], module[2]))


@pytest.mark.parametrize("rule", [DuplicateUnits(), Constant()], ids=["duplicate_units", "constant"])
def test_units_that_start_identical_stay_identical(rule: Init) -> None:
    module = trained(rule)
    start = net()
    rule.apply(start, seed=1)
    assert spread(start) == 0.0
    assert (module[0].weight - start[0].weight).norm().item() > 0.1  # they have moved, and together
    assert (
        spread(module) < 1e-14
    )  # rows of one product may be summed in different orders; nothing amplifies it in 50 steps


def test_units_that_start_slightly_aside_part() -> None:
    near = DuplicateUnits(perturbation=1e-3)
    start = net()
    near.apply(start, seed=1)
    assert 0 < spread(start) < 0.01
    assert spread(trained(near, 2000)) > 10 * spread(start)
    assert spread(trained(DuplicateUnits(), 2000)) < 1e-14


def test_duplicates_differ_from_seed_to_seed_and_in_their_inputs_and_outputs() -> None:
    one, other = net(), net()
    DuplicateUnits().apply(one, seed=1)
    DuplicateUnits().apply(other, seed=2)
    assert not torch.equal(one[0].weight, other[0].weight)
    assert one[0].weight[0].unique().numel() == 6
    assert one[2].weight.unique().numel() == 1
    assert one[4].weight[:, 0].unique().numel() == 3
