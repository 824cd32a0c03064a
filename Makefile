# Every target sets up what it needs in a private environment, .venv, and can be run again at any time.
# Needed beforehand: git, make and Python 3.11 or newer. Another interpreter: `make PYTHON=python3.12 test`.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready
RESULT := demo-output

.DEFAULT_GOAL := help
.PHONY: help demo test test-long check bench book browser theorems wheel-test lock clean python

help:  ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## /  \1:/p' Makefile | awk -F: '{ printf "%-13s%s\n", $$1, $$2 }'

demo: $(READY)  ## solve a catalog instance, print its summary, draw the mechanism
	@echo "== solving regret/two-goods: the best mechanism, nature's worst case and a certificate"
	@$(BIN)/mechopt solve regret/two-goods --output $(RESULT) --force
	@echo "== drawing the mechanism"
	@$(BIN)/mechopt plot $(RESULT) --output $(RESULT)/picture.png
	@echo "The files are in $(RESULT)/:"
	@echo "  result.json       value, bounds, closed form, statistics"
	@echo "  arrays.npz        mechanism, worst case and dual variables, by name"
	@echo "  certificate.json  the proof; re-check it with $(BIN)/mechopt verify $(RESULT)"
	@echo "  picture.png       the mechanism and nature's worst case"

test: $(READY)  ## run the test suite (ARGS=... adds pytest options)
	@echo "== running the tests"
	@$(BIN)/python -m pytest -n 2 -m "not long" $(ARGS)

test-long: $(READY)  ## run the tests that take minutes
	@echo "== running the long tests"
	@$(BIN)/python -m pytest -n 2 -m long $(ARGS)

check: $(READY)  ## lint with ruff, check types with mypy
	@echo "== ruff check"
	@$(BIN)/ruff check
	@echo "== mypy --strict -p mechopt"
	@$(BIN)/mypy --strict -p mechopt

bench: $(READY)  ## run the benchmarks
	@echo "== running the benchmarks"
	@$(BIN)/python benchmarks/run.py $(ARGS)

browser:  ## install Debian's chromium and its driver where they are missing and can be (for the test of reports)
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "== installing chromium and chromium-driver"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null; \
	  else echo "no chromium here: the browser's tests are skipped"; fi; }

book: $(READY)  ## build the manual as a web site in build/book; a warning is an error
	@echo "== building the book"
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/book

theorems: $(READY)  ## write docs/theorems.md anew from tests/reference/results.toml
	@$(BIN)/python tests/reference/test_theorems.py --write

wheel-test: $(READY)  ## build sdist and wheel, look inside, test the wheel installed alone
	@$(BIN)/python tests/packaging/wheel.py $(ARGS)

lock: python  ## pin every dependency anew in constraints.txt
	@echo "== resolving the dependencies in a fresh environment"
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install -q -e ".[test,docs]"
	@{ echo "# Every dependency, the extras [test] and [docs] included, as tested. Made by \`make lock\`; do not edit."; \
	   .venv-lock/bin/python -m pip freeze -q --exclude-editable; } > .venv-lock/constraints.txt
	@mv .venv-lock/constraints.txt constraints.txt && rm -rf .venv-lock
	@echo "written to constraints.txt"

clean:  ## remove the environment and everything generated
	@echo "== removing .venv, build products, caches and $(RESULT)/"
	@rm -rf .venv .venv-lock build dist *.egg-info $(RESULT) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "mechopt needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }

# The stamp is newer than both files exactly when the environment holds what they ask for.
$(READY): pyproject.toml constraints.txt | python
	@echo "== setting up .venv: the pinned dependencies and mechopt itself (once; about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q -c constraints.txt -e ".[test,docs]"
	@touch $@
