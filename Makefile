# Every command of the project. `make help` lists them.
# Tools, downloads and build output live in $(CACHE), never in the clone; it may be empty at any time.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE ?= $(or $(BEAM_MCP_CACHE),$(HOME)/.cache/beam-mcp)
export BEAM_MCP_CACHE := $(CACHE)
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BEAM_VERSION := 2.77.0
TARGET ?= direct
FLINK_VERSION ?= 1.20.5
SPARK_VERSION ?= 3.5.9

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

# ---- the two commands -------------------------------------------------------

.PHONY: demo
demo: venv beam ## run WordCount for real (TARGET=direct; flink, flink-java, spark or spark-java with a JDK 17 and Maven)
	@VENV=$(VENV) FLINK_VERSION=$(FLINK_VERSION) SPARK_VERSION=$(SPARK_VERSION) bash examples/demo.sh $(TARGET)

.PHONY: test
test: test-rust test-explore test-python test-dataflow test-js ## all tests that need no cluster

.PHONY: test-rust
test-rust: ## core, native host, vectors
	cargo test --workspace --locked

.PHONY: test-explore
test-explore: ## flows under every reply, against the golden graphs; the planted bugs must still fit the code
	@for patch in tests/planted/*.patch; do git apply --check "$$patch" || { echo "renew $$patch: the code it is planted in has changed"; exit 1; }; done
	cargo test --locked --profile explore -p beam-mcp-tests --no-default-features --features explore --test explore

.PHONY: test-planted
test-planted: ## bugs planted in the flows: the exploration must turn red (BUG=tests/planted/NAME.patch for one)
	bash tests/planted/run.sh $(BUG)

.PHONY: test-python
test-python: venv beam ## the Python package against real servers, and the Direct child
	$(BIN)/pip install -q -r tests/python/requirements.txt
	BEAM_MCP_SERVER=$(abspath $(BIN))/beam-mcp-server BEAM_PYTHON=$(abspath $(BIN))/python \
	  $(BIN)/python -m pytest -q tests/python

.PHONY: test-dataflow
test-dataflow: venv beam ## the Dataflow runner on an emulated Dataflow, which Google's and Beam's own clients drive too
	$(BIN)/pip install -q -r tests/python/requirements.txt -r tests/dataflow/requirements.txt
	BEAM_MCP_SERVER=$(abspath $(BIN))/beam-mcp-server $(BIN)/python -m pytest -q tests/dataflow

.PHONY: test-js
test-js: wasm venv ## the wasm modules and their JavaScript in Node
	BEAM_MCP_SERVER=$(abspath $(BIN))/beam-mcp-server bash tests/js/run.sh

# ---- slower suites ----------------------------------------------------------

.PHONY: test-clusters
test-clusters: venv beam ## the contract suites against real Flink 1.20 and 2.2, with S1's scripts, and real Spark 3.5 and 4.1
	bash tests/clusters/run.sh

.PHONY: test-loss
test-loss: venv beam ## real Flink and Spark that lose processes, freeze and are far away, beside a target that is well
	bash tests/clusters/loss.sh

.PHONY: test-docker
test-docker: venv beam ## Python workers in containers that a real Flink and Spark start with a real Docker engine (as root, on Debian 12)
	bash tests/clusters/docker.sh

.PHONY: test-services
test-services: venv beam ## the contract suite against Prism (built with Go once) and Beam's Python job service
	bash tests/services/run.sh

.PHONY: test-kill
test-kill: venv beam ## kill -9 of the server during N=50 submits to a real Flink, with STORED=0 jobs in its store; also behind a bad network and under a jumping clock
	bash tests/kill/run.sh $(or $(N),50) $(or $(STORED),0)

.PHONY: test-abuse
test-abuse: venv ## slow-loris with 5,000 sockets and a storm of bad input, beside a healthy caller
	bash tests/load/abuse.sh

.PHONY: test-clients
test-clients: venv ## the MCP clients of others against the server, over three transports
	bash tests/clients/run.sh

.PHONY: test-apps
test-apps: venv ## the job view of MCP Apps in a headless Chromium, framed by the official bridge
	BEAM_MCP_SERVER=$(abspath $(BIN))/beam-mcp-server bash tests/apps/run.sh

.PHONY: test-conformance
test-conformance: venv ## the official MCP conformance suite: against its surface on the local server, on Lambda and in WebAssembly, and around our clients
	bash tests/conformance/run.sh
	bash tests/conformance/clients.sh

.PHONY: fuzz
fuzz: ## MINUTES=10 of libFuzzer for each of JSON-RPC, headers, events and request states (GROW=1 keeps what is new)
	bash tests/fuzz/run.sh $(or $(MINUTES),10)

.PHONY: test-load
test-load: ## targets in trouble, rates, overload and shutdown under load (LOAD=short: two minutes)
	bash tests/load/run.sh $(or $(LOAD),long)

.PHONY: test-many
test-many: venv ## 10,000 jobs of one cluster beside 99 other targets: calls for each round, lists, memory
	BEAM_MCP_SERVER=$(abspath $(BIN))/beam-mcp-server $(PYTHON) tests/load/many.py

.PHONY: test-streams
test-streams: ## STREAMS=10000 idle MCP subscriptions: memory of each, a change that reaches all, a reader that is cut
	bash tests/load/streams.sh --streams $(or $(STREAMS),10000)

.PHONY: soak
soak: venv ## MINUTES=60 of mixed calls: memory, descriptors and times at the end beside the beginning
	BEAM_MCP_SERVER=$(abspath $(BIN))/beam-mcp-server $(PYTHON) tests/load/soak.py --minutes $(or $(MINUTES),60)

.PHONY: simulate
simulate: ## 100,000 schedules of the seeded simulation (COUNT=n; SEED=n replays one)
	cargo run -q --profile simulation --locked -p beam-mcp-simulation -- \
	  $(if $(SEED),--seed $(SEED) --trace,--count $(or $(COUNT),100000)) $(OPTIONS)

.PHONY: simulate-record
simulate-record: ## new seeds, recorded in tests/simulation/runs.tsv as far as it gets (COUNT=n; committed by hand)
	cargo run -q --profile simulation --locked -p beam-mcp-simulation -- --record tests/simulation/runs.tsv \
	  --commit $$(git rev-parse --short=12 HEAD)$$(git diff --quiet HEAD -- core tests/simulation/src Cargo.lock || echo -dirty) --count $(or $(COUNT),1000000) $(OPTIONS)

.PHONY: simulate-summary
simulate-summary: ## what tests/simulation/runs.tsv adds up to, beside the bar
	cargo run -q --profile simulation --locked -p beam-mcp-simulation -- --summary tests/simulation/runs.tsv

.PHONY: simulate-teeth
simulate-teeth: ## each planted bug must be found by the simulation
	cargo run -q --profile simulation --locked -p beam-mcp-simulation -- --teeth --count $(or $(COUNT),100000)

.PHONY: simulate-wasm
simulate-wasm: ## the same seeds give the same traces natively and in WebAssembly
	bash tests/simulation/wasm.sh

.PHONY: test-long
test-long: test-loss test-docker test-dynamodb test-powercut test-load test-many test-abuse test-streams test-planted simulate-teeth simulate-wasm ## what does not fit CI

.PHONY: lambda
lambda: ## the Lambda binary in cargo-lambda's emulator, also over DynamoDB Local and killed while callers submit
	bash tests/lambda/emulator.sh

.PHONY: test-dynamodb
test-dynamodb: ## the store suite against DynamoDB Local and moto (needs a JDK 17 and Maven)
	bash tests/dynamodb/run.sh

.PHONY: test-powercut
test-powercut: ## 200 power cuts, a full disk and a broken one under the real server
	bash tests/powercut/run.sh

.PHONY: wasm
wasm: ## the wasm modules, with sizes
	bash wasm/build.sh

.PHONY: bench
bench: venv ## figures beside their peers
	bash tests/bench/run.sh

.PHONY: bench-store
bench-store: ## figures of the store: commits beside SQLite alone, lists and readiness over 1,000,000 jobs
	bash tests/bench/store.sh

# ---- checks -----------------------------------------------------------------

.PHONY: lint
lint: venv ## clippy, rustfmt, ruff, mypy, pyright
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p beam-mcp-tests --all-targets --features explore --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc -q --workspace --no-deps --locked
	$(BIN)/pip install -q -r tests/python/requirements.txt -r tests/dataflow/requirements.txt
	$(BIN)/ruff check python tests/python tests/dataflow tests/conformance examples lambda/src/direct
	$(BIN)/ruff format --check python tests/python tests/dataflow tests/conformance
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# ---- what they need ---------------------------------------------------------

.PHONY: venv
venv: ## client and server installed into .venv
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@bash .ci/install-packages.sh $(VENV)

.PHONY: beam
beam: venv
	@$(BIN)/python -c 'import apache_beam, jinja2, sys; sys.exit(apache_beam.__version__ != "$(BEAM_VERSION)")' 2>/dev/null \
	  || { echo "installing apache-beam $(BEAM_VERSION) (about a minute)"; $(BIN)/pip install -q 'apache-beam[yaml]==$(BEAM_VERSION)'; }

.PHONY: clean
clean: ## remove what was built inside the clone
	rm -rf $(VENV) wasm/pkg dist examples/java*/target
