# `make app` opens the dashboard, `make test` runs the tests. Both need only Python 3.11 or newer, make and a package index.
# Everything is installed into .venv, once: again only when pyproject.toml or constraints.txt has changed.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
COV_MIN ?= 90
FOLDER ?= notebooks
BENCHMARKS ?= $(shell grep -l __main__ benchmarks/*.py)

# One thread in each test process: more would only compete for the same cores. Files are given out in their order,
# notebooks and browser tests first: they are the longest, and no process should wait long in the end.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup app test quick check notebooks bench

help: ## show this list
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1#\2/p' $(MAKEFILE_LIST) | while IFS='#' read -r name text; do \
		printf '  %-10s %s\n' "$$name" "$$text"; done

setup: $(INSTALLED) ## install everything into .venv

app: $(INSTALLED) ## open the dashboard (PORT=8600 chooses the port)
	$(PY) -m streamlit run app/main.py --browser.gatherUsageStats=false $(if $(PORT),--server.port=$(PORT))

# The fast tests alone cover the core; counting lines in the slow ones, too, would only make them slower. Slow tests wait
# for browsers and processes half of the time: three at once keep two cores busy.
test: $(INSTALLED) ## run all tests; the fast ones cover at least COV_MIN=90 % of the branches of fedlab_core
	$(PYTEST) -n 2 -m "not slow" --cov=fedlab_core --cov-branch --cov-fail-under=$(COV_MIN)
	$(PYTEST) -n 3 -m slow

quick: $(INSTALLED) ## run the fast tests, in under two minutes
	$(PYTEST) -n 2 -m "not slow"

check: $(INSTALLED) ## style and types: ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

notebooks: $(INSTALLED) ## open the course in JupyterLab (FOLDER=notebooks)
	@$(PY) -m jupyter labextension disable --level=sys_prefix "@jupyterlab/apputils-extension:announcements" >/dev/null 2>&1
	$(PY) -m jupyterlab "$(FOLDER)" --LabApp.news_url=None \
		--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.extension_manager=readonly

bench: $(INSTALLED) ## run every benchmark (long), or one: BENCHMARKS=benchmarks/NAME.py
	@failed=0; for script in $(BENCHMARKS); do echo "$$script"; $(PY) "$$script" || failed=1; done; exit $$failed

# The stamp is written last, so that an interrupted installation starts again at the next call.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not that: name yours, as in 'make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12'."; \
		exit 1; }
	@echo "Installing into $(VENV): a few minutes and about 7 GB the first time."
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --disable-pip-version-check -c constraints.txt -e '.[app,brain,flower,notebooks,onnx,dev]'
	@touch $@
