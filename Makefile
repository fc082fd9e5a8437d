# `make demo` and `make test` are all that a new machine with Python 3.11 needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
LOWEST := .venv-lowest

.PHONY: demo test test-slow test-lowest bench bench-gpu check docs docs-links format clean

demo: $(READY)
	$(BIN)/ispfit demo -o demo

# Hypothesis draws the same examples each time here and new ones in `make test-slow`.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --hypothesis-profile=ci -n auto --dist worksteal --durations=10

test-slow: check test-lowest
	$(BIN)/python -m pytest -m "slow or not slow" --timeout 3600

# With the lowest versions that pyproject.toml allows; fuzzed files count decoders' verdicts, which differ by version.
test-lowest: $(LOWEST)/ready
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n auto --ignore tests/io/test_fuzz.py tests/io tests/pairs tests/estimator

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Tables of speed and memory against the paper's network in plain PyTorch; about half an hour on 2 cores.
bench: $(READY)
	mkdir -p bench
	$(BIN)/python benchmarks/speed/training_step.py --json bench/training_step.json
	$(BIN)/python benchmarks/speed/whole_images.py --json bench/whole_images.json --plot bench/whole_images.png
	$(BIN)/python benchmarks/speed/backbones.py --json bench/backbones.json
	$(BIN)/python benchmarks/speed/folders.py --json bench/folders.json
	$(BIN)/python benchmarks/speed/many_pairs.py --json bench/many_pairs.json

# Benchmarks on a GPU; making their pairs alone takes some minutes.
bench-gpu: $(READY)
	mkdir -p bench
	$(BIN)/python benchmarks/speed/gpu.py --device cuda --json bench/gpu.json

# The documentation as a site: build/docs/index.html.
docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

# Links to other sites answer; needs a network.
docs-links: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/python -m sphinx -q -b linkcheck -D plot_gallery=0 docs build/links

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

$(LOWEST)/ready: pyproject.toml constraints.txt .ci/lowest_versions.py
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) .ci/lowest_versions.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt torch
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt --editable ".[dev]"
	touch $(LOWEST)/ready

clean:
	rm -rf $(VENV) $(LOWEST) demo build dist .mypy_cache .pytest_cache .ruff_cache
