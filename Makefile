# make demo: an environment, the installation, the demo campaign and its table.   make test: the same environment, the tests.
# make test-all: every ring that can run on this machine; make lint: style and types; make docs: the documentation, in site/.
# PYTHON=python3.12 names an interpreter; VENV=somewhere and DEMO=somewhere (without spaces) move environment and demo.
VENV ?= .venv
DEMO ?= demo
PYTHON ?= python3 python3.13 python3.12 python3.11 python
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
DRIVER := $(shell nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9][0-9]*\).*/\1/p' | head -n 1)
CUDA := $(if $(DRIVER),$(shell if [ "$(DRIVER)" -ge 13 ]; then echo "[cuda13]"; elif [ "$(DRIVER)" -eq 12 ]; then echo "[cuda12]"; fi))
FAILED := the installation failed: it needs a package index that pip can reach (network, proxy); its own message is above
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
SPECIAL := params or slurm or slow or gpu
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

.PHONY: demo test test-all test-rows test-hostile test-params test-slurm lint docs clean

demo: $(VENV)/.installed
	@test -f $(DEMO)/campaign.toml || $(BIN)/halobind new $(DEMO) --from demo
	$(BIN)/halobind run $(DEMO)

test: lint
	$(PYTEST)

# Every ring that can run on this machine, but for `slow`: minutes to hours each.
test-all: test test-rows test-hostile test-params test-slurm
	$(BIN)/python -m pytest -m "gpu and not slow"

test-rows: $(VENV)/.installed-test
	$(PYTEST) -m "(rows or stats) and not ($(SPECIAL))"

test-hostile: $(VENV)/.installed-test
	$(PYTEST) -m "(hostile or packaging) and not ($(SPECIAL))"

test-params: $(VENV)/.installed-params
	$(PYTEST) -m "params and not (slow or gpu)"

test-slurm: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m slurm

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --quiet --strict

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/python:
	@for python in $(PYTHON); do \
	  if $$python -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	    echo "creating $(VENV) with $$($$python --version)"; $$python -m venv $(VENV) && exit 0; rm -rf $(VENV); \
	    echo "this Python cannot make environments: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; \
	  fi; \
	done; echo "halobind needs Python 3.11 or later; none of these is: $(PYTHON). Name one: make PYTHON=/path/to/python3.12" >&2; exit 1

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing halobind$(CUDA) into $(VENV) (about a minute)"
	@$(PIP) --editable ".$(CUDA)" || { echo "$(FAILED)" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing halobind[test,hpc] into $(VENV) (about a minute)"
	@$(PIP) --editable ".[test,hpc]" || { echo "$(FAILED)" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-params: $(VENV)/.installed-test
	@echo "installing halobind[params] into $(VENV)"
	@$(PIP) --editable ".[test,hpc,params]" || { echo "$(FAILED)" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-docs: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing halobind[docs] into $(VENV)"
	@$(PIP) --editable ".[docs]" || { echo "$(FAILED)" >&2; exit 1; }
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO) site
