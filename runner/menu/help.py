"""`optrun --help`: the page for a person who sees the program for the first time."""

from __future__ import annotations

import re

from runner.menu.catalogue import Room, plain_keys, problems, rooms
from runner.menu.text import columns, commands, fitted, page, paragraph

INTRO = (
    "optrun trains neural networks to compare how they are trained. One command makes every choice and leaves a folder "
    "with numbers, curves and a way to go on."
)
EXAMPLES = (
    ("optrun optimizer=adam lr=1e-3", "one run"),
    ("optrun -m lr=0.1,0.03,0.01", "with -m one run for each value"),
    ("optrun -m optimizer=sgd,momentum,adam lr=0.1,0.01 'seed=range(3)'", "a grid of 18 runs, ranked on validation"),
    ("optrun tune 'lr=interval(1e-4,1)'", "searches for the best; tune --help"),
    ("optrun resume outputs/RUN", "goes on where a run or a sweep was cut off"),
    ("optrun plot outputs/RUN", "draws its pictures again"),
    ("optrun doctor outputs/RUN", "says what is wrong, and what to try"),
    ("optrun report outputs/RUN ...", "runs and sweeps as one page for a browser"),
)
CHOICES = "Choices, as optimizer=sgd (* is the default); arguments, as optimizer.mu=0.9"
RESULTS = (
    "Each run leaves a folder in outputs/, or hydra.run.dir=DIR, with metrics.csv (a row per epoch), "
    "curves.png, summary.json (test result), config.yaml, checkpoint/ and more. With -m, "
    "hydra.sweep.dir=DIR holds all of them."
)
EXIT_CODES = (
    "0 ok, 1 unexpected, 2 bad configuration or data, 3 diverged, 4 disk, 5 locked, 6 corrupt, 7 out of memory, "
    "8 an expectation missed, 9 a process of the run was lost, 130 interrupted, 143 terminated."
)
FURTHER = (
    ("optrun -m lr=0.1,1 engine=slurm", "or ray, processes; workers=N; lanes=off"),
    ("optrun -m --extend lr=0.1,0.03,1", "hydra.sweep.dir=SWEEP: runs what it lacks"),
    ("optrun list [ROOM] [CHOICE]", "formula, arguments, source of a choice"),
    ("optrun schedule schedule=cosine", "draws a schedule; steps= in an epoch"),
    ("optrun gradcheck loss=huber", "the gradient against finite differences"),
    ("optrun lr_range optimizer=sgd", "the loss over rates, and a suggestion"),
    ("optrun landscape outputs/SWEEP", "the loss around its runs; --help"),
    ("optrun lectures", "claims of lectures, put to the test"),
    ("optrun selftest", "tries here what the README promises"),
    ("optrun optimizer=sgd --cfg job", "the configuration; --hydra-help: the flags"),
    ('eval "$(optrun -sc install=bash)"', "tab completion, in bash or zsh"),
    ("optrun -sc install=fish | source", "the same in fish"),
)
LEFT = 38  # a column that holds all commands but the grid


def help_page(width: int = 80, colour: bool = False) -> str:
    """What the program does, how to ask for it, and what comes out."""
    width = fitted(width)
    choices = [(place.name, ", ".join(marked(name, place) for name in place.names)) for place in rooms()]
    choices.append(("problem", ", ".join(one.name for one in problems())))
    keys = [(f"{key.name}={default(key.default)}", key.meaning) for key in plain_keys()]
    sections = (
        ("Examples", columns(EXAMPLES, width, LEFT)),
        (CHOICES, columns(choices, width, left=16)),
        ("Plain keys, with their defaults", columns(keys, width, left=21)),
        ("Results", paragraph(RESULTS, width, indent=2)),
        ("Exit codes", paragraph(EXIT_CODES, width, indent=2)),
        ("Further", columns(FURTHER, width, LEFT)),
    )
    return page(INTRO, sections, width, colour)


TUNE = (
    "optrun tune searches for the best setting: it trains trials batch after batch, each proposed from what the "
    "earlier ones gave. Every trial is a run in a sweep folder. The test part is not looked at."
)
TUNE_EXAMPLES = (
    "optrun tune 'lr=interval(1e-4,1)' 'optimizer.mu=interval(0,0.99)' optimizer=momentum runs=40",
    "optrun tune 'lr=interval(1e-4,0.1)' optimizer=adam,rmsprop schedule=constant,cosine prune=median",
    "optrun resume outputs/TUNE runs=80",
)
TUNE_RANGES = (
    ("KEY='interval(1e-4,1)'", "every number between; by its logarithm where the quantity may be any above 0"),
    ("KEY='tag(log,interval(0.1,1))'", "the same by its logarithm; tag(linear,...): evenly"),
    ("KEY='int(interval(16,256))'", "whole numbers"),
    ("KEY=a,b,c", "one of these, without an order; range(5,30,5): in order"),
)
TUNE_KEYS = (
    ("runs=40", "trials, at most"),
    ("total_epochs=unlimited", "epochs of all trials together, at most"),
    ("search=tpe", "tpe learns from the trials before; random, sobol: each by itself"),
    ("prune=none", "median, halving: trials that look bad end early"),
    ("goal=val_loss", "a validation number, of the best epoch: val_accuracy"),
    ("batch=auto", "trials proposed at once, and trained side by side"),
    ("workers=auto", "processes that train; one process proposes and owns the folder"),
    ("engine=auto", "where trials train: here, processes, slurm, ray"),
    ("seed=0", "of the search and of every run: the same command tries the same settings"),
)
TUNE_LEAVES = (
    "sweep.json, sweep.csv and a folder for each trial, as optrun -m does; tune.json, study.log (Optuna's journal), "
    "tune.csv (a row per trial), expected_best.csv (how good the best of k trials is expected to be) and tune.png. "
    "optrun resume completes a tune that was cut off; runs= and total_epochs= extend it. Optuna is an extra: "
    "pip install 'optrun[tune]'."
)


