"""What goes into every affine map of a network and what comes back to it: of these Kronecker factors are made.

    s_t = W a_t + b,    g_t = dL_i/ds_t,    t = 1 .. T

a linear layer has one position, T = 1; a convolution those of its kernel, with the patch under it as a_t. The gradient
of example i is dL_i/d(W b) = sum_t g_t (a_t 1)', so that the Fisher matrix of a layer is near

    A kron G,   A = E[ sum_t (a_t 1)(a_t 1)' ],   G = E[ sum_t g_t g_t' ] / T

The network is watched from outside, by torch's own overriding of functions: it needs no hooks, may call its functions
with its parameters directly, and costs nothing where nobody watches.

Source: Martens & Grosse 2015 (arXiv 1503.05671), section 3; Grosse & Martens 2016 (arXiv 1602.01407), theorem 1, for
convolutions: homogeneous in space, derivatives of different positions uncorrelated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from runner.core.errors import ConfigError

Targets = Literal["data", "model"]
Size = int | Sequence[int]


@dataclass(frozen=True)
class Layer:
    """An affine map on a mini-batch of B examples.

    weight    the name of W, `[d_out, d_in]` or `[d_out, C, h, w]`, then d_in = C h w
    bias      the name of b `[d_out]`, None where there is none
    inputs    a with 1 appended where there is a b, `[B, T, d]`
    slopes    g of each example's own loss, `[B, T, d_out]`
    examples  how many of them the loss that is descended adds up: 1 where it is a mean
    """

    weight: str
    bias: str | None
    inputs: Tensor
    slopes: Tensor
    examples: float = 1.0

    def factors(self) -> tuple[Tensor, Tensor]:
        """A `[d, d]` and G `[d_out, d_out]`."""
        batch, positions, _ = self.inputs.shape
        a, g = self.inputs.flatten(0, 1), self.slopes.flatten(0, 1)
        return a.T @ a / batch, g.T @ g * (self.examples / (batch * positions))


@dataclass(frozen=True)
class Seen:
    """L(theta), its gradient `[P]`, valid until the next call, and the layers."""

    value: float
    gradient: Tensor
    layers: list[Layer]


@dataclass(frozen=True)
class Call:
    """An affine map that was seen at work.

    input    detached, `[B, d_in]` or `[B, C, H, W]`
    output   the place of s in the graph, which stays where it is if s is overwritten
    patches  from the input to a `[B, T, d_in]`
    """

    weight: str
    bias: str | None
    input: Tensor
    output: GradientEdge
    patches: Callable[[Tensor], Tensor]

    def layer(self, slope: Tensor, examples: float = 1.0) -> Layer:
        """Given g, shaped like s."""
        a = self.patches(self.input)
        if self.bias is not None:
            a = torch.cat([a, a.new_ones(*a.shape[:2], 1)], 2)
        return Layer(self.weight, self.bias, a, slope.flatten(2).mT if slope.ndim > 2 else slope.unsqueeze(1), examples)


class Watch(TorchFunctionMode):
    """While it is entered, keeps every call of an affine map with parameters of these ids and names."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.names = names
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in MAPS:
            self._keep(output, *MAPS[func](*args, **(kwargs or {})))
        return output

    def _keep(self, output: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, patches: Any) -> None:
        known = id(weight) in self.names and (bias is None or id(bias) in self.names)
        if known and patches is not None:
            names = self.names[id(weight)], None if bias is None else self.names[id(bias)]
            self.calls.append(Call(*names, x.detach(), get_gradient_edge(output), patches))


def of_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[Any, ...]:
    """The call of a linear layer; that of several positions [B, T, d] at once is none."""
    return x, weight, bias, (lambda x: x.unsqueeze(1)) if x.ndim == 2 else None


def of_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[Any, ...]:
    """The call of a convolution; in groups it is many maps, and none here."""
    kernel, step, apart = pair(tuple(weight.shape[2:])), pair(stride), pair(dilation)
    sides = frame(kernel, apart, padding)

    def patches(x: Tensor) -> Tensor:
        return F.unfold(F.pad(x, sides), kernel, dilation=apart, stride=step).mT

    return x, weight, bias, patches if groups == 1 and x.ndim == 4 else None


MAPS: dict[Any, Callable[..., tuple[Any, ...]]] = {F.linear: of_linear, torch.conv2d: of_convolution}


def pair(size: Size) -> tuple[int, int]:
    """(rows, columns) of what may be one number for both."""
    if isinstance(size, int):
        return size, size
    rows, columns = size
    return rows, columns


def frame(kernel: tuple[int, int], apart: tuple[int, int], padding: Size | str) -> list[int]:
    """Zeros on the left, the right, above and below.

    >>> frame((3, 2), (1, 1), "same"), frame((3, 3), (1, 1), 1)
    ([0, 1, 1, 1], [1, 1, 1, 1])
    """
    if padding == "valid":
        return [0, 0, 0, 0]
    if isinstance(padding, str):  # "same": an odd zero goes to the right and below
        rows, columns = (space * (k - 1) for k, space in zip(kernel, apart, strict=True))
        return [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2]
    rows, columns = pair(padding)
    return [columns, columns, rows, rows]


def refuse(names: Sequence[str], calls: Sequence[Call], gradients: Sequence[Tensor], optimizer: str) -> None:
    """`ConfigError` for the first parameter that is not in one affine map, used once for each example.

    gradients: of any loss by the parameters of these names, then by the outputs of the calls
    """
    found = gradients[len(names) :]
    by_layers: dict[str, Tensor] = {}
    for call, slope in zip(calls, found, strict=True):
        layer = call.layer(slope)
        both = torch.einsum("bto,bti->oi", layer.slopes, layer.inputs)
        parts = {call.weight: both if call.bias is None else both[:, :-1]}
        for name, part in (parts if call.bias is None else parts | {call.bias: both[:, -1]}).items():
            if name in by_layers:
                uses = sum(name in (each.weight, each.bias) for each in calls)
                raise refused(optimizer, f"{name} is used {uses} times for each example")
            by_layers[name] = part
    for name, gradient in zip(names, gradients[: len(names)], strict=True):
        if name not in by_layers:
            raise refused(
                optimizer,
                f"{name} lies in none of them, or in one with several positions (a normalization, the maps of tokens, "
                "a layer whose weight is a function of other parameters)",
            )
        # the same sum in another order; a part that is missing is of the size of the gradient itself
        if (by_layers[name].reshape(-1) - gradient.reshape(-1)).norm() > 1e-3 * gradient.norm():
            raise refused(optimizer, f"{name} is used in another way besides")


def refused(optimizer: str, found: str) -> ConfigError:
    return ConfigError(
        "optimizer",
        optimizer,
        allowed="a network whose parameters all lie in linear layers and convolutions that are used once for each "
        f"example, so that its curvature has Kronecker factors; {found}",
        do="give architecture=mlp or convnet, with architecture/normalization=none and architecture.orthogonal=none; "
        "or choose optimizer=shampoo or soap, which take any matrix",
    )
