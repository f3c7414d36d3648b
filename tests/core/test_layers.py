"""What is seen of the layers of a network: their inputs and the gradients of their outputs."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.activation.maxout import Maxout
from runner.architecture.base import Architecture
from runner.architecture.convnet import ConvNet
from runner.architecture.linear import Linear
from runner.architecture.lstm import LSTM
from runner.architecture.mlp import MLP
from runner.architecture.normalization.layer import Layer as LayerNorm
from runner.architecture.normalization.none import NoNormalization
from runner.architecture.point import Point
from runner.architecture.resnet import ResNet
from runner.architecture.rnn import RNN
from runner.architecture.transformer import Transformer
from runner.core.curvature import Curved
from runner.core.errors import ConfigError, Diverged
from runner.core.objective import Counts
from runner.core.streams import stream
from runner.core.theta import adopt
from runner.init.kaiming_normal import KaimingNormal
from runner.loss.base import Loss
from runner.loss.cross_entropy import CrossEntropy
from runner.loss.l1 import L1
from runner.run import own_slopes
from tests.core.test_objective import Bowl, nan_loss

IMAGES = torch.randn(6, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLASSES = torch.tensor([0, 1, 2, 3, 4, 0])
SEEN: dict[str, Architecture] = {
    "linear": Linear(),
    "mlp": MLP(hidden=(7, 6)),
    "mlp without hidden units": MLP(hidden=()),
    "mlp with maxout": MLP(hidden=(7,), activation=Maxout()),
    "mlp with dropout": MLP(hidden=(7, 6), dropout=0.5),
    "convnet": ConvNet(channels=(2, 3), hidden=(5,)),
    "convnet with large kernels": ConvNet(channels=(2,), kernel=5, hidden=()),
    "resnet": ResNet(channels=(2, 3), normalization=NoNormalization()),  # with strides, and kernels of 1x1
    "point": Point(),
}
each = pytest.mark.parametrize("recipe", SEEN.values(), ids=SEEN)


class Pool:
    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        return self.x[numbers], CLASSES[numbers]


def objective(module: nn.Module, x: Tensor, loss: Loss | None = None, **more: Any) -> Curved:
    judge = CrossEntropy() if loss is None else loss

    made = Curved(module, judge.value, *adopt(module), pool=Pool(x), own_slopes=partial(own_slopes, judge, 0), **more)
    made.on(x, CLASSES, stream(0, "noise", 1))
    return made


def asked_of(recipe: Architecture, **more: Any) -> Curved:
    x = IMAGES.flatten(1) if recipe.flat else IMAGES
    module = recipe.build(tuple(x.shape[1:]), 5).double()
    KaimingNormal().apply(module, 0)
    return objective(module, x, **more)


# A gradient is a sum of at most 6 * 64 terms: some roundings of 1e-16 relative to the largest.
@each
def test_inputs_and_slopes_give_the_gradient_of_each_example(recipe: Architecture) -> None:
    asked = asked_of(recipe)
    seen = asked.layers(asked.theta, "data", 1).layers
    expected = {
        slot.name: view
        for slot, view in zip(asked.layout.slots, asked.layout.views(asked.per_example(asked.theta)), strict=True)
    }
    found = {}
    for layer in seen:
        both = torch.einsum("bto,bti->boi", layer.slopes, layer.inputs)
        weight = both if layer.bias is None else both[:, :, :-1]
        found[layer.weight] = weight.reshape(expected[layer.weight].shape)
        if layer.bias is not None:
            found[layer.bias] = both[:, :, -1]
    assert found.keys() == expected.keys()
    for name, gradients in expected.items():
        torch.testing.assert_close(found[name], gradients, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("targets", ["data", "model"])
@pytest.mark.parametrize("summed", [False, True])
@each
def test_value_and_gradient_are_those_of_the_objective(recipe: Architecture, summed: bool, targets: Any) -> None:
    asked = asked_of(recipe, summed=summed, penalty=Bowl())
    at = asked.theta + 0.1
    value, g = asked.value_and_grad(at)
    expected, first = g.clone(), asked.first
    other = asked_of(recipe, summed=summed, penalty=Bowl())
    seen = other.layers(at, targets, 1)
    assert seen.value == pytest.approx(value, rel=1e-14, abs=0)
    torch.testing.assert_close(seen.gradient, expected, rtol=1e-13, atol=1e-16)
    assert other.first == pytest.approx(first, rel=1e-14, abs=0)
    assert torch.equal(other.theta, asked.theta)


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("recipe", [MLP(hidden=(7,)), ConvNet(channels=(2,), hidden=(5,))], ids=["mlp", "convnet"])
def test_factors_are_those_of_the_definition(recipe: Architecture, summed: bool) -> None:
    asked = asked_of(recipe, summed=summed)
    for layer in asked.layers(asked.theta, "data", 1).layers:
        a, g = layer.factors()
        batch, positions, _ = layer.inputs.shape
        first, second = torch.zeros_like(a), torch.zeros_like(g)
        for i in range(batch):
            for t in range(positions):
                first += torch.outer(layer.inputs[i, t], layer.inputs[i, t]) / batch
                second += torch.outer(layer.slopes[i, t], layer.slopes[i, t]) / (batch * positions)
        torch.testing.assert_close(a, first, rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(g, second * (6 if summed else 1), rtol=1e-12, atol=1e-15)


def test_the_patches_of_a_convolution_are_what_its_kernel_sees() -> None:
    asked = asked_of(ConvNet(channels=(2,), hidden=()))
    first, _ = asked.layers(asked.theta, "data", 1).layers
    padded = F.pad(IMAGES, (1, 1, 1, 1))
    assert first.inputs.shape == (6, 64, 10)
    for row, column in ((0, 0), (3, 5), (7, 7)):
        patch = padded[2, row : row + 3, column : column + 3].flatten()
        assert torch.equal(first.inputs[2, 8 * row + column], torch.cat([patch, torch.ones(1).double()]))


# With as many draws as here (6 examples, 4000 of them) a covariance errs by about 1/sqrt(24000) = 0.7 percent of it.
def test_of_one_layer_with_targets_of_the_model_the_factors_make_the_gauss_newton_matrix() -> None:
    x = torch.ones(6, 1, dtype=torch.float64)  # one input, so that A kron G is exact
    module = nn.Linear(1, 5, bias=False).double()
    asked = objective(module, x)
    drawn = torch.stack([asked.layers(asked.theta, "model", t).layers[0].factors()[1] for t in range(4000)]).mean(0)
    product = asked.gauss_newton(asked.theta)
    exact = torch.stack([product(e) for e in torch.eye(5, dtype=torch.float64)])
    torch.testing.assert_close(drawn, exact, rtol=0, atol=0.03 * exact.diagonal().max().item())


def test_targets_of_the_model_are_the_same_for_the_same_step_and_others_for_another() -> None:
    asked = asked_of(MLP(hidden=(7,)))
    one, same, other = (asked.layers(asked.theta, "model", t).layers[0].slopes for t in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_draws_of_a_run_depend_on_its_seed_and_the_step_alone() -> None:
    scores = torch.zeros(20, 4)
    drawn = {(seed, t): own_slopes(CrossEntropy(), seed, scores, t) for seed in (0, 1) for t in (1, 2)}
    assert torch.equal(drawn[0, 1], own_slopes(CrossEntropy(), 0, scores, 1))
    assert len({tuple(slopes.argmin(1).tolist()) for slopes in drawn.values()}) == 4


def test_targets_of_the_model_cost_a_second_backward_pass() -> None:
    asked = asked_of(MLP(hidden=(7,)))
    asked.layers(asked.theta, "data", 1)
    assert asked.counts == Counts(6, 6)
    asked.layers(asked.theta, "model", 1)
    assert asked.counts == Counts(12, 18)


def test_what_is_not_finite_is_divergence() -> None:
    asked = objective(nn.Linear(64, 5).double(), IMAGES.flatten(1))
    asked.loss = nan_loss
    with pytest.raises(Diverged):
        asked.layers(asked.theta, "data", 1)


class Overwritten(nn.Module):
    """The output of a layer is changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layer(x), inplace=True)


