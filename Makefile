# FanFabler: the commands that people run. `make` alone lists them.
# PYTHON: which Python makes the environment (3.11 to 3.13).
# TORCH_INDEX: another index for PyTorch, such as that of its CPU builds (pytorch.org, «Get started»).

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help preview run test check bench format words doctor clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-9s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "FanFabler needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 …"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# PyTorch first, so that nothing else chooses its build.
$(VENV)/.torch: | $(BIN)/python
	$(PIP) install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) '$(TORCH)'
	@touch $@

$(VENV)/.preview: pyproject.toml | $(VENV)/.torch
	@echo "Installing what the preview needs (a few minutes, once) …"
	$(PIP) install -q -e '.[preview]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.torch
	@echo "Installing what tests and checks need (a few minutes, once) …"
	$(PIP) install -q -e '.[dev]'
	@touch $@ $(VENV)/.preview

preview: $(VENV)/.preview ## the whole bot in a page on this machine: no token, no network, no GPU
	@$(BIN)/python -m model prepare --preset embedded
	@exec $(BIN)/python -m bot preview

run: $(VENV)/.preview ## the bot on Discord, with the settings in .env
	@exec $(BIN)/python -m bot run

doctor: $(VENV)/.preview ## check token, intents, permissions, database, worker and Wikipedia
	@$(BIN)/python -m bot doctor

test: $(VENV)/.dev ## the whole test suite
	$(BIN)/python -m pytest

bench: $(VENV)/.dev ## the benchmarks, each as a ratio to its peer in the same run
	$(BIN)/python -m tests.benchmarks.worker --preset embedded --streams 1 4 --tokens 32
	$(BIN)/python -m tests.benchmarks.generation

check: $(VENV)/.dev ## lint, format, types, import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/bot/database/test_schema.py -k "exactly_the_tables"

format: $(VENV)/.dev ## write the code the way `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

words: $(VENV)/.dev ## collect the bot's words from the code into the catalogues
	$(BIN)/python -m bot.words.collect

clean: ## remove what was built and cached here
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
