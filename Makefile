# Two commands on a fresh machine: make demo, make test. Both set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ok
# As many at once as there are cores; a file stays together, since its tests share what they set up.
AT_ONCE := -n logical --maxprocesses 4 --dist loadfile

.PHONY: demo test slow test-all lint types drills bench audit release clean setup

demo: $(STAMP)
	@$(BIN)/atft-tui --demo

test: $(STAMP)
	$(BIN)/pytest -m "not slow" $(AT_ONCE)

# Real runs wait more than they compute: one more at once than there are cores.
slow: $(STAMP)
	$(BIN)/pytest -m slow -n $$(( $$(nproc) + 1 )) --maxprocesses 5 --dist loadfile --durations=10

test-all: $(STAMP)
	$(BIN)/pytest $(AT_ONCE)

drills: $(STAMP)
	DRILLS=all $(BIN)/pytest -m slow $(AT_ONCE) tests/drills tests/docs tests/data tests/bench

# Five minutes; quote the ratios, not the seconds.
bench: $(STAMP)
	for kind in feed step console engine; do $(BIN)/atft bench $$kind --out benchmarks/results/$$kind.json || exit 1; done

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks .ci
	$(BIN)/ruff format --check src tests benchmarks .ci
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

# Asks the Python advisory database about each pinned version; needs the network.
audit: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check 'pip-audit>=2.10'
	$(BIN)/pip-audit --disable-pip --no-deps -r constraints.txt

# Version, changelog, tag and wheel have to agree; says what is missing.
release: $(STAMP)
	$(BIN)/python .ci/release.py

setup: $(STAMP)

# Written last: an install that broke half-way never counts.
$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV); a few minutes the first time ..."
	@$(PYTHON) -c 'import sys; sys.exit("atft needs Python 3.11 or newer; this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $(STAMP)
	@echo "Ready: make demo, make test, or . $(VENV)/bin/activate and atft --help"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
