"""`optrun list` in words and in width."""

from __future__ import annotations

import re
from dataclasses import MISSING, replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runner import menu
from runner.core.errors import ConfigError
from runner.menu import pages, text

ROOMS = {room.name: room for room in menu.rooms()}
ALL = [(), *[(room,) for room in ROOMS], *[(room.name, name) for room in ROOMS.values() for name in room.names]]


def words(page: str) -> str:
    """The text on one line."""
    return " ".join(page.split())


def test_the_rooms_come_in_the_order_of_the_configuration_with_its_defaults() -> None:
    config = OmegaConf.load(menu.conf_dir() / "config.yaml")
    parts = [(str(name), choice) for part in config.defaults if part != "_self_" for name, choice in part.items()]
    expected = [(name, choice) for name, choice in parts if not name.startswith("override ") and choice]
    assert [(room.name, room.default) for room in menu.rooms() if "/" not in room.name] == expected


def test_a_room_is_followed_by_the_rooms_inside_it() -> None:
    names = [room.name for room in menu.rooms()]
    place = names.index("architecture")
    assert names[place + 1 : place + 3] == ["architecture/activation", "architecture/normalization"]


def test_an_argument_that_is_chosen_from_a_room_inside_leads_there() -> None:
    page = menu.choice("", "mlp")
    assert "architecture/activation=relu   `optrun list architecture/activation`\n" in page
    page = menu.choice("architecture/activation", "leaky_relu")
    assert page.startswith("architecture/activation=leaky_relu\n")
    assert "architecture.activation.negative_slope=0.01   a number in [0, 1e+30]\n" in page


def test_the_overview_gives_every_room_and_every_choice_its_sentence() -> None:
    page = words(menu.overview(80))
    for room in ROOMS.values():
        assert f" {room.name}: {room.meaning.partition(': ')[2]}" in page
        for entry in room.choices:
            assert f"{entry.name} {entry.sentence}" in page


def test_the_overview_marks_the_default_choice_of_each_room() -> None:
    marked = re.findall(r"^ \* (\w+)", menu.overview(80), re.MULTILINE)
    assert marked == [room.default for room in menu.rooms()]


def test_a_room_shows_formula_arguments_source_and_learning_rate_of_each_choice() -> None:
    assert """
optimizer=adam  (default; lr=0.001 unless you give another)
  Step along the running mean of the gradient, divided by the root of its
  running mean square.

      m     <- beta1 m + (1 - beta1) g
      s     <- beta2 s + (1 - beta2) g^2
      theta <- theta - lr * m^ / (sqrt(s^) + eps),   m^ = m / (1 - beta1^t),
        s^ = s / (1 - beta2^t)

  optimizer.betas=[0.9,0.999]   [a number in [0, 1), a number in [0, 1)]
        (beta1, beta2), the shares of m and of s that are kept
  optimizer.eps=1e-08   a number in (0, 1e+30]
        keeps the quotient finite where s is 0
  optimizer.bias_correction=both   both | none
        both; or none, as Sun p. 30 and Su print it: m^ = m, s^ = s, a first
        step of 3.2 lr
  optimizer.eps_placement=outside_corrected   outside_corrected | outside |
      inside | none
        outside_corrected, as above; outside, next to the root of s before it is
        corrected; inside, under the root of s^; none, and then a step of 0
        where s is 0

  Source: Kingma & Ba 2015 (arXiv 1412.6980), algorithm 1. Sun p. 30 and Su
  print it without the divisors.
""" in menu.room("optimizer", 80)


def test_a_room_says_which_choice_is_the_default() -> None:
    assert "optimizer=adam  (default; lr=0.001 unless you give another)\n" in menu.room("optimizer")
    assert "stop=any_of  (default)\n" in menu.room("stop")


def test_a_room_begins_with_its_theory() -> None:
    assert words(menu.room("loss")).startswith(words(" ".join(("loss: how wrong", ROOMS["loss"].meaning[18:]))))
    assert words(ROOMS["loss"].theory[0]) in words(menu.room("loss"))


def test_arguments_that_most_choices_of_a_room_share_are_shown_once() -> None:
    page = menu.room("dataset", 120)
    assert page.count("dataset.test=0.15   a number in [0, 1)\n") == 1
    title = "every dataset but cifar10, fashion_mnist, house4, mnist, none, ravine_offset"
    assert f"{title}\n  dataset.validation=0.15   a number in [0, 1)\n" in page


