"""`optrun --help` is a page for a person, and all that it says is so."""

from __future__ import annotations

import re
import shlex

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from runner import menu
from runner.core import errors
from runner.core.errors import OptrunError
from runner.menu import help as page


def words(text: str) -> str:
    return " ".join(text.split())


def family(cls: type[OptrunError]) -> list[type[OptrunError]]:
    return [cls, *(member for below in cls.__subclasses__() for member in family(below))]


def codes(text: str) -> dict[int, str]:
    """`0 ok, 1 unexpected` as a table."""
    return {int(code): name for code, name in re.findall(r"(\d+) ([a-z]+(?: [a-z]+)*)", text)}


def test_the_page_fits_on_sixty_five_lines_of_eighty_columns_beside_the_names_of_the_choices() -> None:
    lines = menu.help_page(80).splitlines()
    names = [line for line in lines if line.startswith(" " * 16) and line.split()[0].rstrip(",*").isidentifier()]
    assert len(lines) - len(names) <= 65
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("width", [40, 57, 100, 120])
def test_the_page_keeps_to_the_width(width: int) -> None:
    assert max(map(len, menu.help_page(width).splitlines())) <= width


def test_a_narrow_page_says_what_a_wide_one_says() -> None:
    narrow, wide = (re.sub(r"\s", "", menu.help_page(width)) for width in (40, 120))
    assert narrow == wide


def test_the_page_is_plain_ascii_and_colour_adds_bold_alone() -> None:
    assert menu.help_page(80).isascii()
    assert "\x1b" not in menu.help_page(80)
    assert re.sub(r"\x1b\[[01]m", "", menu.help_page(80, colour=True)) == menu.help_page(80)
    assert "\x1b[1mExamples\x1b[0m\n" in menu.help_page(80, colour=True)


@pytest.mark.parametrize("room", menu.rooms(), ids=lambda room: room.name)
def test_the_page_shows_the_choices_of_every_room_with_the_default_marked(room: menu.Room) -> None:
    names = ", ".join(f"{name}*" if name == room.default else name for name in room.names)
    assert f" {room.name} {names} " in words(menu.help_page(80))


def test_the_page_explains_every_plain_key_in_the_words_of_the_configuration() -> None:
    config = OmegaConf.load(menu.conf_dir() / "config.yaml")
    known = [str(key) for key in config if key not in ("defaults", "hydra")]
    assert [key.name for key in menu.plain_keys()] == known
    for key in menu.plain_keys():
        assert f"{key.name}=" in menu.help_page(80)
        assert f" {words(key.meaning)} " in words(menu.help_page(80))


def test_the_page_shows_the_default_learning_rate_as_a_number() -> None:
    assert "\n  lr=0.001 " in menu.help_page(80)
    assert "${" not in menu.help_page(80)
    assert "\n  batch_size=100 " in menu.help_page(80)
    assert "\n  expect={} " in menu.help_page(80)


@pytest.mark.parametrize(
    ("command", "runs"),
    [(command, runs) for (command, _), runs in zip(page.EXAMPLES, (1, 3, 18), strict=False)],
)
def test_the_example_commands_are_valid(command: str, runs: int) -> None:
    given = [word for word in shlex.split(command)[1:] if word != "-m"]
    jobs = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(given), None)[0]
    assert len(jobs) == runs
    with initialize_config_dir(str(menu.conf_dir()), version_base="1.3"):
        for job in jobs:
            assert compose("config", [*job, "hydra/launcher=basic"]).lr > 0


def test_the_exit_codes_are_those_of_the_errors() -> None:
    told = codes(page.EXIT_CODES)
    assert told == codes(errors.__doc__ or "")
    assert {cls.exit_code for cls in family(OptrunError)} | {0, 130, 143} == set(told)


def test_the_page_says_how_to_get_completion_as_hydra_says_it() -> None:
    from hydra._internal.core_plugins.bash_completion import BashCompletion
    from hydra._internal.core_plugins.fish_completion import FishCompletion

    assert BashCompletion.help("install").format("optrun") in menu.help_page(80)
    assert FishCompletion.help("install").format("optrun") in menu.help_page(80)


def test_the_page_names_the_functions_that_need_no_data() -> None:
    names = ", ".join(problem.name for problem in menu.problems())
    assert "rosenbrock" in names
    assert f" problem {names} " in words(menu.help_page(80))
