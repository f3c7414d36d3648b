"""`optrun report FOLDER ... [out=FILE] [doctor=off]`: runs and sweeps as one page for a browser."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from runner import menu
from runner.command.base import width, without
from runner.composing import prepared
from runner.core.errors import ConfigError, CorruptError, visible
from runner.grammar import plugin_names

OWN = ("out", "doctor")
PAGE = "report.html"  # in the first folder that is named, unless out= says where


def asked(arguments: list[str]) -> int:
    """Write the page, one file that loads nothing; a run is built again for the doctor alone, and none is changed."""
    if {"-h", "--help"} & set(arguments):
        print(menu.report_page(width()))
        return 0
    folders = list(dict.fromkeys(Path(word) for word in arguments if "=" not in word or Path(word).is_dir()))
    words = [word for word in arguments if Path(word) not in folders]
    others = without(OWN, words)
    if not folders or without(("plugins",), others):
        raise ConfigError(
            "",
            shlex.join(["report", *arguments]),
            allowed="optrun report FOLDER ..., with out=FILE.html, doctor=off and plugins=[my_package]",
            do="name folders of runs and sweeps, as in outputs/...",
        )
    given = dict(word.split("=", 1) for word in words)
    file, doctor = target(given.get("out"), folders[0]), asks(given.get("doctor", "on"))
    prepared(others)
    from runner import overview
    from runner.store.base import disk, write_whole

    page, damaged = overview.page(folders, plugin_names(others), doctor, shlex.join(["optrun", "report", *arguments]))
    with disk(file, "write"):
        file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, page.encode("utf-8", "replace"))
    for each in damaged:
        print(visible(f"optrun: not on the page: {each.why}"), file=sys.stderr)
    print(visible(str(file)))
    return CorruptError.exit_code if damaged else 0


def target(out: str | None, folder: Path) -> Path:
    """The file to write, which is a page: a table or a commit must not be replaced by one."""
    if out is None:
        return folder / PAGE
    if Path(out).suffix != ".html" or Path(out).is_dir():
        raise ConfigError("out", out, allowed="a file whose name ends in .html", do=f"try out={PAGE}")
    return Path(out)


def asks(doctor: str) -> bool:
    """Whether the doctor looks at the runs."""
    if doctor not in ("on", "off"):
        raise ConfigError("doctor", doctor, allowed="on or off", do="leave it out; doctor=off builds no run again")
    return doctor == "on"
