# Every task of the study. `make` alone lists them.
#
#   make report                                   demonstration on synthetic phantoms
#   make report DATA=<BUSI folder> WEIGHTS=<...>  the real study (BUSI_DATA, BUSI_WEIGHTS do the same)
#   make report DATASET=busi                      the real study from stored results, no training

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Set on the command line only: a variable of the same name in the environment means nothing here.
DATA =
WEIGHTS =
DATASET =
PARAMETERS = $(patsubst phantom,demo,$(DATASET))
SET =
ONLY =
WORKSPACE =
TIMEOUT = 0
CELLS =
JOBS = 1
SCHEDULER =
PYTHON =

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
QUIET := TF_CPP_MIN_LOG_LEVEL=3 JUPYTER_PREFER_ENV_PATH=1
NO_DATA := env -u BUSI_DATA -u BUSI_WEIGHTS -u BUSBRA_DATA -u BUSUCLM_DATA
PIP := PIP_ROOT_USER_ACTION=ignore $(PY) -m pip -qq --disable-pip-version-check
OPTIONS = --data "$(DATA)" --weights "$(WEIGHTS)" --parameters "$(PARAMETERS)" --set "$(SET)" \
  --only "$(ONLY)" --workspace "$(WORKSPACE)" --timeout "$(TIMEOUT)"

.PHONY: help setup report notebooks outputs test bench study pretrain lint format lock download lab clean

help: ## List the tasks
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Options: DATA=<BUSI folder>  WEIGHTS=<weights folder>  DATASET=phantom|busi"
	@echo "         PARAMETERS=demo|busi|<file.yaml>  SET=\"name=value name=value\""
	@echo "         ONLY=<notebook number>  WORKSPACE=<folder>  TIMEOUT=<seconds a cell>"
	@echo "         CELLS=\"--models xception --recipes tuned --seeds 0 1\"  JOBS=<processes>"
	@echo "         SCHEDULER=tcp://<host>:8786  PYTHON=<interpreter>"

setup: $(STAMP) ## Install everything into .venv (the other tasks do it by themselves)

# The stamp comes last: an interrupted installation is simply resumed by the next command.
# TensorFlow has wheels for Python 3.10 to 3.13 only; 3.11 is what the stored outputs were made with.
$(STAMP): requirements.lock pyproject.toml
	@python="$(PYTHON)"; \
	for candidate in python3.11 python3.12 python3.13 python3 python; do \
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
	@$(PIP) install -r requirements.lock || \
	  { echo "The installation did not finish: check the package registry, then run make again." >&2; exit 1; }
	@$(PIP) install --no-deps --no-build-isolation --editable . || exit 1
	@touch $@

report: $(STAMP) ## Run the notebooks and build report.html and report.pdf
	@$(QUIET) $(PY) -m busi_report report $(OPTIONS)

notebooks: $(STAMP) ## Run the notebooks only (ONLY=02: one of them)
	@$(QUIET) $(PY) -m busi_report run $(OPTIONS)

outputs: $(STAMP) ## Run the demonstration and store its outputs in notebooks/
	@$(NO_DATA) $(QUIET) $(PY) -m busi_report run --parameters demo --only "$(ONLY)" --keep-outputs

test: $(STAMP) ## Unit tests, the whole demonstration, then the notebooks' stored outputs
	@$(NO_DATA) $(QUIET) $(PY) -m pytest tests --ignore=tests/test_demonstration.py --numprocesses 2
	@$(NO_DATA) $(QUIET) $(PY) -m busi_report report --parameters demo
	@$(NO_DATA) $(QUIET) $(PY) -m pytest tests/test_demonstration.py \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=900 --nbval-kernel-startup-timeout=300 notebooks

bench: $(STAMP) ## Time the fast ways against the ordinary ones; tables into report/tables/
	@$(QUIET) $(PY) -m benchmarks --workspace "$(WORKSPACE)"

study: $(STAMP) ## Plan and train the missing cells of a grid (CELLS="--recipes tuned" JOBS=2)
	@$(QUIET) $(PY) -m busi_report study --data "$(DATA)" --weights "$(WEIGHTS)" \
	  --workspace "$(WORKSPACE)" --dataset "$(or $(DATASET),busi)" --jobs "$(JOBS)" \
	  --scheduler "$(SCHEDULER)" $(CELLS)

pretrain: $(STAMP) ## Learn the demonstration's starting weights anew, from fresh phantoms
	@$(QUIET) $(PY) -m busi_report pretrain

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
	@$(PY) -m busi_report download "$(DATA)"

lab: $(STAMP) ## Open the notebooks in JupyterLab
	@$(VENV)/bin/jupyter lab notebooks

clean: ## Remove the demonstration, caches and half-run notebooks (results stay)
	rm -rf demo build .pytest_cache .ruff_cache .hypothesis report/runs
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
