from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from runner.menu import conf_dir, rooms
from runner.selftest.base import Area, Effort, Trial
from runner.selftest.program import completed, differing, remains

# Every room that draws numbers or sums them, with more than one of its choices.
PRESETS = {
    "defaults": ("epochs=3",),
    "dropout": ("architecture.dropout=0.3", "optimizer=momentum", "epochs=3"),
    "batch norm, cyclic": ("architecture/normalization=batch", "schedule=cyclic", "optimizer=nesterov", "epochs=3"),
    "plateau, early stopping": ("schedule=plateau", "stop=early_stopping", "optimizer=sgd", "epochs=6"),
    "convnet": ("architecture=convnet", "epochs=1", "threads=1"),
    "recurrent": ("architecture=rnn", "optimizer=rmsprop", "epochs=1"),
    "transformer": ("architecture=transformer", "optimizer=adamw", "epochs=1", "threads=1"),
    "least squares": ("dataset=diabetes", "loss=mse", "architecture=linear", "sampler=full", "optimizer=sgd"),
    "with replacement": ("sampler=with_replacement", "optimizer=adagrad", "epochs=3"),
    "single examples": ("dataset=iris", "sampler=single", "optimizer=sgd", "epochs=3"),
    "partition": ("sampler=fixed_partition", "optimizer=adadelta", "epochs=3"),
    "whitening": ("preprocess=whiten_pca", "init=orthogonal", "optimizer=lion", "epochs=3"),
    "averages": ("optimizer=ema", "preprocess=min_max", "epochs=3"),
    "lookahead": ("optimizer=lookahead", "init=xavier_uniform", "epochs=3"),
    "sharpness": ("optimizer=sam", "architecture/activation=gelu", "epochs=3"),
    "muon": ("optimizer=muon", "init=truncated_normal", "epochs=3"),
    "schedule-free": ("optimizer=schedule_free_adamw", "architecture.dropout=0.1", "epochs=3"),
    "penalty": ("regularizer=l2", "loss=softmax_squared", "optimizer=adamax", "epochs=3"),
    "made up": ("dataset=spirals", "optimizer=nadam", "schedule=one_cycle", "epochs=3"),
    "double precision": ("precision=float64", "optimizer=radam", "schedule=cosine", "epochs=3"),
}
SHORT = ("dropout", "batch norm, cyclic")
MEMORIES = ("sgd", "momentum", "adam")  # with none, one and two vectors of memory
START = {"start_sha256": "initial weights", "order_sha256": "batches"}  # in the manifest
OWN_BATCH = "\nbatch_size:"  # in the yaml of an optimizer that takes all examples at once
SEEDS = 3  # of the sweep in which a preset is one of the jobs
WORKERS = (1, 2, 3)


