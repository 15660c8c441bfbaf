# Thin: the work is in `elt` (infrastructure/elt). Each target makes its own environment first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)
RUN := $(PYTHON) infrastructure/bootstrap.py
PART ?=

.PHONY: help setup demo test test-gate test-all coverage up down status sync build dashboards screenshots lint format doctor clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r t d; do printf '  make %-13s %s\n' "$$t" "$$d"; done

demo: ## the whole chain on this machine, with live progress and a report (AW_DATA=DIR, SHOP=off)
	@$(RUN) elt demo

test: ## lint, units, and a test with real parts for every promise (minutes)
	@$(RUN) elt check lint test

test-gate: ## what the gate adds: the other tests with real parts, whole stacks, a browser
	@$(RUN) elt check gate

test-all: ## everything: these, and the slow ones (fault histories, whole runs, benchmarks at small size)
	@$(RUN) elt check lint test gate slow

coverage: ## every tier under branch coverage, with its floor (hours)
	@$(RUN) elt check coverage

setup: ## only make the environment .venv
	@$(RUN)

up: ## start the stack (PART=airflow for one part)
	@$(RUN) elt up $(PART)

down: ## stop the stack
	@$(RUN) elt down $(PART)

status: ## show which parts run, on which addresses, and whether they are healthy
	@$(RUN) elt status

sync: ## one sync job, source → warehouse
	@$(RUN) elt sync

build: ## dbt build on the configured target
	@$(RUN) elt build

dashboards: ## bring Superset (or DASHBOARDS_URL) to what infrastructure/preset says
	@$(RUN) elt dashboards push

screenshots: ## pictures of every dashboard of the running stack, in docs/images
	@$(RUN) elt dashboards screenshots

lint: ## black, ruff, types, import contracts, sqlfluff, yamllint, shellcheck, hadolint, workflow and compose schemas
	@$(RUN) elt check lint

format: ## rewrite Python and SQL in the house style
	@$(RUN) elt check format

doctor: ## what is missing on this machine, with the remedy
	@$(RUN) elt doctor

clean: ## stop the stack and forget all local data (.local); the environment stays
	@$(RUN) elt clean
