"""How good the suggestions of `optrun lr_range` are, against the measured best rate: `make lr-range-truth`.

The truth: a sweep over rates half a decade apart with three seeds each, 10 epochs; the best is that with the lowest
mean of the best validation losses. Each rule of the range test is scored by how many decades its rate lies from the
best (negative: below it), and by the loss at the rate of the grid that is nearest to its own, over that of the best. A
rate at which one of the seeds diverges has no loss. With --readme README.md the table is written there.
"""

from __future__ import annotations

import argparse
import csv
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from hydra import compose, initialize_config_dir

from runner import build, cli, grammar, lr_range
from runner.run import prepare
from tests.bench import readme

OPTRUN = Path(sys.executable).with_name("optrun")
RATES = [f"{10 ** (half / 2):.3g}" for half in range(-10, 3)]  # 1e-5 to 10
SEEDS, EPOCHS = 3, 10
OPTIMIZERS = ("sgd", "momentum", "adam")
NUMBERS = ("loss=mse",)  # for data sets whose targets are numbers
DATASETS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("digits", "iris", "wine", "breast_cancer", "two_moons", "spirals", "circles", "blobs"), ()),
    **dict.fromkeys(("diabetes", "sine"), NUMBERS),
}
RULES = ("steepest", "valley", "tenth")


@dataclass(frozen=True)
class Scored:
    """A suggestion beside the truth: decades from the best rate, and the loss there over the best; NaN where lost."""

    rate: float | None
    decades: float
    regret: float

    def cells(self) -> tuple[str, ...]:
        if self.rate is None:
            return ("none", "", "")
        regret = "diverged" if math.isnan(self.regret) else f"{self.regret:.2f}"
        return (f"{self.rate:.2g}", f"{self.decades:+.1f}", regret)


def truth(scratch: Path, dataset: str, optimizer: str) -> dict[float, float]:
    """Rate -> the mean of the best validation losses over the seeds, where all of them were completed."""
    folder = scratch / f"{dataset}_{optimizer}"
    chosen = (f"dataset={dataset}", f"optimizer={optimizer}", *DATASETS[dataset], f"epochs={EPOCHS}", "stop=epochs")
    axes = (f"lr={','.join(RATES)}", f"seed=range({SEEDS})")
    command = [str(OPTRUN), "-m", *chosen, *axes, f"hydra.sweep.dir={folder}"]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    found: dict[float, list[float]] = {}
    with open(folder / "sweep.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["status"] == "completed":
                found.setdefault(float(row["lr"]), []).append(float(row["best_val_loss"]))
    return {rate: sum(losses) / SEEDS for rate, losses in found.items() if len(losses) == SEEDS}


def suggested(dataset: str, optimizer: str) -> dict[str, float | None]:
    """What the range test says, by rule."""
    with initialize_config_dir(str(grammar.CONF), version_base="1.3"):
        config = compose("config", [f"dataset={dataset}", f"optimizer={optimizer}", *DATASETS[dataset]])
    run = build.from_hydra(config)
    found = lr_range.tried(run, prepare(run), lr_range.LOW, lr_range.HIGH, lr_range.STEPS)
    return {rule: getattr(found, rule) for rule in RULES}


def scored(rate: float | None, known: dict[float, float]) -> Scored:
    """A suggestion against the truth."""
    if rate is None:
        return Scored(None, math.nan, math.nan)
    best = min(known, key=lambda each: known[each])
    near = min(map(float, RATES), key=lambda each: abs(math.log(each / rate)))
    there, least = known.get(near, math.nan), known[best]
    regret = there / least if least else 1.0 if there == 0 else math.inf  # float32 knows a loss of exactly 0
    return Scored(rate, math.log10(rate / best), regret)


def table(scratch: Path) -> Iterator[str]:
    """The lines of the table, in Markdown, and what they come to."""
    found: dict[str, list[Scored]] = {rule: [] for rule in RULES}
    heads = [f"{rule} | decades | loss / best" for rule in RULES]
    yield f"| dataset | optimizer | best rate | {' | '.join(heads)} |"
    yield f"|---|---|---:|{'---:|' * 3 * len(RULES)}"
    for dataset in DATASETS:
        for optimizer in OPTIMIZERS:
            known, said = truth(scratch, dataset, optimizer), suggested(dataset, optimizer)
            each = [scored(said[rule], known) for rule in RULES]
            for rule, one in zip(RULES, each, strict=True):
                found[rule].append(one)
            cells = [cell for one in each for cell in one.cells()]
            yield f"| {dataset} | {optimizer} | {min(known, key=lambda rate: known[rate]):.2g} | {' | '.join(cells)} |"
    yield ""
    for rule, all_of in found.items():
        given = [one for one in all_of if one.rate is not None]
        within = sum(abs(one.decades) <= 0.5 for one in given)
        kept = [math.inf if math.isnan(one.regret) else one.regret for one in given]
        middle = median(one.decades for one in given)
        yield (
            f"{rule}: within half a decade of the best in {within} of {len(all_of)}, {middle:+.1f} decades in the "
            f"median, loss {median(kept):.2f} times the best in the median, at worst {max(kept):.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make lr-range-truth", description=(__doc__ or "").strip())
    parser.add_argument("--readme", type=Path, help="a file to write the table into, between its marks")
    given = parser.parse_args()
    cli.prepared([])
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        for line in table(Path(scratch)):
            print(line, flush=True)
            lines.append(line)
    if given.readme:
        readme.write(given.readme, "lr-range-truth", lines)


if __name__ == "__main__":
    main()
