"""`optrun lectures`: which claims there are; `optrun lectures run [DECK | DECK/CLAIM ...]`: try them;
`optrun lectures gallery`: a page of what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.command import experiment
from runner.command.base import coloured, width
from runner.composing import prepared
from runner.core.errors import ConfigError, did_you_mean
from runner.menu import lectures

HOME = Path("outputs") / "lectures"  # where `run` puts each experiment, under its name
PAGE = HOME / "gallery.html"
WORDS = ["run", "gallery"]


def asked(words: list[str]) -> int:
    """List them with their verdicts so far, run those that have none, or make the page."""
    if not words:
        print(lectures.page(lectures.found(Path("outputs")), width(), coloured()))
        return 0
    if {"-h", "--help"} & set(words):
        print(lectures.help_page(width()))
        return 0
    if words[0] not in WORDS:
        do = f"{did_you_mean(words[0], WORDS)}`optrun lectures` lists them, `optrun lectures run` tries them"
        raise ConfigError("", f"optrun lectures {words[0]}", allowed="run, gallery", do=do)
    if words[0] == "gallery":
        return shown(words[1:])
    prepared([])
    codes = [tried(name) for name in chosen(words[1:])]
    print(f"verdicts: {sum(not code for code in codes)} of {len(codes)} in {HOME}; `optrun lectures` lists them")
    return max(codes, default=0)


def chosen(words: Sequence[str]) -> list[str]:
    """The experiments that the words name: a deck stands for all of its own, no word for all that there are."""
    known = [each.name for each in lectures.experiments()]
    for word in words:
        if word not in known and word not in lectures.DECKS:
            do = f"{did_you_mean(word, [*known, *lectures.DECKS])}`optrun lectures` lists them"
            allowed = f"a deck ({', '.join(lectures.DECKS)}) or one of its experiments"
            raise ConfigError("", f"optrun lectures run {word}", allowed=allowed, do=do)
    return [name for name in known if not words or name in words or name.partition("/")[0] in words]


def tried(name: str) -> int:
    """Run an experiment, go on with it where it was cut off, or leave it where it has its verdict."""
    folder = HOME / name
    if (folder / "verdict.json").exists():
        return 0
    if (folder / "lecture.json").exists():
        from runner.command import resume

        return resume.asked([str(folder)])
    return experiment.asked([f"+experiment={name}", f"hydra.run.dir={folder}"])


def shown(more: list[str]) -> int:
    """The page of all that was found below outputs/, which is one file."""
    if more:
        do = f"leave out {' '.join(more)}; the page has every deck"
        raise ConfigError("", f"optrun lectures gallery {' '.join(more)}", allowed="optrun lectures gallery", do=do)
    from runner.report import lectures as report
    from runner.store.base import write_whole

    known, found = lectures.experiments(), lectures.found(Path("outputs"))
    decks = []
    for name, title in lectures.DECKS.items():
        mine = [each for each in known if each.name.startswith(f"{name}/")]
        claims = [(each, report.tried(found[each.name].folder) if each.name in found else None) for each in mine]
        decks.append(report.Deck(name, title, tuple(report.Claim(e.name, e.meaning, tried) for e, tried in claims)))
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    write_whole(PAGE, report.gallery(decks).encode())
    print(f"{sum(each.name in found for each in known)} of {len(known)} claims in {PAGE}")
    return 0
