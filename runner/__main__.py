"""`python -m runner` is `optrun`."""

import sys

from runner.cli import command

if __name__ == "__main__":
    sys.exit(command())
