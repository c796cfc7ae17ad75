# Two commands do everything on a fresh machine: make reproduce, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
export PATH := $(abspath $(BIN)):$(PATH)
# One thread per process: runs repeat bit for bit, and jobs share the cores.
export OMP_NUM_THREADS := 1

.PHONY: setup setup-engines reproduce report test test-slow test-engines test-slurm smoke lint bench bench-setup faults docs clean

setup: $(VENV)/.complete
setup-engines: $(VENV)/.engines-complete

$(VENV)/.complete: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@# torch first and alone: otherwise a dependency may bring a build of several GB
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable ".[dev,docs]"
	touch $@

$(VENV)/.engines-complete: $(VENV)/.complete requirements/engines-cpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check setuptools==77.0.3
	DS_BUILD_OPS=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements/engines-cpu.txt
	touch $@

## Train, evaluate and analyse at tiny scale; ends with results/tiny/report.html
reproduce: setup
	snakemake all --cores $(CORES) --rerun-incomplete --keep-going
	@$(MAKE) --no-print-directory report

report: setup
	snakemake all --cores 1 --quiet rules progress --report results/tiny/report.html \
	  || { echo "No report: make reproduce has to end first; python -m red status shows what is missing"; exit 1; }
	@echo "Report: results/tiny/report.html"

test: setup
	python -m pytest

## Tests that run the DAG end to end
test-slow: setup
	python -m pytest -m slow

## Tests on real vLLM and OpenRLHF
test-engines: setup-engines
	python -m pytest -m engines

## Tests on a real Slurm controller (.ci/slurm.sh start brings one up)
test-slurm: setup
	python -m pytest -m slurm

## A shortened reproduction, end to end
smoke: setup
	snakemake all --cores $(CORES) --configfile config/default.yaml tests/workflow/minimal.yaml --rerun-incomplete

lint: setup
	ruff check .
	snakefmt --check workflow
	snakemake --lint
	mypy

bench: setup
	python -m bench

## Peers that the bench compares with, in an environment of their own
bench-setup: setup
	$(PYTHON) -m venv bench/.venv
	bench/.venv/bin/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)"
	bench/.venv/bin/python -m pip install --quiet --disable-pip-version-check setuptools==77.0.3
	DS_BUILD_OPS=0 bench/.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement bench/requirements-peers.txt

faults: setup
	python -m faults

docs: setup
	mkdocs build --strict

clean:
	rm -rf results/* logs benchmarks .snakemake
