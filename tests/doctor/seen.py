"""Runs that the census counted once: what it said of them was looked at, and rules were changed by it.

Other data sets than those of tests/doctor/planted.py, or other examples of them, other seeds, networks, batches and
rules.
"""

from __future__ import annotations

from tests.doctor.planted import PLUG, STRETCHED, Planted, Words, deep, numbers, spelled

SEED = 7000
NET = "architecture.hidden=[48,24]"

MADE = (
    "dataset=two_moons dataset.noise=0.3 dataset.data_seed=71",
    "dataset=circles dataset.factor=0.7 dataset.noise=0.08 dataset.data_seed=71",
    "dataset=spirals dataset.turns=1 dataset.noise=0.04 dataset.data_seed=71",
    "dataset=blobs dataset.clouds=4 dataset.std=2 dataset.features=5 dataset.data_seed=71",
    "dataset=sine loss=mse dataset.frequency=2 dataset.noise=0.15 dataset.data_seed=71",
)
FOUND = (
    "dataset=digits dataset.split_seed=7",
    "dataset=iris dataset.split_seed=7",
    "dataset=diabetes loss=mse dataset.split_seed=7",
)
SETS = (*MADE, *FOUND)
CLASSES = tuple(base for base in SETS if not numbers(base))
MIXED = (
    "dataset=two_moons dataset.noise=0.3 dataset.data_seed=72",
    "dataset=circles dataset.noise=0.2 dataset.data_seed=72",
    "dataset=spirals dataset.turns=1 dataset.noise=0.12 dataset.data_seed=72",
    "dataset=blobs dataset.clouds=5 dataset.std=3.5 dataset.features=4 dataset.data_seed=72",
)
NOISY = (
    "dataset=two_moons dataset.noise=0.65 dataset.examples=140 dataset.data_seed=73",
    "dataset=circles dataset.noise=0.45 dataset.examples=140 dataset.data_seed=73",
    "dataset=spirals dataset.noise=0.25 dataset.examples=140 dataset.data_seed=73",
    "dataset=blobs dataset.clouds=4 dataset.std=7 dataset.examples=140 dataset.data_seed=73",
    "dataset=sine loss=mse dataset.noise=0.8 dataset.examples=140 dataset.data_seed=73",
    "dataset=diabetes loss=mse dataset.validation=0.4 dataset.test=0.3 dataset.split_seed=7",
)
BENT = (
    "dataset=two_moons dataset.noise=0.08 dataset.data_seed=74",
    "dataset=circles dataset.factor=0.6 dataset.noise=0.05 dataset.data_seed=74",
    "dataset=spirals dataset.turns=1 dataset.noise=0.03 dataset.data_seed=74",
    "dataset=sine loss=mse dataset.frequency=2 dataset.data_seed=74",
    "dataset=spirals dataset.arms=4 dataset.turns=0.75 dataset.data_seed=74",
)
LINEAR_CLASSES = (
    "dataset=circles dataset.examples=450 dataset.factor=0.55 dataset.data_seed=75",
    "dataset=blobs dataset.clouds=7 dataset.std=3 dataset.features=4 dataset.examples=450 dataset.data_seed=75",
    "dataset=two_moons dataset.noise=0.25 dataset.examples=450 dataset.data_seed=75",
)
LINEAR_NUMBERS = (
    "dataset=least_squares loss=mse dataset.examples=450 dataset.features=12 dataset.noise=3 dataset.data_seed=75",
    "dataset=least_squares loss=mse dataset.examples=600 dataset.features=7 dataset.noise=2 dataset.data_seed=76",
)
RAW = (
    "dataset=wine preprocess=none dataset.split_seed=7",
    "dataset=breast_cancer preprocess=none dataset.split_seed=7",
)


