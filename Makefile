# `make help` lists what there is. Every target makes its own .venv with plain python3 and pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
INTEGRATIONS := .integrations
# Of tests: they wait more than they work, and 3 keep two cores busy.
TEST_PROCESSES ?= 3

.PHONY: help demo serve test clients conformance image integrations check format proto manifests bench bench-regret bench-gate bench-overload chaos outage fuzz soak clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## learn on 1,785 real prompts within a hard dollar budget (under three minutes)
	$(BIN)/learning-sidecar demo $(DEMO_ARGS)

serve: $(RUNTIME) ## run the sidecar on 127.0.0.1:50051 with an embedded store
	$(BIN)/learning-sidecar serve $(SERVE_ARGS)

test: $(DEVELOPMENT) ## run every test against a real server that the tests start
	$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(TEST_ARGS)

check: $(DEVELOPMENT) ## lint, types, import contracts, protobuf: what CI checks beside the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cd clients/python && ../../$(BIN)/mypy -p learning_client -p conformance
	cd clients/conformance && ../../$(BIN)/mypy --strict -p acting && ../../$(BIN)/mypy --strict run.py
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check
	cd proto && ../$(BIN)/buf lint

format: $(DEVELOPMENT) ## put the code in its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clients: $(DEVELOPMENT) ## check and test the clients in Go, TypeScript and Java, each by its own language's means
	cd clients/go && test -z "$$(gofmt -l .)" && go vet ./... && go test ./...
	cd clients/go && PATH="$(CURDIR)/$(BIN):$$PATH" go generate . && git diff --exit-code --stat learningpb
	cd clients/typescript && npm ci --no-audit --no-fund && npm run check && npm run proto:check && npm test
	mvn --batch-mode --quiet --file clients/java/pom.xml verify

conformance: $(DEVELOPMENT) ## every client acts the same scenarios; needs Go, Node, Java and Maven (CONFORMANCE_ARGS="--language go --json")
	@$(BIN)/python clients/conformance/run.py $(CONFORMANCE_ARGS)

image: $(DEVELOPMENT) ## build the container image and run it, alone and in a pod (root; apt packages: docs/image.md)
	$(BIN)/pytest -m image tests/image $(IMAGE_ARGS)

integrations: $(INTEGRATIONS)/.installed ## test what ties the Python client to LiteLLM, OpenAI and LangChain (installs half a gigabyte)
	$(INTEGRATIONS)/bin/pytest clients/python/integrations $(TEST_ARGS)

proto: $(DEVELOPMENT) ## make the code from proto/learning/v1/learning.proto, for every language
	$(BIN)/python proto/generate.py
	cd clients/go && PATH="$(CURDIR)/$(BIN):$$PATH" go generate .
	cd clients/typescript && npm install --no-audit --no-fund && npm run proto

manifests: $(DEVELOPMENT) ## make deploy/manifests from the Helm chart
	$(BIN)/python deploy/render.py

bench: $(DEVELOPMENT) ## how fast it decides, beside others; needs h2load (BENCH_ARGS="--quick --json": five minutes)
	@$(BIN)/python benchmarks/speed.py $(BENCH_ARGS)

bench-regret: $(DEVELOPMENT) ## regret of the policies beside published figures (minutes; BENCH_ARGS="--quick --json")
	$(BIN)/python benchmarks/regret.py $(BENCH_ARGS)

bench-gate: $(DEVELOPMENT) ## the gate's errors, power and losses, simulated (minutes; BENCH_ARGS="--quick --json")
	$(BIN)/python benchmarks/gate.py $(BENCH_ARGS)

bench-overload: $(DEVELOPMENT) ## how late answers are when it is asked too much, by LEARNING_IN_FLIGHT_MAX (BENCH_ARGS="--rounds 5 --json")
	@$(BIN)/python benchmarks/overload.py $(BENCH_ARGS)

chaos: $(DEVELOPMENT) ## break everything around two sidecars and check what they promise (CHAOS_ARGS="--rounds 20 --seed 7 --json")
	@$(BIN)/python -m tests.chaos.run $(CHAOS_ARGS)

outage: $(DEVELOPMENT) ## take the store away, kill the sidecar, and compare with a quiet run (OUTAGE_ARGS="--seconds 60 --json")
	@$(BIN)/python -m tests.chaos.outage $(OUTAGE_ARGS)

fuzz: $(DEVELOPMENT) ## send a sidecar what nobody sane would send (FUZZ_ARGS="--requests 100000 --frames 10000 --json")
	@$(BIN)/python -m tests.chaos.fuzz $(FUZZ_ARGS)

soak: $(DEVELOPMENT) ## load for long and see that nothing grows (SOAK_ARGS="--minutes 30 --json")
	@$(BIN)/python -m tests.chaos.soak $(SOAK_ARGS)

clean: ## remove what was made here
	rm -rf $(VENV) $(INTEGRATIONS) .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"

$(RUNTIME): pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(DEVELOPMENT): pyproject.toml clients/python/pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable . --editable clients/python --group dev
	@touch $@ $(RUNTIME)

$(INTEGRATIONS)/.installed: pyproject.toml clients/python/pyproject.toml
	$(PYTHON) -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/pip install --quiet --upgrade "pip>=25.1"
	$(INTEGRATIONS)/bin/pip install --quiet --editable . --editable clients/python --group integrations
	@touch $@
