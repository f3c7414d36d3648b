from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor

from runner.core.check import Positive, Range
from runner.loss.base import OfSmoothedClasses

Power = Annotated[float, Range(above=0, most=2)]


@final
@dataclass(frozen=True, kw_only=True)
class Sinkhorn(OfSmoothedClasses):
    """The blurred work that carries the predicted distribution over ordered classes to the wanted one.

        L = mean_i( T(p_i, q_i) - T(p_i, p_i) / 2 - T(q_i, q_i) / 2 ),   p_i = softmax(z_i)
        T(p, q) = min_pi sum_jk pi_jk (C_jk + blur log(pi_jk / (p_j q_k))),  plans pi with margins p and q
                = sum_j p_j f_j + sum_k q_k g_k,  where, repeated from f = g = 0,
        f_j <- -blur log sum_k q_k exp((g_k - C_jk) / blur)
        g_k <- -blur log sum_j p_j exp((f_j - C_jk) / blur)

    C_jk = |j - k|^power is the cost of carrying from class j to class k, q_i the class as a distribution. The entropy
    makes plans smooth, and T(p, p) > 0 with it: subtracting both halves makes L = 0 at p = q and nowhere else. As blur
    goes to 0, L goes to the transport cost, with power 1 that of `wasserstein`.
    Metric: accuracy, the share of examples whose largest score is the right class.

    blur: how far plans are spread, in units of the cost; small ones need more iterations
    iterations: rounds of f and g
    power: exponent of the distance between classes; up to 2, where L cannot be negative

    >>> import torch
    >>> round(Sinkhorn(blur=0.01).value(torch.zeros(1, 3), torch.tensor([0])).item(), 1)  # (0 + 1 + 2) / 3
    1.0

    Source: Cuturi 2013 (arXiv 1306.0895) for T; Feydy et al. 2019 (arXiv 1810.08278) for L, the Sinkhorn divergence;
    Sun p. 12, "Wasserstein metric".
    Here: T alone is least at a p that is narrower than q. The dual value after so many rounds stands for the minimum,
    and the gradient goes through the rounds, so that value and gradient belong together before they have converged.
    """

    blur: Positive = 1.0
    iterations: Annotated[int, Range(least=1, most=10_000)] = 20  # each is kept in memory for the gradient
    power: Power = 1.0

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        log_p, log_q = output.log_softmax(-1), self.wanted(target, output).log()
        pairs = torch.stack([log_p, log_p, log_q]), torch.stack([log_q, log_p, log_q])  # all at once, [3, B, m]
        mean = self.transport(*pairs).mean(-1)
        return mean[0] - mean[1] / 2 - mean[2] / 2

    def transport(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        """T of distributions `[..., m]`, given as logarithms; `[...]`."""
        place = torch.arange(log_p.shape[-1], dtype=log_p.dtype, device=log_p.device)
        cost = (place[:, None] - place).abs() ** self.power / self.blur  # [m, m], symmetric
        f = g = torch.zeros_like(log_p)  # in units of blur
        for _ in range(self.iterations):
            f = -torch.logsumexp((log_q + g).unsqueeze(-2) - cost, -1)
            g = -torch.logsumexp((log_p + f).unsqueeze(-2) - cost, -1)
        dual: Tensor = (log_p.exp() * f + log_q.exp() * g).sum(-1)
        return self.blur * dual
