"""Arrows point down: a file imports from a lower floor, or from the base of its own room."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import runner

ROOMS = [
    *("dataset", "preprocess", "sampler", "architecture", "init", "loss", "regularizer"),
    *("optimizer", "schedule", "stop", "probe", "recorder"),
]
# Rooms inside a room, whose choices are parts of its choices.
INNER = ["architecture/activation", "architecture/normalization"]
# Folders inside a part that stand on a floor of their own.
APART = [*INNER, "selftest/inside"]
# The table of the floors; runner/__init__.py tells it to people.
FLOORS = {
    "core": 0,
    "linalg": 1,
    "foreign": 1,
    **dict.fromkeys(INNER, 1),
    **dict.fromkeys(ROOMS, 2),
    "run": 3,
    "export": 3,
    "store": 4,
    "state": 4,
    "train": 4,
    "lanes": 5,
    "build": 5,
    "plot": 5,
    "report": 5,
    "screen": 5,
    "menu": 5,
    "doctor": 5,
    "recording": 5,
    "job": 6,
    "provenance": 6,
    "preview": 6,
    "grammar": 6,
    "ranges": 6,
    "guard": 6,
    "gradcheck": 6,
    "lr_range": 6,
    "sweep": 7,
    "parallel": 7,
    "checkup": 7,
    "landscape": 7,
    "tune": 8,
    "lecture": 8,
    "selftest": 8,
    "composing": 9,
    "overview": 9,
    "command": 10,
    "cli": 11,
    "selftest/inside": 12,
}
# Doors into the program without a floor of their own: `python -m runner`, and the launcher that Hydra finds by itself.
DOORS = {"__main__": {"cli"}, "plugins": {"command", "core", "grammar"}}
# On one floor: the loop moves a state and writes both through the run folder, which knows nothing of them; a run tells
# what it runs with; a range is read as it is typed.
BESIDE = {("train", "state"), ("train", "store"), ("state", "store"), ("job", "provenance"), ("ranges", "grammar")}
# Below all that it could see, a part may be bound to less.
ONLY = {"store": {"core"}, "menu": {"core"}, "plot": {"core"}, "report": {"core", "store"}, "screen": {"core"}}
# Library -> who may see it.
SEEN_BY = {
    "hydra": {"command", "composing", "grammar", "ranges", "guard", "plugins"},
    "optuna": {"tune"},
    "omegaconf": {"build", "composing", "guard", "plugins"},
    "matplotlib": {"plot"},
    "tensorboard": {"recorder"},
    "jinja2": {"report"},
    "PIL": {"plot"},
}

ROOT = Path(runner.__file__).parent


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def part(module: str) -> str:
    """`optimizer` of runner.optimizer.adam, nothing of runner itself."""
    inner = "/".join(module.split(".")[1:3])
    return inner if inner in APART else module.split(".")[1] if "." in module else ""


def imported(source: str) -> set[str]:
    """Every module that a file imports anywhere in it, a name out of a package as the module that it is."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                ours = str(node.module).split(".")[0] == "runner"
                found.add(whole if whole in FILES or not ours else str(node.module))
    return found


def inner(source: str) -> set[str]:
    """The modules of this package among them."""
    return {name for name in imported(source) if name == "runner" or name.startswith("runner.")}


def holds_a_choice(module: str) -> bool:
    return re.search(r"^@final$", FILES[module].read_text(encoding="utf-8"), re.MULTILINE) is not None


def may(module: str, target: str) -> bool:
    """Whether `module` may import `target`."""
    here, there = part(module), part(target)
    if not there:
        return True  # the version, which stands in the package itself
    if here == there:
        return here not in [*ROOMS, *INNER] or not holds_a_choice(target)
    if here in DOORS:
        return there in DOORS[here]
    if there in DOORS or (here in ONLY and there not in ONLY[here]):
        return False
    return FLOORS[there] < FLOORS[here] or (here, there) in BESIDE


def test_every_part_of_the_program_has_a_floor() -> None:
    assert {part(module) for module in FILES} - {""} == FLOORS.keys() | DOORS.keys()


def test_the_text_of_the_package_tells_the_same_floors() -> None:
    lines = re.findall(r"^ +(\d+)  (\S+(?: \S+)*)", str(runner.__doc__), re.MULTILINE)
    assert {name: int(floor) for floor, names in lines for name in names.split()} == FLOORS


@pytest.mark.parametrize("module", FILES)
def test_a_file_imports_from_a_lower_floor_or_from_the_base_of_its_room(module: str) -> None:
    source = FILES[module].read_text(encoding="utf-8")
    assert [target for target in sorted(inner(source)) if not may(module, target)] == []


