# `make run` and `make test` set everything up by themselves. PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SBX := .venv-sbx
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs_installed
# One thread a test process, and a process a core; tests of a group, which share something, in one.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup
# Without the notice that Material's makers print at every build.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs

.PHONY: help install run test lint check verify mutation bench docs docs-serve clean

help:
	@echo "make run      train soft actor-critic on Pendulum (about a minute)"
	@echo "make test     the fast tests"
	@echo "make check    format, lint, fast tests: what CI and pre-commit run"
	@echo "make verify   the slow tests: trains to the results that docs/results.md states"
	@echo "make mutation the misconceptions of every TODO against its probes: the score matrix"
	@echo "make bench    speed beside other libraries"
	@echo "make docs     the documentation as a site in site/, to be opened in a browser"
	@echo "make docs-serve   the same, served and rebuilt while you write"

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

mutation: $(INSTALLED)
	$(BIN)/python course/mutation.py all

bench: $(INSTALLED) $(SBX)/.installed
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/update.py

$(SBX)/.installed: requirements-sbx.txt
	test -x $(SBX)/bin/python || $(PYTHON) -m venv $(SBX)
	$(SBX)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-sbx.txt
	touch $@

docs: $(DOCS_INSTALLED)
	$(MKDOCS) build --strict

docs-serve: $(DOCS_INSTALLED)
	$(MKDOCS) serve

$(DOCS_INSTALLED): $(INSTALLED) requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	touch $(DOCS_INSTALLED)

clean:
	rm -rf $(VENV) $(SBX) build site *.egg-info .pytest_cache .ruff_cache .hypothesis
