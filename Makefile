# Everything a fresh machine needs: `make demo` shows the benchmark at work, `make test` runs its tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE ?= 1
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test lint benchmarks clean

demo: $(VENV)/.installed ## score the bundled checkpoint under noise
	$(BIN)/askd-bench run --suite noisy

test: $(VENV)/.installed-dev ## run the test suite
	$(BIN)/pytest -n 2

lint: $(VENV)/.installed-dev ## style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=tools $(BIN)/lint-imports

benchmarks: $(VENV)/.installed-dev ## measure speed and memory
	$(BIN)/pytest tests/benchmarks/bench_*.py --benchmark-columns=median,iqr,rounds

clean: ## remove environment and build products
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.pip: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	touch $@

$(VENV)/.installed: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train]' --group dev
	touch $@
