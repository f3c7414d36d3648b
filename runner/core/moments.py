"""Layers that normalize by the mean and the variance of their inputs over many examples.

In training these are the moments of the mini-batch, which the loss is differentiated through; in use they are kept
ones, in buffers of the module: part of the state of a run, saved, restored, and chosen with the best parameters.
A forward pass only notes the moments of its mini-batch; the objective has them kept once for each mini-batch, after its
first gradient turned out finite. So a line search may ask twenty times, and divergence spoils nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from runner.core.processes import Portion


class Moments(nn.Module):
    """z_c = (x_c - mean_c) / sqrt(var_c + eps) for each channel c of x `[B, C, ...]`.

        training   mean, var over the mini-batch and all positions, var with divisor n
                   kept:  mean <- (1 - momentum) mean + momentum mean_batch, var likewise with divisor n - 1
        exact      kept:  mean and var (divisor N) over all training examples, when `collecting` ends

    `momentum` is the share of the new, as in torch. A mini-batch with one value in a channel has no variance; it is
    normalized by what is kept. Layers must be registered in the order in which they are used.

    portion  while it is set, x are these rows of a mini-batch whose others lie in other processes
    """

    mean: Tensor
    var: Tensor
    latest_mean: Tensor
    latest_var: Tensor

    def __init__(self, channels: int, momentum: float, eps: float, exact: bool) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.exact = exact
        for name, start in (("mean", 0.0), ("var", 1.0), ("latest_mean", 0.0), ("latest_var", 1.0)):
            self.register_buffer(name, torch.full((channels,), start))
        self.portion: Portion | None = None
        self._sums: tuple[float, Tensor, Tensor] | None = None  # n, mean, sum of squared deviations

    def normalized(self, x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
        """`scale [C] * z + shift [C]`, in the precision of the kept moments, whatever that of x is."""
        x = x.to(self.mean.dtype)
        if self._sums is not None:
            self._add(x.detach())
        if self.training and self.portion is not None:
            return self._together(x, scale, shift, self.portion)
        if self.training and x.numel() > x.shape[1]:
            # torch's kernel with momentum 1 leaves the moments of the mini-batch in the two scratch buffers.
            return torch.batch_norm(x, scale, shift, self.latest_mean, self.latest_var, True, 1.0, self.eps, False)
        if self.training:
            return self._as_kept(x, scale, shift)
        return torch.batch_norm(x, scale, shift, self.mean, self.var, False, 0.0, self.eps, False)

    def _as_kept(self, x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
        """By the kept moments, of which `keep` will find nothing new."""
        self.latest_mean.copy_(self.mean)
        self.latest_var.copy_(self.var)
        return torch.batch_norm(x, scale, shift, self.mean, self.var, False, 0.0, self.eps, False)

    def _together(self, x: Tensor, scale: Tensor | None, shift: Tensor | None, portion: Portion) -> Tensor:
        """By the moments of the whole mini-batch: two sums over the processes here, and two in the gradient."""
        axes = [axis for axis in range(x.ndim) if axis != 1]
        n = portion.whole * math.prod(x.shape[2:])
        if n == 1:
            return self._as_kept(x, scale, shift)
        lead = (1, -1, *(1 for _ in x.shape[2:]))
        mean = portion.total(x.mean(axes))
        away = x - mean.view(lead)
        var = portion.total(away.square().mean(axes))
        self.latest_mean.copy_(mean.detach())
        self.latest_var.copy_(var.detach() * (n / (n - 1)))
        z = away * (var + self.eps).rsqrt().view(lead)
        z = z if scale is None else z * scale.view(lead)
        return z if shift is None else z + shift.view(lead)

    def keep(self) -> None:
        """Take the moments of the latest mini-batch into the kept ones."""
        if not self.exact:
            self.mean.lerp_(self.latest_mean, self.momentum)
            self.var.lerp_(self.latest_var, self.momentum)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Within, add up the moments of all inputs; at the end they are the kept ones."""
        self._sums = (0.0, torch.zeros_like(self.mean), torch.zeros_like(self.var))
        try:
            yield
            n, mean, squares = self._sums
            self.mean.copy_(mean)
            self.var.copy_(squares / n)
        finally:
            self._sums = None

    def _add(self, x: Tensor) -> None:
        # Chan, Golub & LeVeque 1983: the moments of two parts joined, without the cancellation of E[x^2] - E[x]^2.
        assert self._sums is not None
        n, mean, squares = self._sums
        axes = [axis for axis in range(x.ndim) if axis != 1]
        more = float(math.prod(x.shape[axis] for axis in axes))
        var, part = torch.var_mean(x, axes, correction=0)
        away = part - mean
        share = more / (n + more)
        self._sums = (n + more, mean + share * away, squares + more * var + n * share * away.square())
