"""What an input is to a network that does not take it as one vector: an image, or a sequence of rows.

inputs [H, W], [C, H, W]   an image of C channels (1)
inputs [T, d], [C, H, W]   a sequence of T vectors; row t of an image holds the W numbers of each of its channels
"""

from __future__ import annotations

from torch import Tensor

from runner.core.errors import ConfigError


def image(inputs: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W); refuses inputs that are no images.

    >>> image((8, 8))
    (1, 8, 8)
    """
    match inputs:
        case (height, width):
            return 1, height, width
        case (channels, height, width):
            return channels, height, width
        case _:
            raise ConfigError(
                "architecture",
                "",
                allowed=f"a network for vectors, since each input of this data set has the shape {list(inputs)}",
                do="give architecture=mlp, or a data set of images",
            )


def rows(inputs: tuple[int, ...]) -> tuple[int, int]:
    """(T, d).

    >>> rows((3, 32, 16))
    (32, 48)
    """
    channels, height, width = image(inputs)
    return height, channels * width


def as_images(x: Tensor) -> Tensor:
    """`[B, H, W]` or `[B, C, H, W]` as `[B, C, H, W]`."""
    return x.unsqueeze(1) if x.ndim == 3 else x


def as_rows(x: Tensor) -> Tensor:
    """`[B, T, d]` or `[B, C, H, W]` as `[B, T, d]`."""
    return x if x.ndim == 3 else x.transpose(1, 2).flatten(2)
