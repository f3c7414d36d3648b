from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from torch import Tensor, nn

from runner.architecture.activation.base import Activation
from runner.architecture.activation.relu import ReLU
from runner.architecture.base import Scaling, WithDropout
from runner.architecture.image import as_images, image
from runner.architecture.normalization.base import Normalization
from runner.architecture.normalization.batch import Batch
from runner.core.check import Below1, Count, Depth
from runner.core.errors import ConfigError
from runner.core.noise import Dropout


@final
@dataclass(frozen=True)
class ResNet(WithDropout):
    """A small residual network for images of 8x8 to 32x32: each block learns what to add to its input.

        h_0 = sigma(norm(K_0 * x))
        h_l = sigma(S_l h_{l-1} + norm(K'_l * sigma(norm(K_l * h_{l-1})))),  l = 1 .. L
        output = W dropout(mean of h_L over the pixels) + b

    All kernels are 3x3. The first block of every stage but the first halves height and width by steps of 2 pixels;
    S_l is the identity, or norm(1x1 kernel * .) where the shape changes.

    channels: the channels of each stage
    blocks: blocks in each stage
    activation: sigma
    normalization: norm; where it takes the mean of a channel away there is no bias before it
    dropout: probability to set one of the means to 0 in training
    dropout_scaling: inverted divides by 1 - dropout in training; test multiplies by 1 - dropout in use

    >>> sum(p.numel() for p in ResNet().build((8, 8), 10).parameters())
    19706

    Source: He, Zhang, Ren & Sun 2016 (arXiv 1512.03385), section 4.2, with the shortcuts of option B.
    """

    flat: ClassVar[bool] = False
    channels: tuple[Count, ...] = (16, 32)
    blocks: Depth = 1
    activation: Activation = field(default_factory=ReLU)
    normalization: Normalization = field(default_factory=Batch)
    dropout: Below1 = 0.0
    dropout_scaling: Scaling = "inverted"

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        if self.activation.width > 1 or not self.channels:
            raise ConfigError(
                "architecture.activation" if self.channels else "architecture.channels",
                self.activation.label if self.channels else self.channels,
                allowed="channels of one stage at least, and an activation that keeps their number",
                do="give architecture.channels=[16,32] and another activation than maxout",
            )
        return Residual(self, image(inputs), outputs)


class Residual(nn.Module):
    """The module of a ResNet."""

    def __init__(self, recipe: ResNet, inputs: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        c, h, w = inputs
        self.stem = convolution(recipe, c, recipe.channels[0], (h, w))
        blocks, c = [], recipe.channels[0]
        for stage, width in enumerate(recipe.channels):
            for place in range(recipe.blocks):
                stride = 2 if stage and not place else 1
                h, w = -(-h // stride), -(-w // stride)
                blocks.append(Block(recipe, c, width, (h, w), stride))
                c = width
        self.blocks = nn.Sequential(*blocks)
        self.dropout = Dropout(c, recipe.dropout, recipe.dropout_scaling)
        self.head = nn.Linear(c, outputs)
        self.activation = recipe.activation.function()

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.activation(self.stem(as_images(x))))
        scores: Tensor = self.head(self.dropout(x.mean((2, 3))))
        return scores


class Block(nn.Module):
    """Two convolutions and what they are added to."""

    def __init__(self, recipe: ResNet, before: int, after: int, size: tuple[int, int], stride: int) -> None:
        super().__init__()
        self.first = convolution(recipe, before, after, size, stride)
        self.second = convolution(recipe, after, after, size)
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else convolution(recipe, before, after, size, stride, kernel=1)
        self.activation = recipe.activation.function()

    def forward(self, x: Tensor) -> Tensor:
        change = self.second(self.activation(self.first(x)))
        return self.activation(self.shortcut(x) + change)


def convolution(
    recipe: ResNet, before: int, after: int, size: tuple[int, int], stride: int = 1, kernel: int = 3
) -> nn.Sequential:
    """A convolution and its normalization; `size` is that of its output."""
    bias = not recipe.normalization.centers
    made = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=bias)
    norm = recipe.normalization.build(after, size[0] * size[1])
    return nn.Sequential(made) if norm is None else nn.Sequential(made, norm)
