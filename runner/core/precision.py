"""How many digits a run computes with.

    float64   64 bits everywhere, 16 digits
    float32   32 bits everywhere, 7 digits; on a GPU too, where torch left to itself rounds convolutions to TF32
    tf32      float32, but a GPU rounds the factors of products of matrices to 10 bits after the point (3 digits)
    bf16      float32, but the network multiplies numbers of 7 bits after the point (2 digits); its parameters, what it
              normalizes, the scores, the loss and all of the update stay float32

The last two are for speed on devices that have units for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from runner.core.errors import ConfigError

Precision = Literal["float64", "float32", "tf32", "bf16"]
ROUNDED: tuple[Precision, ...] = ("tf32", "bf16")
# of parameters, inputs, losses and updates
DTYPES: dict[str, torch.dtype] = {
    "float64": torch.float64,
    "float32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.float32,
}


def settle(precision: str) -> None:
    """Have a GPU compute products of matrices and convolutions in this precision, from now on and in this process."""
    means = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = means
    torch.backends.cudnn.conv.fp32_precision = means  # type: ignore[attr-defined]
    torch.backends.cudnn.rnn.fp32_precision = means  # type: ignore[attr-defined]


def in_bfloat16(module: nn.Module, device: torch.device) -> None:
    """Let the forward pass of a network multiply in bfloat16; its scores `[B, d_out]` come in float32."""
    forward = module.forward

    def rounded(x: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            output: Tensor = forward(x)
        return output.float()

    module.forward = rounded


def refuse_elsewhere(precision: str, device: torch.device) -> None:
    """`ConfigError` for a precision that the device does not have, or in which it was never tried."""
    there = {"tf32": ("cuda",), "bf16": ("cpu", "cuda")}.get(precision)
    if there is not None and device.type not in there:
        raise ConfigError(
            "precision",
            precision,
            allowed=f"with device={' or '.join(there)}; here it is {device.type}",
            do="give precision=float32",
        )


def refuse_unresolved(precision: str, needs: Sequence[str], optimizer: str, products: bool) -> None:
    """`ConfigError` where rounding would decide what happens, or would do nothing.

    needs     what the method asks for beside values and gradients
    products  whether the network has products of matrices
    """
    if precision in ROUNDED and not products:
        raise ConfigError(
            "precision",
            precision,
            allowed="float32 or float64 for a problem, which has no products of matrices to round",
            do="give precision=float32",
        )
    if precision in ROUNDED and needs:
        raise ConfigError(
            "precision",
            precision,
            allowed=f"float32 or float64 with {optimizer}, which compares losses, takes them apart or differentiates "
            "twice: two or three digits do not carry that",
            do="give precision=float32, or choose optimizer=adam, say",
        )
