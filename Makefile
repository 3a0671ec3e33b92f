# rehost: everything a developer or a CI calls. `make` alone lists it.
#
# Needs Debian 12, Ubuntu 24.04 or later, with Python 3.11. What else is missing is installed when
# root runs this, and named when somebody else does.

BIN := .venv/bin
DEMO := demo-out
APPLIANCE := .cache/demo/appliance.ova
SECONDS ?= 600
TARGETS = $(shell $(BIN)/python -m tests.fuzz --list)

.PHONY: help setup demo test lint types check fuzz generate clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

setup: ## install what is missing, once
	@tests/support/setup

demo: setup ## move a real appliance from VMware to libvirt and boot it there
	@mkdir -p $(dir $(APPLIANCE))
	$(BIN)/python -m tests.support.appliance vmware bios --disks 2 --nics 2 --output $(APPLIANCE)
	$(BIN)/rehost validate $(APPLIANCE)
	$(BIN)/rehost convert $(APPLIANCE) --to libvirt -o $(DEMO) --force --boot \
		--report $(DEMO)/report.json
	@echo "report: $(DEMO)/report.json"

test: setup lint types check ## everything: linters, types, tests

lint: setup ## style and its formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## static types
	$(BIN)/mypy

check: setup ## the tests alone, on all processors; TESTS="-k word" picks some
	$(BIN)/pytest -n auto --dist loadfile $(TESTS)

fuzz: setup ## fuzz every parser, SECONDS=600 each; TARGETS="qcow2 vhd" picks some
	@failed=; for target in $(TARGETS); do \
		echo "== $$target"; \
		$(BIN)/python -m tests.fuzz $$target --seconds $(SECONDS) || failed="$$failed $$target"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

generate: setup ## renew what is generated from the code: JSON schemas, the README's matrix, the rules' pages
	$(BIN)/python -m tests.support.generated

clean: ## remove what was built: appliances, the demo, the environment
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis $(DEMO)
