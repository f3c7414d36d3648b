"""What is read from the source files is what importing them would say."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest

from runner import menu
from runner.core.check import Choice, arguments, spelled
from runner.menu import source
from tests.contract.rooms import package

ENTRIES = [entry for room in menu.rooms() for entry in room.choices]
RUNNER = Path(menu.__file__).parents[1]

BASE = '''
"""Toys: what one plays with. More of it."""
from dataclasses import dataclass
from typing import Annotated, Literal
from runner.core.check import Choice, Range

Colour = Literal["red", "blue"]
Small = Annotated[float, Range(least=0, most=0.5)]

@dataclass(frozen=True)
class Toy(Choice):
    """A toy.

    weight: how heavy
    """
    weight: Small = 0.25
'''
BALL = '''
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, final
from runner.core.check import Count, Range
from toys.base import Colour, Toy

raise SystemExit("this file must not be executed")

class Helper:
    size: int = 0

@final
@dataclass(frozen=True)
class Ball(Toy):
    """Rolls.

        x <- x + v
    """
    memory: ClassVar[tuple[str, ...]] = ("v",)
    path: str
    colours: tuple[Colour, ...] = ("red",)
    bounce: Annotated[float, Range(above=-1)] | None = -0.5
    pair: tuple[Count, Count] = (1, 2)
    inner: dict[str, Toy] = field(default_factory=dict)
    table: dict[str, Any] = field(default_factory=lambda: {"a": [1, None]})
    on: bool = True
    glove: Glove = field(default_factory=Leather)
'''


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "ball.py").write_text(BALL)
    return tmp_path / "ball.py"


def imported(target: str) -> type[Choice]:
    module, _, name = target.rpartition(".")
    found: type[Choice] = getattr(importlib.import_module(module), name)
    return found


def name_of(default: Any) -> Any:
    """A class, or a choice as it is by itself, is known by its name, since reading a source file imports none."""
    known = type(default) if isinstance(default, Choice) else default
    return known.__name__ if isinstance(known, type) else default


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.target)
def test_the_menu_shows_the_arguments_that_the_class_has(entry: menu.Entry) -> None:
    expected = {
        name: (spelled(annotation), name_of(default))
        for name, (annotation, default) in arguments(imported(entry.target)).items()
    }
    assert {one.name: (one.allowed, name_of(one.default)) for one in entry.arguments} == expected


@pytest.mark.parametrize("room", menu.rooms(), ids=lambda room: room.name)
def test_a_room_lists_every_choice_in_its_folder_and_nothing_else(room: menu.Room) -> None:
    found = []
    for path in (RUNNER / room.name).glob("*.py"):
        module = importlib.import_module(f"{package(room.name)}.{path.stem}")
        for name, member in vars(module).items():
            local = inspect.isclass(member) and member.__module__ == module.__name__
            if local and issubclass(member, Choice) and not inspect.isabstract(member):
                found.append(f"{module.__name__}.{name}")
    assert sorted(entry.target for entry in room.choices) == sorted(found)


def test_a_room_has_the_first_sentence_of_its_base_as_meaning_and_the_rest_as_theory() -> None:
    optimizer = next(room for room in menu.rooms() if room.name == "optimizer")
    assert optimizer.meaning == "Optimizers: how theta moves, given an objective to ask."
    assert optimizer.theory[0].startswith("What varies is the rule. What is fixed:")


def test_a_type_is_read_with_the_names_that_the_file_and_its_base_define(ball: Path) -> None:
    found = source.choice(ball)
    assert found is not None
    assert {name: (spelled(field.annotation), field.default) for name, field in found.fields.items()} == {
        "path": ("a text", MISSING),
        "colours": ("a list of values, each red | blue", ("red",)),
        "bounce": ("a number in (-1, inf) or null", -0.5),
        "pair": ("[a whole number in [1, 1e+15], a whole number in [1, 1e+15]]", (1, 2)),
        "inner": ("named values, each Toy", {}),
        "table": ("named values, each Any", {"a": [1, None]}),
        "on": ("true or false", True),
        "glove": ("Glove", source.unknown("Leather")),
        "weight": ("a number in [0, 0.5]", 0.25),
    }


def test_inherited_arguments_come_last(ball: Path) -> None:
    found = source.choice(ball)
    assert found is not None
    assert next(iter(found.fields)) == "path"
    assert list(found.fields)[-1] == "weight"


def test_an_argument_that_is_defined_again_has_the_new_default(ball: Path) -> None:
    ball.write_text(BALL.replace("    on: bool = True", "    weight: Small = 0.1"))
    found = source.choice(ball)
    assert found is not None
    assert found.fields["weight"].default == 0.1


def test_the_docstrings_of_the_family_are_freed_of_the_indentation_of_the_class(ball: Path) -> None:
    found = source.choice(ball)
    assert found is not None
    assert found.docstrings == ("A toy.\n\nweight: how heavy", "Rolls.\n\n    x <- x + v")


def test_a_file_without_a_final_class_is_no_choice(ball: Path) -> None:
    ball.write_text(BALL.replace("@final", "@total_ordering"))
    assert source.choice(ball) is None


@pytest.mark.parametrize("expression", ["open('evil', 'w')", "__import__('os')", "[x for x in ()]", "1 + 1"])
def test_an_expression_that_would_have_to_be_run_is_refused(
    ball: Path, expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ball.parent)
    ball.write_text(BALL.replace("on: bool = True", f"on: bool = {expression}"))
    with pytest.raises(source.Unreadable):
        source.choice(ball)
    assert not Path("evil").exists()


def test_the_menu_is_made_without_importing_what_takes_long() -> None:
    code = """
import sys
from runner import menu
menu.overview(80), menu.room("optimizer", 80), menu.choice("", "adam"), menu.help_page(80)
heavy = {"torch", "numpy", "pandas", "matplotlib", "sklearn", "scipy", "hydra", "omegaconf", "rich"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=RUNNER.parent)
    assert (done.stdout, done.stderr) == ("[]\n", "")
