# Everything a person does here: `make run` starts Portero, `make test` tries everything, `make help` names the rest.
# Needs Python 3.11 or newer, Node 20 and, for the tests, Debian's redis-server; whatever else is wanted is installed
# into .venv and .tools from the hashed locks, and again when a lock changes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do command -v $$p; done))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install -qq
FASTMCP_VERSION := 4.1.2
ATHERIS_VERSION := 3.0.0
SECONDS := 300
TELEMELYA_VERSION := 0.2.2
MOTO_VERSION := 5.2.5

# Stamps are named after what they were made from: an unchanged lock costs nothing, a changed one installs anew.
RUN_STAMP := $(VENV)/.run-$(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.dev-$(shell cat requirements.lock requirements-dev.lock pyproject.toml | cksum | cut -d' ' -f1)
SERVERS_STAMP := .tools/servers/.stamp-$(shell cat requirements-servers.lock | cksum | cut -d' ' -f1)
NODE_STAMP := tests/node/node_modules/.stamp-$(shell cat tests/node/package-lock.json | cksum | cut -d' ' -f1)
CLIENTS_STAMP := tests/clients/node_modules/.stamp-$(shell cat tests/clients/package-lock.json | cksum | cut -d' ' -f1)
CLAUDE_STAMP := tests/claude/node_modules/.stamp-$(shell cat tests/claude/package-lock.json | cksum | cut -d' ' -f1)
CONFORMANCE_STAMP := tests/conformance/node_modules/.stamp-$(shell cat tests/conformance/package-lock.json | cksum | cut -d' ' -f1)

NEEDED := $(DEV_STAMP) $(SERVERS_STAMP) node redis prometheus haproxy $(CONFORMANCE_STAMP) $(CLIENTS_STAMP) \
    .tools/telemelya-$(TELEMELYA_VERSION) .tools/moto-$(MOTO_VERSION)

.PHONY: help run install test conformance chaos cluster claude fuzz lint format bench bench-memory failover lock build clean dev node redis prometheus haproxy

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_STAMP) ## Start Portero on this machine (first time: installs it, about half a minute)
	@exec $(BIN)/portero serve

install: $(RUN_STAMP) ## Install Portero into .venv, nothing more

test: $(NEEDED) ## Run every test; TESTS="tests/domain -k grant" runs some
	$(BIN)/python -m pytest -n 3 --dist worksteal $(TESTS)

conformance: $(DEV_STAMP) $(CONFORMANCE_STAMP) ## Run the official MCP suite in both eras, over stdio and over HTTP
	@$(BIN)/python -m tests.conformance.suite

claude: $(NEEDED) $(CLAUDE_STAMP) ## Drive Claude Code itself against Portero, with a stand-in for its model (gets 190 MB)
	$(BIN)/python -m pytest tests/claude/check_claude.py

fuzz: $(DEV_STAMP) .tools/fuzz-$(ATHERIS_VERSION) ## Look for bytes that break something, guided by coverage and over the wire; SECONDS=3600 looks longer
	@.tools/fuzz/bin/python -m tests.fuzz.guided $$(( $(SECONDS) / 2 ))
	@$(BIN)/python -m tests.fuzz.endless $$(( $(SECONDS) / 2 ))

lint: $(DEV_STAMP) ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yml
	$(BIN)/python -m pytest tests/test_architecture.py

format: $(DEV_STAMP) ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

chaos: $(DEV_STAMP) redis ## Hurt three replicas for two minutes and check every promise; SEED=7 SECONDS=300 STORE=redis
	@$(BIN)/python -m tests.chaos --seconds $(or $(SECONDS),120) --store $(or $(STORE),valkey) $(if $(SEED),--seed $(SEED))

cluster: $(DEV_STAMP) redis prometheus haproxy ## Run what compose.yml describes on this machine, without containers
	@exec $(BIN)/python -m ops.topology

bench: $(DEV_STAMP) .tools/fastmcp-$(FASTMCP_VERSION) ## Measure tools/call against the raw pipe and FastMCP's proxy (two minutes)
	@$(BIN)/python -m ops.bench --fastmcp .tools/fastmcp/bin/python --json build/bench.json

failover: $(DEV_STAMP) ## Measure how soon others take over from a replica that is gone (five minutes)
	@$(BIN)/python -m tests.system.failover

bench-memory: $(DEV_STAMP) ## Watch the memory over 200,000 calls (one minute)
	@$(BIN)/python -m ops.bench --memory --json build/bench-memory.json

lock: $(DEV_STAMP) ## Resolve the dependencies anew and write the hashed locks
	@export UV_CUSTOM_COMPILE_COMMAND='make lock'; \
	compile() { $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links "$$@"; }; \
	compile --group pyproject.toml:build pyproject.toml -o requirements.lock; \
	compile --group pyproject.toml:dev pyproject.toml -c requirements.lock -o requirements-dev.lock; \
	compile --group pyproject.toml:servers -o requirements-servers.lock

build: $(DEV_STAMP) ## Make the wheel and the sdist in dist/
	@rm -rf dist
	@$(BIN)/hatchling build

