# Every task of the study. `make` alone lists them.
#
#   make report                                   demonstration on synthetic phantoms
#   make report DATA=<BUSI folder> WEIGHTS=<...>  the real study

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

DATA ?=
WEIGHTS ?=
PARAMETERS ?=
SET ?=
ONLY ?=
WORKSPACE ?=
TIMEOUT ?= 86400
PYTHON ?=

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
QUIET_ENV := MPLBACKEND=Agg TF_CPP_MIN_LOG_LEVEL=2 JUPYTER_PREFER_ENV_PATH=1
OPTIONS = --data "$(DATA)" --weights "$(WEIGHTS)" --parameters "$(PARAMETERS)" --set "$(SET)" \
  --only "$(ONLY)" --workspace "$(WORKSPACE)" --timeout "$(TIMEOUT)"

.PHONY: help setup report notebooks outputs test bench lint format lock download lab clean

help: ## List the tasks
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Options: DATA=<BUSI folder>  WEIGHTS=<weights folder>  PARAMETERS=demo|busi|<file.yaml>"
	@echo "         SET=\"name=value name=value\"  ONLY=<notebook number>  WORKSPACE=<folder>"
	@echo "         TIMEOUT=<seconds a cell>  PYTHON=<interpreter>"

setup: $(STAMP) ## Install everything into .venv (the other tasks do it by themselves)

# The stamp comes last: an interrupted installation is simply resumed by the next command.
$(STAMP): requirements.lock pyproject.toml
	@python="$(PYTHON)"; \
	for candidate in python3.13 python3.12 python3.11 python3 python; do \
	  if [ -z "$$python" ] && command -v $$candidate >/dev/null 2>&1 && \
	    $$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	  then python=$$candidate; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11, 3.12 or 3.13 with venv was found: install one, or pass PYTHON=<interpreter>." >&2; exit 1; \
	fi; \
	if ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  echo "Creating $(VENV) with $$python"; "$$python" -m venv --clear $(VENV) || exit 1; \
	fi
	@echo "Installing the packages of requirements.lock (a few minutes)"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.lock || \
	  { echo "The installation did not finish: check the package registry, then run make again." >&2; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

report: $(STAMP) ## Run the notebooks and build report.html and report.pdf
	@$(QUIET_ENV) $(PY) -m busi_utils report $(OPTIONS)

notebooks: $(STAMP) ## Run the notebooks only (ONLY=02: one of them)
	@$(QUIET_ENV) $(PY) -m busi_utils run $(OPTIONS)

outputs: $(STAMP) ## Run the demonstration and store its outputs in notebooks/
	@$(QUIET_ENV) $(PY) -m busi_utils run --parameters demo --only "$(ONLY)" --keep-outputs

test: $(STAMP) ## Unit tests, the whole demonstration, then the notebooks' stored outputs
	@env -u BUSI_DATA -u BUSI_WEIGHTS -u BUSBRA_DATA $(QUIET_ENV) $(PY) -m pytest tests
	@env -u BUSI_DATA -u BUSI_WEIGHTS -u BUSBRA_DATA $(QUIET_ENV) $(PY) -m busi_utils report --parameters demo
	@env -u BUSI_DATA -u BUSI_WEIGHTS -u BUSBRA_DATA $(QUIET_ENV) $(PY) -m pytest \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=1800 notebooks

bench: $(STAMP) ## Time the fast ways against the ordinary ones; tables into report/tables/
	@$(QUIET_ENV) $(PY) -m busi_utils bench

lint: $(STAMP) ## Check style and formatting
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . || \
	  { echo "Run 'make format' to mend what can be mended." >&2; exit 1; }

format: $(STAMP) ## Format the code and the notebooks
	@$(VENV)/bin/ruff check --fix --quiet . ; $(VENV)/bin/ruff format .

lock: $(STAMP) ## Renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --upgrade pyproject.toml -o requirements.lock

download: $(STAMP) ## Fetch BUSI from its official source into DATA=<folder>
	@test -n "$(DATA)" || { echo "Say where to: make download DATA=<folder>" >&2; exit 2; }
	@$(PY) -m busi_utils download "$(DATA)"

lab: $(STAMP) ## Open the notebooks in JupyterLab
	@$(VENV)/bin/jupyter lab notebooks

clean: ## Remove the demonstration, caches and half-run notebooks (results stay)
	rm -rf demo build .pytest_cache .ruff_cache .hypothesis report/notebooks_run
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
