# hpac: `make demo` does the main job on a real photograph, `make test` runs the tests;
# both set up everything they need in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := tests/data/kodim23.png

CORE := src/hpac_cli/core
DEFLATE := src/hpac_cli/deflate
JPEG := src/hpac_cli/jpeg
SEGMENTS := src/hpac_cli/segments
COMPILE := $(BIN)/python $(CORE)/compile.py

.DEFAULT_GOAL := $(VENV)/core
.PHONY: demo test lint packaging clean

# torch is pinned here to a version known to have a CPU build; pyproject.toml allows a range.
# The editable install compiles the core; afterwards it is compiled again whenever its sources change.
$(VENV)/ready: pyproject.toml hatch_build.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@ $(VENV)/core

$(VENV)/core: $(VENV)/ready $(CORE)/compile.py $(wildcard $(CORE)/*.[ch] $(DEFLATE)/*.[ch] $(JPEG)/*.[ch] $(SEGMENTS)/*.[ch])
	$(COMPILE)
	touch $@

demo: $(VENV)/core
	mkdir -p build/demo
	$(BIN)/hpac encode --force $(DEMO) -o build/demo/kodim23.hpac
	$(BIN)/hpac decode --force build/demo/kodim23.hpac -o build/demo/kodim23.png
	$(BIN)/hpac info build/demo/kodim23.hpac
	$(BIN)/python -c "import sys, numpy as n; from PIL import Image as I; a, b = (n.asarray(I.open(f)) for f in sys.argv[1:]); n.testing.assert_array_equal(a, b); print('exact: every sample is equal')" $(DEMO) build/demo/kodim23.png
	$(BIN)/hpac bench $(DEMO)

# One process a processor, each with one thread: more would get in each other's way.
test: $(VENV)/core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $$(find src tests -name '*.[ch]')
	$(COMPILE) --check
	if command -v clang; then $(COMPILE) --check --cc clang; fi

# The manual page and the completions of shells, from the commands, and the list of files in docs/architecture.md; they
# are committed.
packaging: $(VENV)/core
	$(BIN)/python packaging/generate.py

clean:
	rm -rf $(VENV) build dist $(CORE)/*.so $(CORE)/*.dylib $(CORE)/*.dll
