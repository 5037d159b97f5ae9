# `make run` and `make test` set up all they need; see README.md.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
# Installs exactly what a lock lists, and removes what it does not: dbt-core asks for a package that the lock leaves out.
SYNC := $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes
OWN := --no-deps --no-build-isolation --editable .
# An environment that has had the tests' packages keeps them: a test that calls `make run` must not lose its own.
LOCK := $(if $(wildcard .venv/ready-dev),dev,main)
LOCKS := requirements/main.txt requirements/uv.txt pyproject.toml
# A file's tests share what they set up. Files go in the order of their folders, so that the short ones of unit/ are last and
# neither process waits for the other.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help setup setup-dev run test test-all check-infra lint format lock clean

help:            ## show this list
	@sed -n 's/^\([a-z-]*:\).*## /\1	/p' Makefile

setup: .venv/ready ## create the environment: packages, the commands crypto and dbt, profiles.yml

setup-dev: .venv/ready-dev ## also what tests and lint need, with DuckDB, Polars and pre-commit

run: setup       ## land the trades (sample ones if there are none), build, test, publish to Postgres
	@$(BIN)/crypto generate --if-empty
	@$(BIN)/crypto run

test: .venv/ready-dev ## the suite of every change
	$(PYTEST) -m "not long"

test-all: .venv/ready-dev ## also kill loops, replays, deep property tests
	$(PYTEST)

check-infra: .venv-infra/ready ## Terraform and workflows: format, the providers' arguments, security rules
	@if command -v terraform > /dev/null; then terraform fmt -check -recursive infra; \
		else echo "terraform is not installed: its format is not checked"; fi
	.venv-infra/bin/checkov --directory infra --framework terraform --skip-download --quiet --compact
	.venv-infra/bin/zizmor --offline --quiet .github
	.venv-infra/bin/python -m pytest tests/infra

lint: .venv/ready-dev ## every rule: Python, SQL, JavaScript, house rules
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar models macros tests/singular tests/generic
	$(BIN)/lint-imports
	$(BIN)/oxlint --quiet commands/inspect/report
	$(BIN)/python -m tools.house_rules

format: .venv/ready-dev ## format Python
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

lock: .venv/ready ## pin the dependency groups of pyproject.toml in requirements/, with hashes
	@for group in main spark java uv infra; do \
		$(COMPILE) --group $$group --output-file requirements/$$group.txt || exit 1; \
	done
	@$(COMPILE) --group dev --constraint requirements/main.txt --output-file requirements/dev.txt

clean:           ## stop the servers and remove the environment; data stays
	-@$(BIN)/crypto engine stop
	-@$(BIN)/crypto postgres stop
	rm -rf .venv .venv-infra target logs

.venv/ready: $(LOCKS)
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed: set PYTHON, as in make PYTHON=python3.11 " + "run")'
	@echo "Setting up .venv (once, about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(SYNC) requirements/$(LOCK).txt requirements/uv.txt
	@$(UV) $(OWN)
	@# dbt's own script makes way for one that loads the settings first; see commands/dbt_command.py.
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m crypto_lakehouse.commands.dbt_command "$$@"\n' > $(BIN)/dbt && chmod +x $(BIN)/dbt
	@# Python keeps what it compiles here, whatever the environment says: every command imports Spark's client and dbt, and CCXT is large.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import ccxt, dbt.adapters.localspark, dbt.cli.main, pyspark.sql.connect.session'
	@test -e profiles.yml || cp profiles.yml.example profiles.yml
	@touch $@

.venv/ready-dev: .venv/ready requirements/dev.txt
	@$(SYNC) requirements/dev.txt requirements/uv.txt
	@$(UV) $(OWN)
	@touch $@

.venv-infra/ready: .venv/ready requirements/infra.txt
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-infra
	@$(BIN)/uv pip install --quiet --python .venv-infra/bin/python --require-hashes -r requirements/infra.txt
	@touch $@
