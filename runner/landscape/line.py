"""The loss on the straight line from the start of a run to its end, and a little beyond both.

    theta(alpha) = (1 - alpha) start + alpha end,   alpha in [-0.25, 1.25]

Source: Goodfellow, Vinyals & Saxe 2015 (arXiv 1412.6544), who find that it falls nearly all the way, without a barrier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from runner.landscape.base import Surface, Trajectory, Values

LOW, HIGH = -0.25, 1.25
ROUNDING = 1e-5  # of the fall: a mean of float32 losses is known to no more


@dataclass(frozen=True)
class Line:
    """Training and validation losses `[n]` of a run at `alphas [n]`."""

    name: str
    optimizer: str
    alphas: Values
    train: Values
    validation: Values

    @property
    def inside(self) -> Values:
        """The training losses from the start to the end."""
        return self.train[(self.alphas >= 0) & (self.alphas <= 1)]

    @property
    def barrier(self) -> tuple[float, float]:
        """How far the training loss lies at most above the higher one of its two ends in between, and at which alpha.

        0 where it nowhere does.
        """
        between = self.inside
        at = int(between.argmax())
        height = float(between[at] - max(between[0], between[-1]))
        return (height, float(self.alphas[self.alphas >= 0][at])) if height > 0 else (0.0, 0.0)

    @property
    def told(self) -> str:
        """What one sees of the line, in a sentence."""
        between = self.inside
        if not np.isfinite(between).all():
            return "the loss is not finite everywhere between start and end"
        height, at = self.barrier
        if height > 0:
            return f"a barrier: at alpha {at:.3g} the loss is {height:.3g} above the higher end"
        rises = float(np.diff(between).clip(min=0).sum())
        whole = abs(float(between[0] - between[-1]))
        if between[-1] > between[0]:
            return f"rises from {between[0]:.3g} to {between[-1]:.3g}"
        ends = f"from {between[0]:.3g} to {between[-1]:.3g}"
        if rises <= ROUNDING * whole:
            return f"falls all the way, {ends}"
        return f"no barrier, {ends}, but rises by {rises:.3g} on the way"


def along(trajectory: Trajectory, train: Surface, validation: Surface, points: int) -> Line:
    """The line of a run; 0 and 1 are among the alphas."""
    outside = max(1, round((points - 1) * (HIGH - 1) / (HIGH - LOW)))
    inside = max(2, points - 2 * outside)
    parts = (np.linspace(LOW, 0, outside + 1)[:-1], np.linspace(0, 1, inside), np.linspace(1, HIGH, outside + 1)[1:])
    alphas = np.concatenate(parts)
    places = [between(trajectory.start, trajectory.end, alpha) for alpha in alphas.tolist()]
    losses = [np.array([surface(theta) for theta in places]) for surface in (train, validation)]
    return Line(trajectory.name, trajectory.optimizer, alphas, *losses)


def between(start: Tensor, end: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) start + alpha end; the two ends themselves, to the bit, at 0 and 1."""
    found: Tensor = (1 - alpha) * start + alpha * end
    return found
