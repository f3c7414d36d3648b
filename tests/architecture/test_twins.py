"""The same networks as torch's user writes them, with the same weights, give the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.activation.base import Activation
from runner.architecture.activation.gelu import GELU
from runner.architecture.activation.relu import ReLU
from runner.architecture.activation.tanh import Tanh
from runner.architecture.base import Architecture
from runner.architecture.convnet import ConvNet
from runner.architecture.image import as_rows
from runner.architecture.lstm import LSTM
from runner.architecture.mlp import MLP
from runner.architecture.normalization.batch import Batch
from runner.architecture.normalization.layer import Layer
from runner.architecture.resnet import ResNet
from runner.architecture.rnn import RNN
from runner.architecture.transformer import Layer as TransformerLayer
from runner.architecture.transformer import Transformer, patches
from runner.core.errors import ConfigError


def examples(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def built(recipe: Architecture, inputs: tuple[int, ...], outputs: int = 3) -> nn.Module:
    torch.manual_seed(0)
    module = recipe.build(inputs, outputs).double().train()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def take(twin: nn.Module, *sources: nn.Module) -> nn.Module:
    """Give a twin the parameters of some modules one after the other."""
    given = [parameter for source in sources for parameter in source.parameters()]
    wanted = list(twin.double().parameters())
    assert [p.shape for p in wanted] == [p.shape for p in given]
    with torch.no_grad():
        for one, another in zip(wanted, given, strict=True):
            one.copy_(another)
    return twin


def agree(ours: nn.Module, theirs: nn.Module, x: Tensor) -> None:
    """Outputs and gradients in the inputs are the same, up to the order of sums."""
    one, another = x.clone().requires_grad_(), x.clone().requires_grad_()
    a, b = ours(one), theirs(another)
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    g, h = torch.autograd.grad(a.sin().sum(), one)[0], torch.autograd.grad(b.sin().sum(), another)[0]
    torch.testing.assert_close(g, h, rtol=1e-11, atol=1e-12)


def test_a_convnet_is_the_sequence_of_torch_s_layers() -> None:
    ours = built(ConvNet(channels=(4, 6), kernel=5, hidden=(7,), activation=Tanh()), (2, 9, 8))
    theirs = nn.Sequential(
        *(nn.Conv2d(2, 4, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(6 * 2 * 2, 7), nn.Tanh(), nn.Linear(7, 3)),
    )
    agree(ours, take(theirs, ours), examples(5, 2, 9, 8))


def test_a_convnet_with_batch_normalization_is_the_sequence_of_torch_s_layers() -> None:
    ours = built(ConvNet(channels=(4,), hidden=(), normalization=Batch()), (8, 8))
    theirs = nn.Sequential(
        *(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 4 * 4, 3)),
    )
    agree(ours, take(theirs, ours), examples(5, 8, 8))


class BasicBlock(nn.Module):
    """As in He et al. 2016, figure 2, with a projection where the shape changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.down = nn.Sequential()
        if stride > 1:
            self.down = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.down(x))


@pytest.mark.parametrize("size", [(8, 8), (9, 7)], ids=str)
def test_a_resnet_is_that_of_its_paper(size: tuple[int, int]) -> None:
    ours = built(ResNet(channels=(4, 6), blocks=2), (2, *size))
    theirs = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(BasicBlock(4, 4, 1), BasicBlock(4, 4, 1), BasicBlock(4, 6, 2), BasicBlock(6, 6, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)),
    )
    agree(ours, take(theirs, ours), examples(5, 2, *size))


class Last(nn.Module):
    """A recurrent layer of torch's and an affine map of its last output."""

    def __init__(self, layer: nn.RNN | nn.LSTM, head: nn.Linear) -> None:
        super().__init__()
        self.layer, self.head = layer, head

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.layer(as_rows(x))[0][:, -1])
        return scores


@pytest.mark.parametrize(("activation", "word"), [(Tanh(), "tanh"), (ReLU(), "relu")], ids=str)
@pytest.mark.parametrize("inputs", [(6, 4), (2, 6, 4)], ids=str)
def test_an_rnn_is_torch_s(activation: Activation, word: str, inputs: tuple[int, ...]) -> None:
    ours = built(RNN(hidden=5, activation=activation), inputs)
    layer = nn.RNN(4 * (1 if len(inputs) == 2 else 2), 5, nonlinearity=word, batch_first=True)
    recurrent(layer, ours)
    agree(ours, Last(layer, ours.head), examples(7, *inputs))  # type: ignore[arg-type]


@pytest.mark.parametrize("forget_bias", [0.0, 1.0])
def test_an_lstm_is_torch_s_with_a_forget_bias_in_its_second_gate(forget_bias: float) -> None:
    ours = built(LSTM(hidden=5, forget_bias=forget_bias), (6, 4))
    layer = nn.LSTM(4, 5, batch_first=True)
    recurrent(layer, ours)
    with torch.no_grad():
        layer.bias_hh_l0[5:10] = forget_bias
    agree(ours, Last(layer, ours.head), examples(7, 6, 4))  # type: ignore[arg-type]


def recurrent(layer: nn.RNN | nn.LSTM, ours: nn.Module) -> None:
    with torch.no_grad():
        for parameter in layer.double().parameters():
            parameter.zero_()
        layer.weight_ih_l0.copy_(ours.input.weight)  # type: ignore[union-attr, arg-type]
        layer.bias_ih_l0.copy_(ours.input.bias)  # type: ignore[union-attr, arg-type]
        layer.weight_hh_l0.copy_(ours.state.weight)  # type: ignore[union-attr, arg-type]


