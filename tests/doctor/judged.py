"""The runs that the census counts: no threshold was ever chosen by them.

Other data sets than those of tests/doctor/planted.py, seen.py and seen_again.py, or other examples of them, other
seeds, networks, batches, rates and rules. Who has looked at what the doctor says of them, and changes a rule, makes
others.
"""

from __future__ import annotations

from tests.doctor.planted import PLUG, STRETCHED, Planted, Words, deep, numbers, spelled

SEED = 15000
NET = "architecture.hidden=[36,36]"
PARTS = "dataset._target_=tests.doctor.parts"
SHELLS, CORNERS, CURVE = f"{PARTS}.Shells", f"{PARTS}.Corners", f"{PARTS}.Curve"
FRIEDMAN = f"{PARTS}.Friedman {PLUG} loss=mse dataset.function=2"

MADE = (
    f"{SHELLS} {PLUG} dataset.features=4 dataset.data_seed=91",
    f"{CORNERS} {PLUG} dataset.apart=1.8 dataset.data_seed=91",
    f"{FRIEDMAN} dataset.noise=50 dataset.data_seed=91",
    f"{CURVE} {PLUG} loss=mse dataset.data_seed=91",
    "dataset=circles dataset.factor=0.65 dataset.noise=0.1 dataset.data_seed=91",
    "dataset=blobs dataset.clouds=3 dataset.std=4 dataset.features=6 dataset.data_seed=91",
)
FOUND = (
    "dataset=wine dataset.split_seed=19",
    "dataset=breast_cancer dataset.split_seed=19",
    "dataset=iris dataset.split_seed=19",
    "dataset=diabetes loss=mse dataset.split_seed=19",
)
SETS = (*MADE, *FOUND)
CLASSES = tuple(base for base in SETS if not numbers(base))
MIXED = (
    f"{CORNERS} {PLUG} dataset.flip=0.15 dataset.data_seed=92",
    f"{SHELLS} {PLUG} dataset.examples=900 dataset.data_seed=92",
    "dataset=two_moons dataset.noise=0.28 dataset.data_seed=92",
    "dataset=circles dataset.factor=0.5 dataset.noise=0.22 dataset.data_seed=92",
    "dataset=spirals dataset.arms=3 dataset.turns=0.8 dataset.noise=0.12 dataset.data_seed=92",
)
NOISY = (
    f"{CORNERS} {PLUG} dataset.flip=0.35 dataset.examples=180 dataset.data_seed=93",
    f"{FRIEDMAN} dataset.noise=600 dataset.examples=180 dataset.data_seed=93",
    f"{CURVE} {PLUG} loss=mse dataset.noise=1.5 dataset.examples=150 dataset.data_seed=93",
    "dataset=two_moons dataset.noise=0.75 dataset.examples=160 dataset.data_seed=93",
    "dataset=circles dataset.factor=0.6 dataset.noise=0.35 dataset.examples=160 dataset.data_seed=93",
    "dataset=spirals dataset.noise=0.28 dataset.examples=140 dataset.data_seed=93",
    "dataset=blobs dataset.clouds=4 dataset.features=4 dataset.std=9 dataset.examples=180 dataset.data_seed=93",
    "dataset=diabetes loss=mse dataset.validation=0.45 dataset.test=0.3 dataset.split_seed=19",
)
BENT = (
    f"{SHELLS} {PLUG} dataset.examples=900 dataset.data_seed=94",
    f"{FRIEDMAN} dataset.noise=20 dataset.data_seed=94",
    f"{CURVE} {PLUG} loss=mse dataset.data_seed=94",
    "dataset=two_moons dataset.noise=0.12 dataset.data_seed=94",
    "dataset=circles dataset.factor=0.4 dataset.noise=0.07 dataset.data_seed=94",
    "dataset=spirals dataset.arms=5 dataset.turns=0.6 dataset.data_seed=94",
)
LINEAR_CLASSES = (
    f"{CORNERS} {PLUG} dataset.apart=1.2 dataset.examples=500 dataset.data_seed=95",
    "dataset=two_moons dataset.noise=0.4 dataset.examples=500 dataset.data_seed=95",
    "dataset=circles dataset.factor=0.5 dataset.noise=0.15 dataset.examples=500 dataset.data_seed=95",
    "dataset=blobs dataset.clouds=6 dataset.std=5 dataset.features=3 dataset.examples=500 dataset.data_seed=95",
)
LINEAR_NUMBERS = (
    f"{FRIEDMAN} dataset.noise=200 dataset.examples=500 dataset.data_seed=95",
    "dataset=least_squares loss=mse dataset.examples=500 dataset.features=11 dataset.noise=2.5 dataset.data_seed=95",
    "dataset=least_squares loss=mse dataset.examples=650 dataset.features=5 dataset.noise=2 dataset.data_seed=96",
)
RAW = (
    "dataset=wine preprocess=none dataset.split_seed=19",
    "dataset=breast_cancer preprocess=none dataset.split_seed=19",
)


def faults() -> dict[str, list[Words]]:
    """Name of the rule -> runs with that fault."""
    batch, full = "batch_size=18", "sampler=full epochs=65 stop=epochs"
    many = f"{batch} epochs=55 stop=epochs"
    one, three = (f"architecture=linear batch_size={size} epochs=28 stop=epochs" for size in (1, 3))
    numeric = tuple(base for base in SETS if numbers(base))
    planted: dict[str, Planted] = {
        "NonFinite": [
            (f"{deep(4, 36)} init=normal init.std=1e11 optimizer=sgd", SETS),
            (f"{deep(2, 64)} init=normal init.std=1e20 optimizer=nadam", MADE),
        ],
        "Symmetric": [
            (f"{NET} init=constant optimizer=nadam epochs=24", SETS),
            (f"{NET} init=duplicate_units optimizer=momentum epochs=24", MADE),
        ],
        "Ravine": [
            (f"{NET} {STRETCHED} preprocess.factor=350 optimizer=momentum lr=2e-5 epochs=28", SETS),
            (f"{NET} {STRETCHED} preprocess.offset=350 optimizer=sgd lr=1e-6 epochs=28", MADE),
            (f"{NET} optimizer=momentum lr=1e-4 epochs=28", RAW),
        ],
        "Dead": [
            (f"{NET} init._target_=tests.doctor.parts.LowBiases {PLUG} optimizer=adamw epochs=24", SETS),
            (f"{NET} architecture/activation=sigmoid init=normal init.std=50 optimizer=adam epochs=24", MADE),
        ],
        "Exploding": [
            (f"{deep(9, 36)} init=normal init.std=0.9 epochs=24 optimizer=nadam lr=1e-4", SETS),
            (f"{deep(7, 56)} init=normal init.std=0.75 epochs=24 optimizer=momentum lr=1e-6", MADE),
        ],
        "Vanishing": [
            (f"{deep(10, 36)} architecture/activation=sigmoid init=xavier_normal optimizer=rmsprop epochs=24", SETS),
            (f"{deep(9, 24)} init=normal init.std=0.02 optimizer=sgd epochs=24", MADE),
        ],
        "Unstable": [
            (f"{NET} optimizer=sgd lr=150 {batch} epochs=14", SETS),
            (f"{NET} optimizer=nesterov lr=12 {batch} epochs=14", MADE),
            (f"{NET} optimizer=nadam lr=12 {batch} epochs=14", FOUND),
        ],
        "Plateau": [
            ("architecture=linear loss=softmax_squared init=normal init.std=45 optimizer=adam epochs=24", CLASSES),
            (f"{NET} loss=softmax_squared init=normal init.std=7 optimizer=adamw lr=1e-4 epochs=24", CLASSES),
        ],
        "DecayedEarly": [
            (f"{NET} optimizer=nesterov lr=0.006 schedule=multi_step schedule.milestones=[1,2] {many}", SETS),
            (f"{NET} optimizer=nadam lr=0.0015 schedule=staircase schedule.every=1 {many}", SETS),
            (f"{NET} optimizer=sgd lr=0.04 schedule=staircase schedule.every=2 {many}", SETS),
        ],
        "TooLow": [
            (f"{NET} optimizer=nadam lr=2e-6 batch_size=45 epochs=24", SETS),
            (f"{NET} optimizer=sgd lr=1e-4 batch_size=45 epochs=24", SETS),
        ],
        "StoppedEarly": [
            (f"{NET} optimizer=nadam lr=0.001 batch_size=30 epochs=5 stop=epochs", SETS),
            (f"{NET} optimizer=sgd lr=0.03 batch_size=30 epochs=5 stop=epochs", SETS),
            (f"{NET} optimizer=rmsprop lr=0.0006 batch_size=18 epochs=4 stop=epochs", SETS),
        ],
        "Oscillating": [
            *((f"{NET} optimizer=sgd lr={lr} {full}", MIXED) for lr in (1.6, 1.9, 2.1, 2.4)),
            *((f"{NET} optimizer=momentum lr={lr} {full}", numeric) for lr in (0.07, 0.1)),
        ],
        "Overfitting": [
            (f"{deep(2, 100)} optimizer=nadam lr=0.002 batch_size=18 epochs=190 stop=epochs", NOISY),
            (f"{deep(3, 60)} optimizer=adam lr=0.003 batch_size=18 epochs=190 stop=epochs", NOISY),
            (f"{deep(3, 40)} optimizer=momentum lr=0.03 batch_size=10 epochs=190 stop=epochs", NOISY),
        ],
        "Flattening": [
            (f"{NET} optimizer=nadam lr=0.2 {many}", MIXED),
            (f"{NET} optimizer=sgd lr=2.4 {many}", MIXED),
            (f"{NET} optimizer=nesterov lr=0.3 {many}", MIXED),
            (f"{NET} optimizer=adamw lr=0.25 {many}", MIXED),
        ],
        "NoiseFloor": [
            (f"{one} optimizer=nesterov lr=0.1", LINEAR_CLASSES),
            (f"{one} optimizer=nesterov lr=0.005", LINEAR_NUMBERS),
            (f"{three} optimizer=sgd lr=2.5", LINEAR_CLASSES),
            (f"{three} optimizer=sgd lr=0.12", LINEAR_NUMBERS),
            (f"{three} optimizer=adam lr=0.25", LINEAR_CLASSES),
            (f"{three} optimizer=momentum lr=0.25", LINEAR_CLASSES),
        ],
        "Underfitting": [
            (f"architecture.hidden=[1] optimizer=adam lr=0.01 epochs=110 {batch}", BENT),
            (f"architecture.hidden=[2] optimizer=momentum lr=0.015 epochs=110 {batch}", BENT),
            (f"{NET} regularizer=l2 regularizer.strength=0.3 optimizer=nadam lr=0.002 epochs=65 {batch}", BENT),
            (f"architecture=linear optimizer=nesterov lr=0.01 epochs=65 {batch}", BENT),
        ],
    }
    return {name: spelled(SEED, found) for name, found in planted.items()}


def healthy() -> list[Words]:
    """Runs with sensible choices, of every common rule, and the stop rule that is usual."""
    found: list[Words] = []
    for base in SETS:
        momentum, sgd = (0.004, 0.02) if numbers(base) else (0.012, 0.1)
        for words in (
            f"optimizer=sgd lr={sgd} batch_size=20",
            f"optimizer=sgd lr={sgd} batch_size=30 schedule=cosine epochs=140",
            f"optimizer=momentum lr={momentum} batch_size=20 architecture/normalization=layer",
            f"optimizer=momentum lr={momentum} batch_size=30 schedule=staircase schedule.every=50 epochs=140",
            f"optimizer=nesterov lr={momentum} batch_size=30",
            f"optimizer=nesterov lr={momentum} batch_size=20 schedule=cosine epochs=120",
            "optimizer=adam lr=0.003 batch_size=30",
            "optimizer=adam lr=0.005 batch_size=20 schedule=cosine epochs=120",
            "optimizer=adam lr=0.003 batch_size=15 architecture.dropout=0.05",
            "optimizer=adamw lr=0.004 batch_size=30 architecture/activation=tanh init=xavier_normal",
            "optimizer=rmsprop lr=0.002 batch_size=30",
            "optimizer=radam lr=0.004 batch_size=20 architecture/activation=gelu",
            "optimizer=lion lr=0.0005 batch_size=20",
            "optimizer=lion lr=0.0008 batch_size=30 schedule=cosine epochs=140",
            f"optimizer=nesterov lr={momentum} sampler=full epochs=2500",
            "optimizer=adam lr=0.007 sampler=full epochs=500",
        ):
            length = "" if "epochs=" in words else "epochs=140"
            found.append((*f"{base} {NET} {words} {length}".split(), f"seed={SEED + len(found)}"))
    return found