def test_an_output_that_is_overwritten_had_its_slope_all_the_same() -> None:
    asked = objective(Overwritten().double(), IMAGES.flatten(1))
    (layer,) = asked.layers(asked.theta, "data", 1).layers
    _, g = asked.value_and_grad(asked.theta)
    torch.testing.assert_close(
        (layer.slopes.flatten(0, 1).T @ layer.inputs.flatten(0, 1))[:, :-1].flatten() / 6, g[:320]
    )


@each
def test_what_has_layers_is_accepted(recipe: Architecture) -> None:
    asked_of(recipe).refuse(["layers", "own_slopes"], "kfac")


class Twice(nn.Module):
    """A weight that is used beside its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.layer(x) + self.layer.weight.mean()
        return scores


class Groups(nn.Module):
    """A convolution in groups."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(8, 8, 3, groups=2)
        self.head = nn.Linear(8 * 6, 5)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.first(x.unsqueeze(3).expand(-1, -1, -1, 8)).mean(3).flatten(1))
        return scores


NO_PART = (
    "lies in none of them, or in one with several positions (a normalization, the maps of tokens, a layer whose weight "
    "is a function of other parameters)"
)
REFUSED: dict[str, tuple[Architecture | nn.Module, str]] = {
    "rnn": (RNN(), "state.weight is used 8 times for each example"),
    "lstm": (LSTM(), "state.weight is used 8 times for each example"),
    "transformer": (Transformer(), "position " + NO_PART),
    "layer norm": (MLP(hidden=(7,), normalization=LayerNorm()), "norms.0.weight " + NO_PART),
    "batch norm": (ResNet(), "stem.1.weight " + NO_PART),
    "orthogonal": (
        MLP(hidden=(7,), orthogonal="cayley"),
        "layers.0.bias " + NO_PART,
    ),
    "a weight used twice": (Twice(), "layer.weight is used in another way besides"),
    "groups": (Groups(), "first.weight " + NO_PART),
}


