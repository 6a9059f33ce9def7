# Two commands do everything: `make demo` shows the main job, `make test` proves the workbench.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help install demo test check unit format faults bench lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: ## make the environments and install what they need
	@scripts/bootstrap.sh

demo: install ## walk one delivery to a verified release (DELIVERY=folder: your own photographs)
	@workbench demo $(if $(DELIVERY),--delivery "$(DELIVERY)")

test: ## every check and every test, with the real tools
	@scripts/bootstrap.sh --browser
	@$(MAKE) --no-print-directory check
	@python -m pytest -m "tools or slow" --durations=15

check: install ## lint, types, contracts, unit tests, doctests (under two minutes)
	@ruff check . && ruff format --check .
	@mypy
	@lint-imports --no-cache
	@codespell
	@python -m pytest -m "not tools and not slow" -q -n auto
	@python -m pytest --doctest-modules -q workbench/domain workbench/tables.py

format: ## let ruff mend what it can
	@ruff check --fix . ; ruff format .

faults: install ## the fault harnesses at full size (an hour; some need root); writes docs/reliability.md
	@python tests/faults/full.py

bench: install ## the benchmarks, each a ratio in one run; writes docs/benchmarks.md
	@python scripts/bench.py

lock: ## compile the lock files anew (names, versions and hashes only)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/workbench.lock
	uv pip compile requirements/label-studio.in --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/label-studio.lock
	uv pip compile requirements/bootstrap.in --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/bootstrap.lock
	uv pip compile requirements/build.in --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements/build.lock

clean: ## remove the environments and the demo's workspace
	rm -rf .venv .venv-ls .bootstrap demo-workspace
