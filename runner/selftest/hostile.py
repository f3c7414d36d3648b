"""Files of somebody who means harm: each would leave a canary if anything in it were executed, or written elsewhere."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from runner.selftest.base import Area, Effort, NotHeld, Trial
from runner.selftest.forked import Optrun, forks
from runner.store.base import read_json, write_json
from runner.store.checkpoint import encode
from runner.store.folder import sealed

CANARY = "executed"  # the file that a payload makes
SMALL = ("epochs=1", "architecture.hidden=[4]")
ALLOWED = (0, 2, 6)  # it may be trained on as data, refused, or found to be damaged
STEERING = ("\x1b", "\x9b", "\u202e", "\x07", "\r")
NASTY = "wide\x1b[2J\x9b31m\u202e<script>alert(1)</script>\x07"


class Payload:
    """What makes the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.canary), "w")


@dataclass(frozen=True)
class Trap:
    """A payload: how it is laid in a folder, and the command that meets it there."""

    what: str
    lay: Callable[[Path], None]
    command: tuple[str, ...]


@final
class Hostile(Area):
    """Nothing that is read is ever executed, and no name that is read leads out of its folder or steers a terminal."""

    name = "hostile"
    promise = "nothing that is read executes, climbs out of its folder or steers the terminal"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        with forks() as optrun:
            home = folder / "home"
            home.mkdir()
            made(home, optrun)
            canary = folder / CANARY
            for trap in traps(canary):
                yield sprung(trap, home, folder / "here", canary, optrun)


def made(home: Path, optrun: Optrun) -> None:
    """A run that was cut off and a sweep, which the traps are laid in."""
    optrun(*SMALL[1:], "epochs=3", "hydra.run.dir=run", cwd=home, rows=2)
    answer = optrun("-m", *SMALL, "seed=0,1", "hydra.sweep.dir=sweep", "workers=1", cwd=home)
    if answer.code != 0 or not (home / "run" / "checkpoint").is_dir():
        raise NotHeld(f"nothing to lay a trap in: {answer.err}")


def sprung(trap: Trap, home: Path, here: Path, canary: Path, optrun: Optrun) -> Trial:
    """Lay a trap in a copy of the folder and walk into it."""
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(home, here)
    trap.lay(here)
    outside = contents(here)
    answer = optrun(*trap.command, cwd=here, pictures=True)
    said = answer.out + answer.err
    if canary.exists():
        canary.unlink()
        return Trial(trap.what, False, f"it was executed: exit code {answer.code}, {said}")
    if answer.wrong or answer.code not in ALLOWED:
        return Trial(trap.what, False, answer.wrong or f"exit code {answer.code}: {answer.err}")
    if any(mark in said for mark in STEERING):
        return Trial(trap.what, False, f"it steers the terminal: {said!r}")
    climbed = sorted(path.name for path in here.parent.iterdir() if path not in (home, here))
    for path in climbed:
        shutil.rmtree(here.parent / path, ignore_errors=True)
    changed = [path.name for path, data in outside.items() if not path.is_file() or path.read_bytes() != data]
    pictures = [path for path in here.rglob("*.svg") if "<script" in path.read_text(encoding="utf-8")]
    seen = f"left outside: {climbed}, changed outside: {changed}, scripts in {pictures}"
    return Trial(trap.what, not (climbed or changed or pictures), seen)


def contents(here: Path) -> dict[Path, bytes]:
    """What lies beside the folders that the traps are in, which a link may lead to."""
    return {path: path.read_bytes() for path in here.glob("outside*") if path.is_file()}


def traps(canary: Path) -> Iterator[Trap]:
    """Every payload."""
    yield from pickles(canary)
    yield from targets(canary)
    yield from paths(canary.parent)
    yield from names()


# ---- pickles