def test_no_file_imports_itself_by_a_detour() -> None:
    graph = {module: inner(path.read_text(encoding="utf-8")) for module, path in FILES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(FILES)  # raises CycleError


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("runner.core.check", "from runner.linalg.vector import sqrt"),
        ("runner.core.check", "def f():\n    import runner.train"),
        ("runner.optimizer.adam", "from runner.optimizer.sgd import SGD"),
        ("runner.optimizer.adam", "from runner.schedule.base import Progress"),
        ("runner.optimizer.adam", "from runner import run"),
        ("runner.architecture.mlp", "from runner.architecture.linear import Linear"),
        ("runner.architecture.activation.elu", "from runner.architecture.activation.relu import ReLU"),
        ("runner.architecture.activation.relu", "from runner.architecture.base import Architecture"),
        ("runner.store.folder", "from runner.run import Run"),
        ("runner.store.folder", "from runner.train import train"),
        ("runner.train", "from runner import job"),
        ("runner.plot.curves", "if 1:\n    from runner.run import Run"),
        ("runner.menu.pages", "import runner.build"),
        ("runner.job", "import runner.sweep.base"),
        ("runner.sweep.base", "from runner.cli import main"),
        ("runner.cli", "import runner.__main__"),
        ("runner.__main__", "from runner.job import start"),
        ("runner.selftest.program", "from runner.cli import main"),
        ("runner.cli", "from runner.selftest.inside.nursery import warm"),
    ],
)
def test_an_arrow_that_points_up_or_aside_is_noticed(module: str, line: str) -> None:
    (target,) = inner(line)
    assert not may(module, target)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("runner.optimizer.adam", "from runner.optimizer.base import Elementwise"),
        ("runner.optimizer.adam", "from runner.linalg.vector import sqrt"),
        ("runner.architecture.mlp", "from runner.architecture.activation.relu import ReLU"),
        ("runner.architecture.convnet", "from runner.architecture.dense import Perceptron"),
        ("runner.job", "from runner import __version__"),
        ("runner.train", "from runner.store.folder import RunFolder"),
        ("runner.menu.pages", "from runner.menu import text"),
        ("runner.cli", "from runner import sweep"),
        ("runner.__main__", "from runner.cli import main"),
        ("runner.selftest.inside.nursery", "from runner.cli import main"),
    ],
)
def test_an_arrow_that_points_down_is_allowed(module: str, line: str) -> None:
    (target,) = inner(line)
    assert may(module, target)


def without_types(source: str) -> str:
    """The file without what it imports for the type checker alone."""
    tree = ast.parse(source)
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return ast.unparse(tree)


@pytest.mark.parametrize("library", SEEN_BY)
def test_a_library_is_seen_only_where_it_belongs(library: str) -> None:
    seeing = {
        part(module)
        for module, path in FILES.items()
        for name in imported(without_types(path.read_text(encoding="utf-8")))
        if name == library or name.startswith(f"{library}.")
    }
    assert seeing == SEEN_BY[library]


def uses(source: str, dotted: str) -> bool:
    """Whether a file imports a module or reaches for it as an attribute."""
    attributes = {ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    names = imported(source) | attributes
    return any(name == dotted or name.startswith(f"{dotted}.") for name in names)


@pytest.mark.parametrize(
    "line", ["import torch.func", "from torch import func", "from torch.func import vmap", "torch.func.vmap(f)"]
)
def test_a_module_is_noticed_however_it_is_reached(line: str) -> None:
    assert uses(line, "torch.func")
    assert not uses(line, "torch.functional")


# The curvature takes the gradient of every example by mapping, too.
@pytest.mark.parametrize("module", sorted(FILES.keys() - {"runner.core.rows", "runner.core.curvature"}))
def test_only_two_objectives_map_functions_over_tensors(module: str) -> None:
    assert not uses(FILES[module].read_text(encoding="utf-8"), "torch.func")


@pytest.mark.parametrize("module", FILES)
def test_nobody_uses_pyplot(module: str) -> None:
    assert not uses(FILES[module].read_text(encoding="utf-8"), "matplotlib.pyplot")


@pytest.mark.parametrize("module", ["runner.cli", "runner.menu", "runner.core.check", "runner.core.errors"])
def test_what_starts_the_program_loads_none_of_the_heavy_libraries(module: str) -> None:
    heavy = ["torch", "pandas", "matplotlib", "matplotlib.pyplot", "sklearn", "scipy", "numpy"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT.parent, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
