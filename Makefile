# Every target starts from nothing but Python 3.11+ and this checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export MUJOCO_GL ?= egl

.PHONY: help install demo test slow check format bench bench-data bench-envs wheel clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## Make .venv with everything that the exact constraints name

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install  ## Record, train, plan and write runs/demo/report.html
	$(BIN)/swm demo

test: install  ## Run the default tests
	@.ci/system-packages.sh
	$(BIN)/python -m pytest

slow: install  ## Run the slow tests
	@.ci/system-packages.sh
	$(BIN)/python -m pytest -m slow

check: install  ## Lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install  ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install  ## Measure the recorder, the writer, object stores and the planner
	for each in $(filter-out $(addprefix tests/bench/bench_,data.py memory.py envs.py),$(wildcard tests/bench/bench_*.py)); do \
		$(BIN)/python $$each || exit 1; done

bench-data: install  ## Compare formats and loaders, beside PEER=PYTHON and LEROBOT=PYTHON if given; watch memory
	$(BIN)/python tests/bench/bench_data.py $(if $(PEER),--peer $(PEER)) $(if $(LEROBOT),--lerobot $(LEROBOT))
	$(BIN)/python tests/bench/bench_memory.py

bench-envs: install  ## Record every family of environments, beside PEER=PYTHON if given
	$(BIN)/python tests/bench/bench_envs.py $(if $(PEER),--peer $(PEER))

wheel: install  ## Build the wheel and the sdist into dist/
	$(BIN)/python -m build

clean:  ## Remove the environment and what the tools left, not runs/
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