def test_a_single_choice_shares_its_arguments_with_nobody() -> None:
    assert pages.common(replace(ROOMS["dataset"], choices=ROOMS["dataset"].choices[:1])) == []


def test_a_choice_that_has_no_docstring_yet_is_listed_by_its_name() -> None:
    assert text.columns([("new", ""), ("old", "Known.")], 80, left=8) == ["  new", "  old   Known."]


def test_a_choice_shows_its_inherited_arguments() -> None:
    assert "dataset.split_seed=0   a whole number in [0, inf)\n" in menu.choice("", "digits")


def test_a_choice_is_shown_whole() -> None:
    assert (
        menu.choice("", "standardize", width=80)
        == """\
preprocess=standardize  (default)
  Give every input column mean 0 and standard deviation 1 on the training part.

      x~_j = (x_j - mu_j) / sigma_j

  mu_j and sigma_j are the mean and the standard deviation (divisor N) of column
  j over the training rows. A column whose deviation is at most 1e-12 of its
  largest magnitude is constant up to rounding: sigma_j is 1 there.

  preprocess.target=true   true or false
        treat targets that are numbers in the same way; losses are then in units
        of their training deviation

  >>> import numpy as np
  >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
  >>> map = Standardize()
  >>> map.transform(x, map.fit(x)).tolist()
  [[-1.0, 0.0], [1.0, 0.0]]

  Source: Grosse, CSC321 lecture 8, "centering and scaling"; Su, "data
  preprocessing" steps 1 and 2.

  Here: scikit-learn's StandardScaler gives the same numbers; it also divides
  constant columns by 1.

  Class: runner.preprocess.standardize.Standardize"""
    )


def test_a_choice_may_be_asked_for_with_or_without_its_room() -> None:
    assert menu.listing(["adam"]) == menu.listing(["optimizer", "adam"]) == menu.choice("optimizer", "adam")


def test_a_name_that_two_rooms_have_shows_both() -> None:
    assert re.findall(r"^(\S+=none)", menu.choice("", "none"), re.MULTILINE) == [
        "dataset=none",
        "preprocess=none",
        "architecture/normalization=none",
        "regularizer=none",
        "probe=none",
        "recorder=none",
    ]
    assert re.findall(r"^(\w+=none)", menu.choice("probe", "none"), re.MULTILINE) == ["probe=none"]


def test_an_argument_that_follows_a_plain_key_says_so() -> None:
    assert "stop.epochs=30   a whole number in [1, 1e+15]; follows epochs=...\n" in menu.choice("", "epochs")


def test_an_argument_that_is_composed_of_choices_names_them() -> None:
    assert "stop.rules named values, each Stop; epochs and early_stopping unless" in words(menu.choice("", "any_of"))


def test_an_argument_that_is_a_choice_names_it_and_how_to_set_its_arguments() -> None:
    assert "optimizer.inner=sgd a choice of optimizer, by name; its arguments as optimizer.inner.ARGUMENT=..." in words(
        menu.choice("", "sam")
    )
    assert "optimizer=sam  (lr=that of inner unless you give another)\n" in menu.choice("", "sam")


@pytest.mark.parametrize("default", [MISSING, "???"])
def test_an_argument_without_default_has_to_be_given(default: object) -> None:
    argument = menu.Argument("path", str, default, "the file")
    assert pages.spoken(argument, "dataset") == ("dataset.path=...", "a text; has to be given")


