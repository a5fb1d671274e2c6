# Set-up, main job, tests. Only Python 3.11, make, git and a package index are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint unit real bench null synthesis notebooks browser clean

$(VENV)/.show: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[show]"
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[dev]"
	touch $@

# The main job on the embedded model and the built-in corpora; ends with the report's path.
demo: $(VENV)/.show
	$(BIN)/emorhet run --out demo

test: lint unit real

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not real and not browser and not notebook"

real: $(VENV)/.dev
	$(BIN)/emorhet models fetch
	$(BIN)/python -m pytest -q -m "real"

browser: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "browser"

notebooks: $(VENV)/.dev
	$(BIN)/emorhet models fetch
	$(BIN)/python -m pytest -q -m "notebook"

# Cost of screening and of masked readings against bare forward passes, and memory against corpus size, as ratios.
bench: $(VENV)/.dev
	$(BIN)/emorhet models fetch
	$(BIN)/python benchmarks/screening.py
	$(BIN)/python benchmarks/readings.py

# The slow simulation of the tests: null families and planted neurons; takes some minutes.
null: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/null_families.py

# What a very small generator yields; needs EMORHET_DATA, takes minutes, and goes on when interrupted.
synthesis: $(VENV)/.dev
	$(BIN)/emorhet models fetch
	$(BIN)/python benchmarks/synthesis_yield.py --topics 2

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache demo
