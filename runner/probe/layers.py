from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from runner.probe.base import Network, OfSteps, Step, per_layer


@final
@dataclass(frozen=True)
class Layers(OfSteps):
    """The gradient of every layer, and how far a step moves its weights.

        grad_norm_l    = ||dL/dW_l||_F               on the mini-batch of the last step of the epoch
        update_ratio_l = ||W_l after - W_l before||_F / ||W_l before||_F     in that step

    Gradients that fall or grow by a factor from layer to layer vanish or explode with depth. An update ratio of about
    0.001 is what rules of thumb ask for; 0.1 throws a layer about, and 0.00001 leaves it where it is.

    Costs a gradient and an evaluation on a mini-batch an epoch, which are not counted. Runs with it train one by one.

    >>> Layers().columns
    ()

    Source: Sun p. 33, "gradients in early layers are orders smaller"; Glorot & Bengio 2010, figures 7 and 8. The ratio:
    lecture notes of Stanford's CS231n, "Ratio of weights:updates".
    """

    def stepped(self, network: Network) -> tuple[str, ...]:
        count = len(network.weights)
        return (*per_layer("grad_norm", count), *per_layer("update_ratio", count))

    def measure_step(self, step: Step) -> tuple[float, ...]:
        def weights(vector: Tensor) -> list[Tensor]:
            return [view for view in step.layout.views(vector) if view.ndim > 1]

        norms = [each.norm().item() for each in weights(step.gradient)]
        pairs = zip(weights(step.update), weights(step.before), strict=True)
        return (*norms, *(float(update.norm() / before.norm()) for update, before in pairs))
