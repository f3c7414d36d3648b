"""One run on 1, 2 and 4 processes: steps a second, each process with one thread, with gloo on the processors.

The times are those of `timing.csv` from the first epoch on: reading the data and starting the processes are not in
them, validation and commits are. With more processes than processors nothing can be gained, which the table shows too.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from runner.core.device import cores
from runner.store.folder import read_rows

OUTPUTS = Path(__file__).parents[2] / "outputs"
COUNTS = (1, 2, 4)


@dataclass(frozen=True)
class Load:
    """A network and its mini-batches; so many epochs take some seconds."""

    what: str
    choices: tuple[str, ...]

    def pace(self, count: int, folder: Path) -> float:
        """Steps a second on so many processes, in a folder of its own."""
        launcher = (*("-m", "torch.distributed.run", f"--nproc-per-node={count}"), "--standalone", "-m", "runner")
        alone = ("-m", "runner")
        subprocess.run(
            [
                *(sys.executable, *(launcher if count > 1 else alone)),
                *(*self.choices, "stop=epochs", "threads=1", f"hydra.run.dir={folder}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        seconds = [row["time_s"] for row in read_rows(folder / "timing.csv")]
        steps = [row["step"] for row in read_rows(folder / "metrics.csv")]
        return (steps[-1] - steps[0]) / (seconds[-1] - seconds[0])


# From a step that costs less than telling each other of it to one that is worth it.
LOADS = (
    Load("64-32-32-10, batch 100", ("architecture.hidden=[32,32]", "batch_size=100", "epochs=40")),
    Load("64-1024-1024-10, batch 100", ("architecture.hidden=[1024,1024]", "batch_size=100", "epochs=12")),
    Load("64-1024-1024-10, batch 1000", ("architecture.hidden=[1024,1024]", "batch_size=1000", "epochs=20")),
    Load(
        "convnet 16-32, batch 200",
        ("architecture=convnet", "architecture.channels=[16,32]", "batch_size=200", "epochs=5"),
    ),
)


def table(turns: int) -> str:
    """Steps a second on 1, 2 and 4 processes, medians over turns, and the ratio to one."""
    head = ("", *(f"{count}" for count in COUNTS), *(f"{count} : 1" for count in COUNTS[1:]))
    lines = [head]
    OUTPUTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".bench.", dir=OUTPUTS) as scratch:
        for number, load in enumerate(LOADS):
            paces: dict[int, list[float]] = {count: [] for count in COUNTS}
            for turn in range(turns):
                for count in COUNTS:
                    paces[count].append(load.pace(count, Path(scratch) / f"{number}-{turn}-{count}"))
            ratios = [median(b / a for a, b in zip(paces[1], paces[count], strict=True)) for count in COUNTS[1:]]
            cells = (*(f"{median(paces[count]):,.0f}" for count in COUNTS), *(f"{ratio:.2f}" for ratio in ratios))
            lines.append((load.what, *cells))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    form = "  ".join(["{:<%d}", *["{:>%d}"] * (len(head) - 1)]) % tuple(widths)
    caption = f"One run on several processes, steps a second; one thread each, {cores()} processors, {turns} turns"
    return "\n".join([caption, "", *(form.format(*line) for line in lines)])
