# The one entry point. `make` or `make help` lists what there is to do.
# Needs make and Python 3.11, 3.12 or 3.13 with venv; everything else is installed into .venv.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY  := $(VENV)/.ready
D2L    := d2l==1.0.3
CORES   = import os; n = os.environ.get("OMP_NUM_THREADS"); print(max(1, min(4, os.cpu_count() // int(n or 1))))
JOBS   ?= $(shell $(PYTHON) -c '$(CORES)')
PAGE   ?=
PROFILE ?= full
RUN    ?=
TESTS  ?=
PROCESSES ?= 2
LAUNCH ?=

export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
export JUPYTER_PLATFORM_DIRS := 1

.DEFAULT_GOAL := help
.PHONY: help book notebooks test screenshots record text distributed lint format bench newest clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d: make PYTHON=/path/to/python" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps $(D2L)
	@touch $@

book: $(READY) ## compile the site from the recordings, into _build/html
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is ready: open _build/html/index.html"

notebooks: book ## notebooks that run by themselves; RUN=python3.12 executes them where nothing else is
	@$(if $(RUN),$(BIN)/python -m tests.fresh $(RUN) $(PAGE),echo "The notebooks are ready: _build/html/notebooks")

# As many processes as there are cores, of one thread each unless OMP_NUM_THREADS asks for more.
# Threads that wait must sleep: spinning ones take the cores from those that work.
test: export OMP_WAIT_POLICY ?= PASSIVE
test: export OMP_NUM_THREADS ?= 1
test: $(READY) ## every test: helpers, operators of the pages, all notebooks, the site (TESTS=chapters)
	$(BIN)/python -m pytest --nbval -n $(JOBS) --dist loadfile $(TESTS)

screenshots: $(READY) ## pictures of every page, wide and narrow, light and dark, into _build/screenshots
	BOOK_SCREENSHOTS=_build/screenshots $(BIN)/python -m pytest tests/site -k in_the_browser

record: $(READY) ## execute pages again and write their recordings (PAGE=7-5-pooling, PROFILE=full)
	BOOK_PROFILE=$(PROFILE) $(BIN)/python -m extensions.record $(PAGE)
	$(BIN)/python -m tests.regression.floor

text: $(READY) ## take over changed prose into the recordings, where the code is unchanged
	$(BIN)/python -m extensions.record --text $(PAGE)

distributed: $(READY) ## run a page in several processes (PAGE=7-6-lenet, PROCESSES=2)
	$(BIN)/python -m extensions.distributed $(PAGE) $(PROCESSES) $(LAUNCH)

lint: $(READY) ## check the style of all Python code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY) ## bring all Python code into style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	for page in $$(grep -l '{code-cell}' chapters/*/*.md); do \
	    $(BIN)/jupytext --quiet --pipe '$(CURDIR)/$(BIN)/ruff format --line-length 88 -' $$page; \
	done

bench: $(READY) ## side-by-side timings on real Fashion-MNIST (BOOK_DATA)
	$(BIN)/python -m benchmarks

# Version 2 of Jupyter Book is another engine, with other files.
newest: $(READY) ## put the newest releases of all dependencies into .venv, in place of the pinned ones
	sed -E 's/^jupyter-book==.*/jupyter-book<2/; s/==.*//' requirements.txt > $(VENV)/newest.txt
	$(BIN)/python -m pip install --quiet --upgrade --requirement $(VENV)/newest.txt

clean: ## remove what was built; keep .venv
	rm -rf _build .pytest_cache .ruff_cache .jupyter_cache
