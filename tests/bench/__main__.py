"""How fast runs and sweeps are, as ratios: `make bench ARGS=--quick`, or `python -m tests.bench --only step`.

Prints eight tables and fails nobody: on a busy machine a timing is no verdict. Takes half an hour, with --quick half of
it.
"""

from __future__ import annotations

import argparse
import gc
import time

import torch

from tests.bench import curved, device, lanes, parallel, process, step, sweep
from tests.bench.turns import Comparison, table


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").strip())
    parser.add_argument("--quick", action="store_true", help="few turns: a first impression")
    parts = ("step", "curved", "process", "lanes", "parallel", "sweep")
    parser.add_argument("--only", choices=parts, help="one of the parts")
    parser.add_argument("--device", help="how well a device is used, by its name, instead of all that")
    given = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    if given.device:
        for each in device.tables(given.device, 2 if given.quick else 10):
            print("\n" + each, flush=True)
        print(f"\ntorch {torch.__version__}; measured in {time.perf_counter() - begun:.0f} s")
        return
    if given.only in (None, "step"):
        steps(quick=given.quick)
    if given.only in (None, "curved"):
        caption = "What curvature costs, us: batches ready, no validation"
        print("\n" + table(caption, curved.comparisons(10 if given.quick else 40), unit=1e-6))
    if given.only in (None, "process"):
        caption = "Whole process, s: the default experiment, 30 epochs"
        print("\n" + table(caption, [process.compared(15 if given.quick else 50)], unit=1.0))
    if given.only in (None, "lanes"):
        caption = "Runs side by side, us a run and step, whole loop with all files; one thread"
        print("\n" + table(caption, lanes.comparisons(20 if given.quick else 60), unit=1e-6))
    if given.only in (None, "parallel"):
        print("\n" + parallel.table(3 if given.quick else 7))
    if given.only in (None, "sweep"):
        sweeps(quick=given.quick)
    print(f"\ntorch {torch.__version__}; measured in {time.perf_counter() - begun:.0f} s")


def sweeps(quick: bool) -> None:
    with sweep.scratch() as folder:
        caption = "Whole sweep from the shell, s: 32 learning rates, digits, 30 epochs, all files"
        print("\n" + table(caption, sweep.comparisons(folder, 5 if quick else 30), unit=1.0))
        for caption, lines in (
            (
                "Sweeps of more and more runs of the default experiment, one epoch, lanes=off workers=1",
                sweep.growth(folder),
            ),
            ("Sweeps of more and more runs and epochs, MLP 64-32-32-10, from the shell", sweep.linear(folder)),
        ):
            print(f"\n{caption}\n")
            for line in lines:
                print(line)


def steps(quick: bool) -> None:
    rows: dict[str, list[Comparison]] = {"whole loop": [], "step alone": []}
    for contest in step.contests():
        for kind, comparison in contest.compared(10 if quick else 30):
            rows[kind].append(comparison)
    captions = {
        "whole loop": (
            "Whole loop, us a step: train() with all that users get, against a plain loop. Both validate once\n"
            "an epoch; theirs keeps no training loss, no accuracy, no norm of the gradient, writes nothing. One thread."
        ),
        "step alone": "Step alone, us: batches ready, no validation (ours takes loss and norm as numbers)",
    }
    for kind, caption in captions.items():
        print("\n" + table(caption, rows[kind], unit=1e-6))


if __name__ == "__main__":
    gc.set_threshold(100_000, 50, 50)  # as in `runner.cli.command`, for both sides
    main()
