from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from runner.core.check import Positive
from runner.init.base import Init


@final
@dataclass(frozen=True)
class Geometric(Init):
    """Normal weights of variance c/sqrt(d_in d_out), with which the layers of a ReLU net learn evenly.

        w ~ N(0, c / sqrt(d_in d_out))

    Let nu_l be the mean square of layer l's gradient over that of its weights. With inputs a, pre-activations z and
    ReLU, E[a_l^2] = 1/2 d_in E[w^2] E[a_{l-1}^2] forward and E[(dL/dz_{l-1})^2] = 1/2 d_out E[w^2] E[(dL/dz_l)^2]
    backward, so nu is the same in all fully connected layers for this variance and any c. A square layer starts as
    with `kaiming_normal` at c = 2. d_in and d_out are the layer's fan-in and fan-out.

    c: scales the variance; 2 keeps the second moment of ReLU units where d_in = d_out

    >>> weight = torch.empty(100, 400)
    >>> Geometric().fill(weight, 400, 100, torch.Generator().manual_seed(0))
    >>> round(weight.std().item(), 2)  # sqrt(2 / 200)
    0.1

    Source: Defazio & Bottou 2019 (arXiv 1906.04267), the geometric mean of fan-in and fan-out; Sun p. 41, "for some
    constant c".
    Here: the fans of a convolution count the kernel's area, as with mode `fan_geo_avg` of JAX's variance_scaling, so
    the variance is c / (area sqrt(channels in * channels out)).
    """

    c: Positive = 2.0

    def fill(self, weight: Tensor, d_in: int, d_out: int, stream: torch.Generator) -> None:
        weight.normal_(0.0, (self.c / (d_in * d_out) ** 0.5) ** 0.5, generator=stream)
