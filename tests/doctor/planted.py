"""Runs that were made to have a fault, and healthy ones, each as the words of its command.

The thresholds of the rules were chosen on the lot `chosen`, and corrected after looks at the lot `checked` and at those
of tests/doctor/seen.py and tests/doctor/seen_again.py. What the census counts are the runs of tests/doctor/judged.py.
"""

from __future__ import annotations

Words = tuple[str, ...]
Planted = list[tuple[str, tuple[str, ...]]]  # words that carry a fault, and what they are planted in
LOTS = ("chosen", "checked")
PLUGINS = ("tests.doctor.parts",)
SEEDS: dict[str, int] = {"chosen": 0, "checked": 3000}

SETS: dict[str, tuple[str, ...]] = {
    "chosen": (
        "dataset=digits",
        "dataset=iris",
        "dataset=two_moons dataset.noise=0.2",
        "dataset=sine loss=mse",
        "dataset=blobs dataset.clouds=5 dataset.std=3",
    ),
    "checked": (
        "dataset=wine dataset.split_seed=6",
        "dataset=breast_cancer dataset.split_seed=6",
        "dataset=circles dataset.factor=0.3 dataset.data_seed=31",
        "dataset=spirals dataset.arms=3 dataset.turns=1 dataset.noise=0.05 dataset.data_seed=31",
        "dataset=sine loss=mse dataset.frequency=0.5 dataset.noise=0.2 dataset.data_seed=31",
        "dataset=blobs dataset.clouds=6 dataset.std=2.5 dataset.features=3 dataset.data_seed=31",
    ),
}
# Classes that overlap, so that the loss has a level above 0 to be held at.
MIXED: dict[str, tuple[str, ...]] = {
    "chosen": (
        "dataset=two_moons dataset.noise=0.2",
        "dataset=blobs dataset.clouds=5 dataset.std=3",
        "dataset=circles dataset.noise=0.15",
        "dataset=spirals dataset.turns=1 dataset.noise=0.1",
    ),
    "checked": (
        "dataset=two_moons dataset.noise=0.25 dataset.data_seed=32",
        "dataset=blobs dataset.clouds=6 dataset.std=2.5 dataset.features=3 dataset.data_seed=32",
        "dataset=circles dataset.noise=0.15 dataset.factor=0.6 dataset.data_seed=32",
        "dataset=spirals dataset.arms=3 dataset.turns=1 dataset.noise=0.07 dataset.data_seed=32",
    ),
}
# Few examples, and noise in them.
NOISY: dict[str, tuple[str, ...]] = {
    "chosen": (
        "dataset=two_moons dataset.noise=0.6 dataset.examples=150",
        "dataset=blobs dataset.clouds=5 dataset.std=6 dataset.examples=150",
        "dataset=sine loss=mse dataset.noise=0.7 dataset.examples=150",
        "dataset=circles dataset.noise=0.4 dataset.examples=150",
        "dataset=diabetes loss=mse",
    ),
    "checked": (
        "dataset=circles dataset.noise=0.5 dataset.examples=120 dataset.data_seed=33",
        "dataset=spirals dataset.noise=0.3 dataset.examples=150 dataset.data_seed=33",
        "dataset=breast_cancer dataset.validation=0.45 dataset.test=0.45 dataset.split_seed=6",
        "dataset=two_moons dataset.noise=0.7 dataset.examples=150 dataset.data_seed=33",
        "dataset=blobs dataset.clouds=3 dataset.std=8 dataset.examples=150 dataset.data_seed=33",
    ),
}
# Borders and curves that no straight line follows.
BENT: dict[str, tuple[str, ...]] = {
    "chosen": (
        "dataset=two_moons",
        "dataset=sine loss=mse",
        "dataset=circles",
        "dataset=spirals dataset.turns=1",
    ),
    "checked": (
        "dataset=circles dataset.factor=0.4 dataset.data_seed=34",
        "dataset=spirals dataset.arms=3 dataset.turns=1.5 dataset.data_seed=34",
        "dataset=sine loss=mse dataset.frequency=1.5 dataset.data_seed=34",
        "dataset=two_moons dataset.noise=0.05 dataset.data_seed=34",
    ),
}
LINEAR: dict[str, tuple[str, ...]] = {
    "chosen": (
        "dataset=least_squares loss=mse dataset.examples=400 dataset.features=10 dataset.noise=2",
        "dataset=diabetes loss=mse",
        "dataset=circles dataset.noise=0.2 dataset.examples=400",
        "dataset=two_moons dataset.examples=400",
        "dataset=blobs dataset.clouds=5 dataset.std=3 dataset.examples=400",
    ),
    "checked": (
        "dataset=least_squares loss=mse dataset.examples=500 dataset.features=8 dataset.noise=3",
        "dataset=least_squares loss=mse dataset.examples=400 dataset.features=9 dataset.noise=4 dataset.data_seed=36",
        "dataset=circles dataset.examples=400 dataset.factor=0.6 dataset.data_seed=35",
        "dataset=blobs dataset.clouds=6 dataset.std=3 dataset.features=3 dataset.data_seed=35 dataset.examples=500",
        "dataset=two_moons dataset.noise=0.35 dataset.data_seed=35 dataset.examples=400",
    ),
}
# In units of their own.
RAW: dict[str, tuple[str, ...]] = {
    "chosen": (),
    "checked": (
        "dataset=wine preprocess=none dataset.split_seed=6",
        "dataset=breast_cancer preprocess=none dataset.split_seed=6",
    ),
}

