"""The learning-rate range test: a short training in which the rate grows from far too low to far too high.

    lr_t = low (high / low)^(t / (n - 1)),   t = 0 .. n - 1

The loss falls while the rate is right and rises when it is too high; from the curve comes a suggestion, by the rule
that `make lr-range-truth` found nearest to the truth, and those of two other rules. Nothing outlives the test: it
trains a network of its own, from the start that the run would have, on the batches of its seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt

from runner.core.check import Range
from runner.core.errors import ConfigError, Diverged
from runner.core.streams import stream
from runner.run import Material, Run, prepare
from runner.store.base import disk
from runner.train import batches

LOW, HIGH, STEPS = 1e-6, 10.0, 200
SMOOTHING = 0.9  # share of the mean that is kept at every step; fast.ai takes 0.98 with more steps
ENOUGH = 4.0  # times the lowest smoothed loss, as in fast.ai; there the test ends
FEWEST = 20  # steps of which a slope can be taken
REST = 0.01  # share of the fall that is left where it has ended
EARLY = 10  # steps whose mean is of too few losses to tell a slope; as many as fast.ai leaves out
BLOCKS = "▁▂▃▄▅▆▇█"
COLUMNS = 60

Steps = Annotated[int, Range(least=FEWEST, most=100_000)]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tried:
    """Rates `[n]` and the losses `[n]` on the mini-batches before their steps, as they were and smoothed.

    smooth_t = sum_k beta^(t-k) loss_k / sum_k beta^(t-k),   k = 1 .. t,   beta = `SMOOTHING`
    """

    rates: Values
    losses: Values
    smooth: Values

    @property
    def lowest(self) -> int:
        """The first step at which the smoothed loss has made all of its fall but `REST`.

        A loss that has come to nothing stays there, also at rates that are far too high: its least value says nothing.
        """
        low = self.smooth.min()
        return int((self.smooth <= low + REST * (self.smooth[0] - low)).argmax())

    @property
    def steepest(self) -> float | None:
        """The rate at which the smoothed loss falls fastest over ln lr, before its lowest point; None: it never falls.

        The first steps are left out: their mean is of few losses.

        Source: fast.ai's lr_find, "steep".
        """
        falls = np.gradient(self.smooth, np.log(self.rates))[EARLY : self.lowest + 1]
        return float(self.rates[EARLY + falls.argmin()]) if falls.min(initial=0.0) < 0 else None

    @property
    def valley(self) -> float | None:
        """The middle of the longest descent: of the longest sequence of steps, not all of them in a row, each with a
        lower smoothed loss than the one before; None where no three are.

        Source: fast.ai's lr_find, "valley", its default since 2021.
        """
        longest = np.ones(len(self.smooth), dtype=int)
        for at in range(1, len(longest)):
            above = longest[:at][self.smooth[:at] > self.smooth[at]]
            longest[at] += above.max(initial=0)
        end, count = int(longest.argmax()), int(longest.max())
        return float(self.rates[end - count // 2]) if count > 2 else None

    @property
    def tenth(self) -> float | None:
        """A tenth of the rate at which the fall has ended; None where that is the first.

        Source: Smith 2017 (arXiv 1506.01186) reads the ends of the fall off the curve; a tenth is fast.ai's "minimum".
        Here: the end of the fall is not its least value, see `lowest`.
        """
        return float(self.rates[self.lowest]) / 10 if self.lowest else None


def tried(run: Run, m: Material, low: float, high: float, steps: int) -> Tried:
    """Train with growing rates until the loss is `ENOUGH` times its lowest, or not finite."""
    memory = run.optimizer.start(m.theta, m.layout)
    rates: list[float] = []
    losses: list[float] = []
    smooth: list[float] = []
    stopped, mean = False, 0.0
    for epoch in count(1):
        noise = stream(run.seed, "noise", epoch, m.device)
        for x, y in islice(batches(run, m.train, epoch, 0), steps - len(rates)):
            t = len(rates) + 1
            lr = low * (high / low) ** ((t - 1) / (steps - 1))
            m.objective.on(x, y, noise)
            try:
                run.optimizer.step(m.theta, memory, m.objective, lr, t)
            except Diverged:
                stopped = True
                break
            run.architecture.project(m.theta)
            loss = m.objective.first[0]
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            rates.append(lr)
            losses.append(loss)
            smooth.append(mean / (1 - SMOOTHING**t))  # without the bias of its start at 0
            if stopped := smooth[-1] > ENOUGH * abs(min(smooth)) and t >= FEWEST:
                break
        if stopped or len(rates) == steps:
            break
    return Tried(np.array(rates), np.array(losses), np.array(smooth))


def checked(low: float, high: float) -> None:
    """Refuse a range without an inside."""
    if low >= high:
        raise ConfigError("low", low, allowed=f"a rate below high={high:g}", do="give low=1e-6 high=10, say")


def show(run: Run, low: float, high: float, steps: int, folder: Path) -> Iterator[str]:
    """The lines to print, and `lr_range.csv`, `.png` and `.svg` in `folder`."""
    checked(low, high)
    m = prepare(run)
    m.settle()
    yield f"lr range:   {run.dataset.label} · {run.architecture.label} · {run.optimizer.label}, {steps} steps"
    found = tried(run, m, low, high, steps)
    if len(found.rates) < FEWEST:
        raise ConfigError(
            "low", low, allowed=f"a rate with which {FEWEST} steps can be made; this run diverged in step "
            f"{len(found.rates) + 1}", do="give a lower one, or look at the data with `optrun gradcheck`",
        )  # fmt: skip
    ended = f"; ended at {found.rates[-1]:.3g}" if len(found.rates) < steps else ""
    yield f"loss:       {blocks(found)}  lr {found.rates[0]:.3g} to {found.rates[-1]:.3g}{ended}"
    yield from advice(found)
    from runner.plot import lr_range as plot  # matplotlib; the text need not wait for it

    with disk(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    with disk(folder / "lr_range.csv", "write"):
        lines = zip(found.rates.tolist(), found.losses.tolist(), found.smooth.tolist(), strict=True)
        text = "".join(f"{rate!r},{loss!r},{smooth!r}\n" for rate, loss, smooth in lines)
        (folder / "lr_range.csv").write_text("lr,loss,smoothed\n" + text, encoding="ascii")
    yield f"numbers:    {folder / 'lr_range.csv'}"
    title = f"{run.dataset.label} · {run.architecture.label} · {run.optimizer.label}"
    for path in plot.draw(folder, title, found.rates, found.losses, found.smooth, found.tenth):
        yield f"picture:    {path}"


def blocks(found: Tried) -> str:
    """The smoothed loss as the height of a block."""
    columns = min(COLUMNS, len(found.smooth))
    means = [part.mean() for part in np.array_split(found.smooth, columns)]
    low, high = min(means), max(means)
    return "".join(BLOCKS[int((len(BLOCKS) - 1) * (mean - low) / (high - low or 1))] for mean in means)


def advice(found: Tried) -> Iterator[str]:
    """What the curve suggests, and what to type next; or that it does not say."""
    if found.tenth is None or found.steepest is None:
        yield "suggests:   nothing: the loss never falls. Start lower (low=1e-9), or take more steps (steps=1000)"
        return
    yield f"suggests:   lr={found.tenth:.2g}, a tenth of the rate at which its fall has ended ({10 * found.tenth:.2g})"
    valley = f", in the middle of the longest descent lr={found.valley:.2g}" if found.valley else ""
    yield f"others say: where it falls fastest lr={found.steepest:.2g}{valley}"
    # `make lr-range-truth`: the best rate lies a decade above the suggestion in the median, and hardly ever below it
    grid = ",".join(f"{found.tenth * 10**half:.2g}" for half in (0.0, 0.5, 1.0, 1.5))
    yield f"next:       optrun -m lr={grid} with the rest of this command: a hint is not a measurement"
