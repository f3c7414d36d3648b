"""`python -m MODULE ...` with a defect in the program: `python run.py AREA -m MODULE ...`.

Every area has a file beside this one, AREA.py, which breaks one thing of the program that the area has to notice.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    area, _, module, *arguments = sys.argv[1:]
    spec = importlib.util.spec_from_file_location(f"planted_{area}", Path(__file__).with_name(f"{area}.py"))
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
