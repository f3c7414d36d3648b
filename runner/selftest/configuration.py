"""Values that people get wrong, at every key of every room, and commands that Hydra's grammar trips over."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

from runner import menu
from runner.selftest.base import Area, Effort, Trial
from runner.selftest.forked import Answer, Optrun, forks

REFUSED = 2
ENDED = (0, 3, 7, 8)  # a result, or divergence, no memory or a missed expectation, each in words
LIMIT_S = 60.0
SHORT = 36  # trials at keys in the short form
# Refused at every key: no argument of any choice may be one of these.
NEVER = ("nan", "inf", "-inf", "1e400", "[nan]", "[-inf]", "{a:nan}", "[[1],[2]]", "'\u00e9\x1b[31m'", "１２")
# Refused or trained with: which of the two is the key's own business.
DOUBTFUL = (
    *(
        "-1",
        "0",
        "2.5",
        "true",
        "''",
        "null",
        "[]",
        "{}",
        "abc",
        "1e308",
        "1e-320",
        "1e30",
        "'1'",
        "0x10",
        "???",
    ),
    *(
        "99999999999999999999999999",
        "1000000000000",
        "[-1]",
        "[0]",
        "[1,2,3,4,5,6,7]",
        "{a:1}",
        "../../x",
        "$HOME",
        "None",
    ),
)
PLAIN = ("lr", "batch_size", "epochs", "start", "seed", "device", "threads", "precision", "plugins", "expect")
BAD = {  # at the plain keys: refused, each of them
    "lr": (
        "-1",
        "0",
        "true",
        "''",
        "null",
        "[]",
        "[0.1]",
        "{}",
        "abc",
        "1e31",
        "1e308",
        "'0.1'",
        "1_000e",
        "0x1",
        "???",
    ),
    "batch_size": ("-1", "0", "2.5", "1e2", "true", "''", "null", "[]", "{}", "abc", "'5'", "99999999999999999999"),
    "epochs": ("-1", "0", "2.5", "1e2", "true", "''", "null", "[]", "{}", "abc", "'5'", "99999999999999999999"),
    "start": ("1", "true", "null", "''", "abc", "{}", "[abc]", "[null]", "[true]", "[1e31]", "[[1]]"),
    "seed": ("-1", "2.5", "1e3", "true", "''", "null", "[]", "{}", "abc", "'5'"),
    "device": ("gpu", "''", "null", "0", "true", "[]", "cuda:x", "cuda:-1", "CPU", "tpu"),
    "threads": ("-1", "0", "2.5", "true", "''", "null", "[]", "{}", "all", "100000000"),
    "precision": ("float16", "32", "double", "''", "null", "true", "[]", "{}", "Float32"),
    "plugins": ("3", "null", "true", "os", "{}", "[3]", "[null]", "[[os]]"),
    "expect": (
        "3",
        "0",
        "null",
        "true",
        "''",
        "[]",
        "abc",
        "{val_loss:abc}",
        "{nothing:1}",
        "{val_loss:null}",
        "{val_loss:[1]}",
    ),
}
WRONG = ("-1", "2.5", "true", "''", "null", "[]", "{}", "abc", "'5'", "99999999999999999999")
WAYS = {  # of what is more than one run: refused, each of them; what a cluster has names for is text, its to refuse
    "-m lr=1,2": ("workers", "lanes", "engine"),
    "-m lr=1,2 engine=processes": ("workers",),
    "-m lr=1,2 engine=slurm": tuple(
        f"engine.{name}" for name in ("cpus", "gpus", "time", "memory", "sbatch", "nothing")
    ),
    "-m lr=1,2 engine=ray": ("engine.cpus", "engine.gpus"),
    "tune lr=0.1,1": ("runs", "total_epochs", "search", "prune", "goal", "batch"),
}
COMMANDS = (
    *("=3", "lr=", "lr='", 'lr="1', "lr=(1", "lr=[1", "lr={a", "lr=1=2", "lr==1", "lr,epochs=1", "lr lr=1", "lr=1,2"),
    *("+lr=1 lr=2", "lrr=0.1", "+lrr=0.1", "++lrr=0.1", "~lr", "~epochs", "~optimizer", "~nothing", "+optimizer=adam"),
    *("optimizer=adamm", "optimizer=3", "optimizer=null", "optimizer=[1]", "optimizer=''", "optimizer=../adam"),
    *(
        "optimizer.betas=[0.9",
        "optimizer.betas=0.9,0.99",
        "optimizer.nothing=1",
        "optimizer=ädäm",
    ),
    *("architecture/activation=5", "architecture.activation=5", "architecture/nothing=relu", "schedule.then=cosine"),
    *(
        "lr=${lr}",
        "lr=${nowhere}",
        "lr=${oc.env:NOWHERE}",
        "lr=${",
        "lr=$",
        "seed=range(3)",
        "lr=choice(1,2)",
        "lr=sort(3,1)",
    ),
    *(
        "optimizer.lr=0.1 lr=0.1",
        "hydra=null",
        "hydra.run=3",
        "hydra.run.dir=null",
        "hydra.run.dir=.",
        "hydra.nothing=1",
    ),
    *("optimizer._target_=os.system", "optimizer._target_=3", "optimizer._target_=.", "optimizer._target_=null"),
    *(
        "stop.rules.epochs=3",
        "stop.rules=null",
        "loss.nothing=1",
        "dataset.validation=1",
        "dataset.test=-1",
    ),
    *(
        "-m lr=",
        "-m lr=glob(*)",
        "-m lr=range(nan)",
        "-m lr=range(0,1,0)",
        "-m lr=interval(0,1)",
        "-m seed=range(10000000)",
    ),
    *(
        "-m lr=1,2 lr=3,4",
        "-m optimizer=adam,3",
        "-m lr=1,2 workers=0",
        "-m lr=1,2 lanes=-1",
        "-m lr=nan,inf",
        "workers=2",
    ),
    *(
        "schedule steps=0",
        "schedule lrr=1",
        "gradcheck lr=nan",
        "resume",
        "resume nowhere",
        "plot nowhere",
        "list nowhere",
    ),
    *("engine=gpu", "engine=", "engine=slurm", "engine.cpus=2", "-m lr=1,2 engine=[ray]", "-m lr=1,2 engine.cpus=2"),
    *("+experiment=", "+experiment=3", "+experiment=grosse", "+experiment=../x", "+experiment={a:1}"),
    *("+experiment=grosse/ravine,grosse/mu_one", "-m +experiment=grosse/ravine", "+experiment=grosse/ravine lr=nan"),
    *("+experiment=grosse/ravine nothing=1", "lectures nothing", "lectures run nothing"),
    *(
        "doctor",
        "doctor nowhere",
        "report",
        "report nowhere",
        "landscape",
        "landscape nowhere",
        "landscape seed=-1",
        "tune runs=0",
        "lr_range lr=nan",
        "lr_range nothing=1",
    ),
    *(f"lr={'9' * 5000}", f"lr={'[' * 3000}", f"{'a' * 5000}=3", f"lr={'x' * 100_000}", "rezume", "--extend", "lr"),
)
FIRST = (
    *("-m", "list", "schedule", "gradcheck", "lr_range", "tune", "resume", "plot", "doctor", "report", "lectures"),
    "+experiment=grosse/ravine",
)
# Company in which a choice trains; the first that does is taken.
COMPANY: tuple[tuple[str, ...], ...] = (
    (),
    ("dataset=diabetes", "loss=mse"),
    ("dataset=breast_cancer", "loss=bce"),
    ("problem=bowl",),
    ("problem=double_well",),
    ("problem=reddi",),
    ("architecture=convnet",),
    ("optimizer=muon",),
)
FILES = {"csv", "npy", "npz", "idx", "mnist", "fashion_mnist", "cifar10"}  # bad_data has their arguments
NEVER_TRAINS = {"zero_one"}  # refused whatever its arguments are


@final
class Configuration(Area):
    """A value that makes no sense is refused by its key; what is not refused gives a finite run or says why not."""

    name = "configuration"
    promise = "exit 2 naming the key, or a finite run: no traceback, no hang, no NaN; bad values accepted: 0"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        with forks() as optrun:
            short = effort == "short"
            bad = [f"{key}={value}" for key, values in BAD.items() for value in (*values, *NEVER)]
            ways = [
                f"{what} {key}={value}" for what, keys in WAYS.items() for key in keys for value in (*WRONG, *NEVER)
            ]
            asked = [*COMMANDS, *bad, *ways]
            for command in asked[:: 8 if short else 1]:
                arguments = split(command)
                answer = asking(arguments, folder, optrun)
                yield judged(command[:80], answer, folder, named(arguments), must_refuse=True)
            yield from at_every_key(folder, optrun, SHORT if short else None)


def split(command: str) -> list[str]:
    """The arguments of a command; only flags and what goes with them stand before a space."""
    first = command.partition(" ")[0]
    many = first in FIRST or command.count("=") == 2
    return command.split(" ") if many and "==" not in command and command != "lr=1=2" else [command]


def named(arguments: Sequence[str]) -> str:
    """The end of the key that a message has to name; nothing for a command that is none."""
    key = arguments[-1].partition("=")[0].lstrip("+~")
    return key.rpartition(".")[2].rpartition("/")[2][:60]


def asking(arguments: Sequence[str], folder: Path, optrun: Optrun) -> Answer:
    """What optrun answers, in a folder of its own."""
    command = any("=" not in each or each.startswith("-") for each in arguments)
    where = [] if command or any("run.dir" in each for each in arguments) else ["hydra.run.dir=run"]
    return optrun(*arguments, *where, cwd=folder, limit_s=LIMIT_S)


def judged(what: str, answer: Answer, folder: Path, key: str, must_refuse: bool) -> Trial:
    """Whether a command ended as it may."""
    summary = folder / "run" / "summary.json"
    numbers = measured(json.loads(summary.read_text(encoding="utf-8"))) if answer.code == 0 and summary.exists() else []
    for path in folder.iterdir():
        shutil.rmtree(path, ignore_errors=True)
    if answer.wrong:
        return Trial(what, False, answer.wrong)
    if answer.code == REFUSED:
        return Trial(what, key in answer.err, f"the message does not name {key}: {answer.err}")
    if must_refuse:
        return Trial(what, False, f"it was accepted: exit code {answer.code}, {answer.err}")
    finite = all(map(math.isfinite, numbers))
    return Trial(what, answer.code in ENDED and finite, f"exit code {answer.code}, {numbers}, {answer.err}")


def measured(summary: dict[str, dict[str, float]]) -> list[float]:
    """The losses and metrics of a run."""
    parts = [summary.get(part) or {} for part in ("best", "final", "test")]
    return [value for part in parts for name, value in part.items() if name.startswith(("train_", "val_", "loss"))]


def at_every_key(folder: Path, optrun: Optrun, some: int | None) -> Iterator[Trial]:
    """Every value at every argument of every choice; or some of them, drawn."""
    keys = [
        (room.name, entry.name, f"{room.name.replace('/', '.')}.{argument.name}")
        for room in menu.rooms()
        for entry in room.choices
        if entry.name not in (*FILES, *NEVER_TRAINS)
        for argument in entry.arguments
    ]
    places = [(*key, value) for key in keys for value in (*NEVER, *DOUBTFUL)]
    if some is not None:
        places = random.Random(0).sample(places, some)
    company: dict[tuple[str, str], list[str]] = {}
    for room, name, key, value in places:
        if (room, name) not in company:
            company[room, name] = fitting(room, name, folder, optrun)
        arguments = [*company[room, name], f"{key}={value}"]
        answer = asking(arguments, folder, optrun)
        yield judged(" ".join(arguments), answer, folder, named(arguments), must_refuse=value in NEVER)


def fitting(room: str, name: str, folder: Path, optrun: Optrun) -> list[str]:
    """Arguments with which a choice trains for an epoch."""
    for company in COMPANY:
        others = [each for each in company if each.partition("=")[0] != room]
        plain = room == "architecture" or any(each.startswith(("problem", "architecture")) for each in others)
        arguments = ["epochs=1", *([] if plain else ["architecture.hidden=[6]"]), *others, f"{room}={name}"]
        answer = asking(arguments, folder, optrun)
        for path in folder.iterdir():
            shutil.rmtree(path, ignore_errors=True)
        if answer.code == 0:
            return arguments
    return ["epochs=1", f"{room}={name}"]
