"""`optrun lectures`: which claims there are; `optrun lectures run [DECK | DECK/CLAIM ...]`: try them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.command import experiment
from runner.command.base import coloured, width
from runner.composing import prepared
from runner.core.errors import ConfigError, did_you_mean
from runner.menu import lectures

HOME = Path("outputs") / "lectures"  # where `run` puts each experiment, under its name


def asked(words: list[str]) -> int:
    """List them with their verdicts so far, or run those that have none."""
    if not words:
        print(lectures.page(lectures.found(Path("outputs")), width(), coloured()))
        return 0
    if words[0] != "run":
        do = f"{did_you_mean(words[0], ['run'])}`optrun lectures` lists them, `optrun lectures run` tries them"
        raise ConfigError("", f"optrun lectures {words[0]}", allowed="run", do=do)
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
