# `make run` and `make test` work on a fresh machine: they make the virtual environment and install what they need.

PYTHON ?= python3
VENV   ?= .venv
# A bare `torch` pulls gigabytes of CUDA packages on Linux; constraints.txt pins the version that is tested.
TORCH  := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
BIN    := $(VENV)/bin
# Processes that share the tests: one for each processor, but each imports PyTorch, so four at most. 0: no others than one.
PYTEST_JOBS ?= $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() or 1))')

.PHONY: help run test lint docs format install install-dev assets benchmarks clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

run: $(VENV)/.installed ## Install if needed, and measure this machine with the quick suite
	$(BIN)/assay run --suite quick

# The tests of a file stay together, as they share what is made once a module; files go out in their order, and not those
# of many tests first, as the dear ones are few.
test: $(VENV)/.installed-dev ## Install if needed, and run every test
	$(BIN)/python -m pytest --numprocesses $(PYTEST_JOBS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev ## Style, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev ## Build the documentation as a site, in build/site; a warning fails
	$(BIN)/python tools/build_docs.py

format: $(VENV)/.installed-dev ## Rewrite the sources in the house format
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

benchmarks: $(VENV)/.installed-dev ## Show the cost of measuring: overhead, start-up, the runtimes' own tools
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/runtimes.py
	$(BIN)/python benchmarks/web_engine.py

assets: ## Fetch the scripts of the dashboard's pages and onnxruntime-web from npm, and what tests of pages need
	$(BIN)/python -m assay.web.assets --tests tests/web/browser/vendor
	$(BIN)/python -m assay.engines.web.assets

install: $(VENV)/.installed ## Make the virtual environment with assay and PyTorch
install-dev: $(VENV)/.installed-dev ## The same with what linting and testing need

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[torch,report,serve]"
	@# An editable install is not compiled by pip, and with PYTHONDONTWRITEBYTECODE set it never would be.
	$(BIN)/python -m compileall -q src
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[torch,onnx,openvino,torchao,mlperf,postgres,predict,report,serve,training,vibration,hub,web,fleet]" --group dev
	$(BIN)/python -m assay.web.assets --tests tests/web/browser/vendor
	$(BIN)/python -m assay.engines.web.assets
	$(BIN)/python tools/install_browsers.py
	touch $@

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
