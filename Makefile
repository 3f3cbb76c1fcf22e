# hpac: `make demo` does the main job on a real photograph, `make test` runs the tests;
# both set up everything they need in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := tests/data/kodim23.png

.PHONY: demo test lint bench clean

# torch is pinned here to a version known to have a CPU build; pyproject.toml allows a range.
$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@

demo: $(VENV)/ready
	mkdir -p build/demo
	$(BIN)/hpac encode --force $(DEMO) -o build/demo/kodim23.hpac
	$(BIN)/hpac decode --force build/demo/kodim23.hpac -o build/demo/kodim23.png
	$(BIN)/hpac info build/demo/kodim23.hpac
	$(BIN)/python -c "import sys, numpy as n; from PIL import Image as I; a, b = (n.asarray(I.open(f)) for f in sys.argv[1:]); n.testing.assert_array_equal(a, b); print('exact: every sample is equal')" $(DEMO) build/demo/kodim23.png
	$(BIN)/hpac bench $(DEMO)

# One process a processor, each with one thread: more would get in each other's way.
test: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist
