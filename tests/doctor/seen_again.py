"""Runs that the census counted once, after those of tests/doctor/seen.py: a rule was changed by what it said of them.

Other data sets than those of tests/doctor/planted.py and tests/doctor/seen.py, or other examples of them, other seeds,
networks, batches, rates and rules.
"""

from __future__ import annotations

from tests.doctor.planted import PLUG, STRETCHED, Planted, Words, deep, numbers, spelled

SEED = 11000
NET = "architecture.hidden=[56,28]"
PARTS = "dataset._target_=tests.doctor.parts"
SHELLS, CORNERS, FRIEDMAN = f"{PARTS}.Shells", f"{PARTS}.Corners", f"{PARTS}.Friedman"

MADE = (
    f"{SHELLS} {PLUG} dataset.data_seed=81",
    f"{CORNERS} {PLUG} dataset.data_seed=81",
    f"{FRIEDMAN} {PLUG} loss=mse dataset.data_seed=81",
    "dataset=two_moons dataset.noise=0.18 dataset.data_seed=81",
    "dataset=spirals dataset.arms=5 dataset.turns=0.6 dataset.noise=0.03 dataset.data_seed=81",
    "dataset=sine loss=mse dataset.frequency=1.25 dataset.noise=0.25 dataset.data_seed=81",
)
FOUND = (
    "dataset=wine dataset.split_seed=11",
    "dataset=breast_cancer dataset.split_seed=11",
    "dataset=digits dataset.split_seed=11",
    "dataset=diabetes loss=mse dataset.split_seed=11",
)
SETS = (*MADE, *FOUND)
CLASSES = tuple(base for base in SETS if not numbers(base))
MIXED = (
    f"{CORNERS} {PLUG} dataset.apart=0.8 dataset.flip=0.1 dataset.data_seed=82",
    f"{SHELLS} {PLUG} dataset.features=2 dataset.data_seed=82",
    "dataset=two_moons dataset.noise=0.35 dataset.data_seed=82",
    "dataset=circles dataset.factor=0.4 dataset.noise=0.25 dataset.data_seed=82",
    "dataset=blobs dataset.clouds=6 dataset.std=4 dataset.features=3 dataset.data_seed=82",
)
NOISY = (
    f"{CORNERS} {PLUG} dataset.flip=0.4 dataset.examples=160 dataset.data_seed=83",
    f"{FRIEDMAN} {PLUG} loss=mse dataset.noise=6 dataset.examples=160 dataset.data_seed=83",
    "dataset=two_moons dataset.noise=0.55 dataset.examples=130 dataset.data_seed=83",
    "dataset=circles dataset.factor=0.4 dataset.noise=0.4 dataset.examples=130 dataset.data_seed=83",
    "dataset=spirals dataset.arms=3 dataset.noise=0.25 dataset.examples=160 dataset.data_seed=83",
    "dataset=blobs dataset.clouds=5 dataset.features=3 dataset.std=8 dataset.examples=160 dataset.data_seed=83",
    "dataset=sine loss=mse dataset.noise=0.9 dataset.examples=130 dataset.data_seed=83",
    "dataset=diabetes loss=mse dataset.validation=0.4 dataset.test=0.35 dataset.split_seed=11",
)
BENT = (
    f"{SHELLS} {PLUG} dataset.features=2 dataset.data_seed=84",
    f"{FRIEDMAN} {PLUG} loss=mse dataset.data_seed=84",
    "dataset=two_moons dataset.noise=0.06 dataset.data_seed=84",
    "dataset=circles dataset.noise=0.06 dataset.data_seed=84",
    "dataset=spirals dataset.arms=3 dataset.turns=0.8 dataset.data_seed=84",
    "dataset=sine loss=mse dataset.frequency=1.75 dataset.data_seed=84",
)
LINEAR_CLASSES = (
    f"{CORNERS} {PLUG} dataset.apart=1 dataset.examples=450 dataset.data_seed=85",
    "dataset=two_moons dataset.noise=0.3 dataset.examples=550 dataset.data_seed=85",
    "dataset=blobs dataset.clouds=5 dataset.std=4 dataset.features=3 dataset.examples=450 dataset.data_seed=85",
    "dataset=spirals dataset.arms=3 dataset.turns=0.5 dataset.noise=0.1 dataset.examples=450 dataset.data_seed=85",
)
LINEAR_NUMBERS = (
    f"{FRIEDMAN} {PLUG} loss=mse dataset.noise=2 dataset.examples=450 dataset.data_seed=85",
    "dataset=least_squares loss=mse dataset.examples=550 dataset.features=14 dataset.noise=3 dataset.data_seed=85",
    "dataset=least_squares loss=mse dataset.examples=450 dataset.features=6 dataset.noise=2 dataset.data_seed=86",
)
RAW = (
    "dataset=wine preprocess=none dataset.split_seed=11",
    "dataset=breast_cancer preprocess=none dataset.split_seed=11",
)