def faults() -> dict[str, list[Words]]:
    """Name of the rule -> runs with that fault."""
    batch, full = "batch_size=16", "sampler=full epochs=70 stop=epochs"
    many = f"{batch} epochs=60 stop=epochs"
    one, two = (f"architecture=linear batch_size={size} epochs=30 stop=epochs" for size in (1, 2))
    without_digits = tuple(base for base in SETS if "digits" not in base)  # whose first column is constant
    numeric = tuple(base for base in SETS if numbers(base))
    planted: dict[str, Planted] = {
        "NonFinite": [
            (f"{deep(2, 40)} init=normal init.std=1e20 optimizer=nesterov", SETS),
            (f"{deep(4, 24)} init=normal init.std=1e12 optimizer=adamw", MADE),
        ],
        "Symmetric": [
            (f"{NET} init=constant optimizer=adamw epochs=25", SETS),
            (f"{NET} init=duplicate_units optimizer=rmsprop epochs=25", MADE),
        ],
        "Ravine": [
            (f"{NET} {STRETCHED} preprocess.factor=400 optimizer=nesterov lr=1e-5 epochs=30", without_digits),
            (f"{NET} {STRETCHED} preprocess.offset=200 optimizer=sgd lr=2e-6 epochs=30", MADE),
            (f"{NET} optimizer=nesterov lr=1e-5 epochs=30", RAW),
        ],
        "Dead": [
            (f"{NET} init._target_=tests.doctor.parts.LowBiases {PLUG} optimizer=rmsprop epochs=25", SETS),
            (f"{NET} architecture/activation=sigmoid init=normal init.std=40 optimizer=adamw epochs=25", MADE),
        ],
        "Exploding": [
            (f"{deep(12, 24)} init=normal init.std=1.0 epochs=20 optimizer=rmsprop lr=1e-4", SETS),
            (f"{deep(7, 48)} init=normal init.std=0.8 epochs=20 optimizer=nesterov lr=1e-5", MADE),
        ],
        "Vanishing": [
            (f"{deep(12, 24)} architecture/activation=sigmoid init=xavier_normal optimizer=adamw epochs=25", SETS),
            (f"{deep(8)} architecture/activation=tanh init=normal init.std=0.02 optimizer=nesterov epochs=25", MADE),
        ],
        "Unstable": [
            (f"{NET} optimizer=sgd lr=200 batch_size=50 epochs=12", SETS),
            (f"{NET} optimizer=nesterov lr=20 batch_size=50 epochs=12", MADE),
            (f"{NET} optimizer=rmsprop lr=10 batch_size=50 epochs=12", FOUND),
        ],
        "Plateau": [
            ("architecture=linear loss=softmax_squared init=normal init.std=40 optimizer=adamw epochs=25", CLASSES),
            (f"{NET} loss=softmax_squared init=normal init.std=8 optimizer=rmsprop lr=1e-4 epochs=25", CLASSES),
        ],
        "DecayedEarly": [
            (f"{NET} optimizer=nesterov lr=0.005 schedule=multi_step schedule.milestones=[2,3] {many}", SETS),
            (f"{NET} optimizer=adamw lr=0.002 schedule=staircase schedule.every=1 {many}", SETS),
            (f"{NET} optimizer=sgd lr=0.03 schedule=staircase schedule.every=3 {many}", SETS),
        ],
        "TooLow": [
            (f"{NET} optimizer=adamw lr=2e-6 batch_size=50 epochs=25", SETS),
            (f"{NET} optimizer=nesterov lr=1e-5 batch_size=50 epochs=25", SETS),
        ],
        "StoppedEarly": [
            (f"{NET} optimizer=rmsprop lr=0.002 batch_size=16 epochs=4 stop=epochs", SETS),
            (f"{NET} optimizer=nesterov lr=0.01 batch_size=16 epochs=5 stop=epochs", SETS),
        ],
        "Oscillating": [
            *((f"{NET} optimizer=sgd lr={lr} {full}", MIXED) for lr in (1.6, 1.8, 2.2)),
            (f"{NET} optimizer=momentum lr=0.1 {full}", numeric),
        ],
        "Overfitting": [
            (f"{deep(2, 96)} optimizer=adamw lr=0.003 batch_size=16 epochs=200 stop=epochs", NOISY),
            (f"{deep(3, 48)} optimizer=rmsprop lr=0.002 batch_size=16 epochs=200 stop=epochs", NOISY),
        ],
        "Flattening": [
            (f"{NET} optimizer=adamw lr=0.25 {many}", MIXED),
            (f"{NET} optimizer=sgd lr=2.5 {many}", MIXED),
            (f"{NET} optimizer=nesterov lr=0.3 {many}", MIXED),
            (f"{NET} optimizer=rmsprop lr=0.1 {many}", MIXED),
        ],
        "NoiseFloor": [
            (f"{one} optimizer=nesterov lr=0.08", LINEAR_CLASSES),
            (f"{one} optimizer=nesterov lr=0.004", LINEAR_NUMBERS),
            (f"{two} optimizer=sgd lr=1.5", LINEAR_CLASSES),
            (f"{two} optimizer=sgd lr=0.07", LINEAR_NUMBERS),
            (f"{one} optimizer=adam lr=0.1", LINEAR_CLASSES),
            (f"{two} optimizer=rmsprop lr=0.15", LINEAR_CLASSES),
        ],
        "Underfitting": [
            (f"architecture.hidden=[1] optimizer=nesterov lr=0.01 epochs=100 {batch}", BENT),
            (f"{NET} regularizer=l2 regularizer.strength=0.4 optimizer=adamw lr=0.003 epochs=60 {batch}", BENT),
            (f"architecture=linear optimizer=rmsprop lr=0.01 epochs=60 {batch}", BENT),
        ],
    }
    return {name: spelled(SEED, found) for name, found in planted.items()}


def healthy() -> list[Words]:
    """Runs with sensible choices, of every common rule, and the stop rule that is usual."""
    found: list[Words] = []
    for base in SETS:
        momentum, sgd = (0.005, 0.02) if numbers(base) else (0.02, 0.15)
        for words in (
            f"optimizer=sgd lr={sgd} batch_size=16",
            f"optimizer=sgd lr={sgd} batch_size=32 schedule=cosine epochs=150",
            f"optimizer=momentum lr={momentum} batch_size=32",
            f"optimizer=momentum lr={momentum} batch_size=16 schedule=multi_step schedule.milestones=[40,60] epochs=80",
            f"optimizer=nesterov lr={momentum} batch_size=16",
            f"optimizer=nesterov lr={momentum} batch_size=32 schedule=cosine epochs=150",
            "optimizer=adam lr=0.003 batch_size=16",
            "optimizer=adam lr=0.008 batch_size=32 schedule=cosine epochs=150",
            "optimizer=adamw lr=0.004 batch_size=32 architecture/activation=tanh init=xavier_normal",
            "optimizer=rmsprop lr=0.002 batch_size=32 architecture/activation=gelu",
            "optimizer=rmsprop lr=0.002 batch_size=32 schedule=cosine epochs=150",
            "optimizer=lion lr=0.0005 batch_size=16",
            "optimizer=lion lr=0.001 batch_size=32 schedule=cosine epochs=150",
            f"optimizer=momentum lr={momentum / 2} sampler=full epochs=2000",
            "optimizer=adam lr=0.01 sampler=full epochs=400",
        ):
            length = "" if "epochs=" in words else "epochs=150"
            found.append((*f"{base} {NET} {words} {length}".split(), f"seed={SEED + len(found)}"))
    return found