def test_an_rnn_with_layer_normalization_normalizes_what_drives_each_step() -> None:
    ours = built(RNN(hidden=5, normalization=Layer()), (3, 4))
    x = examples(7, 3, 4)
    w, b, u, scale, shift, v, c = (dict(ours.named_parameters())[name] for name in NAMES)
    h = torch.zeros(7, 5, dtype=torch.float64)
    for t in range(3):
        h = torch.tanh(F.layer_norm(x[:, t] @ w.T + b + h @ u.T, (5,), scale, shift))
    torch.testing.assert_close(ours(x), h @ v.T + c, rtol=1e-12, atol=1e-12)


NAMES = ("input.weight", "input.bias", "state.weight", "norm.weight", "norm.bias", "head.weight", "head.bias")


@pytest.mark.parametrize(("activation", "word"), [(GELU(), "gelu"), (ReLU(), "relu")], ids=str)
def test_a_layer_of_the_transformer_is_torch_s_with_the_norm_first(activation: Activation, word: str) -> None:
    module = built(Transformer(heads=2, head_width=3, layers=1, hidden=9, activation=activation), (5, 4))
    ours = next(part for part in module.modules() if isinstance(part, TransformerLayer))
    theirs = nn.TransformerEncoderLayer(6, 2, 9, 0.0, word, batch_first=True, norm_first=True).double()
    with torch.no_grad():
        theirs.self_attn.in_proj_bias.zero_()
        theirs.self_attn.in_proj_weight.copy_(ours.qkv.weight)
    pairs = ((ours.out, theirs.self_attn.out_proj), (ours.up, theirs.linear1), (ours.down, theirs.linear2))
    for one, another in (*pairs, (ours.norm1, theirs.norm1), (ours.norm2, theirs.norm2)):
        another.load_state_dict(one.state_dict())
    agree(ours, theirs, examples(7, 5, 6))


def test_the_transformer_embeds_adds_positions_encodes_and_scores_the_mean() -> None:
    ours = built(Transformer(heads=2, head_width=3, layers=2), (5, 4))
    x = examples(7, 5, 4)
    z = ours.embed(x) + ours.position  # type: ignore[operator]
    for layer in ours.layers:  # type: ignore[union-attr]
        z = layer(z)
    expected = ours.head(F.layer_norm(z, (6,), ours.norm.weight, ours.norm.bias).mean(1))  # type: ignore[operator, union-attr, arg-type]
    torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-13)


def test_without_its_positions_the_transformer_does_not_see_the_order_of_the_rows() -> None:
    ours = built(Transformer(), (5, 4))
    x = examples(7, 5, 4)
    assert not torch.allclose(ours(x), ours(x.flip(1)))
    with torch.no_grad():
        ours.position.zero_()  # type: ignore[operator]
    torch.testing.assert_close(ours(x), ours(x.flip(1)), rtol=1e-11, atol=1e-12)


def test_patches_are_those_that_unfold_cuts() -> None:
    x = examples(5, 3, 6, 8)
    assert torch.equal(patches(x, 2), F.unfold(x, kernel_size=2, stride=2).mT)


def test_a_row_holds_the_numbers_of_each_channel() -> None:
    x = examples(5, 3, 6, 8)
    assert torch.equal(as_rows(x)[:, 2], torch.cat([x[:, 0, 2], x[:, 1, 2], x[:, 2, 2]], dim=1))


def test_an_mlp_with_normalization_has_it_before_the_activation() -> None:
    ours = built(MLP(hidden=(5,), normalization=Layer()), (4,))
    w, b, v, c, scale, shift = ours.parameters()
    x = examples(7, 4)
    expected = torch.relu(F.layer_norm(x @ w.T + b, (5,), scale, shift)) @ v.T + c
    torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("recipe", "inputs", "message"),
    [
        (
            ConvNet(),
            (30,),
            "architecture is refused\n"
            "  allowed: a network for vectors, since each input of this data set has the shape [30]\n"
            "  do this: give architecture=mlp, or a data set of images",
        ),
        (
            ConvNet(channels=(4, 4, 4, 4)),
            (8, 8),
            "architecture.channels=[4,4,4,4] is refused\n"
            "  allowed: at most 3 stages, each of which halves the 8x8 pixels\n"
            "  do this: give fewer numbers of channels",
        ),
        (
            Transformer(patch=3),
            (8, 8),
            "architecture.patch=3 is refused\n"
            "  allowed: row, or a number that divides the 8x8 pixels of an image\n"
            "  do this: give such a number",
        ),
        (
            RNN(normalization=Batch()),
            (8, 8),
            "architecture.normalization=batch is refused\n"
            "  allowed: one that treats each example by itself, since every time step has statistics of its own\n"
            "  do this: give architecture/normalization=layer",
        ),
        (
            ResNet(channels=()),
            (8, 8),
            "architecture.channels=[] is refused\n"
            "  allowed: channels of one stage at least, and an activation that keeps their number\n"
            "  do this: give architecture.channels=[16,32] and another activation than maxout",
        ),
    ],
)
def test_a_combination_that_makes_no_sense_is_refused(
    recipe: Architecture, inputs: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe.build(inputs, 3)
    assert str(caught.value) == message