@dataclass(frozen=True)
class Circumstances:
    """Where and how a run is started, and what of that must not matter.

    place  the folder in which the program is started
    """

    what: str
    place: str = "here"
    env: dict[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()


PROBED = "probe=distance"
TOGETHER = Circumstances(
    "in another folder, locale and time zone, with another hash seed and a probe",
    "another place",
    {"LC_ALL": "C", "LANG": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"},
    (PROBED,),
)
SEPARATELY = (
    Circumstances("once more"),
    Circumstances("in another folder", "another place"),
    Circumstances("in the locale C", env={"LC_ALL": "C", "LANG": "C"}),
    Circumstances("in a locale with other digits and commas", env={"LC_ALL": "ar_EG.UTF-8", "LANG": "de_DE.UTF-8"}),
    Circumstances("in another time zone", env={"TZ": "Asia/Kathmandu"}),
    Circumstances("with PYTHONHASHSEED=1", env={"PYTHONHASHSEED": "1"}),
    Circumstances("with PYTHONHASHSEED=2", env={"PYTHONHASHSEED": "2"}),
    Circumstances("with a probe", overrides=(PROBED,)),
    TOGETHER,
)


@final
class Determinism(Area):
    """Equal choices leave equal bytes: each preset again and again, in circumstances that must not matter."""

    name = "determinism"
    promise = "equal choices leave equal bytes, however they are started; one seed, one start"
    note = (
        "on one machine with one set of versions. Runs side by side (lanes) agree with the same run alone up to "
        "rounding; lanes=off gives the same bytes. A net large enough for several threads rounds by their number: "
        "threads=1 fixes it."
    )

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        for number, name in enumerate(PRESETS if effort == "full" else SHORT):
            place = folder / str(number)
            place.mkdir()
            yield from again(name, place, effort)
            shutil.rmtree(place)
        yield from shared(folder, effort)


def again(name: str, folder: Path, effort: Effort) -> Iterator[Trial]:
    """One preset, alone and as a job of sweeps."""
    whole = remains(run(PRESETS[name], Circumstances("first", "first"), folder))
    for each in SEPARATELY if effort == "full" else (TOGETHER,):
        left = remains(run(PRESETS[name], each, folder))
        if PROBED in each.overrides:
            left |= without_probe(left, whole)
        yield compared(f"{name}, {each.what}", whole, left)
    for workers in WORKERS if effort == "full" else WORKERS[1:2]:
        seeds = ",".join(map(str, (*range(1, SEEDS), 0)))  # the last of them is the preset's own
        ways = (f"seed={seeds}", "lanes=off", f"workers={workers}", f"hydra.sweep.dir=sweep{workers}")
        completed("-m", *PRESETS[name], *ways, cwd=folder)
        left = remains(folder / f"sweep{workers}" / str(SEEDS - 1))
        yield compared(f"{name}, in a sweep with workers={workers}", whole, left)


def run(overrides: tuple[str, ...], where: Circumstances, folder: Path) -> Path:
    """Train in these circumstances; the run's folder, which no other run takes."""
    place = folder / where.place
    place.mkdir(exist_ok=True)
    name = f"run{len(list(place.iterdir()))}"
    completed(*overrides, *where.overrides, f"hydra.run.dir={name}", cwd=place, env=where.env)
    return place / name


def columns(metrics: bytes) -> list[str]:
    """The header of a metrics.csv."""
    return metrics.decode().partition("\n")[0].split(",")


def narrowed(metrics: bytes, names: list[str]) -> bytes:
    """A metrics.csv with these of its columns alone, as they are written there."""
    kept = [columns(metrics).index(name) for name in names]
    lines = [line.split(",") for line in metrics.decode().splitlines()]
    return "".join(",".join(cells[i] for i in kept) + "\n" for cells in lines).encode()


def without_probe(left: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """The rows that a run with a probe left, without the probe's columns and the hash of them all."""
    names, kept = columns(whole["metrics.csv"]), "metrics_sha256"
    summary = left["summary.json"] | {kept: whole["summary.json"][kept]}
    for row in ("best", "final"):
        summary[row] = {name: value for name, value in summary[row].items() if name in names}
    return {"metrics.csv": narrowed(left["metrics.csv"], names), "summary.json": summary}


def compared(what: str, whole: dict[str, Any], left: dict[str, Any]) -> Trial:
    """Whether a run left what the first one left: metrics, summary, the parameters to the bit."""
    names = differing(whole, left)
    return Trial(what, not names, f"differs from the first run in {', '.join(names)}")


def shared(folder: Path, effort: Effort) -> Iterator[Trial]:
    """Every optimizer, or three of them, with one seed, and one of them with another."""
    every = next(list(room.names) for room in rooms() if room.name == "optimizer")
    chosen = [name for name in every if name != "torch"] if effort == "full" else list(MEMORIES)
    fixed = ("epochs=1", "architecture.hidden=[8]", "lanes=off", "hydra.sweep.dir=starts")
    completed("-m", f"optimizer={','.join(chosen)}", "seed=0,1", *fixed, cwd=folder)
    yamls = [(conf_dir() / "optimizer" / f"{name}.yaml").read_text(encoding="utf-8") for name in chosen]
    plain: Sequence[int] = [at for at, yaml in enumerate(yamls) if OWN_BATCH not in yaml]
    for key, words in START.items():
        found = [manifest(folder / "starts" / str(job))[key] for job in range(2 * len(chosen))]
        among = plain if key == "order_sha256" else range(len(chosen))
        yield alike(f"{words} of {len(among)} optimizers with one seed", [found[2 * at] for at in among], 1)
        yield alike(f"{words} of two seeds", found[:2], 2)
    shutil.rmtree(folder / "starts")


def manifest(folder: Path) -> dict[str, Any]:
    """What a run ran with."""
    return dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))


def alike(what: str, found: list[str], expected: int) -> Trial:
    """Whether there are as many different hashes as expected."""
    return Trial(what, len(set(found)) == expected, f"{len(set(found))} different ones: {sorted(set(found))}")
