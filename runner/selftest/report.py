"""What came of the areas: a table in the terminal, the failures in words, the table of README.md."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from runner import __version__
from runner.core import device
from runner.selftest.base import Area, Trial

MARKS = BEGIN, END = "<!-- faults: make test-faults -->", "<!-- /faults -->"
RECORDS = "areas"  # the folder of what came of each area, beside what the tests counted
LISTED = 5  # failures of an area on the screen; all of them are in its folder
SHOWN = 8  # last lines of what was seen, on the screen
REFRESH_HZ = 4.0


@dataclass
class Standing:
    """What came of an area so far."""

    name: str
    area: type[Area]
    folder: Path
    trials: int = 0
    failures: list[Trial] = field(default_factory=list)
    longest_s: float = 0.0
    begun: float = 0.0
    seconds: float = 0.0
    ended: bool = False

    @property
    def held(self) -> bool:
        """Whether the area came to its end, and nothing failed."""
        return self.ended and not self.failures

    def add(self, trial: Trial) -> None:
        self.trials += 1
        self.longest_s = max(self.longest_s, trial.seconds)
        if not trial.held:
            self.failures.append(trial)


class Shown:
    """The table while it fills: redrawn in place in a terminal, a line for every area that ends elsewhere."""

    def __init__(self, standings: Sequence[Standing]) -> None:
        self.console = Console(highlight=False)
        self._standings = standings
        self._said = set[str]()
        self._live = Live(console=self.console, refresh_per_second=REFRESH_HZ, get_renderable=self._table)

    def _table(self) -> Table:
        return table(self._standings)

    def __enter__(self) -> Shown:
        if self.console.is_terminal:
            self._live.start()
        return self

    def draw(self) -> None:
        """Say what has ended; a terminal shows it by itself."""
        for standing in self._standings:
            if standing.ended and standing.name not in self._said and not self.console.is_terminal:
                self._said.add(standing.name)
                print(f"{standing.name}: {verdict(standing)}, {standing.seconds:.0f} s", flush=True)

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._live.stop()
        else:
            self.console.print(table(self._standings))


def verdict(standing: Standing) -> str:
    """`60 trials held`, or how many did not."""
    if standing.failures:
        return f"{len(standing.failures):,} of {standing.trials:,} trials did not hold"
    return f"{standing.trials:,} trials held"


def table(standings: Sequence[Standing]) -> Table:
    """One line an area: its promise, how often it was tried, how often it failed, for how long."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
    made.add_column("area", no_wrap=True)
    made.add_column("promise", ratio=1)
    for name in ("trials", "failed", "s"):
        made.add_column(name, justify="right", no_wrap=True)
    for standing in standings:
        made.add_row(*cells(standing))
    return made


def cells(standing: Standing) -> tuple[Text, ...]:
    """The line of an area."""
    waiting, bad = not standing.begun, bool(standing.failures)
    style = "dim" if waiting else "bold red" if bad else "green" if standing.ended else ""
    seconds = standing.seconds or (time.monotonic() - standing.begun if standing.begun else 0.0)
    numbers = ("", "", "") if waiting else (f"{standing.trials:,}", f"{len(standing.failures):,}", f"{seconds:.0f}")
    return (
        Text(standing.name, style=style),
        Text(standing.area.promise, style="dim" if waiting else ""),
        *(Text(number, style=style if number else "") for number in numbers),
    )


