# make help lists the targets. Everything runs in .venv, made from pinned versions on first use.
# make itself answers 2 for every failure and prints the program's own code ("Error 8"); call .venv/bin/optrun for that.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
export PIP_CONSTRAINT := .constraints.txt
# To compare with, in tests. It asks for torchvision, through backpack, and uses neither: these are all that it needs.
CURVLINOPS := curvlinops-for-pytorch einconv einops linear_operator jaxtyping wadler_lindig

.DEFAULT_GOAL := help
.PHONY: help run sweep list test test-faults check lint types readme bench curvature lectures gallery lr-range-truth tune-truth doctor-truth test-page test-cluster test-recorders clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'
	@echo '  ARGS="..." are passed on: make run ARGS="optimizer=sgd lr=0.1"'

run: ARGS ?= optimizer=adam lr=1e-3
run: .venv/run  ## one run: optrun optimizer=adam lr=1e-3
	@$(BIN)/optrun $(ARGS)

sweep: ARGS ?= lr=0.1,0.03,0.01
sweep: .venv/run  ## one run for each value: optrun -m lr=0.1,0.03,0.01
	@$(BIN)/optrun -m $(ARGS)

list: .venv/run  ## what can be chosen
	@$(BIN)/optrun list $(ARGS)

test: .venv/dev  ## the tests, and every example in the documentation
	@$(BIN)/python -m pytest -q -n auto $(ARGS)

# What the tests count beside the trials of the areas, as JSON, until the table is written.
COUNTED := build/counted
test-faults: .venv/dev  ## every promise under fault, in full (hours); writes its table into README.md
	@rm -rf $(COUNTED) && mkdir -p $(COUNTED)
	@OPTRUN_FAULTS=full OPTRUN_COUNTED=$(CURDIR)/$(COUNTED) $(BIN)/python -m pytest -q -n auto tests/faults
	@$(BIN)/optrun selftest --full --readme README.md --counted $(COUNTED)

test-page: .venv/dev  ## the page of optrun report in a headless Chromium, where there is one, with screenshots in build/page
	@OPTRUN_PAGE=$(CURDIR)/build/page $(BIN)/python -m pytest -v -rs tests/report/test_browser.py $(ARGS)

test-cluster: .venv/cluster  ## sweeps on a real Slurm and a real Ray, which it installs, starts and ends (minutes)
	@$(BIN)/python -m pytest -v tests/cluster/exam.py $(ARGS)

test-recorders: .venv/recorders  ## what the recorders write, read by MLflow and Weights & Biases, which it installs
	@$(BIN)/python -m pytest -v tests/contract/test_recorder.py tests/recorder $(ARGS)

check: lint types test  ## what CI runs: lint, types, tests

lint: .venv/dev  ## style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/dev  ## static types
	@$(BIN)/mypy

readme: .venv/run  ## the table of choices in README.md, from the code
	@$(BIN)/python -m runner.menu.readme README.md

bench: .venv/dev  ## speed, as ratios against plain PyTorch; DEVICE=cuda: how well that is used
	@$(BIN)/python -m tests.bench $(if $(DEVICE),--device $(DEVICE)) $(ARGS)

curvature: .venv/dev  ## how soon each line search and second-order method reaches Adam's loss
	@$(BIN)/python -m tests.bench.curvature $(ARGS)

lectures: .venv/run  ## every claim of the lectures as an experiment, with its verdict, in outputs/lectures
	@$(BIN)/optrun lectures run $(ARGS)

gallery: .venv/run  ## a page of what the lectures' experiments found, outputs/lectures/gallery.html
	@$(BIN)/optrun lectures gallery

lr-range-truth: .venv/dev  ## the suggestions of optrun lr_range against the measured best rates
	@$(BIN)/python -m tests.bench.lr_range $(ARGS)

tune-truth: .venv/dev  ## whether optrun tune beats random search, 20 times on digits (minutes)
	@$(BIN)/python -m tests.bench.tune $(ARGS)

doctor-truth: .venv/dev  ## whether optrun doctor names the faults of runs that have them (minutes)
	@$(BIN)/python -m tests.bench.doctor $(ARGS)

clean:  ## remove .venv, caches and builds; runs in outputs/ stay
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run: pyproject.toml .constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "optrun needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	@echo "making .venv with pinned versions (once)"
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv  # two Pythons in one break it
	@$(PIP) install torch==2.13.0
	@$(PIP) install -e .
	@touch $@

.venv/dev: .venv/run
	@$(PIP) install -e '.[dev]'
	@$(PIP) install --no-deps $(CURVLINOPS)
	@touch $@

.venv/recorders: .venv/dev
	@$(PIP) install -e '.[tensorboard,mlflow,wandb]'
	@touch $@

.venv/cluster: .venv/dev
	@$(PIP) install -e '.[slurm,ray]'
	@touch $@
