"""Losses: how wrong the scores of a network are, as a mean over the examples of a batch.

What varies is the comparison of one output with one target. What is fixed: the value is a mean over the examples, so
that it does not depend on the batch size; a loss says which targets it can be used with and how many outputs it needs,
and refuses the rest before training; its metrics are means over examples too, named and with a direction.

What training descends is the mean, or with `reduction=sum` B times the mean over a batch of B examples (Farrahi p. 3
and 7 add up; Grosse and Sun take means). The step of a sum is B times as long: the same one needs lr_sum = lr_mean / B.
A last, shorter batch weighs less in an epoch of sums and as much as the others in one of means. `train_loss` and
`val_loss` are means in either case, so that they can be compared; `grad_norm` is that of what is descended.

Outputs are raw scores, and each loss applies what it needs to them: there is no output activation to choose, so that a
softmax cannot be taken twice. Scores of classes are turned into probabilities p = softmax(z), one score for two classes
into p = sigmoid(z).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from runner.core.check import Below1, Choice, Range
from runner.core.errors import ConfigError
from runner.core.rows import mapped

Direction = Literal["max", "min"]
Reduction = Literal["mean", "sum"]
DeckEpsilon = Annotated[float, Range(least=0, below=0.5)]  # below 1/m, and m is at least 2


@dataclass(frozen=True, kw_only=True)
class Loss(Choice, ABC):
    """A comparison of outputs `[B, d_out]` with targets `[B]`.

    reduction: what training descends, the mean over the examples of a batch or their sum
    """

    reduction: Reduction = "mean"

    @property
    def summed(self) -> bool:
        """Whether training descends B times `value`."""
        return self.reduction == "sum"

    @property
    def metrics(self) -> dict[str, Direction]:
        """The name of every metric, and which way is better."""
        return {}

    @abstractmethod
    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean over the batch, `[]`."""

    def values(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """`value` of K batches, `[K]`, for outputs `[K, B, d_out]` and targets `[K, B]`."""
        found: Tensor = mapped(self.value)(outputs, targets)
        return found

    @abstractmethod
    def outputs(self, classes: int | None) -> int:
        """d_out for so many classes (None: numbers; 0: no targets); raises `ConfigError` where they do not fit."""

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Every metric as a mean over the batch, `[]`."""
        return {}

    def own_slopes(self, output: Tensor, generator: torch.Generator) -> Tensor:
        """dL_i/dz `[B, d_out]` for scores z `[B, d_out]` and targets drawn from the model's own distribution.

        Their mean is 0 and their covariance is the Hessian of L_i: the Fisher matrix of the scores. For losses that are
        the negative logarithm of a probability; raises `ConfigError` for any other.
        """
        raise ConfigError(
            "loss",
            self.name,
            allowed="with targets that the model itself draws, the negative logarithm of a probability: cross_entropy, "
            "kl, bce, mse, sum_of_squares",
            do="choose one of these, or give optimizer.fisher=empirical, which takes the targets of the data",
        )

    def refuse_training(self) -> None:
        """`ConfigError` where no gradient could train with this loss; by default it can."""

    @property
    def name(self) -> str:
        """Its name in the menu."""
        return type(self).__module__.rpartition(".")[2]


@dataclass(frozen=True, kw_only=True)
class OfClasses(Loss, ABC):
    """A loss of one score for each class."""

    @property
    def metrics(self) -> dict[str, Direction]:
        return {"accuracy": "max"}

    def outputs(self, classes: int | None) -> int:
        return needs_classes(self.name, classes)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"accuracy": (output.argmax(-1) == target).to(output.dtype).mean()}


@dataclass(frozen=True, kw_only=True)
class OfSmoothedClasses(OfClasses, ABC):
    """A loss that can compare with softened classes.

    label_smoothing: the share of the target that is spread evenly over all m classes (torch's epsilon)
    eps_deck: what every wrong class gets (the epsilon of Sun p. 12), label_smoothing / m; below 1/m
    """

    label_smoothing: Below1 = 0.0
    eps_deck: DeckEpsilon = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_smoothing and self.eps_deck:
            raise ConfigError(
                "eps_deck",
                self.eps_deck,
                allowed=f"0 beside label_smoothing={self.label_smoothing:g}, which is m times eps_deck for m classes",
                do="leave one of them at 0",
            )

    def outputs(self, classes: int | None) -> int:
        m = super().outputs(classes)
        if self.eps_deck * m >= 1:
            raise ConfigError(
                "loss.eps_deck",
                self.eps_deck,
                allowed=f"below 1/m = {1 / m:g} for m = {m} classes, where the right class gets more than a wrong one",
                do="give a smaller one",
            )
        return m

    def smoothing(self, m: int) -> float:
        """torch's epsilon for m classes."""
        return self.label_smoothing or m * self.eps_deck

    def wanted(self, target: Tensor, like: Tensor) -> Tensor:
        """The target distribution of every example, `[B, m]` for scores `like [B, m]`."""
        m = like.shape[-1]
        share = self.smoothing(m)
        return one_hot(target, like) * (1 - share) + share / m


@dataclass(frozen=True, kw_only=True)
class OfTwoClasses(Loss, ABC):
    """A loss of one score z for two classes: above 0 it is class 1, else class 0."""

    @property
    def metrics(self) -> dict[str, Direction]:
        return {"accuracy": "max"}

    def outputs(self, classes: int | None) -> int:
        if classes != 2:
            found = "numbers" if classes is None else f"{classes} classes"
            raise ConfigError(
                "loss",
                self.name,
                allowed=f"targets in two classes; the targets of this data set are {found}",
                do=f"choose loss={'mse' if classes is None else 'cross_entropy'}, or a data set with two classes",
            )
        return 1

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"accuracy": ((output.squeeze(-1) > 0) == target.bool()).to(output.dtype).mean()}


@dataclass(frozen=True, kw_only=True)
class OfErrors(Loss, ABC):
    """A loss of the errors z - y: of one number, or of one score for each class and the class as a vector of 0 and 1.

    one_hot: compare scores with classes as vectors that are 1 at the right class and 0 elsewhere
    """

    one_hot: bool = False

    @property
    def metrics(self) -> dict[str, Direction]:
        return {"accuracy": "max"} if self.one_hot else {"mae": "min"}

    def outputs(self, classes: int | None) -> int:
        return (
            needs_classes(f"{self.name} with one_hot=true", classes)
            if self.one_hot
            else needs_numbers(self.name, classes)
        )

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """z - y: `[B, m]` for classes, `[B, 1]` for numbers."""
        return output - (one_hot(target, output) if self.one_hot else target.unsqueeze(-1))

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        if self.one_hot:
            return {"accuracy": (output.argmax(-1) == target).to(output.dtype).mean()}
        return {"mae": (output.squeeze(-1) - target).abs().mean()}


@dataclass(frozen=True, kw_only=True)
class Function(Loss, ABC):
    """A function f(x) of d numbers, x = theta: a loss that looks at no data, for watching how methods move.

    The network is `architecture=point`, whose output for every row is theta itself; the data set is `dataset=none`,
    with one row for each step of the cycle of a function that changes from step to step. `problem=rosenbrock` does it.
    """

    dimension: ClassVar[int] = 2  # d

    @abstractmethod
    def at(self, x: Tensor, step: Tensor) -> Tensor:
        """f at points `x [B, d]`, each in its step of the cycle `step [B]`: `[B]`."""

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return self.at(output, target).mean()

    def outputs(self, classes: int | None) -> int:
        if classes != 0:
            raise ConfigError(
                "loss",
                self.name,
                allowed="dataset=none: it is a function of the parameters alone, and looks at no examples",
                do=f"give problem={self.name}, or choose another loss for these data",
            )
        return self.dimension


def class_slopes(output: Tensor, generator: torch.Generator) -> Tensor:
    """dL_i/dz = p - e_k of -log p_k for a class k drawn with probability p_k, p = softmax(z).

    A smoothed target changes the mean of the slope, which is of the data, and not the Hessian.
    """
    p = output.softmax(-1)
    return p - one_hot(torch.multinomial(p, 1, generator=generator).squeeze(-1), p)


def normal_slopes(output: Tensor, generator: torch.Generator, curvature: float) -> Tensor:
    """dL_i/dz of a squared error with Hessian c I, the negative log-probability of a normal with variance 1/c.

    For a target y ~ N(z, 1/c) the slope is c (z - y), which has variance c.
    """
    noise = torch.empty_like(output).normal_(generator=generator)
    return noise.mul_(curvature**0.5)


def one_hot(target: Tensor, like: Tensor) -> Tensor:
    """Classes `[B]` as rows of the identity, `[B, m]` in the dtype of the scores `like [B, m]`."""
    return F.one_hot(target, like.shape[-1]).to(like.dtype)


def needs_targets(loss: str, classes: int | None) -> None:
    """`ConfigError` where a data set has no targets."""
    if classes == 0:
        raise ConfigError(
            "loss",
            loss,
            allowed="a data set with targets; this one has none",
            do="choose a data set, or a function of the parameters as in problem=rosenbrock",
        )


def needs_classes(loss: str, classes: int | None) -> int:
    """The number of classes; `ConfigError` where the targets are numbers."""
    needs_targets(loss, classes)
    if classes is None:
        raise ConfigError(
            "loss",
            loss,
            allowed="targets in classes; the targets of this data set are numbers",
            do="choose loss=mse, or a data set with classes",
        )
    return classes


def needs_numbers(loss: str, classes: int | None) -> int:
    """One output; `ConfigError` where the targets are classes, whose numbering has no meaning."""
    needs_targets(loss, classes)
    if classes is not None:
        raise ConfigError(
            "loss",
            loss,
            allowed=f"targets that are numbers; the targets of this data set are {classes} classes",
            do="choose loss=cross_entropy, give loss.one_hot=true, or choose a data set with numbers",
        )
    return 1
