"""`optrun lectures`: the experiments of the lectures, and what was found so far."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.menu import text
from runner.menu.catalogue import conf_dir
from runner.menu.text import bold, columns, fitted, joined, paragraph

DECKS = {
    "grosse": "CSC321 Lecture 8, Optimization",
    "sun": "Training DNNs: Basic Methods",
    "su": "Optimization and Training Techniques",
    "farrahi": "Minimise your Loss",
}


@dataclass(frozen=True)
class Entry:
    """An experiment: deck/claim, and what one should see."""

    name: str
    meaning: str


def experiments() -> list[Entry]:
    """All of them, deck by deck."""
    files = [path for deck in DECKS for path in sorted((conf_dir() / "experiment" / deck).glob("*.yaml"))]
    return [Entry(f"{path.parent.name}/{path.stem}", meaning(path)) for path in files]


def meaning(path: Path) -> str:
    """The comment under the command in the head of a file."""
    comments = re.findall(r"^# (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return comments[2] if len(comments) > 2 else ""


@dataclass(frozen=True, order=True)
class Found:
    """An experiment that was run: when it was judged, its folder and its verdict."""

    time: float
    folder: Path
    verdict: str


def found(parent: Path) -> Mapping[str, Found]:
    """Name -> the newest experiment of that name in the folders below `parent`."""
    newest: dict[str, Found] = {}
    for file in parent.glob("**/verdict.json"):
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            one = Found(file.stat().st_mtime, file.parent, str(told["verdict"]))
            newest[str(told["name"])] = max(one, newest.get(str(told["name"]), one))
        except (OSError, ValueError, KeyError, TypeError):  # not ours, or damaged: the listing goes on
            continue
    return newest


HELP = (
    "optrun lectures tries what four lectures on optimization say: each claim is an experiment that trains what it "
    "compares, measures one number, sets it beside the one that theory gives, and computes a verdict."
)
WORDS = (
    ("optrun lectures", "every claim with what one should see, and its verdict so far"),
    ("optrun lectures run [DECK | DECK/CLAIM ...]", "run those that have no verdict yet, into outputs/lectures"),
    ("optrun lectures gallery", "a page of what was found below outputs/: outputs/lectures/gallery.html"),
    ("optrun +experiment=DECK/CLAIM [key=value ...]", "one of them, with changes on top of every arm"),
)
LEAVES = (
    "Each experiment leaves its runs as optrun -m does, lecture.json (the claim), verdict.json (what was measured) and "
    "claim.png, a slide. optrun resume FOLDER completes it, optrun plot FOLDER judges and draws it again."
)


def help_page(width: int = 80) -> str:
    """What `optrun lectures` does, what it takes and what it leaves."""
    width = fitted(width)
    sections = (
        ("Decks", columns([(f"  {deck}", title) for deck, title in DECKS.items()], width, left=14)),
        ("Words", [line for word, meaning in WORDS for line in (f"  {word}", *paragraph(meaning, width, indent=6))]),
        ("Results", paragraph(LEAVES, width, indent=2)),
    )
    return text.page(HELP, sections, width)


def page(tried: Mapping[str, Found], width: int = 80, colour: bool = False) -> str:
    """Every experiment with what one should see, and its verdict where there is one."""
    width = fitted(width)
    known = experiments()
    intro = (
        f"{len(known)} claims of four lectures as experiments, as in `optrun +experiment={known[0].name}`; "
        "`optrun lectures run` tries them all, `optrun lectures gallery` makes a page of what was found."
    )
    lines = paragraph(intro, width)
    for deck, title in DECKS.items():
        mine = [each for each in known if each.name.startswith(f"{deck}/")]
        rows = []
        for each in mine:
            verdict = f" [{tried[each.name].verdict}]" if each.name in tried else ""
            rows.append((f"  {each.name}", each.meaning + verdict))
        lines += ["", bold(f"{deck}: {title}", colour), *columns(rows, width, left=32)]
    return joined(lines)
