# One command per job. `make` alone lists them.
#
# All tests and checks use Cargo's dev profile and the default features, so that nothing is compiled twice:
# `lint` and `doc` share the checked dependencies, `build` makes every test and the program once, and the
# suites after it only run what is there.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# rustup's own place, for shells that were opened before Rust was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Every file in tests/ is a suite with a target of its name. The four named here must exist.
SUITES := $(sort conformance e2e faults layering $(basename $(notdir $(wildcard tests/*.rs))) \
            $(notdir $(patsubst %/main.rs,%,$(wildcard tests/*/main.rs))))

# Only from the command line: a variable of this name in somebody's shell must not make tests vanish.
FILTER :=

# What `make test` runs, in this order: quick verdicts first, long suites last.
STEPS := fmt-check scripts deny lint doc proto languages build layering unit compose \
         $(filter-out layering faults,$(SUITES)) clients-grpcurl quickstart clients-python interop faults

# A script that cannot run here says "skipped: why" and leaves with 3: that is no failure, and the summary of
# `make test` names it. `make test NO_SKIP=1` makes it one.
MAY_SKIP = || [ $$? -eq 3 ]

# Puts target/debug/frameway in place. `cargo build` would leave out the features that dev-dependencies add to
# shared dependencies, and so compile those a second time.
PROGRAM = cargo test --locked --no-run --quiet --test layering

.PHONY: help demo test setup setup-demo fmt fmt-check lint doc build unit proto languages deny clients \
        clients-grpcurl quickstart clients-python interop compose scripts bench fuzz $(SUITES)

help: ## this list
	@echo "Frameway: camera frames over gRPC. The two that matter:"
	@echo
	@echo "  make demo           install what is missing, build, watch frames flow"
	@echo "                        ARGS=\"--seconds 5 --json\" goes to \`frameway demo\`; ARGS=--help tells what it takes"
	@echo "  make test           install what is missing, run every check and every test"
	@echo "                        NO_SKIP=1: a check that cannot run here fails;  FAIL_FAST=1: stop at the first failure"
	@echo
	@echo "Parts of \`make test\`:"
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## /{ if ($$1 != "help") printf "  make %-17s%s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Suites (cargo test --test NAME; FILTER=words picks tests): $(SUITES)"
	@echo "  make faults ROUNDS=100     more rounds of the fault tests"
	@echo "  make faults FILTER=flood PAIRS=100000   that many streams registered and unregistered, minutes"
	@echo "  make corpus ITERATIONS=n   more mutated pictures; SEED=n repeats a run"
	@echo
	@echo "Not in \`make test\`, for they take long, or more tools:"
	@echo "  make bench                 benchmarks of the hot paths; FILTER=words picks some"
	@echo "  make fuzz TARGET=decode SECONDS=60   with nightly Rust and cargo-fuzz; TARGET=list names the targets"

demo: setup-demo
	@cargo build --release --locked
	@target/release/frameway demo $(ARGS)

test: setup
	@scripts/run-steps.sh $(STEPS)

setup: ## installs what the tests need and is not there (apt or Homebrew)
	@scripts/setup.sh test

setup-demo: ## installs only what building and the demo need
	@scripts/setup.sh demo

fmt: ## formats the Rust code
	cargo fmt

fmt-check: ## the Rust code is formatted
	cargo fmt --check

lint: ## clippy, warnings are errors
	cargo clippy --locked --all-targets -- -D warnings

doc: ## rustdoc, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

proto: ## the proto: format, lint, no breaking change, service config, generated code fresh
	scripts/proto-check.sh $(MAY_SKIP)

# Of: python, go, typescript, java, csharp, php, ruby; none = all.
LANGUAGES :=

languages: ## code generated from the proto in seven languages, that of four compiled; LANGUAGES="go java" picks some
	scripts/test-languages.sh $(LANGUAGES) $(MAY_SKIP)

deny: ## dependencies: licences, sources, bans, advisories
	scripts/deny.sh $(MAY_SKIP)

scripts: ## shellcheck over every shell script
	scripts/check-scripts.sh $(MAY_SKIP)

build: ## compiles the program and every test, once
	cargo test --locked --no-run

unit: ## the tests beside the code, and the examples in the documentation
	cargo test --locked --lib --bins -- $(FILTER)
	cargo test --locked --doc

compose: ## the command lines in docker-compose.yml and Dockerfile are ones that the program takes
	@$(PROGRAM)
	python3 scripts/check-compose.py --binary target/debug/frameway

clients: clients-grpcurl quickstart clients-python interop ## strangers' clients against a running server

clients-grpcurl: ## the real grpcurl lists, describes, submits, subscribes
	@$(PROGRAM)
	scripts/grpcurl.sh --version && scripts/with-server.sh scripts/test-grpcurl.sh $(MAY_SKIP)

quickstart: ## the commands of docs/quickstart.md, as they stand there
	@$(PROGRAM)
	scripts/with-server.sh scripts/test-quickstart.sh $(MAY_SKIP)

clients-python: ## the Python client's sample and its tests, with servers that hang, end and are cut off
	@$(PROGRAM)
	scripts/with-server.sh scripts/test-python-client.sh $(MAY_SKIP)

# Clients of `interop`: go, sync, aio, node, grpcurl, nginx; none = all.
CLIENTS :=

interop: ## grpc-go, grpcio, grpc-js and grpcurl, hung servers and drains, and nginx in front; CLIENTS="go nginx" picks some
	@$(PROGRAM)
	tests/interop/run.py $(CLIENTS) $(MAY_SKIP)

$(filter-out faults,$(SUITES)):
	cargo test --locked --test $@ -- $(FILTER)

# Each row of the campaign leaves a line here; a run begins with none and ends with the table, also if a row failed.
FAULTS_TABLE := $(or $(CARGO_TARGET_DIR),target)/tmp/faults-table.jsonl

faults: ## real processes, killed, cut and starved; every frame counted. ROUNDS=20 for longer, SEED=n to repeat
	@rm -f $(FAULTS_TABLE)
	@verdict=0; cargo test --locked --test $@ -- $(FILTER) || verdict=$$?; \
	  scripts/faults-table.py $(FAULTS_TABLE); \
	  [ $$verdict -eq 0 ] || echo "NOT IN THE TABLE: what failed, see above"; exit $$verdict

bench: ## (not in `make test`) benchmarks of the hot paths, FILTER=words picks some
	cargo bench --locked --benches --features fuzzing -- $(FILTER)

TARGET := decode
# Not a plain variable: the shell has one of this name that counts.
fuzz: ## (not in `make test`) fuzzes one reader, TARGET=decode SECONDS=60
	@scripts/fuzz.sh $(TARGET) $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60) $(MAY_SKIP)
