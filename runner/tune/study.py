"""The search itself, by Optuna: asked for trials, told what became of them, kept in a journal in the sweep folder.

    study.log   Optuna's journal: every trial with what was proposed, and what it was told; only appended to

A trial is proposed by a sampler of its own, whose seed comes from (seed, number of the trial). So a proposal depends on
what the study knows and on nothing else, and a tune that was cut off proposes what it would have proposed.

    completed            told with its number
    pruned               told as pruned, with its number so far: worse than any that completed, better the later it ends
    diverged             told as pruned without a number: worse than all of these
    refused, failed      told as failed: TPE does not look at it

No number is made up for what has none.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from runner.core.errors import CorruptError
from runner.core.streams import key
from runner.ranges import Interval, Listed
from runner.store.base import disk
from runner.tune.base import Proposer, Told
from runner.tune.space import Space

JOURNAL = "study.log"
STARTUP = 10  # trials that TPE draws at random before it learns: Optuna's default
SEEDS = 1 << 32  # which numpy's generators take


class Study:
    """Trials by number, each a setting: key -> the text of its value."""

    def __init__(self, folder: Path, space: Space, search: Proposer, seed: int, direction: str) -> None:
        self.space = space
        self.search = search
        self.seed = seed
        self.distributions = {each.key: distribution(each) for each in space}
        file = folder / JOURNAL
        mended(file, len(space))
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with damage(file):
            self.study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(file))),
                study_name="tune",
                direction="minimize" if direction == "min" else "maximize",
                load_if_exists=True,
            )

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    @property
    def batches(self) -> list[int]:
        """How many trials were asked for at once, each time."""
        return [int(size) for size in self.study.user_attrs.get("batches", [])]

    def announce(self, size: int) -> None:
        """Note that a batch begins, before its first trial is asked for."""
        self.study.set_user_attr("batches", [*self.batches, size])

    def ask(self) -> None:
        """Propose the trials of the batches that were announced and have none yet."""
        for number in range(len(self.trials), sum(self.batches)):
            self.study.sampler = self.sampler(number)
            self.study.ask(self.distributions)

    def settings(self, first: int) -> Iterator[dict[str, str]]:
        """What the trials from number `first` on set."""
        for trial in self.trials[first:]:
            yield {each.key: each.spelled(trial.params[each.key]) for each in self.space}

    @property
    def open(self) -> list[int]:
        """The trials of which nothing was told yet."""
        return [trial.number for trial in self.trials if not trial.state.is_finished()]

    def tell(self, results: Iterable[Told]) -> None:
        """Tell what became of trials, in the order of their numbers, so that workers make no difference."""
        self.study.sampler = RandomSampler()  # which has nothing to prepare
        for one in sorted(results, key=lambda one: one.number):
            match one.state:
                case "completed":
                    self.study.tell(one.number, one.value)
                case "failed":
                    self.study.tell(one.number, state=TrialState.FAIL)
                case _:
                    frozen = self.trials[one.number]
                    if one.value is not None and not frozen.intermediate_values:
                        Trial(self.study, frozen._trial_id).report(one.value, one.epochs)
                    self.study.tell(one.number, state=TrialState.PRUNED)

    def sampler(self, number: int) -> BaseSampler:
        """What proposes the trial of this number."""
        own = key(self.seed, "tune", number) % SEEDS
        match self.search:
            case "tpe":
                return TPESampler(n_startup_trials=STARTUP, seed=own)
            case "random":
                return RandomSampler(seed=own)
            case "sobol":  # one sequence, of which each trial takes the next point; the first is drawn at random
                shared = key(self.seed, "tune") % SEEDS
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    return QMCSampler(
                        scramble=True,
                        seed=shared,
                        independent_sampler=RandomSampler(seed=own),
                        warn_independent_sampling=False,
                    )


def distribution(each: Interval | Listed) -> BaseDistribution:
    """A range as Optuna knows it: a list in order by the places in it."""
    if isinstance(each, Listed):
        return IntDistribution(0, len(each.values) - 1) if each.ordered else CategoricalDistribution(each.values)
    if each.whole:
        return IntDistribution(int(each.low), int(each.high), log=each.scale == "log")
    return FloatDistribution(each.low, each.high, log=each.scale == "log")


def mended(file: Path, parameters: int) -> None:
    """Take back what a process that was killed had begun: a line, a proposal; and its lock, for the folder is ours.

    parameters: how many a trial has, each in a line of its own
    """
    if not file.exists():
        return
    with disk(file, "mend"):
        for left in file.parent.glob(f"{file.name}.lock*"):
            left.unlink()
        data = file.read_bytes()
        kept = data[: data.rfind(b"\n") + 1]
        begun = kept.rfind(b"\n", 0, max(kept.rfind(b'"datetime_start"'), 0)) + 1  # of the line of the last trial
        if begun and kept.count(b'"param_name"', begun) < parameters:
            kept = kept[:begun]
        if len(kept) < len(data):
            with open(file, "r+b") as journal:
                journal.truncate(len(kept))


@contextmanager
def damage(file: Path) -> Iterator[None]:
    """Turn what Optuna raises of a journal that it cannot read into a `CorruptError`."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CorruptError(f"{file} does not hold what Optuna wrote: {type(error).__name__}: {error}") from None
