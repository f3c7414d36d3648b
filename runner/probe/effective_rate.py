from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch

from runner.probe.base import Network, OfSteps, Step

SHARES = (0.05, 0.5, 0.95)


@final
@dataclass(frozen=True)
class EffectiveRate(OfSteps):
    """The learning rate that each element of theta really has: what a step moved it by, for its gradient.

        rate_j = |theta_j after - theta_j before| / |g_j|,   of the last step of the epoch, where g_j is not 0
        effective_rate_05, effective_rate_50, effective_rate_95: its quantiles

    Of sgd all three are lr. An adaptive rule gives every element another one, and momentum moves by other gradients
    than the last. Where the last is far above the first, the rule works as a diagonal preconditioner.

    Costs a gradient and an evaluation on a mini-batch an epoch, which are not counted. Runs with it train one by one.

    >>> EffectiveRate().columns
    ()

    Source: Sun p. 31, adapting the rate and adapting the gradient are the same.
    """

    def stepped(self, network: Network) -> tuple[str, ...]:
        return tuple(f"effective_rate_{round(100 * share):02d}" for share in SHARES)

    def measure_step(self, step: Step) -> tuple[float, ...]:
        moving = step.gradient != 0
        rates = (step.update[moving].abs() / step.gradient[moving].abs()).double().sort().values
        if not len(rates):
            return (float("nan"),) * len(SHARES)
        # torch.quantile refuses more than 16 million elements; the nearest rank needs no more than the sorted rates
        ranks = [round(share * (len(rates) - 1)) for share in SHARES]
        return tuple(rates[torch.tensor(ranks)].tolist())
