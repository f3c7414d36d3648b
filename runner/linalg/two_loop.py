"""The inverse Hessian of limited-memory BFGS, by its products alone."""

from __future__ import annotations

from torch import Tensor


def two_loop(g: Tensor, s: Tensor, y: Tensor) -> Tensor:
    """H g, where H is what the BFGS recursion makes of the pairs (s_j, y_j), from the oldest to the newest.

        H <- V' H V + rho s s',   V = I - rho y s',   rho = 1 / s.y,   from H = (s.y / y.y) I of the newest pair

    which `M` pairs need never form:

        q <- g;     newest to oldest:  a_j = rho_j s_j.q,  q <- q - a_j y_j
        r <- H q;   oldest to newest:  r <- r + (a_j - rho_j y_j.r) s_j

    H maps the newest y to its s, and is positive definite if every s_j.y_j is positive. Without pairs H is I.

    g `[P]`: stays as it is
    s, y `[M, P]`: steps, and the differences of the gradient along them, the oldest first

    Costs 4 M inner products and updates.

    >>> import torch
    >>> two_loop(torch.tensor([2.0, 8.0]), torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]])).tolist()
    [1.0, 4.0]

    Source: Nocedal 1980; Nocedal & Wright 2006, algorithm 7.4 and (7.20).
    """
    q = g.clone()
    if not len(s):
        return q
    rho = (1 / (s * y).sum(1)).tolist()
    a = [0.0] * len(s)
    for j in reversed(range(len(s))):
        a[j] = rho[j] * float(s[j] @ q)
        q.sub_(y[j], alpha=a[j])
    r = q.mul_(1 / (rho[-1] * float(y[-1] @ y[-1])))
    for j in range(len(s)):
        r.add_(s[j], alpha=a[j] - rho[j] * float(y[j] @ r))
    return r
