from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn

from runner.architecture.activation.base import Activation
from runner.architecture.activation.gelu import GELU
from runner.architecture.base import Scaling, WithDropout
from runner.architecture.image import as_images, as_rows, image, rows
from runner.core.check import Below1, Count, Depth
from runner.core.errors import ConfigError
from runner.core.noise import Dropout


@final
@dataclass(frozen=True)
class Transformer(WithDropout):
    """A small encoder: the rows or patches of an image look at each other, and their mean is scored.

        Z_0 = X E + e + P
        A_l = Z_{l-1} + dropout(attention(norm(Z_{l-1})))
        Z_l = A_l + dropout(W' sigma(W norm(A_l) + b) + b'),   l = 1 .. L
        output = V mean(norm(Z_L)) + c
        attention(Z) = [head_1, .., head_k] O + o;   (Q, K, V) = Z M
        head_i = softmax(Q_i K_i' / sqrt(head_width)) V_i

    X `[T, d]` holds the T rows or patches, P `[T, width]` is learned; norm gives each token mean 0 and variance 1, with
    a learned scale and shift.

    patch: row takes each row of the image as a token; a number the squares of so many pixels
    heads: of the attention
    head_width: the numbers that a head looks at; width = heads * head_width
    layers: L
    hidden: the number of units between W and W'
    activation: sigma
    dropout: probability to set a number in what is added to a token to 0 in training
    dropout_scaling: inverted divides by 1 - dropout in training; test multiplies by 1 - dropout in use

    >>> sum(p.numel() for p in Transformer().build((8, 8), 10).parameters())
    17834

    Source: Vaswani et al. 2017 (arXiv 1706.03762), section 3; Dosovitskiy et al. 2021 (arXiv 2010.11929) for patches,
    learned P and norm before the attention.
    Here: queries, keys and values have no biases (that of the keys would cancel in the softmax).
    """

    flat: ClassVar[bool] = False
    patch: Count | Literal["row"] = "row"
    heads: Count = 4
    head_width: Count = 8
    layers: Depth = 2
    hidden: Count = 64
    activation: Activation = field(default_factory=GELU)
    dropout: Below1 = 0.0
    dropout_scaling: Scaling = "inverted"

    def build(self, inputs: tuple[int, ...], outputs: int) -> nn.Module:
        return Encoder(self, self.tokens(inputs), outputs)

    def tokens(self, inputs: tuple[int, ...]) -> tuple[int, int]:
        """(T, d)."""
        if self.patch == "row":
            return rows(inputs)
        channels, height, width = image(inputs)
        if height % self.patch or width % self.patch:
            raise ConfigError(
                "architecture.patch",
                self.patch,
                allowed=f"row, or a number that divides the {height}x{width} pixels of an image",
                do="give such a number",
            )
        return height * width // self.patch**2, channels * self.patch**2


class Encoder(nn.Module):
    """The module of a Transformer."""

    def __init__(self, recipe: Transformer, tokens: tuple[int, int], outputs: int) -> None:
        super().__init__()
        many, size = tokens
        self.patch = recipe.patch
        width = recipe.heads * recipe.head_width
        self.embed = nn.Linear(size, width)
        self.position = nn.Parameter(torch.zeros(many, width))
        self.layers = nn.Sequential(*(Layer(recipe, many) for _ in range(recipe.layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = as_rows(x) if self.patch == "row" else patches(as_images(x), self.patch)
        z = self.layers(self.embed(x) + self.position)
        scores: Tensor = self.head(self.norm(z).mean(1))
        return scores


class Layer(nn.Module):
    """Attention, then two affine maps, each added to its input."""

    def __init__(self, recipe: Transformer, tokens: int) -> None:
        super().__init__()
        d, hidden = recipe.heads * recipe.head_width, recipe.hidden
        self.heads = recipe.heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d)
        self.up = nn.Linear(d, recipe.activation.width * hidden)
        self.down = nn.Linear(hidden, d)
        self.activation = recipe.activation.function()
        self.dropout1 = Dropout((tokens, d), recipe.dropout, recipe.dropout_scaling)
        self.dropout2 = Dropout((tokens, d), recipe.dropout, recipe.dropout_scaling)

    def forward(self, z: Tensor) -> Tensor:
        z = z + self.dropout1(self.attention(self.norm1(z)))
        u = self.up(self.norm2(z)).flatten(0, 1)  # activations find their channels on axis 1
        change: Tensor = self.dropout2(self.down(self.activation(u)).view(z.shape))
        return z + change

    def attention(self, z: Tensor) -> Tensor:
        # Written out: torch's fused kernel has no second derivative on a CPU, which curvature needs.
        batch, tokens, d = z.shape
        q, k, v = self.qkv(z).view(batch, tokens, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.mT / (d // self.heads) ** 0.5, dim=-1)
        joined: Tensor = self.out((weights @ v).transpose(1, 2).flatten(2))
        return joined


def patches(x: Tensor, side: int) -> Tensor:
    """`[B, C, H, W]` as `[B, T, C side^2]`: the squares row by row, each with its channels one after the other."""
    batch, channels, height, width = x.shape
    squares = x.reshape(batch, channels, height // side, side, width // side, side)
    return squares.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * side**2)