SMALL = "architecture.hidden=[32,32]"
PLUG = "plugins=[tests.doctor.parts]"
STRETCHED = f"preprocess._target_=tests.doctor.parts.Stretched {PLUG}"


def deep(layers: int, width: int = 32) -> str:
    return f"architecture.hidden=[{','.join([str(width)] * layers)}]"


def numbers(base: str) -> bool:
    """Whether the targets are numbers, for which plain rules want lower rates."""
    return "loss=mse" in base


def faults(lot: str) -> dict[str, list[Words]]:
    """Name of the rule -> runs with that fault, at least ten."""
    every, classes = SETS[lot], tuple(base for base in SETS[lot] if not numbers(base))
    mixed = tuple(base for base in MIXED[lot] if "digits" not in base)
    full, many = "sampler=full epochs=60 stop=epochs", "epochs=60 stop=epochs"
    one = "architecture=linear batch_size=1 epochs=30 stop=epochs"
    lines = [tuple(base for base in LINEAR[lot] if numbers(base) is of) for of in (True, False)]
    planted: dict[str, Planted] = {
        "NonFinite": [
            (f"{deep(3)} init=normal init.std=1e14", every),
            (f"{deep(5, 16)} init=normal init.std=1e9 optimizer=sgd", every),
        ],
        "Symmetric": [
            (f"{SMALL} init=constant epochs=20", every),
            (f"{SMALL} init=duplicate_units epochs=20", every),
            (f"{SMALL} init=zeros epochs=20", every),
        ],
        "Ravine": [
            (f"{SMALL} {STRETCHED} preprocess.factor=300 optimizer=sgd lr=1e-4 epochs=30", every),
            (f"{SMALL} {STRETCHED} preprocess.offset=300 optimizer=sgd lr=1e-6 epochs=30", every),
            (f"{SMALL} optimizer=sgd lr=1e-3 epochs=30", RAW[lot]),
            (f"{SMALL} optimizer=momentum lr=1e-5 epochs=30", RAW[lot]),
        ],
        "Dead": [
            (f"{SMALL} init._target_=tests.doctor.parts.LowBiases {PLUG} epochs=20", every),
            (f"{SMALL} architecture/activation=tanh init=normal init.std=20 epochs=20", every),
        ],
        "Exploding": [
            (f"{deep(10)} init=normal init.std=0.8 epochs=20 lr=1e-4", every),
            (f"{deep(6, 64)} init=normal init.std=1.0 epochs=20 optimizer=sgd lr=1e-4", every),
        ],
        "Vanishing": [
            (f"{deep(10)} architecture/activation=sigmoid init=xavier_normal epochs=20", every),
            (f"{deep(8)} init=normal init.std=0.01 epochs=20", every),
        ],
        "Unstable": [
            (f"{SMALL} optimizer=sgd lr=100 epochs=10", every),
            (f"{SMALL} optimizer=momentum lr=10 epochs=10", every),
            (f"{SMALL} optimizer=adam lr=10 epochs=10", every),
        ],
        "Plateau": [
            ("architecture=linear loss=softmax_squared init=normal init.std=30 lr=1e-3 epochs=20", classes),
            ("architecture.hidden=[16] loss=softmax_squared init=normal init.std=10 lr=1e-4 epochs=20", classes),
            ("architecture=linear loss=softmax_squared init=normal init.std=50 optimizer=sgd epochs=20", classes),
        ],
        "DecayedEarly": [
            (f"{SMALL} optimizer=sgd lr=0.03 schedule=staircase schedule.every=2 epochs=30 stop=epochs", every),
            (f"{SMALL} schedule=multi_step schedule.milestones=[1,2] epochs=30 stop=epochs", every),
            (f"{SMALL} optimizer=momentum lr=0.01 schedule=staircase schedule.every=1 epochs=40 stop=epochs", every),
        ],
        "TooLow": [
            (f"{SMALL} optimizer=adam lr=1e-6 epochs=20", every),
            (f"{SMALL} optimizer=sgd lr=1e-4 epochs=20", every),
        ],
        "StoppedEarly": [
            (f"{SMALL} optimizer=adam lr=0.003 batch_size=20 epochs=4 stop=epochs", every),
            (f"{SMALL} optimizer=sgd lr=0.05 batch_size=20 epochs=5 stop=epochs", every),
        ],
        "Oscillating": [
            *((f"{SMALL} optimizer=sgd lr={lr} {full}", mixed) for lr in (1.5, 1.75, 2)),
            (f"{SMALL} optimizer=momentum lr=0.08 {full}", tuple(base for base in every if numbers(base))),
        ],
        "Overfitting": [
            (f"{deep(2, 128)} optimizer=adam lr=0.003 batch_size=20 epochs=200 stop=epochs", NOISY[lot]),
            (f"{deep(3, 64)} optimizer=adam lr=0.002 batch_size=20 epochs=200 stop=epochs", NOISY[lot]),
        ],
        "Flattening": [
            (f"{SMALL} optimizer=sgd lr=2 batch_size=20 {many}", MIXED[lot]),
            (f"{SMALL} optimizer=adam lr=0.2 {many}", MIXED[lot]),
            (f"{SMALL} optimizer=momentum lr=0.3 batch_size=20 {many}", MIXED[lot]),
            (f"{SMALL} optimizer=nesterov lr=0.2 batch_size=20 {many}", MIXED[lot]),
            (f"{SMALL} optimizer=rmsprop lr=0.15 {many}", MIXED[lot]),
        ],
        "NoiseFloor": [
            # a tenth or so of the rate at which a step on one example is too long
            *((f"{one} optimizer=sgd lr={lr}", bases) for lr, bases in ((0.05, lines[0]), (1.0, lines[1]))),
            *((f"{one} optimizer=momentum lr={lr}", bases) for lr, bases in ((0.005, lines[0]), (0.1, lines[1]))),
            ("architecture=linear batch_size=4 epochs=30 stop=epochs optimizer=adam lr=0.15", lines[1]),
        ],
        "Underfitting": [
            ("architecture.hidden=[1] optimizer=adam lr=0.01 epochs=100 batch_size=20", BENT[lot]),
            (f"{SMALL} regularizer=l2 regularizer.strength=0.3 optimizer=adam lr=0.003 epochs=60", BENT[lot]),
            ("architecture=linear optimizer=adam lr=0.03 epochs=60", BENT[lot]),
            ("architecture.hidden=[1] optimizer=momentum lr=0.02 epochs=80 batch_size=20", BENT[lot]),
        ],
    }
    return {name: spelled(SEEDS[lot], found) for name, found in planted.items()}


