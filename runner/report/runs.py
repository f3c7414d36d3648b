"""One run as a page tells of it, read from its folder alone."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import yaml

from runner.core.errors import CorruptError
from runner.report.base import number
from runner.store.base import Row, disk
from runner.store.folder import read_config, read_manifest, read_rows, read_status, verified

KEYS = 1000  # of a configuration, at most: one has about fifty, and a hostile one could unfold without end
NEEDED = ("epoch", "step", "train_loss", "val_loss")
PERCENT = ("accuracy",)


@dataclass(frozen=True)
class Finding:
    """What a rule of the doctor sees: its name, the measured numbers, where the rule is from, what to try."""

    name: str
    seen: str
    source: str
    command: str


@dataclass(frozen=True)
class Run:
    """A run folder.

    name      what it is called on the page
    folder    as one types it
    rows      of metrics.csv
    seconds   epoch -> seconds since the start; empty where they are not known
    summary   as `read_status` gives it
    config    key -> value, as texts
    remarks   what the reader should know of its files
    findings  of the doctor
    doctor    what else he says, or why he says nothing
    """

    name: str
    folder: Path
    manifest: Mapping[str, Any]
    summary: Mapping[str, Any]
    rows: Sequence[Row]
    seconds: Mapping[int, float]
    config: Mapping[str, str]
    remarks: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    doctor: str = ""

    @property
    def title(self) -> str:
        return str(self.manifest.get("title", self.name))

    @property
    def command(self) -> str:
        return str(self.manifest.get("command", ""))

    @property
    def status(self) -> str:
        return str(self.summary["status"])

    @property
    def kind(self) -> Literal["good", "partly", "bad"]:
        """Of the status: it came to its end, not yet, or never will."""
        if self.status == "completed":
            return "good"
        return "partly" if self.status in ("running", "interrupted") else "bad"

    @property
    def metrics(self) -> list[str]:
        return list(self.manifest.get("metrics", {}))

    @property
    def best(self) -> Row | None:
        """The row of the best epoch; of a run that has not ended, the best so far."""
        if "final" in self.summary:
            found: Row | None = self.summary.get("best")
            return found
        judged = [row for row in self.rows if math.isfinite(row["val_loss"])]
        return min(judged, key=lambda row: row["val_loss"], default=None)

    @property
    def numbers(self) -> dict[str, float]:
        """What there is to compare, by the name of its column."""
        parts = {"best": self.best, "final": self.rows[-1] if self.rows else None}
        names = ["loss", *self.metrics]
        found = {
            f"{part}_{side}_{name}": row[f"{side}_{name}"]
            for part, row in parts.items()
            for side in ("val", "train")
            for name in names
            if row and f"{side}_{name}" in row
        }
        return found | {f"test_{name}": value for name, value in (self.summary.get("test") or {}).items()}

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What the manifest says beside title, command and update rule."""
        m = self.manifest
        told: list[tuple[str, Any]] = [
            ("the same iterates as", m.get("equivalent_to")),
            ("parameters", f"{m['parameters']:,}" if isinstance(m.get("parameters"), int) else None),
            ("examples", ", ".join(f"{count:,} {part}" for part, count in m.get("rows", {}).items())),
            ("started", m.get("created")),
            ("device", f"{m.get('device')}, {m.get('threads')} threads, {m.get('precision', 'float32')}"),
            ("versions", ", ".join(f"{name} {version}" for name, version in m.get("versions", {}).items())),
            ("git revision", m.get("git_revision")),
            ("SHA-256 of the data", m.get("data_sha256")),
        ]
        return [(name, str(value)) for name, value in told if value and value != "none"]


def read(folder: Path, name: str) -> Run:
    """The run in a folder; `CorruptError` where it does not hold what was written."""
    manifest, summary = read_manifest(folder), read_status(folder)
    notices = verified(folder)
    config = flat(folder, read_config(folder))
    rows = read_rows(folder / "metrics.csv")
    if missing := [column for column in NEEDED if column not in manifest["columns"]]:
        raise CorruptError(f"{folder / 'metrics.csv'}: no column {', '.join(missing)}")
    return Run(name, folder, manifest, summary, rows, seconds(folder), config, tuple(notices))


def flat(folder: Path, text: str) -> dict[str, str]:
    """The keys of a configuration with their values, as one types them; at most `KEYS` of them."""
    try:
        return dict(islice(leaves(yaml.safe_load(text), ""), KEYS))
    except (yaml.YAMLError, RecursionError) as error:
        raise CorruptError(f"{folder / 'config.yaml'} is not what optrun writes: {error}") from None


def leaves(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """The leaves of a configuration with their paths.

    >>> dict(leaves({"optimizer": {"_target_": "runner.optimizer.sgd.SGD", "mu": [0.9, None]}, "lr": 0.1}, ""))
    {'optimizer': 'sgd', 'optimizer.mu': '[0.9,null]', 'lr': '0.1'}
    """
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from leaves(value, key if name == "_target_" else f"{key}.{name}" if key else str(name))
    else:
        yield key, typed(node)


def typed(leaf: Any) -> str:
    """A value as one types it: a choice of this package by its name, which is that of its file; all else by YAML, which
    writes a list that occurs in itself as a reference."""
    if isinstance(leaf, str) and leaf.startswith("runner.") and leaf.count(".") > 1:
        return leaf.split(".")[-2]
    text = yaml.safe_dump(leaf, default_flow_style=True, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...").replace(", ", ",")


def seconds(folder: Path) -> dict[int, float]:
    """Epoch -> seconds of training so far, from timing.csv, which has no hash; nothing where it does not say."""
    path = folder / "timing.csv"
    if not path.is_file():
        return {}
    with disk(path, "read"), path.open(encoding="ascii", errors="replace", newline="") as file:
        try:
            return {int(row["epoch"]): float(row["time_s"]) for row in csv.DictReader(file)}
        except (KeyError, TypeError, ValueError):
            return {}


def shown(name: str, value: float) -> str:
    """A number of a run.

    >>> shown("val_accuracy", 0.98148), shown("val_loss", 0.0694620)
    ('98.15 %', '0.06946')
    """
    return f"{100 * value:.2f} %" if name.endswith(PERCENT) else number(value)
