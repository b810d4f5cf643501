# The one entry point. `make` or `make help` lists what there is to do.
# Needs make and Python 3.11 or later with venv; everything else is installed into .venv.

PROVEN := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(or $(shell for python in python3 python3.13 python3.12 python3.11; do \
    $$python -c '$(PROVEN)' 2>/dev/null && echo $$python && break; done),python3)
VENV   := .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV     := $(BIN)/uv pip install --quiet --python $(BIN)/python
SITE   := $(VENV)/.site
READY  := $(VENV)/.ready
D2L    := d2l==1.0.3
NODE   := tools/js/node_modules/.package-lock.json
CORES   = import os; n = os.environ.get("OMP_NUM_THREADS"); print(max(1, min(4, os.cpu_count() // int(n or 1))))
JOBS   ?= $(shell $(PYTHON) -c '$(CORES)')
PAGE   ?=
PROFILE ?= full
RUN    ?=
TESTS  ?=

# uv installs in a fifth of pip's time. Where it does not run, or finds no packages, pip does the same.
install = $(UV) $(1) 2>>$(VENV)/uv.log || $(PIP) $(1)

export JUPYTER_PLATFORM_DIRS := 1

.DEFAULT_GOAL := help
.PHONY: help ready book serve notebooks test test-all pdf accept screenshots record text export train seeds new lint format bench newest lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# The site's packages alone, without PyTorch, compile the book; the rest is what executes a page.
$(SITE): requirements-site.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "Python 3.11 or later is needed, this is %d.%d: make PYTHON=/path/to/python" % v[:2])'
	@$(PYTHON) -c '$(PROVEN)' || echo "Python 3.11, 3.12 and 3.13 are proven; going on with $$($(PYTHON) --version)."
	$(PYTHON) -m venv $(VENV)
	@$(PIP) "$$(grep '^uv==' requirements-site.lock)" || echo "No uv here: pip installs, which takes longer."
	@echo "Installing what compiles the site into .venv …"
	@$(call install,--requirement requirements-site.lock)
	@$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@

# With bytecode, as pip leaves it: else, where Python may not write it (PYTHONDONTWRITEBYTECODE, a folder
# of another user), each process compiles what it imports: PyTorch and d2l, 19 seconds in place of 8.
$(READY): export UV_COMPILE_BYTECODE := 1
$(READY): $(SITE) requirements.lock
	@echo "Installing what executes the pages, PyTorch included …"
	@$(call install,--requirement requirements.lock)
	@$(call install,--no-deps $(D2L))
	@touch $@

ready: $(READY) ## install everything into .venv, the kernel of the notebooks

book: $(SITE) ## compile the site from the recordings, into _build/html
	@changed=$$($(BIN)/python -m tools.pages changed) || exit 1; [ -z "$$changed" ] || { \
	    echo "To be executed, since the code differs from the recording: $$changed"; $(MAKE) --no-print-directory ready; }
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is ready: open _build/html/index.html"

serve: $(SITE) ## compile the site, serve it on this machine, compile again whenever a page is saved
	$(BIN)/python -m tools.serve

notebooks: export BOOK_INSTRUCTOR ?= $(CURDIR)/_build/instructor
notebooks: book ## notebooks that run by themselves, for instructors too; RUN=python3.12 executes them where nothing else is
	@$(if $(RUN),$(MAKE) --no-print-directory ready && $(BIN)/python -m tools.fresh $(RUN) $(PAGE),echo "The notebooks are ready: _build/html/notebooks; those with notes for instructors: _build/instructor")

# As many processes as there are cores, of one thread each unless OMP_NUM_THREADS asks for more.
# Threads that wait must sleep: spinning ones take the cores from those that work.
# Bytecode is kept, or each process rewrites the asserts of 200 modules, in 6 seconds.
# Freed memory is kept: glibc would give each map back, and have it filled with zeros, 5 % of a page.
# Files in the order of tests/conftest.py: the longest must not begin when the others are done.
test test-all record train: export OMP_WAIT_POLICY ?= PASSIVE
test test-all: export OMP_NUM_THREADS ?= 1
test test-all: export PYTHONDONTWRITEBYTECODE :=
test test-all: export MALLOC_TRIM_THRESHOLD_ ?= 4294967296
test test-all: export MALLOC_MMAP_THRESHOLD_ ?= 33554432
test: $(READY) ## re-execute all pages, test helpers and operators (one page: TESTS="-k 7-5-pooling")
	$(BIN)/python -m pytest --nbval -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not (slow or browser)" $(TESTS)

# TypeScript and ESLint check the scripts of live views; they need Node 20.
$(NODE): tools/js/package-lock.json
	@if command -v npm >/dev/null && npm ci --silent --no-fund --no-audit --prefix tools/js; then touch $@; \
	else echo "No npm, or no registry: the scripts' types and style are not tested."; fi

test-all: $(READY) $(NODE) ## all that `make test` leaves out: the site, the views in a browser, what is slow
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "slow or browser" $(TESTS)

pdf: book ## the whole book as one PDF, _build/book.pdf
	@$(MAKE) --no-print-directory ready
	$(BIN)/python -m tools.pdf

accept: book ## accept the pictures of pages as they are drawn now (PAGE=7-3)
	@$(MAKE) --no-print-directory ready
	$(BIN)/python -m tools.accept $(PAGE)

screenshots: $(READY) ## pictures of every page, wide and narrow, light and dark, into _build/screenshots
	BOOK_SCREENSHOTS=_build/screenshots $(BIN)/python -m pytest tests/site -k is_accessible

record: $(READY) ## execute pages again and write their recordings (PAGE=7-5-pooling, PROFILE=full)
	BOOK_PROFILE=$(PROFILE) $(BIN)/python -m tools.record $(PAGE)
	$(BIN)/python -m tests.regression.floor

text: $(READY) ## take over changed prose into the recordings, where the code is unchanged
	$(BIN)/python -m tools.record --text $(PAGE)

export: $(READY) ## write what pages build for later ones into helpers/sections, and what checks judge by
	$(BIN)/python -m tools.export $(PAGE)
	$(BIN)/python -m tools.answers

train: $(READY) ## fill the run store: the headline runs of a page, or of all, at full scale, for hours
	OMP_WAIT_POLICY=PASSIVE nice -n 19 $(BIN)/python -m tools.train $(PAGE)

seeds: $(READY) ## execute pages under other seeds, and list the margin of every bound (PAGE=, N=20)
	$(BIN)/python -m tools.seeds $(PAGE)

new: $(READY) ## begin a section: page, recording, test and entries (SECTION=8-7-densenet)
	$(BIN)/python -m tools.new $(SECTION)

lint: $(READY) $(NODE) ## check the style of all code, of the pages, and of the views' scripts where npm is
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.style
	$(BIN)/mypy
	@test ! -e $(NODE) || npm run --silent check --prefix tools/js

format: $(READY) ## bring all Python files into style (cells of pages: by hand)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## side-by-side timings on real Fashion-MNIST (BOOK_DATA)
	$(BIN)/python -m benchmarks

# Version 2 of Jupyter Book is another engine, with other files.
newest: $(READY) ## put the newest releases of all dependencies into .venv, in place of the pinned ones
	sed -E 's/^jupyter-book==.*/jupyter-book<2/; s/==.*//; /^-r/d' requirements-site.txt requirements.txt > $(VENV)/newest.txt
	$(PIP) --upgrade --requirement $(VENV)/newest.txt

lock: $(READY) ## pin what the pins need, for every Python and system, after a change of requirements*.txt
	for name in requirements-site requirements; do \
	    $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	        --no-emit-index-url --upgrade $$name.txt --output-file $$name.lock; \
	done

clean: ## remove what was built; keep .venv
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache .jupyter_cache
