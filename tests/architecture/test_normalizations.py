"""Normalizations: twins, what they take the mean over, refusals. Statistics over mini-batches: tests/core."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from runner.architecture.mlp import MLP
from runner.architecture.normalization.base import Normalization
from runner.architecture.normalization.batch import Batch
from runner.architecture.normalization.group import Group
from runner.architecture.normalization.instance import Instance
from runner.architecture.normalization.layer import Layer
from runner.architecture.normalization.none import NoNormalization
from runner.architecture.resnet import ResNet
from runner.core.errors import ConfigError


def images(channels: int = 8) -> Tensor:
    numbers = torch.Generator().manual_seed(0)
    return 3 + 2 * torch.randn(5, channels, 4, 3, generator=numbers, dtype=torch.float64)


def made(recipe: Normalization, channels: int = 8, positions: int = 12) -> nn.Module:
    module = recipe.build(channels, positions)
    assert module is not None
    numbers = torch.Generator().manual_seed(1)
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, generator=numbers)
    return module


def with_weights(twin: nn.Module, module: nn.Module) -> nn.Module:
    twin.double().load_state_dict(dict(module.named_parameters()), strict=False)
    return twin


@pytest.mark.parametrize(
    ("recipe", "twin"),
    [
        (Layer(), nn.GroupNorm(1, 8)),
        (Group(groups=2), nn.GroupNorm(2, 8)),
        (Group(groups=4, eps=0.1), nn.GroupNorm(4, 8, eps=0.1)),
        (Instance(), nn.InstanceNorm2d(8, affine=True)),
        (Batch(), nn.BatchNorm2d(8)),
    ],
    ids=str,
)
def test_on_images_it_is_torch_s(recipe: Normalization, twin: nn.Module) -> None:
    module = made(recipe)
    torch.testing.assert_close(module(images()), with_weights(twin, module)(images()), rtol=1e-12, atol=1e-14)


def test_on_vectors_layer_is_torch_s_layer_norm() -> None:
    module, x = made(Layer(), positions=1), images()[:, :, 0, 0]
    torch.testing.assert_close(module(x), with_weights(nn.LayerNorm(8), module)(x), rtol=1e-12, atol=1e-14)


def test_one_group_is_layer_and_one_channel_in_a_group_is_instance() -> None:
    assert torch.equal(made(Group(groups=1))(images()), made(Layer())(images()))
    assert torch.equal(made(Group(groups=8))(images()), made(Instance())(images()))


@pytest.mark.parametrize(
    ("recipe", "axes"),
    [(Batch(), (0, 2, 3)), (Layer(), (1, 2, 3)), (Instance(), (2, 3))],
    ids=["batch", "layer", "instance"],
)
def test_it_has_mean_0_and_variance_1_over_what_its_name_says(recipe: Normalization, axes: tuple[int, ...]) -> None:
    module = recipe.build(8, 12)
    assert module is not None
    z = module.double()(images())
    var, mean = torch.var_mean(z, axes, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-12)
    # var / (var + eps) with eps = 1e-5 and variances from 0.5 up
    torch.testing.assert_close(var, torch.ones_like(var), rtol=0, atol=2e-5)


@pytest.mark.parametrize("training", [True, False], ids=["training", "in use"])
@pytest.mark.parametrize("recipe", [Layer(), Group(), Instance()], ids=str)
def test_an_example_is_treated_by_itself_in_training_and_in_use(recipe: Normalization, training: bool) -> None:
    module, x = made(recipe).train(training), images()
    together = module(x)
    others = torch.cat([x[:1], 100 * x[1:]])
    assert torch.equal(module(others)[:1], together[:1])
    assert torch.equal(module(x[:1]), together[:1])
    assert torch.equal(module.eval()(x), together)
    assert not recipe.mixes


def test_in_training_what_becomes_of_an_example_depends_on_the_others_with_batch_alone() -> None:
    module, x = made(Batch()).train(), images()
    others = torch.cat([x[:1], 100 * x[1:]])
    assert not torch.allclose(module(others)[:1], module(x)[:1])
    module.eval()
    assert torch.equal(module(others)[:1], module(x)[:1])
    assert Batch.mixes


@pytest.mark.parametrize("recipe", [Batch(), Instance()], ids=str)
def test_a_bias_before_it_would_do_nothing_where_it_says_so(recipe: Normalization) -> None:
    module, x = made(recipe).train(), images()
    shift = torch.linspace(-1, 1, 8, dtype=torch.float64).view(8, 1, 1)
    torch.testing.assert_close(module(x + shift), module(x), rtol=1e-11, atol=1e-12)
    assert recipe.centers


@pytest.mark.parametrize("recipe", [Layer(), Group()], ids=str)
def test_a_bias_before_it_does_something_where_it_says_so(recipe: Normalization) -> None:
    module, x = made(recipe).train(), images()
    shift = torch.linspace(-1, 1, 8, dtype=torch.float64).view(8, 1, 1)
    assert not torch.allclose(module(x + shift), module(x))
    assert not recipe.centers


def test_an_affine_map_before_batch_has_no_bias() -> None:
    names = [name for name, _ in MLP(hidden=(5,), normalization=Batch()).build((4,), 2).named_parameters()]
    assert names == ["layers.0.weight", "layers.1.weight", "layers.1.bias", "norms.0.weight", "norms.0.bias"]
    convolutions = [part for part in ResNet().build((8, 8), 2).modules() if isinstance(part, nn.Conv2d)]
    assert convolutions
    assert all(part.bias is None for part in convolutions)


def test_none_is_no_layer() -> None:
    assert NoNormalization().build(8, 12) is None


@pytest.mark.parametrize(
    ("recipe", "channels", "positions", "message"),
    [
        (
            Instance(),
            8,
            1,
            "architecture.normalization=instance is refused\n"
            "  allowed: channels of more than one number; here each has one, and its own mean would leave 0\n"
            "  do this: give architecture/normalization=layer, or architecture=convnet for images",
        ),
        (
            Group(groups=3),
            8,
            12,
            "architecture.normalization.groups=3 is refused\n"
            "  allowed: a divisor of the 8 channels, with more than one number in a group\n"
            "  do this: give architecture.normalization.groups=... such a divisor, or other widths",
        ),
        (
            Group(groups=8),
            8,
            1,
            "architecture.normalization.groups=8 is refused\n"
            "  allowed: a divisor of the 8 channels, with more than one number in a group\n"
            "  do this: give architecture.normalization.groups=... such a divisor, or other widths",
        ),
    ],
)
def test_what_would_leave_nothing_is_refused(
    recipe: Normalization, channels: int, positions: int, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe.build(channels, positions)
    assert str(caught.value) == message