def conclude(standings: Sequence[Standing], seconds: float) -> None:
    """Below the table: what a platform cannot keep, what failed, and the sentence that sums it up."""
    console = Console(highlight=False)
    for standing in standings:
        if standing.area.note:
            console.print(Text(f"\nnote, {standing.name}: {standing.area.note}", style="dim"))
    for standing in standings:
        for trial in standing.failures[:LISTED]:
            console.print(Text(f"\n{standing.name}: {trial.what}", style="bold red"))
            console.print(Text("\n".join(f"  {line}" for line in trial.seen.splitlines()[-SHOWN:])), soft_wrap=True)
        if standing.failures:
            more = len(standing.failures) - LISTED
            rest = f"; {more:,} more in failures.txt" if more > 0 else ""
            console.print(Text(f"  kept: {standing.folder}{rest}"), soft_wrap=True)
    trials = sum(standing.trials for standing in standings)
    failed = sum(len(standing.failures) for standing in standings)
    said = f"{failed:,} of {trials:,} trials did not hold" if failed else f"all {trials:,} trials held"
    console.print(Text(f"\n{said}, {seconds:.0f} s", style="bold red" if failed else "bold green"))


def keep(standing: Standing) -> None:
    """Write every failure of an area into its folder."""
    text = "\n\n".join(f"{trial.what}\n{trial.seen}" for trial in standing.failures)
    (standing.folder / "failures.txt").write_text(text + "\n", encoding="utf-8")


def counted(folder: Path | None) -> dict[str, list[tuple[str, int]]]:
    """What the tests of the repository tried beside, by area: {"configuration": [("mutated files", 1000000)]}."""
    found: dict[str, list[tuple[str, int]]] = {}
    for path in sorted(folder.glob("*.json")) if folder else ():
        about = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(about["area"], []).append((about["what"], about["trials"]))
    return found


@dataclass(frozen=True)
class Record:
    """What came of an area in full, kept until the table is written: the areas need not be tried in one go.

    where  the versions, the machine and the day
    """

    name: str
    trials: int
    failed: int
    longest_s: float
    seconds: float
    where: str


def record(standing: Standing) -> Record:
    """What is kept of an area that has ended."""
    where = (
        f"optrun {__version__}, torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}, "
        f"{device.cores()} processors, {datetime.now(UTC):%Y-%m-%d}"
    )
    failed = len(standing.failures)
    return Record(standing.name, standing.trials, failed, standing.longest_s, standing.seconds, where)


def remember(folder: Path, standing: Standing) -> None:
    """Keep what came of an area in a folder, in place of what came of it before."""
    (folder / RECORDS).mkdir(exist_ok=True)
    text = json.dumps(asdict(record(standing)), indent=2) + "\n"
    (folder / RECORDS / f"{standing.name}.json").write_text(text, encoding="utf-8")


def remembered(folder: Path | None) -> dict[str, Record]:
    """What is kept in a folder, by area."""
    found = sorted((folder / RECORDS).glob("*.json")) if folder else ()
    return {path.stem: Record(**json.loads(path.read_text(encoding="utf-8"))) for path in found}


def markdown(
    areas: Mapping[str, type[Area]], records: Mapping[str, Record], beside: Mapping[str, list[tuple[str, int]]]
) -> str:
    """The table for README.md, and under it where it was measured and what no platform keeps."""
    lines = ["| area | promise | tried | failed | longest | minutes |", "|---|---|---|---|---|---|"]
    for name, area in areas.items():
        others = [f"{trials:,} {what}" for what, trials in beside.get(name, ())]
        if (kept := records.get(name)) is None:
            cells = [", ".join(["not in full", *others]), "", "", ""]
        else:
            longest = f"{kept.longest_s:.1f} s" if kept.longest_s else ""
            tried = ", ".join([f"{kept.trials:,}", *others])
            cells = [tried, f"{kept.failed:,}", longest, f"{kept.seconds / 60:.0f}"]
        lines.append(f"| {' | '.join([f'`{name}`', area.promise, *cells])} |")
    places: dict[str, list[str]] = {}
    for name, kept in records.items():
        places.setdefault(kept.where, []).append(f"`{name}`")
    several = len(places) > 1
    where = [f"{', '.join(names)}: {place}." if several else f"{place}." for place, names in places.items()]
    notes = [f"- `{name}`: {area.note}" for name, area in areas.items() if area.note]
    return "\n".join([*lines, "", *where, *(["", *notes] if notes else [])])


def written(page: str, text: str) -> str:
    """A page with `text` between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"
