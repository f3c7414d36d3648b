"""Flipped bits and cut files: a run folder and a sweep folder are damaged in one place, and taken up again."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from runner.selftest.base import Area, Effort, NotHeld, Trial
from runner.selftest.forked import Answer, Optrun, forks
from runner.selftest.program import differing, remains
from runner.store.base import read_json, write_json
from runner.store.folder import sealed

FLIPS = {"short": 120, "full": 10_000}
CUTS = {"short": 20, "full": 500}
RUN = ("dataset=iris", "architecture.hidden=[4]", "epochs=4", "stop=epochs", "batch_size=20")
OFTEN = (12, 3, 1, 2, 1)  # the scenes: a run that is resumed reads the most, and pictures take half a second to draw
CORRUPT, INTERRUPTED = 6, 130  # exit codes
COPY = "copy"
OTHERS = {"cut": "other", "whole": "whole_other", "sweep": "whole_other"}


@dataclass(frozen=True)
class Scene:
    """A folder, and what optrun is asked to do with it after it was damaged.

    files     those that are damaged, by their names in the folder, with how often each is chosen
    expected  what comes of it when it is whole
    """

    name: str
    command: str
    files: dict[str, int]
    expected: dict[str, Any] = field(default_factory=dict)


@final
class Corruption(Area):
    """A flipped bit, a missing end or a file of another run is found, or does not change the result."""

    name = "corruption"
    promise = "damage is found: the commit before is used with a notice, or exit 6; none is silent"
    note = "rows behind the last commit of a killed run have no hash: plot counts them, resume repeats them"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        chance = random.Random(0)
        with forks() as optrun:
            scenes = prepared(folder, optrun)
            for cut, count in ((False, FLIPS[effort]), (True, CUTS[effort])):
                for _ in range(count):
                    scene = chance.choices(scenes, OFTEN)[0]
                    yield damaged(scene, chance, cut, folder, optrun)
            yield from swapped(scenes, folder, optrun)
            yield from of_a_later_version(scenes[0], folder, optrun)


def prepared(folder: Path, optrun: Optrun) -> list[Scene]:
    """A run that was cut off, one that has ended, and a sweep; each with what comes of it when it is whole."""
    for seed, names in enumerate((("cut", "whole"), ("other", "whole_other"))):
        must(optrun(*RUN, f"seed={seed}", f"hydra.run.dir={names[0]}", cwd=folder, rows=3), INTERRUPTED)
        must(optrun(*RUN, f"seed={seed}", f"hydra.run.dir={names[1]}", cwd=folder, pictures=True))
    must(optrun("-m", *RUN, "seed=0,1", "lr=0.01,0.001", "hydra.sweep.dir=sweep", "workers=1", cwd=folder))
    own = {"manifest.json": 2, "summary.json": 2, "metrics.csv": 2, "config.yaml": 1}
    commits = {f"checkpoint/{path.name}": 3 for path in (folder / "cut" / "checkpoint").iterdir()}
    scenes = [
        Scene("cut", "resume", own | commits | {"timing.csv": 1, "preprocess.npz": 1}),
        Scene("whole", "resume", own),
        Scene("whole", "plot", {"manifest.json": 1, "summary.json": 1, "metrics.csv": 3}),
        Scene("sweep", "resume", {"sweep.json": 2, "sweep.csv": 1, "0/summary.json": 1, "1/manifest.json": 1}),
        Scene("sweep", "plot", {"sweep.json": 1, "sweep.csv": 1, "2/metrics.csv": 1, "3/summary.json": 1}),
    ]
    return [replace(scene, expected=seen(scene, taken_up(scene, folder, optrun), folder)) for scene in scenes]


def must(answer: Answer, code: int = 0) -> None:
    """What goes before the damage has to work."""
    if answer.code != code:
        raise NotHeld(f"exit code {answer.code} before anything was damaged\n{answer.err}")


def fresh(scene: Scene, folder: Path) -> Path:
    """A copy of its folder that may be damaged; always under one name, which is in the titles of pictures."""
    copy = folder / COPY
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / scene.name, copy)
    return copy


def taken_up(scene: Scene, folder: Path, optrun: Optrun) -> Answer:
    """What a whole copy answers."""
    fresh(scene, folder)
    return optrun(scene.command, COPY, cwd=folder, pictures=scene.command == "plot")


def seen(scene: Scene, answer: Answer, folder: Path) -> dict[str, Any]:
    """Everything that the command said and left, that must not depend on damage."""
    copy = folder / COPY
    if scene.name == "sweep":
        files = [*copy.glob("*/metrics.csv"), *copy.glob("sweep*.csv"), *copy.glob("sweep.png")]
    else:
        files = [copy / "metrics.csv", *copy.glob("curves.png")]
    found: dict[str, Any] = {str(path.relative_to(copy)): path.read_bytes() for path in sorted(files)}
    if scene.name == "cut":
        found |= remains(copy)
    if scene.name == "whole":
        found["said"] = answer.out
    return found


def damaged(scene: Scene, chance: random.Random, cut: bool, folder: Path, optrun: Optrun) -> Trial:
    """One bit of one file is flipped, or its end is cut off."""
    copy = fresh(scene, folder)
    name = chance.choices([*scene.files], [*scene.files.values()])[0]
    data = bytearray((copy / name).read_bytes())
    if cut:
        place = chance.randrange(len(data))
        what = f"{scene.command} {scene.name}: {name} cut to {place} bytes"
        del data[place:]
    else:
        place, bit = chance.randrange(len(data)), chance.randrange(8)
        what = f"{scene.command} {scene.name}: bit {bit} of byte {place} of {name} flipped"
        data[place] ^= 1 << bit
    (copy / name).write_bytes(data)
    return judged(what, scene, folder, optrun)


def judged(what: str, scene: Scene, folder: Path, optrun: Optrun) -> Trial:
    """Take the damaged copy up: it has to end as if it were whole, or with exit 6 and the name of a file."""
    answer = optrun(scene.command, COPY, cwd=folder, pictures=scene.command == "plot")
    if answer.wrong:
        return Trial(what, False, answer.wrong)
    if answer.code == CORRUPT:
        said = answer.out + answer.err
        named = any(Path(file).name in said for file in scene.files) or "this optrun reads" in said
        return Trial(what, named, f"exit 6 without the name of a file: {answer.err}")
    if answer.code != 0:
        return Trial(what, False, f"exit code {answer.code}: {answer.err}")
    return Trial(what, not (other := differing(scene.expected, seen(scene, answer, folder))), f"silent: {other}")


def swapped(scenes: list[Scene], folder: Path, optrun: Optrun) -> Iterator[Trial]:
    """Files of one run in the folder of another."""
    for scene in scenes:
        for name in scene.files:
            other = folder / OTHERS[scene.name] / Path(name).name
            if scene.name == "cut" and name.startswith("checkpoint/"):
                other = folder / OTHERS[scene.name] / name
            if other.exists():
                shutil.copy(other, fresh(scene, folder) / name)
                yield judged(f"{scene.command} {scene.name}: {name} is that of another run", scene, folder, optrun)


def of_a_later_version(scene: Scene, folder: Path, optrun: Optrun) -> Iterator[Trial]:
    """Checkpoints and a manifest that this version cannot know."""
    commits = sorted((fresh(scene, folder) / "checkpoint").iterdir())
    for number in (1, 2):
        copy = fresh(scene, folder)
        for path in commits[-number:]:
            path.write_bytes(path.read_bytes().replace(b"optrun-checkpoint 1 ", b"optrun-checkpoint 7 ", 1))
        yield judged(f"the newest {number} of 2 commits are of a later version", scene, folder, optrun)
    copy = fresh(scene, folder)
    manifest = read_json(copy / "manifest.json") | {"format": 99}
    write_json(copy / "manifest.json", sealed({key: value for key, value in manifest.items() if key != "sha256"}))
    yield judged("the manifest is of a later version", scene, folder, optrun)
