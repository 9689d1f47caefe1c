# Every task of the study. `make` alone lists them.
#
#   make report                                   the real study from its committed results
#   make report DATA=<BUSI folder> WEIGHTS=<...>  the same; what is missing is trained
#   make demo                                     the whole way on synthetic phantoms, with training

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Set on the command line only: a variable of the same name in the environment means nothing here.
DATA =
WEIGHTS =
DATASET =
PARAMETERS =
SET =
ONLY =
WORKSPACE =
TIMEOUT = 0
CELLS =
JOBS = 1
SCHEDULER =
PYTHON =
CLASSES =
# Commands find them in their environment, letter by letter: in a recipe's text a folder's name with
# a quote, `$` or backtick would be read by the shell, or by make itself.
OPTIONS = DATA WEIGHTS DATASET PARAMETERS SET ONLY WORKSPACE TIMEOUT CELLS JOBS SCHEDULER PYTHON CLASSES
$(foreach name,$(OPTIONS),$(eval override export $(name) := $$(value $(name))))

VENV := .venv
PY := $(VENV)/bin/python
# Reading the study needs no TensorFlow: whoever reads waits a minute, whoever trains a few.
BASE := $(VENV)/.base
TRAIN := $(VENV)/.train
DEPLOY := $(VENV)/.deploy
MAY_TRAIN = $(strip $(DATA)$(value BUSI_DATA)$(filter-out busi,$(PARAMETERS) $(DATASET)))
ENVIRONMENT = $(if $(MAY_TRAIN),$(TRAIN),$(BASE))
# The packages are installed uncompiled (install.sh): where an environment forbids to keep what was
# compiled at the first import, every process would compile them anew, TensorFlow for 12 seconds.
export PYTHONDONTWRITEBYTECODE :=
# Text is UTF-8, whatever the locale says.
QUIET := PYTHONUTF8=1 TF_CPP_MIN_LOG_LEVEL=3 JUPYTER_PREFER_ENV_PATH=1
NO_DATA := env -u BUSI_DATA -u BUSI_WEIGHTS -u BUSBRA_DATA -u BUSUCLM_DATA
# The stored outputs are checked on a copy, so that a test never writes into the published results,
# and without what trains: whatever the notebooks show comes from committed files.
REPLAY := build/replay
PLACES = --data "$$DATA" --weights "$$WEIGHTS" --workspace "$$WORKSPACE"
CHOICES = --parameters "$${PARAMETERS:-$$DATASET}" --set "$$SET" --only "$$ONLY" --timeout "$$TIMEOUT"

.PHONY: help setup audit report demo notebooks outputs doctor test bench study pretrain lint format lock download lab exercises site check-site deployment latency release page check-page clean

help: ## List the tasks
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Options: DATA=<BUSI folder>  WEIGHTS=<weights folder>  DATASET=phantom|busi"
	@echo "         PARAMETERS=demo|busi|<file.yaml>  SET=\"name=value name=value\""
	@echo "         ONLY=<notebook number>  WORKSPACE=<folder>  TIMEOUT=<seconds a cell>"
	@echo "         CELLS=\"--models xception --recipes tuned --seeds 0 1\"  JOBS=<processes>"
	@echo "         SCHEDULER=tcp://127.0.0.1:8786  PYTHON=<interpreter>"

setup: $(TRAIN) ## Install everything into .venv (the other tasks install what they need)

# The stamp comes last: an interrupted installation is simply resumed by the next command.
$(BASE): requirements.lock pyproject.toml
	@sh install.sh base && touch $@

$(TRAIN): $(BASE)
	@sh install.sh train && touch $@

$(DEPLOY): $(TRAIN)
	@sh install.sh deploy && touch $@

report: $(ENVIRONMENT) ## Run the notebooks and build report.html and report.pdf
	@$(QUIET) $(PY) -m busi_report report $(PLACES) $(CHOICES)

demo: override PARAMETERS := demo
demo: $(TRAIN) ## The same on synthetic phantoms in demo/, training included
	@$(QUIET) $(PY) -m busi_report report $(PLACES) $(CHOICES)

notebooks: $(ENVIRONMENT) ## Run the notebooks only (ONLY=02: one of them)
	@$(QUIET) $(PY) -m busi_report run $(PLACES) $(CHOICES)

outputs: $(BASE) ## Run the notebooks from committed results and store their outputs in notebooks/
	@$(NO_DATA) $(QUIET) $(PY) -m busi_report run --only "$$ONLY" --keep-outputs

doctor: $(BASE) ## Say what is installed, found and stored, and what each task would do now
	@$(QUIET) $(PY) -m busi_report doctor $(PLACES) $(CHOICES) --jobs "$$JOBS" $$CELLS

