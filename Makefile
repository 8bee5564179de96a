# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
.DEFAULT_GOAL := help
SHELL := /bin/sh

# What somebody exported for another project must not decide what is tested here.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH ANSIBLE_LIBRARY
export PYTHONDONTWRITEBYTECODE := 1

# The Python that makes everything else: .venv's when there is one that runs, else the newest found (make PYTHON=… wins).
PYTHON ?= $(shell .venv/bin/python -c '' 2>/dev/null && echo .venv/bin/python || tools/find-python)
TOOLS = $(PYTHON) -m tools
COLLECTION := .cache/collections/ansible_collections/stowage/kubernetes
# Further arguments: make unit ARGS='-k archive', make sanity ARGS='--test validate-modules'.
ARGS ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "ARGS='…' is handed on to the program that a target runs; PYTHON=… chooses the interpreter."

.PHONY: env
env: ## Make .venv and the link tree that Ansible sees the collection through (quick when nothing changed)
	@$(TOOLS) env

.PHONY: demo
demo: env ## Back up a test cluster, restore it into another, compare (KUBECONFIG=… reads yours instead)
	.venv/bin/python -m demo $(if $(filter command,$(firstword $(origin KUBECONFIG))),--kubeconfig '$(KUBECONFIG)') $(ARGS)

.PHONY: test
test: env ## Run everything: lint, types, sanity, docs, importer, integration, unit and system tests
	@$(TOOLS) steps lint types sanity docs importer integration pytest

.PHONY: lint
lint: env ## ruff (rules and format) and ansible-lint (production profile, with yamllint)
	@$(TOOLS) tool lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	PATH="$(CURDIR)/.cache/envs/lint/bin:$$PATH" ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/.cache/collections ansible-lint --offline --nocolor $(ARGS)

.PHONY: format
format: env ## Let ruff format the Python files and fix what it can
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

.PHONY: types
types: env ## mypy --strict over plugins, tests and tools
	.venv/bin/mypy $(ARGS) $(COLLECTION)/plugins tests tools

.PHONY: unit
unit: env ## Unit tests: no servers, no network
	.venv/bin/python -m pytest tests/unit $(ARGS)

.PHONY: system
system: env ## Tests against real servers (tests/testbed builds and starts them)
	.venv/bin/python -m pytest tests/system $(ARGS)

.PHONY: pytest
pytest: env ## Unit and system tests in one run, three files at a time (each process has servers of its own)
	@.venv/bin/python -m testbed build >/dev/null
	@.venv/bin/python -m tools tests $(ARGS)

.PHONY: sanity
sanity: env ## ansible-test sanity on a copy of what git tracks
	@$(TOOLS) sanity $(ARGS)

.PHONY: integration
integration: env ## ansible-test integration: the targets in tests/integration against the testbed
	@.venv/bin/python -m tools integration $(ARGS)

.PHONY: docs
docs: env ## antsibull-docs over all documentation, strict
	@$(TOOLS) docs

.PHONY: importer
importer: env ## Build the tarball and run galaxy-importer on it
	@$(TOOLS) importer

.PHONY: awx
awx: env ## Write patterns, wrapper playbooks and credential types for AWX from docs/awx
	@.venv/bin/python -m tools awx

.PHONY: bundle
bundle: env ## Write dist/bundle: tarball, wheels and images by name, for machines without a way out
	@$(TOOLS) bundle $(ARGS)

.PHONY: matrix
matrix: env ## Sanity, unit and integration tests on every supported ansible-core and every Python found
	@.venv/bin/python -m tools matrix $(ARGS)

.PHONY: bench
bench: env ## Measure speed and memory against a bare client and Velero; prints a table
	.venv/bin/python -m bench $(ARGS)

.PHONY: changelog
changelog: env ## Check changelog fragments (ARGS=release turns them into CHANGELOG.md)
	@$(TOOLS) tool changelog
	PATH="$(CURDIR)/.venv/bin:$$PATH" .cache/envs/changelog/bin/antsibull-changelog $(or $(ARGS),lint)

.PHONY: clean
clean: ## Remove environments, caches and everything else that make made here
	rm -rf .venv .cache .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis dist demo-output docs/docsite/build tests/output
