# `make run` and `make test` set everything up by themselves. PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# One thread a test process, and a process a core.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

.PHONY: help install run test lint check verify bench clean

help:
	@echo "make run      train soft actor-critic on Pendulum (about a minute)"
	@echo "make test     the fast tests"
	@echo "make check    format, lint, fast tests: what CI and pre-commit run"
	@echo "make verify   the slow tests: trains to the results that docs/results.md states"
	@echo "make bench    speed beside other libraries"

install: $(INSTALLED)

$(INSTALLED): requirements.txt requirements-dev.txt setup.py pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "error: Python 3.11 or newer is needed; try make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation -e .
	touch $(INSTALLED)

run: $(INSTALLED)
	$(BIN)/python hw/scripts/run.py -cfg experiments/sac/pendulum.yaml

test: $(INSTALLED)
	$(PYTEST)

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check: lint test

verify: $(INSTALLED)
	$(BIN)/python -m pytest -m slow -v

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