@pytest.mark.parametrize(("refused", "found"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_kronecker_factors_is_refused_by_name(refused: Any, found: str) -> None:
    if isinstance(refused, Architecture):
        asked = asked_of(refused)
    else:
        asked = objective(refused.double(), IMAGES if isinstance(refused, Groups) else IMAGES.flatten(1))
    with pytest.raises(ConfigError) as caught:
        asked.refuse(["layers"], "kfac")
    assert str(caught.value) == (
        "optimizer=kfac is refused\n"
        "  allowed: a network whose parameters all lie in linear layers and convolutions that are used once for each "
        f"example, so that its curvature has Kronecker factors; {found}\n"
        "  do this: give architecture=mlp or convnet, with architecture/normalization=none and "
        "architecture.orthogonal=none; or choose optimizer=shampoo or soap, which take any matrix"
    )


def test_a_loss_without_a_distribution_is_refused_by_name() -> None:
    x = IMAGES.flatten(1)
    asked = objective(nn.Linear(64, 5).double(), x, L1())
    with pytest.raises(ConfigError) as caught:
        asked.refuse(["own_slopes"], "kfac")
    assert str(caught.value) == (
        "loss=l1 is refused\n"
        "  allowed: with targets that the model itself draws, the negative logarithm of a probability: cross_entropy, "
        "kl, bce, mse, sum_of_squares\n"
        "  do this: choose one of these, or give optimizer.fisher=empirical, which takes the targets of the data"
    )
