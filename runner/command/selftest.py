"""`optrun selftest [AREA ...]`: whether the program keeps its promises on this machine."""

from __future__ import annotations


def asked(arguments: list[str]) -> int:
    """Try the areas that are named, or all."""
    from runner.selftest import launch

    return launch.asked(arguments)
