"""The function from one input to its scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.architecture.activation.base import Activation
from runner.architecture.activation.leaky_relu import LeakyReLU
from runner.architecture.activation.sigmoid import Sigmoid
from runner.architecture.activation.tanh import Tanh
from runner.architecture.linear import Linear
from runner.architecture.mlp import MLP
from runner.core.errors import ConfigError
from runner.core.noise import Dropout
from runner.core.streams import stream
from tests.contract.rooms import choices

X = torch.randn(7, 12, generator=torch.Generator().manual_seed(0))
ACTIVATIONS: dict[str, Activation] = {name: cls() for name, cls in choices("architecture/activation").items()}
TWINS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
}


def twin(module: nn.Module, activation: str) -> nn.Sequential:
    """The same network as torch's user writes it, with the weights of ours."""
    linears = [part for part in module.modules() if isinstance(part, nn.Linear)]
    parts: list[nn.Module] = []
    for linear in linears:
        copied = nn.Linear(linear.in_features, linear.out_features)
        copied.load_state_dict(linear.state_dict())
        parts += [copied, TWINS[activation]()]
    return nn.Sequential(*parts[:-1])


@pytest.mark.parametrize("activation", TWINS)
@pytest.mark.parametrize("hidden", [[], [5], [8, 6, 4]])
def test_an_mlp_is_bitwise_the_sequence_of_torch_s_layers(hidden: Any, activation: str) -> None:
    module = MLP(hidden=hidden, activation=ACTIVATIONS[activation]).build((12,), 3)
    assert torch.equal(module(X), twin(module, activation)(X))


@pytest.mark.parametrize("activation", TWINS)
def test_the_gradient_of_an_mlp_is_bitwise_that_of_the_sequence(activation: str) -> None:
    module = MLP(hidden=(5, 4), activation=ACTIVATIONS[activation]).build((12,), 3)
    other = twin(module, activation)
    ours = torch.autograd.grad(module(X).square().sum(), list(module.parameters()))
    theirs = torch.autograd.grad(other(X).square().sum(), list(other.parameters()))
    for one, another in zip(ours, theirs, strict=True):
        assert torch.equal(one, another)


@pytest.mark.parametrize("inputs", [(12,), (3, 4), (3, 2, 2)])
def test_an_input_of_any_shape_counts_as_the_vector_of_its_numbers(inputs: tuple[int, ...]) -> None:
    for recipe in (MLP(hidden=(5,)), Linear()):
        assert recipe.flat
        assert recipe.build(inputs, 3)(X).shape == (7, 3)


@pytest.mark.parametrize(
    ("hidden", "parameters"),
    [
        ((), 64 * 10 + 10),
        ((32,), 64 * 32 + 32 + 32 * 10 + 10),
        ((32, 32), 64 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10),
        ((128, 128), 64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10),
    ],
)
def test_an_mlp_has_a_weight_for_each_pair_of_units_and_a_bias_for_each_unit(
    hidden: tuple[int, ...], parameters: int
) -> None:
    assert sum(p.numel() for p in MLP(hidden=hidden).build((64,), 10).parameters()) == parameters


def test_linear_is_one_affine_map() -> None:
    module = Linear().build((3, 4), 2)
    w, b = module.parameters()
    assert w.shape == (2, 12)
    assert torch.equal(module(X), nn.functional.linear(X, w, b))


def test_an_mlp_without_hidden_units_is_linear() -> None:
    module, linear = MLP(hidden=(), dropout=0.5).build((12,), 2), Linear().build((12,), 2)
    assert not [part for part in module.modules() if isinstance(part, Dropout)]
    for ours, theirs in zip(module.parameters(), linear.parameters(), strict=True):
        theirs.data.copy_(ours)
    assert torch.equal(module(X), linear(X))


def drawn(module: nn.Module, seed: int = 0) -> nn.Module:
    numbers = stream(seed, "noise", 1)
    for part in module.modules():
        if isinstance(part, Dropout):
            part.draw(len(X), numbers, X)
    return module


def test_dropout_changes_the_output_in_training_only() -> None:
    module = drawn(MLP(hidden=(30, 20), dropout=0.5).build((12,), 3))
    plain = twin(module, "relu")(X)
    module.train()
    assert not torch.allclose(module(X), plain)
    module.eval()
    assert torch.equal(module(X), plain)


def test_dropout_is_on_every_hidden_layer_after_its_activation_and_not_on_the_output() -> None:
    module = drawn(MLP(hidden=(30, 20), activation=Sigmoid(), dropout=0.5).build((12,), 3)).train()
    first, second, last = (part for part in module.modules() if isinstance(part, nn.Linear))
    masks = [part.mask for part in module.modules() if isinstance(part, Dropout)]
    assert [mask.shape for mask in masks if mask is not None] == [(7, 30), (7, 20)]

    def hidden(x: Tensor, layer: nn.Linear, mask: Tensor | None) -> Tensor:
        assert mask is not None
        return torch.sigmoid(layer(x)) * mask

    assert torch.equal(module(X), last(hidden(hidden(X, first, masks[0]), second, masks[1])))


def test_without_dropout_there_is_no_layer_for_it() -> None:
    assert not [part for part in MLP().build((12,), 3).modules() if isinstance(part, Dropout)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"hidden": [0]},
            "hidden=[0] is refused\n"
            "  allowed: a list of values, each a whole number in [1, 1e+15]\n"
            "  do this: give hidden=... a value in that range; the default is [128,128]",
        ),
        (
            {"dropout": 1},
            "dropout=1 is refused\n"
            "  allowed: a number in [0, 1)\n"
            "  do this: give dropout=... a value in that range; the default is 0.0",
        ),
        (
            {"orthogonal": "cayly"},
            "orthogonal=cayly is refused\n"
            "  allowed: none | matrix_exp | cayley | householder\n"
            "  do this: give orthogonal=... one of these (did you mean cayley?); the default is none",
        ),
        (
            {"activation": "relu"},
            "activation=relu is refused\n"
            "  allowed: Activation\n"
            "  do this: give activation=... Activation; the default is ReLU()",
        ),
    ],
)
def test_an_argument_outside_its_range_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MLP(**arguments)
    assert str(caught.value) == message


def test_the_label_of_an_mlp_is_its_widths() -> None:
    assert MLP(hidden=(32, 16)).label == "mlp 32-16"
    assert MLP(hidden=(), activation=Tanh()).label == "mlp without hidden units activation=tanh"
    assert (
        MLP(activation=LeakyReLU(negative_slope=0.1)).label == "mlp 128-128 activation=(leaky_relu negative_slope=0.1)"
    )
    assert Linear().label == "linear"