clean: ## Remove what was installed and made here (not data/)
	rm -rf .venv .tools dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/*/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

dev: $(NEEDED) ## Install what tests and lint need
node: $(NODE_STAMP)

redis:
	@command -v redis-server >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	    || { echo 'The tests need redis-server. Install it and run this again: sudo apt-get install redis-server' >&2; exit 1; }; \
	  echo 'Installing redis-server, the oldest external store that the tests try'; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null; }

# Only its programs are wanted, not a server that starts with the machine: unpacked, not installed.
prometheus:
	@command -v prometheus promtool >/dev/null || [ -x .tools/prometheus/usr/bin/promtool ] || { \
	  command -v apt-get >/dev/null \
	    || { echo 'The tests need prometheus and promtool on the PATH. Install them and run this again.' >&2; exit 1; }; \
	  echo 'Unpacking prometheus, which the alert rules and the dashboard are tried on'; \
	  mkdir -p .tools/prometheus && cd .tools/prometheus; \
	  apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }; \
	  dpkg-deb -x prometheus_*.deb . && rm -f prometheus_*.deb; }

haproxy:
	@command -v haproxy >/dev/null || [ -x .tools/haproxy/usr/sbin/haproxy ] || { \
	  command -v apt-get >/dev/null \
	    || { echo 'The cluster needs haproxy on the PATH. Install it and run this again.' >&2; exit 1; }; \
	  echo 'Unpacking haproxy, the load balancer of compose.yml'; \
	  mkdir -p .tools/haproxy && cd .tools/haproxy; \
	  wanted='haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1'; \
	  apt-get download -qq $$wanted 2>/dev/null || { apt-get update -qq && apt-get download -qq $$wanted; }; \
	  for package in *.deb; do dpkg-deb -x "$$package" .; done; rm -f *.deb; }

$(VENV)/bin/python:
	@[ -n '$(PYTHON)' ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Portero needs Python 3.11 or newer. Say where it is: make run PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo 'Python cannot make a virtual environment. On Debian and Ubuntu: sudo apt-get install python3-venv' >&2; exit 1; }

$(RUN_STAMP): | $(VENV)/bin/python
	@echo 'Installing Portero into $(VENV) from requirements.lock (about half a minute)'
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-index --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.run-* && touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@echo 'Installing the tools for tests and lint into $(VENV) from requirements-dev.lock'
	@$(PIP) --require-hashes -r requirements-dev.lock
	@rm -f $(VENV)/.dev-* && touch $@

$(SERVERS_STAMP): requirements-servers.lock | $(DEV_STAMP)
	@echo 'Installing the Python servers that the tests run against into .tools/servers from requirements-servers.lock'
	@rm -rf .tools/servers && $(BIN)/uv venv --quiet --python $(BIN)/python .tools/servers
	@$(BIN)/uv pip install --quiet --python .tools/servers/bin/python --require-hashes -r requirements-servers.lock
	@touch $@

$(NODE_STAMP): tests/node/package-lock.json
	@command -v npm >/dev/null || { echo 'The tests need Node 20 and npm for the servers they run against.' >&2; exit 1; }
	@echo 'Installing the npm servers that the tests run against'
	@cd tests/node && npm ci --silent --no-audit --no-fund
	@touch $@

$(CONFORMANCE_STAMP): tests/conformance/package-lock.json
	@echo 'Installing the official MCP conformance suite and the Node that it needs'
	@cd tests/conformance && npm ci --silent --no-audit --no-fund
	@touch $@

$(CLAUDE_STAMP): tests/claude/package-lock.json
	@echo 'Installing Claude Code, of the version that is pinned'
	@cd tests/claude && npm ci --silent --no-audit --no-fund
	@touch $@

$(CLIENTS_STAMP): tests/clients/package-lock.json
	@echo 'Installing the MCP Inspector and the official TypeScript clients'
	@cd tests/clients && npm ci --silent --no-audit --no-fund
	@touch $@

.tools/fastmcp-$(FASTMCP_VERSION): | $(VENV)/bin/python
	@echo 'Installing fastmcp $(FASTMCP_VERSION) into an environment of its own, to compare with'
	@rm -rf .tools/fastmcp && $(PYTHON) -m venv .tools/fastmcp
	@.tools/fastmcp/bin/python -m pip --disable-pip-version-check install -qq fastmcp==$(FASTMCP_VERSION)
	@touch $@

.tools/fuzz-$(ATHERIS_VERSION): requirements.lock | $(DEV_STAMP)
	@echo 'Installing atheris $(ATHERIS_VERSION) and what Portero needs into an environment of their own'
	@rm -rf .tools/fuzz && $(BIN)/uv venv --quiet --python $(BIN)/python .tools/fuzz
	@$(BIN)/uv pip install --quiet --python .tools/fuzz/bin/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python .tools/fuzz/bin/python atheris==$(ATHERIS_VERSION)
	@touch $@

.tools/telemelya-$(TELEMELYA_VERSION): | $(VENV)/bin/python
	@echo 'Installing telemelya $(TELEMELYA_VERSION), an independent stand-in for Telegram, into an environment of its own'
	@rm -rf .tools/telemelya && $(PYTHON) -m venv .tools/telemelya
	@.tools/telemelya/bin/python -m pip --disable-pip-version-check install -qq telemelya==$(TELEMELYA_VERSION)
	@touch $@

.tools/moto-$(MOTO_VERSION): | $(VENV)/bin/python
	@echo 'Installing moto $(MOTO_VERSION), an S3-compatible server for the tests, into an environment of its own'
	@rm -rf .tools/moto && $(PYTHON) -m venv .tools/moto
	@.tools/moto/bin/python -m pip --disable-pip-version-check install -qq 'moto[s3,server]==$(MOTO_VERSION)'
	@touch $@