def faults() -> dict[str, list[Words]]:
    """Name of the rule -> runs with that fault."""
    batch, full = "batch_size=24", "sampler=full epochs=80 stop=epochs"
    many = f"{batch} epochs=50 stop=epochs"
    one, three = (f"architecture=linear batch_size={size} epochs=25 stop=epochs" for size in (1, 3))
    without_digits = tuple(base for base in SETS if "digits" not in base)  # whose first column is constant
    numeric = tuple(base for base in SETS if numbers(base))
    planted: dict[str, Planted] = {
        "NonFinite": [
            (f"{deep(3, 44)} init=normal init.std=1e15 optimizer=adamw", SETS),
            (f"{deep(5, 20)} init=normal init.std=1e10 optimizer=lion", MADE),
        ],
        "Symmetric": [
            (f"{NET} init=constant optimizer=nesterov epochs=22", SETS),
            (f"{NET} init=duplicate_units optimizer=adam epochs=22", MADE),
        ],
        "Ravine": [
            (f"{NET} {STRETCHED} preprocess.factor=250 optimizer=adam lr=1e-4 epochs=25", without_digits),
            (f"{NET} {STRETCHED} preprocess.offset=250 optimizer=nesterov lr=1e-6 epochs=25", MADE),
            (f"{NET} optimizer=sgd lr=1e-4 epochs=25", RAW),
        ],
        "Dead": [
            (f"{NET} init._target_=tests.doctor.parts.LowBiases {PLUG} optimizer=nesterov epochs=22", SETS),
            (f"{NET} architecture/activation=tanh init=normal init.std=30 optimizer=rmsprop epochs=22", MADE),
        ],
        "Exploding": [
            (f"{deep(11, 28)} init=normal init.std=0.9 epochs=22 optimizer=adam lr=1e-4", SETS),
            (f"{deep(8, 40)} init=normal init.std=0.8 epochs=22 optimizer=sgd lr=1e-6", MADE),
        ],
        "Vanishing": [
            (f"{deep(11, 28)} architecture/activation=sigmoid init=xavier_uniform optimizer=nesterov epochs=22", SETS),
            (f"{deep(9, 28)} init=normal init.std=0.015 optimizer=adamw epochs=22", MADE),
        ],
        "Unstable": [
            (f"{NET} optimizer=sgd lr=120 {batch} epochs=15", SETS),
            (f"{NET} optimizer=momentum lr=15 {batch} epochs=15", MADE),
            (f"{NET} optimizer=adamw lr=15 {batch} epochs=15", FOUND),
        ],
        "Plateau": [
            ("architecture=linear loss=softmax_squared init=normal init.std=35 optimizer=rmsprop epochs=22", CLASSES),
            (f"{NET} loss=softmax_squared init=normal init.std=6 optimizer=adam lr=1e-4 epochs=22", CLASSES),
        ],
        "DecayedEarly": [
            (f"{NET} optimizer=momentum lr=0.008 schedule=multi_step schedule.milestones=[1,3] {many}", SETS),
            (f"{NET} optimizer=adam lr=0.001 schedule=staircase schedule.every=2 {many}", SETS),
            (f"{NET} optimizer=sgd lr=0.05 schedule=staircase schedule.every=1 {many}", SETS),
        ],
        "TooLow": [
            (f"{NET} optimizer=rmsprop lr=3e-6 batch_size=40 epochs=22", SETS),
            (f"{NET} optimizer=momentum lr=2e-5 batch_size=40 epochs=22", SETS),
        ],
        "StoppedEarly": [
            (f"{NET} optimizer=adam lr=0.002 batch_size=24 epochs=4 stop=epochs", SETS),
            (f"{NET} optimizer=momentum lr=0.01 batch_size=24 epochs=5 stop=epochs", SETS),
            (f"{NET} optimizer=adamw lr=0.001 batch_size=12 epochs=6 stop=epochs", SETS),
        ],
        "Oscillating": [
            *((f"{NET} optimizer=sgd lr={lr} {full}", MIXED) for lr in (1.4, 1.7, 2, 2.5)),
            *((f"{NET} optimizer=momentum lr={lr} {full}", numeric) for lr in (0.06, 0.09)),
        ],
        "Overfitting": [
            (f"{deep(2, 112)} optimizer=adam lr=0.002 batch_size=24 epochs=180 stop=epochs", NOISY),
            (f"{deep(3, 56)} optimizer=adamw lr=0.003 batch_size=12 epochs=180 stop=epochs", NOISY),
            (f"{deep(2, 80)} optimizer=nesterov lr=0.02 batch_size=12 epochs=180 stop=epochs", NOISY),
        ],
        "Flattening": [
            (f"{NET} optimizer=adam lr=0.22 {many}", MIXED),
            (f"{NET} optimizer=sgd lr=2.2 {many}", MIXED),
            (f"{NET} optimizer=momentum lr=0.35 {many}", MIXED),
            (f"{NET} optimizer=rmsprop lr=0.12 {many}", MIXED),
        ],
        "NoiseFloor": [
            (f"{one} optimizer=momentum lr=0.09", LINEAR_CLASSES),
            (f"{one} optimizer=momentum lr=0.006", LINEAR_NUMBERS),
            (f"{three} optimizer=sgd lr=2", LINEAR_CLASSES),
            (f"{three} optimizer=sgd lr=0.1", LINEAR_NUMBERS),
            (f"{three} optimizer=adamw lr=0.15", LINEAR_CLASSES),
            (f"{three} optimizer=nesterov lr=0.2", LINEAR_CLASSES),
        ],
        "Underfitting": [
            (f"architecture.hidden=[1] optimizer=adamw lr=0.008 epochs=120 {batch}", BENT),
            (f"architecture.hidden=[2] optimizer=nesterov lr=0.02 epochs=120 {batch}", BENT),
            (f"{NET} regularizer=l2 regularizer.strength=0.35 optimizer=adam lr=0.002 epochs=70 {batch}", BENT),
            (f"architecture=linear optimizer=adam lr=0.02 epochs=70 {batch}", BENT),
        ],
    }
    return {name: spelled(SEED, found) for name, found in planted.items()}


