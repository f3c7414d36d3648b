"""`optrun schedule` draws any schedule without training and says whether the Robbins-Monro sums hold."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from runner import menu
from tests.cli.conftest import TINY, Call, only_folder

NAMES = [entry.name for room in menu.rooms() if room.name == "schedule" for entry in room.choices]


def test_it_shows_the_shape_the_rates_the_sums_and_where_the_picture_is(call: Call, tmp_path: Path) -> None:
    answer = call("schedule", "schedule=staircase", "schedule.every=2", "epochs=4", "steps=5", "lr=0.5")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        "schedule:   staircase every=2 · lr 0.5 · 4 epochs of 5 steps\n"
        "rates:      ██████████▁▁▁▁▁▁▁▁▁▁  at most 0.5\n"
        "            epoch      first step       last step\n"
        "                1             0.5             0.5\n"
        "                2             0.5             0.5\n"
        "                3            0.05            0.05\n"
        "                4            0.05            0.05\n"
        "sum t_k:    finite\n"
        "sum t_k^2:  finite\n"
        "so:         the conditions of Robbins and Monro do not hold: a geometric series in stairs, of ratio\n"
        "            1/10: the sum of all rates is finite\n"
        "picture:    outputs/schedule.png\n"
        "picture:    outputs/schedule.svg\n"
    )
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == ["schedule.png", "schedule.svg"]
    assert (tmp_path / "outputs/schedule.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_can_be_drawn(name: str, call: Call, tmp_path: Path) -> None:
    answer = call("schedule", f"schedule={name}", "epochs=3", "steps=4")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"schedule:   {name}")
    assert "the conditions of Robbins and Monro " in answer.out


@pytest.mark.parametrize(
    ("arguments", "first", "second", "said"),
    [
        ("schedule=inverse_time", "infinite", "finite", "Monro hold: "),
        ("schedule=robbins_monro", "infinite", "finite", "Monro hold: "),
        ("schedule=robbins_monro schedule.c=0.5", "infinite", "infinite", "Monro do not hold: "),
        ("schedule=exponential", "finite", "finite", "Monro do not hold: "),
        ("schedule=staircase", "finite", "finite", "Monro do not hold: "),
        ("schedule=constant", "infinite", "infinite", "Monro do not hold: "),
        ("schedule=warmup schedule.then=inverse_time", "infinite", "finite", "Monro hold: "),
        ("schedule=plateau", "the rows decide", "the rows decide", "Monro hold or not as the rows have it: "),
    ],
)
def test_of_the_decks_schedules_only_one_over_t_satisfies_robbins_and_monro(
    arguments: str, first: str, second: str, said: str, call: Call
) -> None:
    answer = call("schedule", *arguments.split(), "epochs=2", "steps=2")
    assert f"\nsum t_k:    {first}\nsum t_k^2:  {second}\nso:" in answer.out
    assert said in answer.out


def test_what_it_shows_is_what_a_run_does(call: Call, tmp_path: Path) -> None:
    chosen = ("schedule=warmup", "schedule.then=cosine", "epochs=5", "lr=0.5")
    assert call(*TINY, *chosen, "batch_size=629").code == 0  # two steps an epoch
    with (only_folder(tmp_path) / "metrics.csv").open() as file:
        rates = [f"{float(row['lr']):.6g}" for row in csv.DictReader(file)]
    answer = call("schedule", *chosen, "steps=2")
    assert [line.split()[2] for line in answer.out.splitlines()[3:8]] == rates


def test_a_schedule_that_reads_rows_is_drawn_for_a_loss_that_never_improves(call: Call) -> None:
    answer = call(
        "schedule", "schedule=plateau", "schedule.patience=2", "schedule.monitor=train_loss", "epochs=6", "lr=1"
    )
    assert "note:       drawn for a train_loss that never improves\n" in answer.out
    # the first epoch is the best, two bad ones follow
    assert [line.split()[1] for line in answer.out.splitlines()[3:9]] == ["1", "1", "1", "0.1", "0.1", "0.01"]


def test_it_takes_the_rate_of_the_optimizer_and_a_folder(call: Call, tmp_path: Path) -> None:
    answer = call("schedule", "optimizer=sgd", "hydra.run.dir=here", "epochs=1")
    assert "constant · lr 0.1 · 1 epoch of 100 steps" in answer.out
    assert (tmp_path / "here/schedule.svg").exists()


def test_many_steps_are_drawn_from_some_of_them(call: Call) -> None:
    answer = call("schedule", "schedule=cosine", "epochs=1000", "steps=10000", "lr=1")
    assert answer.code == 0
    assert "cosine · lr 1 · 1,000 epochs of 10,000 steps" in answer.out
    epoch, first, last = answer.out.splitlines()[14].split()
    # 1 + cos(pi - x) is x^2 / 2, here for x = pi / 10^3, and pi / 10^7, where it is a difference of equal numbers
    assert (epoch, first) == ("1000", "2.4674e-06")
    assert float(last) == pytest.approx(2.4674e-14, rel=0.01)


REFUSED = {
    "steps=0": (
        "steps=0",
        "a whole number in [1, 1e+15]",
        "give steps=... a value in that range; the default is 100",
    ),
    "steps=two": ("steps=two", "a whole number in [1, 1e+15]", "give steps=... a whole number; the default is 100"),
    "epochs=100001": (
        "steps=100",
        "epochs * steps up to 10,000,000; these are 10,000,100",
        "give fewer; most schedules have one shape for any number",
    ),
    "schedule=cosine schedule.floor=2": (
        "schedule.floor=2",
        "a number in [0, 1]",
        "give schedule.floor=... a value in that range; the default is 0.0",
    ),
    "dataset=diabetes": (
        "optrun schedule dataset=diabetes",
        "optrun schedule with the keys schedule, lr, epochs, steps, optimizer, plugins, hydra.run.dir",
        "leave out what has no part in the rate",
    ),
    "epoch=3": (
        "optrun schedule epoch=3",
        "optrun schedule with the keys schedule, lr, epochs, steps, optimizer, plugins, hydra.run.dir",
        "did you mean epochs? leave out what has no part in the rate",
    ),
    "-m schedule=cosine": ("optrun schedule -m", "one schedule", "leave out -m"),
    "lr=nan": ("lr=nan", "a number in (0, 1e+30]", "give lr=... a finite number; the default is 0.001"),
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_cannot_be_drawn_is_refused(arguments: str, call: Call, tmp_path: Path) -> None:
    key, allowed, do = REFUSED[arguments]
    answer = call("schedule", *arguments.split())
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"optrun: {key} is refused\n  allowed: {allowed}\n  do this: {do}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error_of_the_disk(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = call("schedule", "hydra.run.dir=file/below", "epochs=1")
    assert answer.code == 4
    assert "file/below" in answer.err
