"""The exam of every data set: whatever lies in runner/dataset is examined."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.core.check import arguments
from runner.dataset.base import Array, Dataset, Divided, Published, Table, Whole
from tests.contract.rooms import choices, variants
from tests.dataset.published import SMALL

ROOM = "dataset"
CLASSES = choices(ROOM)
NAMES = sorted(CLASSES)
NUMBERS = "a,b,kind\n" + "".join(f"{i},{i * i % 7},{'xyz'[i % 3]}\n" for i in range(30))


def choice(name: str) -> type[Dataset]:
    """The one choice that a file of the room defines."""
    return CLASSES[name]


def csv_file(folder: Path) -> dict[str, str]:
    (folder / "data.csv").write_text(NUMBERS)
    return {"path": str(folder / "data.csv")}


def npy_files(folder: Path) -> dict[str, str]:
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", Y)
    return {"path": str(folder / "x.npy"), "target": str(folder / "y.npy")}


def npz_file(folder: Path) -> dict[str, str]:
    np.savez(folder / "data.npz", x=X, y=Y)
    return {"path": str(folder / "data.npz")}


def idx_files(folder: Path) -> dict[str, str]:
    (folder / "x.idx").write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 30, 0, 0, 0, 2]) + X.astype(np.uint8).tobytes())
    (folder / "y.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 30]) + Y.astype(np.uint8).tobytes())
    return {"path": str(folder / "x.idx"), "target": str(folder / "y.idx")}


def published_files(name: str, folder: Path) -> dict[str, str]:
    """Small files under the names of the published ones."""
    cls = choice(name)
    monkey = pytest.MonkeyPatch()
    PATCHED.append(monkey)
    for file, data in SMALL[name]().items():
        (folder / file).write_bytes(data)
    hashes = {file: hashlib.md5((folder / file).read_bytes()).hexdigest() for file in cls.md5}
    monkey.setattr(cls, "md5", hashes)
    monkey.setattr(cls, "tests", 10)
    monkey.setattr(cls, "per_file", 10, raising=False)  # of CIFAR-10, whose archive holds six files of one size
    return {"folder": str(folder)}


PATCHED: list[pytest.MonkeyPatch] = []


@pytest.fixture(autouse=True)
def published() -> Iterator[None]:
    """What is said of the published files in a test is forgotten after it."""
    yield
    while PATCHED:
        PATCHED.pop().undo()


# What reads a file is given one: each format has its own bytes.
FILES = {"csv": csv_file, "npy": npy_files, "npz": npz_file, "idx": idx_files}
X, Y = np.array([[i, i * i % 7] for i in range(30)]), np.arange(30) % 3


def test_every_choice_that_reads_a_file_is_given_one() -> None:
    assert {name for name in NAMES if "path" in arguments(choice(name))} == set(FILES)
    assert {name for name in NAMES if issubclass(choice(name), Published)} == set(SMALL)


def made(name: str, tmp_path: Path, **given: Any) -> Dataset:
    """The choice with its defaults; one that reads a file is given one."""
    files = FILES[name](tmp_path) if name in FILES else published_files(name, tmp_path) if name in SMALL else {}
    return choice(name)(**files, **given)


def inputs(table: Table) -> Array:
    """All inputs of a table, wherever they lie."""
    return np.concatenate(list(table.blocks()))


@pytest.mark.parametrize("name", NAMES)
class TestDataset:
    def test_its_docstring_gives_an_example_and_a_source(self, name: str) -> None:
        text = CLASSES[name].__doc__ or ""
        assert ">>> " in text
        assert "    Source: " in text or name == "none"  # nothing comes from nowhere

    def test_it_is_a_final_frozen_record(self, name: str, tmp_path: Path) -> None:
        assert getattr(choice(name), "__final__", False)
        with pytest.raises(dataclasses.FrozenInstanceError):
            made(name, tmp_path).new = 1  # type: ignore[attr-defined]

    def test_its_table_is_whole(self, name: str, tmp_path: Path) -> None:
        table = made(name, tmp_path).load()
        x = inputs(table)
        assert x.dtype == table.x.dtype == np.float64
        assert x.shape == table.x.shape
        assert np.isfinite(x).all()
        assert np.isfinite(table.y).all()
        assert table.y.shape == (len(table.x),)
        if table.classes is None:
            assert table.y.dtype == np.float64
        else:
            assert table.y.dtype == np.int64
            # nothing to predict: y is the number of the row
            assert set(table.y) == set(range(len(table.classes) or len(table.x)))
            assert len(set(table.classes)) == len(table.classes)
        if table.columns is not None:
            assert table.x.shape[1:] == (len(table.columns),)
            assert len(set(table.columns)) == len(table.columns)

    def test_its_rows_are_the_same_in_any_order(self, name: str, tmp_path: Path) -> None:
        table = made(name, tmp_path).load()
        rows = np.random.default_rng(0).permutation(len(table.y))[:50]
        assert np.array_equal(table.x[rows], inputs(table)[rows])

    def test_loading_twice_gives_the_same_bytes(self, name: str, tmp_path: Path) -> None:
        assert made(name, tmp_path).load().sha256 == made(name, tmp_path).load().sha256

    def test_its_division_is_complete_and_drawn_by_split_seed_alone(self, name: str, tmp_path: Path) -> None:
        table = made(name, tmp_path).load()
        if issubclass(choice(name), Whole):
            pytest.skip("too small to be divided; the next test looks at it")
        one, same, other = (made(name, tmp_path, split_seed=seed).split(table) for seed in (0, 0, 1))
        rows = np.concatenate([one.train, one.validation, one.test])
        assert sorted(rows) == list(range(len(table.y)))
        assert np.array_equal(one.train, same.train)
        assert np.array_equal(one.test, same.test)
        assert not np.array_equal(one.validation, other.validation)
        # the test of a published data set is that of its authors
        assert np.array_equal(one.test, other.test) == issubclass(choice(name), Published)

    def test_what_is_not_divided_is_trained_on_and_judged_on_as_a_whole(self, name: str, tmp_path: Path) -> None:
        table = made(name, tmp_path).load()
        if not issubclass(choice(name), Whole):
            assert issubclass(choice(name), Divided | Published)
            return
        found = made(name, tmp_path).split(table)
        every = list(range(len(table.y)))
        assert (found.train.tolist(), found.validation.tolist(), found.test.tolist()) == (every, every, [])
        assert bool(made(name, tmp_path).remarks(table)) == (
            table.classes != ()
        )  # it says so, where there are examples

    def test_another_number_makes_other_examples(self, name: str, tmp_path: Path) -> None:
        for argument, (one, other) in variants(choice(name)).items() if name not in FILES else ():
            if argument not in (*arguments(Divided), *arguments(Published)):
                assert one.load().sha256 != other.load().sha256, argument
