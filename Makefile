# FanFabler: the commands that people run. `make` alone lists them.
# PYTHON: which Python makes the environment (3.11 to 3.13).
# TEST_PROCESSES: how many processes `make test` deals the test files out to; 0 is this one alone.
# TORCH_INDEX: another index for PyTorch, such as that of its CPU builds (pytorch.org, «Get started»).

comma := ,
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
TEST_PROCESSES ?= 3
# Where an NVIDIA card is, what loads its models in 4 bits comes along.
GPU := $(if $(shell command -v nvidia-smi 2>/dev/null),$(comma)gpu)
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help preview run test test-postgres test-long check bench soak soak-short audit format words docs screenshots doctor clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "FanFabler needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 …"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

# PyTorch first, so that nothing else chooses its build.
$(VENV)/.torch: | $(BIN)/python
	@echo "Installing PyTorch (large, once) …"
	@$(PIP) install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) '$(TORCH)'
	@touch $@

$(VENV)/.preview: pyproject.toml | $(VENV)/.torch
	@echo "Installing what the preview needs (a few minutes, once) …"
	@$(PIP) install -q -e '.[preview$(GPU)]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.torch
	@echo "Installing what tests and checks need (a few minutes, once) …"
	@$(PIP) install -q -e '.[dev]'
	@touch $@ $(VENV)/.preview

preview: $(VENV)/.preview ## the whole bot in a page on this machine: no token, no network, no GPU
	@$(BIN)/python -m model prepare --preset embedded
	@exec $(BIN)/python -m bot preview

run: $(VENV)/.preview ## the bot on Discord, with the settings in .env
	@exec $(BIN)/python -m bot run

doctor: $(VENV)/.preview ## check token, intents, permissions, database, worker and Wikipedia
	@$(BIN)/python -m bot doctor

test: $(VENV)/.dev ## the test suite, but for its longest tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile

test-postgres: $(VENV)/.dev ## every test that needs a database, on a PostgreSQL of its own
	OMP_NUM_THREADS=1 TEST_DATABASE=postgresql $(BIN)/python -m tests.reliability.postgres $(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile tests/bot tests/discord_server_tests tests/security

test-long: $(VENV)/.dev ## the longest: whole trainings, several processes, from verdicts to a new model
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m long

bench: $(VENV)/.dev ## the benchmarks, each as a ratio to its peer in the same run
	$(BIN)/python -m tests.benchmarks.worker --streams 1 4 16 --tokens 32 --rounds 2
	$(BIN)/python -m tests.benchmarks.generation
	$(BIN)/python -m tests.benchmarks.finetuning
	$(BIN)/python -m tests.benchmarks.discord --threads 30 --tokens 300 --ramp 4

soak-short: $(VENV)/.dev ## a few kills of bot and worker, each trouble once, a minute of load (about six minutes)
	$(BIN)/python -m tests.reliability kills --count 20
	$(BIN)/python -m tests.reliability faults
	$(BIN)/python -m tests.reliability load --minutes 0.5 --warm-up 6 --members 20 --slots 6 --tokens 60

soak: $(VENV)/.dev ## a thousand kills, sixty while a run is trained, each trouble ten times, ten minutes of load (hours)
	$(BIN)/python -m tests.reliability kills --count 1000 --worlds 2
	$(BIN)/python -m tests.reliability training --count 60
	$(BIN)/python -m tests.reliability faults --rounds 10 --worlds 2
	$(BIN)/python -m tests.reliability load --minutes 10

check: $(VENV)/.dev docs ## lint, format, types, import rule, the documentation's site, what a release needs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/bot/database/test_schema.py -k "exactly_the_tables"
	$(BIN)/python -m pytest -q tests/release tests/deployment

audit: $(VENV)/.dev ## known holes in the installed packages; says so where the internet is out of reach
	@$(BIN)/python -m tests.security.audit

docs: $(VENV)/.dev ## the documentation's site, into site/; every warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -d .cache/doctrees docs site
	@echo "Open site/index.html"

screenshots: $(VENV)/.dev ## retake the pictures in docs/images (Chromium and MediaWiki; a few minutes)
	$(BIN)/python -m tests.screenshots

format: $(VENV)/.dev ## write the code the way `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

words: $(VENV)/.dev ## collect the bot's words from the code into the catalogues
	$(BIN)/python -m bot.words.collect

clean: ## remove what was built and cached here
	rm -rf $(VENV) site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
