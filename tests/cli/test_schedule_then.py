"""A schedule inside a schedule is chosen by its name, as the schedule itself is."""

from __future__ import annotations

import csv
from pathlib import Path

from omegaconf import OmegaConf

from tests.cli.conftest import TINY, Call, only_folder


def test_the_schedule_after_a_warmup_is_chosen_by_name_and_has_its_arguments_below(call: Call, tmp_path: Path) -> None:
    answer = call(
        *TINY, "lr=0.5", "batch_size=629", "epochs=4", "schedule=warmup", "schedule.epochs=1", "schedule.start=0.5",
        "schedule.then=polynomial", "schedule.then.power=1",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    folder = only_folder(tmp_path)
    chosen = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))["schedule"]
    assert chosen["then"] == {"_target_": "runner.schedule.polynomial.Polynomial", "power": 1.0, "floor": 0.0}
    with (folder / "metrics.csv").open() as file:
        rates = [float(row["lr"]) for row in csv.DictReader(file)]
    # 1257 rows in 2 batches. Warm-up: 0.5, 0.75; then a line over the 6 steps left: 1, 5/6, 4/6, 3/6, 2/6, 1/6
    assert [round(rate / 0.5, 12) for rate in rates] == [0.75, round(5 / 6, 12), 0.5, round(1 / 6, 12)]


def test_a_sweep_over_what_follows_is_named_as_it_was_typed(call: Call, tmp_path: Path) -> None:
    answer = call("-m", *TINY, "schedule=warmup", "schedule.then=cosine,inverse_time")
    assert answer.code == 0, answer.err
    assert "over schedule.then\n" in answer.out
    assert "schedule.then=inverse_time" in answer.out
    assert "@" not in answer.out


def test_a_schedule_without_another_inside_refuses_one(call: Call) -> None:
    answer = call("schedule=cosine", "schedule.then=constant")
    assert (answer.code, answer.err) == (
        2,
        "optrun: schedule.then=... is refused\n"
        "  allowed: an argument of the schedule that is chosen, which does not have it\n"
        "  do this: `optrun list schedule` shows the choices with their arguments\n",
    )


def test_a_name_that_is_no_schedule_is_refused_with_the_nearest(call: Call) -> None:
    answer = call("schedule=warmup", "schedule.then=cosin")
    assert answer.code == 2
    assert answer.err.startswith("optrun: schedule.then=cosin is refused\n  allowed: constant, cosine, cyclic, ")
    assert "did you mean cosine?" in answer.err
