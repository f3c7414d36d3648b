from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from runner.core.check import Range
from runner.loss.base import Function


@final
@dataclass(frozen=True, kw_only=True)
class Reddi(Function):
    """A sequence of lines on which Adam goes the wrong way.

        f_t(x) = C x  in step t = 1, 4, 7, ...;   -x  in all others;   -1 <= x <= 1

    The mean of the three is (C - 2) x / 3, so that x = -1 is best. The large gradient comes once in three steps;
    Adam with beta1 = 0 and beta2 = 1/(1 + C^2) divides it by its own size while the two small ones are hardly
    divided, and walks to x = 1, the worst point. SGD and AMSGrad go to -1.

    slope: C, the large one

    >>> import torch
    >>> Reddi().value(torch.ones(3, 1), torch.tensor([0, 1, 2])).item()  # (3 - 1 - 1) / 3
    0.3333333432674408

    Source: Reddi, Kale & Kumar 2018 (arXiv 1904.09237), section 3; Farrahi p. 20, "might still diverge".
    Here: the interval is kept by architecture.bound=1, which clips x after every step, and a row is a step: one
    epoch is one cycle of three. val_loss is the mean over the cycle.
    """

    dimension: ClassVar[int] = 1

    slope: Annotated[float, Range(above=2, most=1e30)] = 3.0

    def at(self, x: Tensor, step: Tensor) -> Tensor:
        slope = torch.where(step == 0, self.slope, -1.0).to(x.dtype)
        return slope * x.squeeze(-1)
