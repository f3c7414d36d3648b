"""What the chart of a page is told: the curves of some runs, over everything that one can count."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner.core.cost import gradients
from runner.core.errors import visible
from runner.report.runs import PERCENT, Run
from runner.store.base import Row

NUMBERS = 50_000  # on a page in all, about 1 MB
LEAST = 60  # epochs of a run that are drawn however many runs there are
COUNTS = ("epoch", "step", "examples", "forward", "backward", "hvp")  # they are axes, or told by one
TINTS = 8  # colours that one tells apart
AXES = {
    "epoch": "epoch",
    "step": "step",
    "gradients": "gradient evaluations, in passes over the training data",
    "seconds": "seconds of training",
}
Number = float | None


def chart(runs: Sequence[Run], first: Sequence[int], goal: str = "val_loss") -> dict[str, Any]:
    """The curves of some runs as plain data.

    first  the places of those that are drawn at once
    goal   the column that is shown at first
    """
    columns = sorted(quantities(runs), key=lambda name: name != goal)
    most = most_of(runs)
    tints = {place: tint for tint, place in enumerate([*first, *(k for k in range(len(runs)) if k not in set(first))])}
    return {
        "axes": [{"key": key, "name": name} for key, name in AXES.items()],
        "quantities": [quantity(name, columns) for name in columns if not paired(name, columns)],
        "runs": [
            curve(run, columns, most) | {"tint": tints[place], "on": place in set(first)}
            for place, run in enumerate(runs)
        ],
    }


def most_of(runs: Sequence[Run]) -> int:
    """How many epochs of each run are drawn, about."""
    return max(LEAST, NUMBERS // max(1, len(runs) * (len(quantities(runs)) + len(AXES))))


def quantities(runs: Iterable[Run]) -> list[str]:
    """The columns that one may look at, in the order of the files, the validation loss first."""
    named = [name for run in runs for name in run.manifest["columns"] if name not in COUNTS]
    return sorted(dict.fromkeys(named), key=lambda name: (name != "val_loss", name == "lr"))


def paired(name: str, columns: Sequence[str]) -> bool:
    """Whether a column is shown beside that of the validation part."""
    return name.startswith("train_") and f"val_{name.removeprefix('train_')}" in columns


def quantity(name: str, columns: Sequence[str]) -> dict[str, Any]:
    """A choice of the chart: what it shows of the validation part, and of the training part beside it; and whether it
    is a share, of which a logarithm shows nothing.

    >>> quantity("val_loss", ["val_loss", "train_loss", "lr"])
    {'name': 'loss', 'key': 'val_loss', 'beside': 'train_loss', 'share': False}
    """
    plain = name.removeprefix("val_")
    beside = f"train_{plain}"
    has = plain != name and beside in columns
    shown = visible(plain.replace("_", " ") if has else name)
    return {"name": shown, "key": name, "beside": beside if has else None, "share": name.endswith(PERCENT)}


def curve(run: Run, columns: Sequence[str], most: int) -> dict[str, Any]:
    """One run: at most about so many of its epochs, and the first place at which its loss is lost."""
    lost = lost_at(run)
    kept = thinned(run.rows, most, lost)
    rows = [run.rows[at] for at in kept]
    found: dict[str, Sequence[Number]] = {
        "epoch": [row["epoch"] for row in rows],
        "step": [row["step"] for row in rows],
        "gradients": costs(run.manifest, rows),
        "seconds": [run.seconds.get(int(row["epoch"])) for row in rows],
    }
    found |= {name: [finite(row.get(name)) for row in rows] for name in columns}
    known = {name: values for name, values in found.items() if any(value is not None for value in values)}
    place = kept.index(lost) if lost is not None else None
    return {"name": visible(run.name), "status": run.status, "epochs": len(run.rows), "lost": place, "columns": known}


def costs(manifest: Mapping[str, Any], rows: Sequence[Row]) -> list[Number]:
    """What a run had cost at each row; nothing where it does not say."""
    examples = manifest.get("rows", {}).get("train") or 1  # a problem has no examples: one evaluation is one pass
    names = ("forward", "backward", "hvp")
    return [gradients(*(row[k] for k in names)) / examples if row.keys() >= {*names} else None for row in rows]


def finite(value: float | None) -> Number:
    """A number that JSON has.

    >>> finite(0.5), finite(math.inf), finite(None)
    (0.5, None, None)
    """
    return value if value is not None and math.isfinite(value) else None


def lost_at(run: Run) -> int | None:
    """The first row whose training loss is not finite or whose validation loss is infinite; of a run that diverged,
    the last row at the latest. A NaN validation loss alone is one that was not measured."""
    for at, row in enumerate(run.rows):
        if not math.isfinite(row["train_loss"]) or math.isinf(row["val_loss"]):
            return at
    return len(run.rows) - 1 if run.status == "diverged" and run.rows else None


def thinned(rows: Sequence[Row], most: int, lost: int | None = None) -> list[int]:
    """The places of at most about `most` rows: of each of equal parts the first, the last, and where the losses are
    lowest and highest, so that a spike of one epoch in a million is still drawn."""
    if len(rows) <= most:
        return list(range(len(rows)))
    parts = max(1, most // 6)
    keep = set() if lost is None else {lost}
    for part in range(parts):
        places = range(part * len(rows) // parts, (part + 1) * len(rows) // parts)
        keep |= {places[0], places[-1]}
        for name in ("train_loss", "val_loss"):
            measured = [at for at in places if math.isfinite(rows[at][name])]
            if measured:
                keep |= {pick(measured, key=lambda at: rows[at][name]) for pick in (min, max)}
    return sorted(keep)