def tune_page(width: int = 80) -> str:
    """What `optrun tune` does, what it takes and what it leaves."""
    width = fitted(width)
    sections = (
        ("Examples", commands(TUNE_EXAMPLES, width)),
        ("Ranges", columns(TUNE_RANGES, width, left=35)),
        ("Plain keys, with their defaults", columns(TUNE_KEYS, width, left=26)),
        ("Results", paragraph(TUNE_LEAVES, width, indent=2)),
    )
    return page(TUNE, sections, width)


LANDSCAPE = (
    "optrun landscape shows the loss around runs that have one start: the paths of several optimizers on the same "
    "contours. What a run went through is trained again in memory, to the bit; nothing of its folder is changed."
)
LANDSCAPE_EXAMPLES = (
    "optrun -m problem=rosenbrock optimizer=sgd,momentum,nesterov lr=0.0005 hydra.sweep.dir=outputs/valley",
    "optrun landscape outputs/valley",
    "optrun landscape outputs/SGD outputs/ADAM directions=filter",
)
LANDSCAPE_KEYS = (
    ("directions=auto", "the plane of a network: principal (auto), along which the runs moved most; filter, random "
     "ones scaled filter by filter; hessian, in which the loss bends most at the end of the last run"),
    ("points=auto", "of each path, evenly over its steps; 2: start and end alone, without training again"),
    ("grid=auto", "losses along each axis: 241 for one or two parameters, 51 for a network"),
    ("examples=2000", "at most so many of the training part, and of the validation part, that a loss is the mean of"),
    ("seed=0", "of the random directions"),
    ("out=FOLDER", "where to write; else the folder that is named first"),
)  # fmt: skip
LANDSCAPE_LEAVES = (
    "Of one or two parameters: landscape.png, .svg, .gif (paths grow step by step) and the tables landscape.csv and "
    "landscape_paths.csv. Of a network: landscape_line (the loss from start to end, training and validation) and "
    "landscape_DIRECTIONS, with their tables. The command stands in a .json beside each. Runs of one figure have the "
    "same data, network, loss and start; a sweep stands for its runs, of which a figure shows at most eight."
)


def landscape_page(width: int = 80) -> str:
    """What `optrun landscape` shows, what it takes and what it leaves."""
    width = fitted(width)
    sections = (
        ("Examples", commands(LANDSCAPE_EXAMPLES, width)),
        ("Plain keys, with their defaults", columns(LANDSCAPE_KEYS, width, left=26)),
        ("Results", paragraph(LANDSCAPE_LEAVES, width, indent=2)),
    )
    return page(LANDSCAPE, sections, width)


REPORT = (
    "optrun report puts runs and sweeps on one page: curves, ranked tables, what the doctor sees in the rows, "
    "configurations, and the command of each. It is one HTML file that opens without a network; a run stays as it is."
)
REPORT_EXAMPLES = (
    "optrun report outputs/RUN",
    "optrun report outputs/SWEEP outputs/RUN out=paper/first.html",
)
REPORT_KEYS = (
    ("out=FILE.html", "where to write; else report.html in the folder that is named first"),
    ("doctor=on", "off: no run is built again for the doctor, who needs its data"),
    ("plugins=[]", "packages of yours that the runs are made of"),
)


def report_page(width: int = 80) -> str:
    """What `optrun report` shows, what it takes and what it leaves."""
    width = fitted(width)
    sections = (
        ("Examples", commands(REPORT_EXAMPLES, width)),
        ("Plain keys, with their defaults", columns(REPORT_KEYS, width, left=20)),
    )
    return page(REPORT, sections, width)


def marked(name: str, place: Room) -> str:
    return f"{name}*" if name == place.default else name


def default(text: str) -> str:
    """A default as it is in the file, except for those that an optimizer may bring: with the default optimizer."""
    if text == "${optimizer.lr}":
        optimizer = next(place for place in rooms() if place.name == "optimizer")
        return optimizer[optimizer.default].lr
    selected = re.fullmatch(r"\$\{oc\.select:optimizer\.\w+,(.*)\}", text)
    return selected[1] if selected else text
