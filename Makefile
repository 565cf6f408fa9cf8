# finops. `make run` and `make test` set everything up by themselves; `make help` lists the rest.
# All they need is Python 3.11 or newer: without `uv` on the PATH they put one into .tools/.

# `make PYTHON=/path/to/python3.12 run` chooses the interpreter; otherwise uv takes the first one that is new enough.
PYTHON ?=
BIN := .venv/bin
# A `uv` that answers: the shim of a version manager may be on the PATH without one behind it.
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv 2>/dev/null),.tools/bin/uv)
PROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml) viewer/pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup run serve lint test bench fuzz screenshots clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: .venv/.synced ## make or update the environment in .venv

run: setup ## simulate all patterns, analyze them and publish the reports
	@$(BIN)/finops run --plugins all

serve: setup ## show the reports live on port 8000
	@$(BIN)/finops serve --watch

lint: setup ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## check style and types, then run all tests, the fast ones first
	$(BIN)/pytest -q -m "not slow"
	$(BIN)/pytest -q -m slow

bench: setup ## measure speed and memory; the results are ratios, so any machine will do
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

fuzz: setup ## search for a minute for bytes that the reader of the log does not count
	@$(UV) pip install --quiet --python .venv atheris
	$(BIN)/python tests/fuzz_ledger.py -max_total_time=60

screenshots: setup ## take the pictures of the pages in docs/screenshots/; needs chromium
	$(BIN)/python docs/screenshots.py

clean: ## remove the environment, the caches and the builds; the call log and the reports stay
	rm -rf .venv .tools dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find finops_core plugins viewer tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

.tools/bin/uv:
	@$(or $(PYTHON),python3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "finops needs Python 3.11 or newer; name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(or $(PYTHON),python3) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv

.venv/.synced: $(PROJECTS) | $(filter .tools/bin/uv,$(UV))
	@echo "Setting up .venv ..." >&2
	@env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --quiet $(if $(PYTHON),--python $(PYTHON))
	@touch $@