def spelled(seed: int, planted: Planted) -> list[Words]:
    """The words of every run of one fault, each with a seed of its own, from `seed` on."""
    lines = [f"{base} {words}" for words, bases in planted for base in bases]
    return [(*line.split(), f"seed={number}") for number, line in enumerate(lines, seed)]


def healthy(lot: str) -> list[Words]:
    """Runs with sensible choices: rates near the best of `make lr-range-truth`, and the stop rule that is usual."""
    found: list[Words] = []
    for base in SETS[lot]:
        slow = numbers(base)
        momentum, sgd = (0.01, 0.02) if slow else (0.03, 0.2)
        for words in (
            "optimizer=adam lr=0.005",
            "optimizer=adam lr=0.01 schedule=cosine epochs=60",
            f"optimizer=momentum lr={momentum}",
            f"optimizer=sgd lr={sgd}",
            "optimizer=adamw lr=0.005 architecture/activation=tanh init=xavier_uniform",
            f"optimizer=nesterov lr={momentum} schedule=cosine epochs=60",
            "optimizer=rmsprop lr=0.002 architecture/activation=gelu",
            f"optimizer=momentum lr={momentum} schedule=staircase schedule.every=30",
            f"optimizer=sgd lr={sgd} architecture/normalization=layer",
            "optimizer=adam lr=0.005 architecture.dropout=0.1 regularizer=l2",
            "optimizer=lion lr=0.0004",
            "optimizer=lion lr=0.0008 schedule=cosine epochs=150",
            "optimizer=rmsprop lr=0.001 schedule=cosine epochs=150",
            f"optimizer=nesterov lr={momentum}",
            f"optimizer=sgd lr={sgd} schedule=cosine epochs=60",
            "optimizer=adam lr=0.008 sampler=full epochs=500",
            f"optimizer=momentum lr={momentum / 2} sampler=full epochs=2000",
        ):
            batch = "" if "sampler=full" in words else "batch_size=20"
            length = "" if "epochs=" in words else "epochs=150"
            line = f"{base} {SMALL} {batch} {words} {length} seed={SEEDS[lot] + len(found)}"
            found.append(tuple(line.split()))
    return found
