"""The command line: words in, exit code out.

    optrun [key=value ...]          one run
    optrun -m key=value,value ...   a sweep
    optrun COMMAND ...              one of `COMMANDS`, a file each in runner/command/

One run is composed by Hydra's compose call, which leaves no folder behind when the configuration is refused; `-m` and
Hydra's own flags go through Hydra's launchers. This file imports neither torch nor pandas nor pyplot: help and
completion answer at once, and what is wrong in the grammar of a command is said before torch is read.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from runner import __version__
from runner.command import experiment, flags, run, sweep
from runner.command import help as help_page
from runner.command.base import refuse_several
from runner.composing import prepared
from runner.core.errors import ConfigError, DiskError, Interrupted, OptrunError, did_you_mean, visible
from runner.core.launched import VOICE, place
from runner.screen.output import Unsaid, forget, spoken

COMMANDS = (
    *("list", "schedule", "gradcheck", "lr_range", "tune", "resume", "plot", "doctor", "report", "landscape"),
    *("lectures", "selftest", "help"),
)


def command() -> int:
    """`main` in a process of its own, which ends with it.

    Importing torch makes hundreds of thousands of objects that stay. Looking for garbage among them meanwhile costs
    0.3 s of 2.4, and once more at the end, before the process may exit, 0.5 s.
    """
    gc.set_threshold(100_000, 50, 50)
    spoken()
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is usual:  # what is ignored stays ignored: a background job
            signal.signal(number, left)
    try:
        return main()
    finally:
        gc.freeze()


def left(number: int, frame: object) -> None:
    """A signal outside of training, where nothing is at stake: leave at once.

    A KeyboardInterrupt in the middle of an import is swallowed, or turned into another error, by numpy and others.
    """
    message = b"optrun: interrupted; what was committed is kept, `optrun resume` goes on from there\n"
    if place().rank == 0:
        os.write(sys.stderr.fileno(), message)
    os._exit(128 + number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. The only place that turns errors into messages."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = dispatch(arguments)
        sys.stdout.flush()
        return code
    except Interrupted as error:
        return failed(str(error) + "; `optrun resume` goes on where it was", error.exit_code)
    except OptrunError as error:
        return failed(str(error), error.exit_code)
    except KeyboardInterrupt:
        return failed("interrupted; what was committed is kept, `optrun resume` goes on from there", 130)
    except BrokenPipeError:
        forget(sys.stdout)
        return 0
    except Unsaid as error:
        forget(sys.stdout)
        return failed(f"cannot write to standard output: {error.strerror}", DiskError.exit_code)
    except Exception:
        traceback.print_exc()
        return failed("this is a bug in optrun or in a plugin; the lines above say where", 1)


def failed(message: str, code: int) -> int:
    """Say on stderr why the command ended, once for all processes of a run, and answer with its exit code."""
    try:
        if not VOICE.speaks():
            return code
        print(f"optrun: {visible(message)}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the terminal was closed; the exit code is all that is left to say
    return code


def dispatch(arguments: list[str]) -> int:
    """What the command answers that the arguments ask for."""
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help"):
        return help_page.asked([])
    if first == "--version":
        print(f"optrun {__version__}")
        return 0
    if first in COMMANDS:
        if first != "resume":
            refuse_several(f"optrun {first}")
        return int(import_module(f"runner.command.{first}").asked(arguments[1:]))
    if first and not first.startswith("-") and "=" not in first and not first.startswith("~"):
        raise ConfigError(
            "",
            first,
            allowed=f"key=value, or one of {', '.join(COMMANDS)}",
            do=f"{did_you_mean(first, list(COMMANDS))}`optrun --help` shows examples",
        )
    return trained(arguments)


def trained(arguments: list[str]) -> int:
    """A run or a sweep, or what one of Hydra's flags asks of them."""
    keys = {argument.lstrip("+").split("=")[0] for argument in arguments}
    if {"lr", "optimizer.lr"} <= keys:
        raise ConfigError(
            "optimizer.lr",
            "...",
            allowed="one of lr and optimizer.lr, which are the same number",
            do="give lr=... alone",
        )
    prepared(arguments)
    if any(map(experiment.names_one, arguments)):
        return experiment.asked(arguments)
    given = {argument.split("=")[0] for argument in arguments if argument.startswith("-")} & flags.HYDRAS
    if given:
        refuse_several(f"optrun {' '.join(sorted(given))}")
    if given and given <= {"-m", "--multirun"}:
        return sweep.asked(arguments)
    if given:
        return flags.asked(arguments)
    if "--extend" in arguments:
        raise ConfigError(
            "--extend",
            "",
            allowed="with -m, for a sweep",
            do="optrun -m --extend hydra.sweep.dir=outputs/... KEY=OLD,NEW",
        )
    return run.asked(arguments)