def healthy() -> list[Words]:
    """Runs with sensible choices, of every common rule, and the stop rule that is usual."""
    found: list[Words] = []
    for base in SETS:
        momentum, sgd = (0.006, 0.03) if numbers(base) else (0.015, 0.12)
        for words in (
            f"optimizer=sgd lr={sgd} batch_size=24",
            f"optimizer=sgd lr={sgd} batch_size=40 schedule=cosine epochs=160",
            f"optimizer=momentum lr={momentum} batch_size=24 architecture/normalization=layer",
            f"optimizer=momentum lr={momentum} batch_size=40 schedule=staircase schedule.every=40 epochs=120",
            f"optimizer=nesterov lr={momentum} batch_size=40",
            f"optimizer=nesterov lr={momentum} batch_size=24 schedule=cosine epochs=100",
            "optimizer=adam lr=0.004 batch_size=40",
            "optimizer=adam lr=0.006 batch_size=24 schedule=cosine epochs=100",
            "optimizer=adam lr=0.002 batch_size=12 architecture.dropout=0.1",
            "optimizer=adamw lr=0.003 batch_size=24 architecture/activation=tanh init=xavier_uniform",
            "optimizer=rmsprop lr=0.0015 batch_size=24",
            "optimizer=nadam lr=0.003 batch_size=40 architecture/activation=gelu",
            "optimizer=lion lr=0.0006 batch_size=24",
            "optimizer=lion lr=0.0007 batch_size=40 schedule=cosine epochs=160",
            f"optimizer=nesterov lr={momentum} sampler=full epochs=3000",
            "optimizer=adamw lr=0.006 sampler=full epochs=600",
        ):
            length = "" if "epochs=" in words else "epochs=160"
            found.append((*f"{base} {NET} {words} {length}".split(), f"seed={SEED + len(found)}"))
    return found