test: $(TRAIN) ## Unit tests, the whole demonstration, then the notebooks' stored outputs
	@$(NO_DATA) $(QUIET) $(PY) -m pytest tests --ignore=tests/test_demonstration.py --numprocesses 2
	@$(NO_DATA) $(QUIET) $(PY) -m busi_report report --parameters demo
	@$(NO_DATA) $(QUIET) $(PY) -m pytest tests/test_demonstration.py
	@rm -rf $(REPLAY) && mkdir -p $(REPLAY)
	@cp -R busi_lessons busi_phantom busi_report busi_utils notebooks results figures release report $(REPLAY)
	@$(NO_DATA) $(QUIET) PYTHONPATH="$$PWD/$(REPLAY):$$PWD/tests/base_only" OPENBLAS_NUM_THREADS=1 \
	  $(PY) -m pytest --rootdir $(REPLAY) --numprocesses 2 --dist loadfile --nbval-lax --nbval-current-env \
	  --nbval-cell-timeout=900 --nbval-kernel-startup-timeout=300 --ignore $(REPLAY)/notebooks/lessons/student \
	  $(REPLAY)/notebooks

bench: $(TRAIN) ## Time the fast ways against the ordinary ones; tables into report/tables/
	@$(QUIET) $(PY) -m benchmarks --workspace "$$WORKSPACE"

study: $(TRAIN) ## Plan and train the missing cells of a grid (CELLS="--recipes tuned" JOBS=2)
	@$(QUIET) $(PY) -m busi_report study $(PLACES) --dataset "$${DATASET:-busi}" --jobs "$$JOBS" \
	  --scheduler "$$SCHEDULER" $$CELLS

pretrain: $(TRAIN) ## Learn the demonstration's starting weights anew, from fresh phantoms
	@$(QUIET) $(PY) -m busi_report pretrain

lint: $(TRAIN) ## Check style and formatting
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . || \
	  { echo "Run 'make format' to mend what can be mended." >&2; exit 1; }

format: $(TRAIN) ## Format the code and the notebooks
	@$(VENV)/bin/ruff check --fix --quiet . ; $(VENV)/bin/ruff format .

lock: ## Renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  --extra train --extra deploy --upgrade pyproject.toml -o requirements.lock

audit: $(BASE) ## Audit any folder of images: DATA=<folder> (CLASSES="0=benign 1=malignant")
	@$(PY) -m busi_report audit --data "$$DATA" --workspace "$$WORKSPACE" --classes $$CLASSES

download: $(BASE) ## Fetch BUSI from its official source into DATA=<folder>
	@test -n "$$DATA" || { echo "Say where to: make download DATA=<folder>" >&2; exit 2; }
	@$(PY) -m busi_report download "$$DATA"

lab: $(BASE) ## Open the notebooks in JupyterLab
	@$(PY) -m jupyterlab notebooks

exercises: $(BASE) ## Make the students' lessons from the masters in notebooks/lessons/
	@$(PY) -m busi_lessons exercises

site: $(BASE) ## Build the lab book in build/site/: notebooks and lessons as pages (needs npm)
	@test -x build/lab-env/bin/sphinx-build || { $(PY) -m venv build/lab-env && \
	  build/lab-env/bin/pip install -qq --disable-pip-version-check -r labbook/requirements.txt; } || \
	  { echo "The lab book's packages could not be installed: check the package registry, then run make site again." >&2; exit 1; }
	@build/lab-env/bin/python -m labbook.build build/site

check-site: site ## Open its pages and the report in headless Chromium: links, errors, accessibility
	@npm install --silent --no-audit --no-fund --prefix build/npm puppeteer-core@24.43.1 axe-core@4.14.1
	@for pages in build/site report; do node labbook/check.mjs $$pages \
	  "$${CHROMIUM:-$$(command -v chromium || command -v google-chrome)}" build/npm || exit 1; done

deployment: $(DEPLOY) ## Bytes and answers of the networks in every format, DATA=<BUSI>: results/deployment/
	@$(QUIET) $(PY) -m busi_report deployment $(PLACES)

latency: $(DEPLOY) ## Time them on this machine, which should do nothing else: eight minutes
	@$(QUIET) $(PY) -m busi_report latency

release: $(DEPLOY) ## Train the released network, DATA=<BUSI>: release/; without, only its card
	@$(QUIET) $(PY) -m busi_report release $(PLACES)

page: $(BASE) ## Build the released network as one web page, build/page/busi-predict.html (needs npm)
	@$(QUIET) $(PY) -m busi_report page

check-page: $(TRAIN) ## Compare it with Python in headless Chromium (DATA=<BUSI>: keep the times)
	@$(QUIET) $(PY) -m busi_report page --check --data "$$DATA"
	@$(QUIET) $(PY) -m pytest tests/test_page.py

clean: ## Remove the demonstration, caches and half-run notebooks (results stay)
	rm -rf demo build .pytest_cache .ruff_cache .hypothesis report/runs
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
