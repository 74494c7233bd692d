# Everything happens in .venv; state lives in .sdg (or $SDG_HOME).
PYTHON ?= python3
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Two files of tests at a time, each with one thread: what a test waits for, another uses.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all lint format dev clean distclean
.DEFAULT_GOAL := help

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(VENV)/installed  ## the whole chain on the tiny world, in three languages (6 to 8 minutes, once installed)
	$(BIN)/sdg demo

dev: $(VENV)/installed  ## the Dagster web UI and daemon on http://127.0.0.1:3000 (PORT=3001: there)
	$(BIN)/sdg dev --port $(PORT)

test: $(VENV)/installed-dev  ## the default test suite (under 15 minutes)
	$(PYTEST)

test-all: $(VENV)/installed-dev  ## also the tests marked slow
	$(PYTEST) -m ''

lint: $(VENV)/installed-dev  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove all state (.sdg, .sdg-real) and caches; the environment stays
	rm -rf .sdg .sdg-real .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

distclean: clean  ## remove the environment as well
	rm -rf $(VENV) *.egg-info

# torch first and by its exact version, of which a machine may keep the small CPU build; else pip's
# default index gives Linux the one with gigabytes of CUDA (README: PIP_EXTRA_INDEX_URL).
$(VENV)/torch:
	@echo "once: installing torch into $(VENV) (half a minute; with CUDA some minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) 'torch==2.13.0'
	@touch $@

$(VENV)/installed: pyproject.toml | $(VENV)/torch
	@echo "installing sdg and the packages it needs (about a minute) ..."
	@$(PIP) --editable '.'
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/torch
	@echo "installing sdg, the packages it needs and its tests' (about a minute) ..."
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/installed
