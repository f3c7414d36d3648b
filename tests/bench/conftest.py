"""Nothing here is a test: timings fail nobody, and pytest's search for docstring examples would run the scripts."""

collect_ignore_glob = ["*.py"]
