from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, final

from torch import Tensor, nn
from torch.nn import functional as F

from runner.architecture.activation.base import Activation
from runner.architecture.activation.relu import ReLU
from runner.architecture.base import Scaling, WithDropout
from runner.architecture.dense import Perceptron
from runner.architecture.image import as_images, image
from runner.architecture.normalization.base import Normalization
from runner.architecture.normalization.none import NoNormalization
from runner.core.check import Below1, Count
from runner.core.errors import ConfigError
from runner.core.noise import Dropout


@final
@dataclass(frozen=True)
class ConvNet(WithDropout):
    """A small convolutional network after LeNet: stages of convolution and pooling, then an MLP.

        h_0 = x;  h_l = dropout(pool(sigma(norm(K_l * h_{l-1} + b_l)))),  l = 1 .. L;  output = mlp(h_L)

    K * h is the cross-correlation with zeros around the image, so that it keeps its size; pool takes the maximum over
    squares of 2x2 pixels, a last odd row or column is left out.

    channels: the channels of h_1 .. h_L; each stage halves the height and the width
    kernel: the side of the kernels K
    hidden: the widths of the hidden layers of the mlp
    activation: sigma, also in the mlp
    normalization: norm; the mlp has none. Where it takes the mean of a channel away there is no b_l
    dropout: probability to set a whole channel of an h_l, or a hidden unit of the mlp, to 0 in training
    dropout_scaling: inverted divides by 1 - dropout in training; test multiplies by 1 - dropout in use

    >>> sum(p.numel() for p in ConvNet().build((8, 8), 10).parameters())
    6058

    Source: LeCun, Bottou, Bengio & Haffner 1998, section II; Tompson et al. 2015 (arXiv 1411.4280) for dropout of
    whole channels.
    Here: LeNet-5 has 5x5 kernels, tanh, and trained averages where this has the maximum.
    """

    flat: ClassVar[bool] = False
    channels: tuple[Count, ...] = (8, 16)
    kernel: Literal[3, 5, 7] = 3
    hidden: tuple[Count, ...] = (64,)
    activation: Activation = field(default_factory=ReLU)
    normalization: Normalization = field(default_factory=NoNormalization)
    dropout: Below1 = 0.0
    dropout_scaling: Scaling = "inverted"

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        return LeNet(self, image(inputs), outputs)


class LeNet(nn.Module):
    """The module of a ConvNet."""

    def __init__(self, recipe: ConvNet, inputs: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        c, h, w = inputs
        most = min(h, w).bit_length() - 1
        if len(recipe.channels) > most:
            raise ConfigError(
                "architecture.channels",
                recipe.channels,
                allowed=f"at most {most} stages, each of which halves the {h}x{w} pixels",
                do="give fewer numbers of channels",
            )
        many, bias = recipe.activation.width, not recipe.normalization.centers
        convolutions, norms, dropouts = [], [], []
        for width in recipe.channels:
            convolutions.append(nn.Conv2d(c, many * width, recipe.kernel, padding="same", bias=bias))
            norms.append(recipe.normalization.build(many * width, h * w) or nn.Identity())
            dropouts.append(Dropout((width, 1, 1), recipe.dropout, recipe.dropout_scaling))
            c, h, w = width, h // 2, w // 2
        self.convolutions = nn.ModuleList(convolutions)
        self.norms = nn.ModuleList(norms)
        self.dropouts = nn.ModuleList(dropouts)
        self.activation = recipe.activation.function()
        self.head = Perceptron(
            (c * h * w, *recipe.hidden, outputs),
            recipe.activation,
            NoNormalization(),
            recipe.dropout,
            recipe.dropout_scaling,
        )

    def forward(self, x: Tensor) -> Tensor:
        x = as_images(x)
        stage: tuple[Any, ...]
        for stage in zip(self.convolutions, self.norms, self.dropouts, strict=True):
            convolution, norm, dropout = stage
            x = dropout(F.max_pool2d(self.activation(norm(convolution(x))), 2))
        scores: Tensor = self.head(x.flatten(1))
        return scores
