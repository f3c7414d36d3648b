"""optrun on a wall clock that is wrong: OPTRUN_CLOCK=START,STEP, in seconds since 1970 and seconds per look.

The monotonic clock is the machine's. `time.strftime` without a time, and everything else that asks what time it is,
sees START at the first look and STEP more at each further one: 0 stands still, a negative one runs backwards.
"""

from __future__ import annotations

import datetime
import os
import sys
import time
from itertools import count
from typing import Any

looks = count()
start, step = map(float, os.environ.get("OPTRUN_CLOCK", "0,0").split(","))
localtime, gmtime, strftime = time.localtime, time.gmtime, time.strftime


def now() -> float:
    return start + step * next(looks)


class Datetime(datetime.datetime):
    """A datetime whose `now` is the wrong one."""

    @classmethod
    def now(cls, tz: Any = None) -> Datetime:
        return cls.fromtimestamp(now(), tz)


if __name__ == "__main__":
    time.time = now
    time.localtime = lambda seconds=None: localtime(now() if seconds is None else seconds)
    time.gmtime = lambda seconds=None: gmtime(now() if seconds is None else seconds)
    time.strftime = lambda form, when=None: strftime(form, localtime(now()) if when is None else when)
    datetime.datetime = Datetime  # type: ignore[misc]
    from runner import cli  # after the clock, which it takes with it

    sys.exit(cli.command())
