"""The data sets that scikit-learn brings, read without importing it."""

from __future__ import annotations

import importlib.machinery
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from runner.core.errors import DataError
from runner.dataset import bundled
from runner.dataset.breast_cancer import BreastCancer
from runner.dataset.diabetes import Diabetes
from runner.dataset.digits import Digits
from runner.dataset.iris import Iris
from runner.dataset.linnerud import Linnerud
from runner.dataset.wine import Wine


def test_digits_are_those_of_scikit_learn() -> None:
    table, twin = Digits().load(), datasets.load_digits()
    assert table.x.shape == (1797, 1, 8, 8)
    assert np.array_equal(table.x[:, 0], twin.images)
    assert np.array_equal(table.y, twin.target)
    assert table.classes == tuple(str(name) for name in twin.target_names)
    assert table.columns is None


def test_breast_cancer_is_that_of_scikit_learn() -> None:
    table, twin = BreastCancer().load(), datasets.load_breast_cancer()
    assert np.array_equal(table.x, twin.data)
    assert np.array_equal(table.y, twin.target)
    assert table.classes == tuple(twin.target_names)
    assert table.columns == tuple(twin.feature_names)


def test_diabetes_is_that_of_scikit_learn_in_the_original_units() -> None:
    table, twin = Diabetes().load(), datasets.load_diabetes(scaled=False)
    assert np.array_equal(table.x, twin.data)
    assert np.array_equal(table.y, twin.target)
    assert table.classes is None
    assert table.columns == tuple(twin.feature_names)


def test_iris_is_that_of_scikit_learn() -> None:
    table, twin = Iris().load(), datasets.load_iris()
    assert np.array_equal(table.x, twin.data)
    assert np.array_equal(table.y, twin.target)
    assert table.classes == tuple(twin.target_names)
    assert table.columns == tuple(twin.feature_names)


def test_wine_is_that_of_scikit_learn() -> None:
    table, twin = Wine().load(), datasets.load_wine()
    assert np.array_equal(table.x, twin.data)
    assert np.array_equal(table.y, twin.target)
    assert table.classes == tuple(twin.target_names)
    assert table.columns == tuple(twin.feature_names)


@pytest.mark.parametrize("target", ["weight", "waist", "pulse"])
def test_linnerud_is_that_of_scikit_learn_with_one_of_its_three_targets(target: Any) -> None:
    table, twin = Linnerud(target=target).load(), datasets.load_linnerud()
    assert np.array_equal(table.x, twin.data)
    assert np.array_equal(table.y, twin.target[:, twin.target_names.index(target.capitalize())])
    assert table.classes is None
    assert table.columns == tuple(twin.feature_names)


@pytest.mark.parametrize(
    "made", [Digits(), BreastCancer(), Diabetes(), Iris(), Wine(), Linnerud()], ids=lambda made: type(made).__name__
)
def test_a_table_is_float64_inputs_with_classes_in_int64_or_numbers_in_float64(made: Any) -> None:
    table = made.load()
    assert table.x.dtype == np.float64
    assert table.y.dtype == (np.float64 if table.classes is None else np.int64)


def test_the_hash_of_a_table_is_that_of_its_values() -> None:
    table = Digits().load()
    same = table.sha256
    assert Digits(split_seed=1).load().sha256 == same
    table.x[5, 0, 3, 3] += 1
    assert table.sha256 != same


def test_reading_does_not_import_scikit_learn() -> None:
    code = "import sys; from runner.dataset.digits import Digits; Digits().load(); sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_a_missing_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    with pytest.raises(DataError) as refused:
        Digits().load()
    assert str(refused.value) == (
        "digits.csv.gz is refused\n  allowed: the files of scikit-learn, which is missing\n"
        "  do this: pip install scikit-learn"
    )


def test_a_scikit_learn_without_its_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.machinery.ModuleSpec("sklearn", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(bundled, "find_spec", lambda name: spec)
    with pytest.raises(DataError) as refused:
        Digits().load()
    assert str(refused.value) == (
        f"{tmp_path}/datasets/data/digits.csv.gz is refused\n  allowed: the files of scikit-learn 1.2 or newer\n"
        "  do this: pip install --force-reinstall scikit-learn"
    )