def pickles(canary: Path) -> Iterator[Trap]:
    """Where others unpickle."""
    bomb = pickle.dumps(Payload(canary))
    objects = io.BytesIO()
    np.save(objects, np.array([[Payload(canary)]], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in ("x", "y", "mean", "deviation"):
            zipped.writestr(f"{name}.npy", objects.getvalue())
    saved = io.BytesIO()
    torch.save({"theta": Payload(canary)}, saved)
    labels = io.BytesIO()
    np.save(labels, np.arange(20) % 2)

    def newest(data: bytes) -> Callable[[Path], None]:
        def lay(here: Path) -> None:
            for path in (here / "run" / "checkpoint").iterdir():
                path.write_bytes(data)

        return lay

    def behind_a_head(here: Path) -> None:
        head = b"optrun-checkpoint 1 %s %d\n" % (hashlib.sha256(bomb).hexdigest().encode(), len(bomb))
        newest(head + bomb)(here)

    resume = ("resume", "run")
    yield Trap("a pickle as a checkpoint", newest(bomb), resume)
    yield Trap("what torch.save writes as a checkpoint", newest(saved.getvalue()), resume)
    yield Trap("a pickle behind the head of a checkpoint", behind_a_head, resume)
    yield Trap("a pickle as manifest.json", written("run/manifest.json", bomb), resume)
    yield Trap("a pickle as summary.json", written("run/summary.json", bomb), resume)
    yield Trap("objects in preprocess.npz", written("run/preprocess.npz", archive.getvalue()), resume)
    npy = ("dataset=npy", "dataset.path=x.npy", "dataset.target=y.npy", *SMALL)
    both = written("x.npy", objects.getvalue()), written("y.npy", labels.getvalue())
    yield Trap("objects in an npy file", together(*both), npy)
    bare = written("x.npy", bomb), written("y.npy", bomb)
    yield Trap("a pickle as an npy file", together(*bare), npy)
    npz = ("dataset=npz", "dataset.path=x.npz", *SMALL)
    yield Trap("objects in an npz file", written("x.npz", archive.getvalue()), npz)
    yield Trap("a pickle as an npz file", written("x.npz", bomb), npz)
    csv = ("dataset=csv", "dataset.path=x.csv", *SMALL)
    yield Trap("a pickle as a CSV file", written("x.csv", bomb), csv)
    idx = ("dataset=idx", "dataset.path=x", "dataset.target=x", *SMALL)
    yield Trap("a pickle as an IDX file", written("x", bomb), idx)
    batch = tarred({"cifar-10-batches-py/data_batch_1": bomb, "cifar-10-batches-bin/data_batch_1.bin": bomb})
    cifar = ("dataset=cifar10", "dataset.folder=.", "dataset.url=file:///nowhere", *SMALL)
    yield Trap("pickles as batches of CIFAR", written("cifar-10-binary.tar.gz", batch), cifar)


def written(name: str, data: bytes) -> Callable[[Path], None]:
    """Lay a file."""

    def lay(here: Path) -> None:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(data)

    return lay


def together(*lays: Callable[[Path], None]) -> Callable[[Path], None]:
    """Lay several."""

    def lay(here: Path) -> None:
        for each in lays:
            each(here)

    return lay


def tarred(members: dict[str, bytes]) -> bytes:
    """A tar.gz archive."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


# ---- names of classes and of functions


def targets(canary: Path) -> Iterator[Trap]:
    """Where others call what a configuration names."""
    code = f"open({str(canary)!r}, 'w')\n\nclass Canary: ...\n"
    module = written("canary.py", code.encode())
    yaml = {
        "a class of a stranger's": "optimizer: {_target_: canary.Canary}",
        "a function of Python's": f"optimizer: {{_target_: builtins.open, file: '{canary}', mode: w}}",
        "a plugin": "plugins: [canary]\noptimizer: {_target_: canary.Canary}",
        "a callback of Hydra's": f"hydra: {{callbacks: {{x: {{_target_: builtins.open, file: '{canary}', mode: w}}}}}}",
        "a handler of log messages": (
            "hydra: {hydra_logging: {version: 1, handlers: {x: {'()': builtins.open, file: "
            f"'{canary}', mode: w}}}}}}}}"
        ),
        "a log file": (
            "hydra: {job_logging: {version: 1, handlers: {x: {class: logging.handlers.WatchedFileHandler, filename: "
            f"'{canary}'}}}}}}}}"
        ),
        "a launcher": f"hydra: {{launcher: {{_target_: builtins.open, file: '{canary}', mode: w}}}}",
        "a tag of YAML's": f"seed: !!python/object/apply:builtins.open ['{canary}', w]",
        "a resolver that nobody registered": "seed: ${eval:__import__('canary')}",
    }
    for what, text in yaml.items():
        lay = together(module, written("conf/theirs/nice.yaml", f"# @package _global_\n{text}\n".encode()))
        for way in ((), ("-m",)):
            run = (*way, "--config-dir", "conf", "+theirs=nice", *SMALL)
            yield Trap(f"{what} in a yaml{' of a sweep' if way else ''}", lay, run)
    for what, change in (
        ("a class of a stranger's", ("runner.optimizer.adam.Adam", "canary.Canary")),
        ("a function of Python's", ("runner.optimizer.adam.Adam", "builtins.open")),
        ("a tag of YAML's", ("seed: 0", f"seed: !!python/object/apply:builtins.open ['{canary}', w]")),
        ("a resolver", ("seed: 0", "seed: ${oc.env:HOME}")),
    ):
        yield Trap(f"{what} in config.yaml", together(module, forged(*change)), ("resume", "run"))
        yield Trap(f"{what} in sweep.json", together(module, forged_sweep(*change)), ("resume", "sweep"))
    yield Trap("a plugin in config.yaml", together(module, forged("seed: 0", "plugins: [canary]")), ("resume", "run"))
    unsafe = encode({"folder": {"run": 3}, "content": {"__reduce__": "builtins.open"}})
    for number in (1, 2, 3):
        yield Trap("a checkpoint of nonsense", written(f"run/checkpoint/{number:08d}.ckpt", unsafe), ("resume", "run"))


def forged(old: str, new: str) -> Callable[[Path], None]:
    """Change config.yaml of a run, and every hash that vouches for it."""

    def lay(here: Path) -> None:
        config = (here / "run" / "config.yaml").read_text(encoding="utf-8").replace(old, new)
        (here / "run" / "config.yaml").write_text(config, encoding="utf-8")
        changed = {"config_sha256": hashlib.sha256(config.encode()).hexdigest()}
        resealed(here / "run", changed)

    return lay


def resealed(run: Path, changed: dict[str, Any]) -> None:
    """Change the manifest of a run so that it and the summary look as if they had been written so."""
    manifest = sealed({k: v for k, v in (read_json(run / "manifest.json") | changed).items() if k != "sha256"})
    write_json(run / "manifest.json", manifest)
    summary = {k: v for k, v in read_json(run / "summary.json").items() if k != "sha256"}
    write_json(run / "summary.json", sealed(summary, of=manifest["sha256"]))
    for path in (run / "checkpoint").iterdir():
        path.unlink()  # of the run that it was


def forged_sweep(old: str, new: str) -> Callable[[Path], None]:
    """Change sweep.json and its hash, and take the runs away, so that they are built anew."""

    def lay(here: Path) -> None:
        path = here / "sweep" / "sweep.json"
        content = json.loads(path.read_text(encoding="utf-8").replace(old, new))
        write_json(path, sealed({key: value for key, value in content.items() if key != "sha256"}))
        for run in ("0", "1"):
            shutil.rmtree(here / "sweep" / run)

    return lay


# ---- paths and links that lead out of a folder


def paths(folder: Path) -> Iterator[Trap]:
    """Names that are read back, and lead elsewhere."""
    for name in ("../../climbed", "..", str(folder / "climbed"), "0/../../../climbed", ""):
        yield Trap(f"the folder {name!r} of a job", renamed(name), ("resume", "sweep"))
        yield Trap(f"the folder {name!r} of a job, drawn", renamed(name), ("plot", "sweep"))
    for name in (".lock", "metrics.csv", "timing.csv", "summary.json", "checkpoint"):
        yield Trap(f"a link as {name}", linked(name), ("resume", "run"))
    members = {"../climbed": b"x", str(folder / "climbed"): b"x", "cifar-10-batches-bin/../../climbed": b"x"}
    cifar = ("dataset=cifar10", "dataset.folder=.", "dataset.url=file:///nowhere", *SMALL)
    yield Trap("paths that climb in a tar archive", written("cifar-10-binary.tar.gz", tarred(members)), cifar)


def renamed(name: str) -> Callable[[Path], None]:
    """Give the first job of a sweep another folder, and take its run away."""

    def lay(here: Path) -> None:
        path = here / "sweep" / "sweep.json"
        content = read_json(path)
        content["jobs"][0]["dir"] = name
        write_json(path, sealed({key: value for key, value in content.items() if key != "sha256"}))
        shutil.rmtree(here / "sweep" / "0")

    return lay


def linked(name: str) -> Callable[[Path], None]:
    """Put a link in the place of a file, to one outside that must stay as it is."""

    def lay(here: Path) -> None:
        target = here / "run" / name
        outside = here / f"outside{name}"
        target.rename(outside)
        target.symlink_to(outside)

    return lay


# ---- names on the screen


def names() -> Iterator[Trap]:
    """Names of columns, of classes and of runs that would steer a terminal or a browser."""
    rows = "".join(f"{n},{n % 3},{NASTY if n % 2 else 'rose'}\n" for n in range(20))
    good = written("x.csv", f"{NASTY},height,kind\n{rows}".encode())
    bad = written("x.csv", f"{NASTY},height,kind\n{rows}x,1,rose\n".encode())
    csv = ("dataset=csv", "dataset.path=x.csv", *SMALL, "hydra.run.dir=new")
    yield Trap("names of columns and of classes", good, csv)
    yield Trap("a name of a column in a message", bad, csv)
    yield Trap("a name of a column that is constant", written("x.csv", constant()), csv)
    yield Trap("a target that is missing", good, (*csv, f"dataset.target='{NASTY}'"))

    def retitled(here: Path) -> None:
        resealed(here / "run", {"title": NASTY, "metrics": {"accuracy": "max"}})

    yield Trap("a title in a run folder", retitled, ("resume", "run"))

    def judged(here: Path) -> None:
        manifest = read_json(here / "sweep" / "0" / "manifest.json")
        summary = {"status": "completed", "verdict": NASTY, "epochs": 1, "best_epoch": 1}
        write_json(here / "sweep" / "0" / "summary.json", sealed(summary, of=manifest["sha256"]))

    yield Trap("a verdict in a run folder", judged, ("resume", "sweep/0"))
    yield Trap("a verdict in a sweep", judged, ("resume", "sweep"))
    yield Trap("a run folder called like a script", good, (*csv[:-1], "hydra.run.dir='<script>alert(1)'"))


def constant() -> bytes:
    """A table in which a column of a nasty name never changes, which is remarked."""
    return f"{NASTY},height,kind\n".encode() + b"".join(b"1,%d,%d\n" % (n, n % 2) for n in range(20))