def test_a_choice_whose_class_the_user_names_asks_for_it_instead_of_its_own_arguments() -> None:
    place = ROOMS["optimizer"]
    page = words("\n".join(pages.whole(replace(place["momentum"], open="torch.optim.AdamW"), place, 80, False)))
    assert "optimizer._target_=torch.optim.AdamW a text the dotted path of a class" in page
    assert "optimizer.mu" not in page


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ["adamm"],
            "optrun list adamm is refused\n  allowed: a room (dataset, preprocess, sampler, architecture, "
            "architecture/activation, architecture/normalization, init, loss, regularizer, optimizer, schedule, stop, "
            "probe, recorder), problem, or the name of a choice\n"
            "  do this: did you mean adam? `optrun list` shows them all",
        ),
        (
            ["optimiser", "adam"],
            "optrun list optimiser is refused\n  allowed: the rooms dataset, preprocess, sampler, architecture, "
            "architecture/activation, architecture/normalization, init, loss, regularizer, optimizer, schedule, stop, "
            "probe, recorder\n"
            "  do this: did you mean optimizer? `optrun list` shows them all",
        ),
        (
            ["loss", "mce"],
            f"optrun list loss mce is refused\n  allowed: the choices of loss: {', '.join(ROOMS['loss'].names)}\n"
            "  do this: did you mean mse? `optrun list` shows them all",
        ),
        (
            ["loss", "mse", "adam"],
            "optrun list loss mse adam is refused\n  allowed: one room, one choice, or a room and its choice\n"
            "  do this: `optrun list` shows them all",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_what_there_is(asked: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        menu.listing(asked)
    assert str(refused.value) == message


@pytest.mark.parametrize("width", [40, 57, 80, 120])
@pytest.mark.parametrize("asked", ALL, ids=" ".join)
def test_no_line_is_wider_than_asked_for(asked: tuple[str, ...], width: int) -> None:
    assert [line for line in menu.listing(asked, width).splitlines() if len(line) > width] == []


@pytest.mark.parametrize("asked", ALL, ids=" ".join)
def test_a_narrow_page_says_what_a_wide_one_says(asked: tuple[str, ...]) -> None:
    narrow, wide = (re.sub(r"\s", "", menu.listing(asked, width)) for width in (40, 120))
    assert narrow == wide


def test_widths_that_nobody_can_read_are_not_used() -> None:
    assert menu.overview(1) == menu.overview(40)
    assert menu.overview(1000) == menu.overview(120)


def test_a_range_is_not_torn_apart() -> None:
    for width in range(40, 90):
        assert menu.choice("", "adam", width=width).count("[0, 1)") == 2


@pytest.mark.parametrize("asked", ALL, ids=" ".join)
def test_a_page_is_plain_ascii_without_spaces_at_the_end_of_a_line_or_of_the_page(asked: tuple[str, ...]) -> None:
    page = menu.listing(asked)
    assert page.isascii()
    assert "\x1b" not in page
    assert [line for line in page.splitlines() if line != line.rstrip()] == []
    assert page == page.strip()


@pytest.mark.parametrize("asked", ALL, ids=" ".join)
def test_colour_adds_bold_and_changes_nothing_else(asked: tuple[str, ...]) -> None:
    coloured = menu.listing(asked, colour=True)
    assert "\x1b[1m" in coloured
    assert re.sub(r"\x1b\[[01]m", "", coloured) == menu.listing(asked)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text("# my own\n_target_: my_package.Mine  # here\nbeta: 0.5\n")
    (tmp_path / "optimizer" / "open.yaml").write_text("_target_: '???'\n")
    (tmp_path / "stop").mkdir()
    (tmp_path / "stop" / "tired.yaml").write_text("after: 5\n")
    return tmp_path


def test_the_users_own_choices_are_listed_with_the_class_that_they_name(mine: Path) -> None:
    assert (
        f"""
Yours, in {mine}
  optimizer=mine  my_package.Mine
  optimizer=open  ???
  stop=tired      no _target_
""".split()
        == menu.overview(120, config_dir=mine).split("\n\n")[-2].split()
    )


def test_a_room_lists_the_users_choices_for_it_alone(mine: Path) -> None:
    page = menu.room("stop", config_dir=mine)
    assert "  stop=tired  no _target_\n" in page
    assert "my_package.Mine" not in page


def test_a_choice_of_the_users_can_be_asked_for(mine: Path) -> None:
    assert "  optimizer=mine  my_package.Mine" in menu.listing(["mine"], config_dir=mine)
    assert "  optimizer=mine  my_package.Mine" in menu.listing(["optimizer", "mine"], config_dir=mine)
    with pytest.raises(ConfigError, match="optrun list stop mine is refused"):
        menu.listing(["stop", "mine"], config_dir=mine)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        menu.overview(config_dir=tmp_path / "nowhere")
    assert str(refused.value) == (
        f"--config-dir={tmp_path / 'nowhere'} is refused\n  allowed: a folder that exists\n"
        "  do this: give the folder that holds ROOM/NAME.yaml"
    )


def test_an_argument_that_is_a_choice_of_its_room_is_shown_by_name() -> None:
    page = words(menu.choice("schedule", "warmup", 80))
    assert " schedule.then=constant a choice of schedule, by name; its arguments as schedule.then.ARGUMENT=... " in page
