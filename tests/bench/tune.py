"""Whether `optrun tune` beats random search at an equal budget: `make tune-truth`.

The network has one hidden layer of 32, the data are digits, a trial has `EPOCHS` epochs, and what is searched is
`SPACE`. Each of `REPEATS` repetitions has a seed of its own, which draws the trials, the first weights and the batches;
every search has `RUNS` trials in it. Of each, the lowest validation loss of all trials is kept. Searches are compared
seed by seed:

    d_s = log(best of tpe with seed s) - log(best of random search with seed s)

whose mean has Student's interval of 95 % (`runner.core.seeds`), and is told as a ratio, exp(mean d) - 1. Two figures
are free of any scale: the median of the rank among the searches, and in how many repetitions tpe was better. Nothing is
left out. With --readme README.md the table is written there.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from runner import cli
from runner.core.device import cores
from runner.core.seeds import mean_and_half
from tests.bench import readme

SPACE = (
    "architecture.hidden=[32]",
    "optimizer=momentum",
    "lr=interval(1e-4,1)",
    "optimizer.mu=interval(0,0.99)",
    "regularizer=l2",
    "regularizer.strength=interval(1e-6,0.1)",
    "schedule=constant,cosine,exponential",
)
EPOCHS, RUNS, REPEATS = 10, 30, 20
SEARCHES = ("random", "tpe")

Bests = dict[str, list[float]]  # of each search, by seed


def best_so_far(search: str, seed: int, scratch: str) -> list[float]:
    """The lowest validation loss after each trial of one search."""
    folder = Path(scratch) / f"{search}_{seed}"
    budget = (f"epochs={EPOCHS}", f"runs={RUNS}", f"search={search}", f"seed={seed}")
    with redirect_stdout(StringIO()) as said:
        code = cli.main(["tune", *SPACE, *budget, "workers=1", f"hydra.sweep.dir={folder}"])
    if code:
        raise RuntimeError(f"seed {seed}, {search}: exit code {code}\n{said.getvalue()}")
    with open(folder / "tune.csv", newline="") as file:
        found = [float(row["best_so_far"] or "nan") for row in csv.DictReader(file)]
    print(f"seed {seed}, {search}: {found[-1]:.5f}", file=sys.stderr, flush=True)
    return found


def row(trials: int, bests: Bests) -> str:
    """The two searches after so many trials."""
    ones, others = bests["tpe"], bests["random"]
    ranks = {name: [1 + sum(other[s] < value for other in bests.values()) for s, value in enumerate(bests[name])]
             for name in SEARCHES}  # fmt: skip
    mean, half = mean_and_half([math.log(one / other) for one, other in zip(ones, others, strict=True)])
    low, high = (100 * (math.exp(mean + side * (half or 0.0)) - 1) for side in (-1, 1))
    better = sum(one < other for one, other in zip(ones, others, strict=True))
    cells = [str(trials), *(f"{median(bests[name]):.4f}" for name in SEARCHES)]
    cells += [" / ".join(f"{median(ranks[name]):g}" for name in SEARCHES)]
    cells += [f"{100 * (math.exp(mean) - 1):+.1f} % ({low:+.1f} to {high:+.1f})", f"{better} of {len(ones)}"]
    return f"| {' | '.join(cells)} |"


def table(found: dict[str, list[list[float]]]) -> Iterator[str]:
    """The lines of the table, in Markdown."""
    yield "| trials | random, median | tpe, median | median rank | tpe against random | tpe better in |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for trials in (RUNS // 3, RUNS * 2 // 3, RUNS):
        yield row(trials, {name: [curve[trials - 1] for curve in curves] for name, curves in found.items()})


def main() -> None:
    parser = argparse.ArgumentParser(prog="make tune-truth", description=(__doc__ or "").strip())
    parser.add_argument("--readme", type=Path, help="a file to write the table into, between its marks")
    parser.add_argument("--at-once", type=int, default=cores(), help="searches in work at a time")
    given = parser.parse_args()
    pairs = list(product(SEARCHES, range(REPEATS)))
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(given.at_once, get_context("spawn")) as pool:
        curves = list(pool.map(best_so_far, *zip(*pairs, strict=True), [scratch] * len(pairs)))
    found = {search: curves[at * REPEATS : (at + 1) * REPEATS] for at, search in enumerate(SEARCHES)}
    lines = list(table(found))
    print("\n".join(lines))
    if given.readme:
        readme.write(given.readme, "tune-truth", lines)


if __name__ == "__main__":
    main()
