"""`optrun --cfg job`, `--info`, `--run` and the others: Hydra's own flags."""

from __future__ import annotations

import os
import sys

from runner.command.sweep import one_job
from runner.composing import flags_first, split_flags, translated
from runner.grammar import CONF, lenient, plugin_names, refuse_unreadable
from runner.guard import watched

HYDRAS = {
    *("-m", "--multirun", "-c", "--cfg", "-i", "--info", "-p", "--package", "-r", "--run", "--resolve"),
    *("-sc", "--shell-completion", "--hydra-help"),
}


def asked(arguments: list[str]) -> int:
    """Let `hydra.main` answer."""
    import hydra

    os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions through, so that they end in one message and in our exit code
    completing = any(argument in ("-sc", "--shell-completion") for argument in arguments)
    sys.argv = ["optrun", *(arguments if completing else lenient(flags_first(arguments)))]
    with translated(arguments), watched(plugin_names(arguments)):
        refuse_unreadable(split_flags(arguments)[2])
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(one_job(arguments))()
    return 0
