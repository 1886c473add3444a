PYTHON ?= python3
RUN := .venv/bin
NODES ?= 1000
MINUTES ?= 3
SEED ?=
KILLS ?= 300
PART ?= all

.PHONY: help setup demo lab test test-nested test-daemonset chaos bench check crds manifests kind clean
.DEFAULT_GOAL := help

help: ## Show what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: ## Install what this checkout needs (all other targets do so by themselves)
	@$(PYTHON) hack/setup.py

demo: setup ## The whole story on a real control plane: fleet, explained placement, a real VM
	@$(RUN)/schedune lab demo

lab: setup ## Start the lab and leave it running (end it with: .venv/bin/schedune lab down)
	@$(RUN)/schedune lab up

test: setup ## Run the tests: pure ones, a real API server, real VMs
	@$(RUN)/schedune lab prepare
	@$(RUN)/pytest

chaos: setup ## Strike agents, real VMs and two operators at seeded moments (MINUTES=3 SEED=7 PART=operators KILLS=300: go on until so many)
	@$(RUN)/schedune lab prepare
	@PYTHONPATH=tests/support $(RUN)/python tests/chaos --part $(PART) --minutes $(MINUTES) --kills $(KILLS) $(if $(SEED),--seed $(SEED))

test-nested: setup ## VMs under a real KVM in a machine of our own; says which VMMs are not given
	@$(RUN)/schedune lab prepare
	@$(RUN)/pytest -rs -s tests/nested

test-daemonset: setup ## A real kubelet, and our DaemonSet on it: VMs that outlive its pods
	@$(RUN)/schedune lab prepare
	@$(RUN)/pytest -rs $(wildcard tests/daemonset/test_*.py tests/daemonset/check_*.py)

bench: setup ## Measure engine, agent, operator and a replayed fleet (NODES=10000 for a large one)
	@$(RUN)/schedune lab prepare
	@PYTHONPATH=tests/support $(RUN)/python bench/engine.py
	@PYTHONPATH=tests/support $(RUN)/python bench/agent.py
	@PYTHONPATH=tests/support $(RUN)/python bench/launch.py
	@PYTHONPATH=tests/support $(RUN)/python bench/replay.py --nodes $(NODES)
	@PYTHONPATH=tests/support $(RUN)/python bench/rate.py --nodes $(NODES)

check: setup ## Format, lint, types, directions of dependencies
	@$(RUN)/ruff format --check .
	@$(RUN)/ruff check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports

crds: setup ## Generate crds/ and docs/reference from the models and the table of codes
	@$(RUN)/python hack/generate.py

manifests: setup ## Render manifests/install.yaml from the overlay `launch`
	@$(RUN)/python hack/render.py

kind: ## Schedune on a kind cluster of its own, for people with Docker and kind
	@hack/kind/up.sh

clean: ## Remove the virtual environment (caches stay)
	rm -rf .venv
