"""The exam of every preprocessing: whatever lies in runner/preprocess is examined."""

from __future__ import annotations

import dataclasses
import io
from functools import cache

import numpy as np
import pytest

from runner.preprocess.base import Preprocess
from tests.contract import rooms

ROOM = "preprocess"
CLASSES = rooms.choices(ROOM)
NAMES = sorted(CLASSES)

CONSTANT = 2
INPUTS = np.random.default_rng(0).normal(3.0, 2.0, (40, 5))  # more rows than columns, in no special position
INPUTS[:, CONSTANT] = 0.3


@cache
def made(name: str) -> Preprocess:
    """The choice as its yaml makes it, with the parts that it is composed of."""
    made: Preprocess = rooms.made(ROOM, name)
    return made


@pytest.mark.parametrize("name", NAMES)
class TestPreprocess:
    def test_its_docstring_gives_an_example(self, name: str) -> None:
        text = CLASSES[name].__doc__ or ""
        assert ">>> " in text

    def test_it_is_a_final_frozen_record(self, name: str) -> None:
        assert getattr(CLASSES[name], "__final__", False)
        with pytest.raises(dataclasses.FrozenInstanceError):
            made(name).new = 1  # type: ignore[attr-defined]

    def test_fitting_and_mapping_leave_the_inputs_as_they_are(self, name: str) -> None:
        x = INPUTS.copy()
        map = made(name)
        map.transform(x, map.fit(x))
        assert x.tobytes() == INPUTS.tobytes()

    def test_it_keeps_the_shape_and_gives_finite_float64(self, name: str) -> None:
        map = made(name)
        statistics = map.fit(INPUTS)
        for rows in (INPUTS, INPUTS[:1]):
            mapped = map.transform(rows, statistics)
            assert mapped.shape == rows.shape
            assert mapped.dtype == np.float64
            assert np.isfinite(mapped).all()

    def test_a_row_is_mapped_in_the_same_way_whatever_lies_beside_it(self, name: str) -> None:
        map = made(name)
        statistics = map.fit(INPUTS)
        alone = np.concatenate([map.transform(INPUTS[i : i + 1], statistics) for i in range(len(INPUTS))])
        # a matrix product may add up in another order for another number of rows
        np.testing.assert_allclose(alone, map.transform(INPUTS, statistics), rtol=1e-12, atol=1e-12)

    def test_two_fits_are_equal_in_every_bit(self, name: str) -> None:
        one, two = made(name).fit(INPUTS), made(name).fit(INPUTS.copy())
        assert one.keys() == two.keys()
        assert all(one[key].tobytes() == two[key].tobytes() for key in one)

    def test_a_column_that_is_constant_in_training_and_differs_later_stays_bounded(self, name: str) -> None:
        map = made(name)
        later = INPUTS.copy()
        later[:, CONSTANT] += 1.0
        # a step of 1 may be given another unit, but is not divided by rounding noise
        assert np.abs(map.transform(later, map.fit(INPUTS))).max() < 1e6

    def test_targets_keep_their_shape_and_order(self, name: str) -> None:
        map = made(name)
        y = np.array([3.0, 1.0, 2.0])
        mapped = map.transform_target(y, map.fit_target(y))
        assert mapped.shape == (3,)
        assert np.argsort(mapped).tolist() == [1, 2, 0]

    def test_remarks_are_sentences(self, name: str) -> None:
        map = made(name)
        remarks = map.remarks(map.fit(INPUTS))
        assert all(isinstance(remark, str) and 10 < len(remark) < 120 and "\n" not in remark for remark in remarks)

    def test_rows_in_blocks_are_learned_as_those_in_one(self, name: str) -> None:
        whole, blocks = made(name).fit(INPUTS), made(name).learn([INPUTS[:7], INPUTS[7:8], INPUTS[8:]])
        # sums over 40 rows and a decomposition of 5 columns, in another order
        ours, twin = (made(name).transform(INPUTS, found) for found in (whole, blocks))
        np.testing.assert_allclose(ours, twin, rtol=1e-12, atol=1e-12)

    def test_fewer_rows_than_columns_and_a_single_row_are_mapped_to_finite_numbers(self, name: str) -> None:
        for rows in (INPUTS[:3], INPUTS[:1]):
            assert np.isfinite(made(name).transform(INPUTS, made(name).fit(rows))).all()

    def test_images_keep_their_shape(self, name: str) -> None:
        images = np.random.default_rng(0).normal(size=(20, 1, 3, 2))
        assert made(name).transform(images[:4], made(name).fit(images)).shape == (4, 1, 3, 2)

    def test_its_statistics_are_arrays_that_survive_being_written(self, name: str) -> None:
        statistics = made(name).fit(INPUTS)
        file = io.BytesIO()
        np.savez(file, **statistics)
        file.seek(0)
        back = dict(np.load(file, allow_pickle=False))
        assert made(name).transform(INPUTS, back).tobytes() == made(name).transform(INPUTS, statistics).tobytes()
