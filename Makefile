# make install · make serve · make test · make help          Needs: make, and Python 3.11 or newer with venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
# Images set it; the tests start hundreds of programs, each of which would otherwise compile all of its modules.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
UV ?= uv
LOCK = "$(UV)" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --quiet
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
STAMP := .venv/.installed
TEST_STAMP := .venv/.installed-for-tests
PAGE := src/backscroll/web/static/index.html
PAGE_SOURCES := web/index.html web/icon.svg web/build.mjs web/package-lock.json $(shell find web/src -type f)

.PHONY: help
help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.PHONY: install
install: $(STAMP)  ## Make .venv with the command `backscroll` (only when the lock or pyproject.toml changed)

$(STAMP): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo 'make: needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv);' \
		'name one with make PYTHON=…' >&2; exit 1; fi
	@$(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || "$(PYTHON)" -m venv --clear .venv
	@echo 'Installing what requirements.lock pins …' >&2
	@$(PIP) install --no-deps --no-compile --require-hashes --requirement requirements.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@$(PIP) check
	@touch $@

.PHONY: install-for-tests
install-for-tests: $(TEST_STAMP)

$(TEST_STAMP): $(STAMP) requirements-dev.lock
	@echo 'Installing what the tests need besides …' >&2
	@$(PIP) install --no-deps --no-compile --require-hashes --requirement requirements-dev.lock
	@$(PIP) check
	@touch $@

.PHONY: linked
linked: install  ## Add the library for linked devices (it contains code under the GPL: docs/sources/linked.md)
	@$(PIP) install --no-deps --no-compile --require-hashes --requirement requirements-linked.lock
	@$(PIP) check

.PHONY: web
web: $(PAGE)  ## Build the web page (only when web/ changed); Node from PATH, else from PyPI

$(PAGE): $(STAMP) $(PAGE_SOURCES) tools/build_page.sh
	@bash tools/build_page.sh
	@touch $@

.PHONY: web-for-tests
web-for-tests: $(STAMP)
	@bash tools/build_page.sh --dev

.PHONY: serve
serve: install web  ## Start the archive on http://127.0.0.1:8080; an empty one gets a sample to look at
	@exec $(BIN)/backscroll serve --sample $(ARGS)

.PHONY: check
check: install-for-tests  ## Run only the linters and the type checker: ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: test
test: check tools-for-tests web-for-tests  ## Run linters, type checks and tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

.PHONY: test-full
test-full: check tools-for-tests web-for-tests  ## Also run the slower suites
	@bash tools/require.sh pgbouncer
	@BACKSCROLL_TEST_FULL=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m 'full or not full' --timeout 1200 $(ARGS)
	@echo 'Once more on PostgreSQL, with every table partitioned by organisation …' >&2
	@BACKSCROLL_TEST_SHADOW=1 $(BIN)/python -m pytest -n 2 --dist loadfile \
		-k 'postgres and not test_postgres and not test_copy and not test_versions' $(ARGS)

.PHONY: tools-for-tests
tools-for-tests:
	@bash tools/require.sh node postgresql chromium

.PHONY: bench
bench: install-for-tests  ## Measure the read path beside nginx
	@bash tools/require.sh nginx wrk
	@$(BIN)/python -m bench $(ARGS)

.PHONY: docs
docs: install-for-tests  ## Generate docs/settings.md, docs/cli.md and docs/routes.md from the program
	@$(BIN)/python tools/generate_docs.py

.PHONY: page-shots
page-shots: install-for-tests web  ## Take the pictures of the web page: docs/images
	@bash tools/require.sh chromium emoji
	@$(BIN)/python tools/page_shots.py

.PHONY: lock
lock:  ## Update the lock files from pyproject.toml (needs uv)
	@command -v "$(UV)" >/dev/null || { echo 'make lock: needs uv (pip install uv), or name it with make lock UV=…' >&2; exit 1; }
	@$(LOCK) --all-extras --output-file requirements-dev.lock $(ARGS)
	@sed '/--hash/d; s/ \\$$//' requirements-dev.lock > .venv/constraints.txt
	@$(LOCK) --extra build --extra s3 --no-annotate --constraint .venv/constraints.txt --output-file requirements.lock
	@$(LOCK) --extra build --extra s3 --extra mcp --no-annotate --constraint .venv/constraints.txt --output-file requirements-mcp.lock
	@$(LOCK) --extra linked --no-annotate --constraint .venv/constraints.txt --output-file requirements-linked.lock

.PHONY: clean
clean:  ## Remove .venv and caches; the archive in backscroll-data stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis web/node_modules web/.node src/backscroll/web/static
