"""Programs that are optrun with a fault in it: run by `python -m runner.selftest.inside.NAME`, imported by nobody."""
