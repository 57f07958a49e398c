# One command per job. `make` alone lists them.
#
# All tests and checks use Cargo's dev profile and the same features, so that no dependency is
# compiled twice. `lint`, `doc` and `client_feature` share the dependencies that are only checked.
# All steps share build scripts and macros. `build` compiles the program and every test once, and the
# suites after it only run them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Rustup's folder is not in the PATH of a shell that was opened before Rust was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Every file and folder in tests/ is a suite with a make target of the same name. The five that are
# named here must exist.
SUITES := $(sort abuse conformance e2e faults layering $(basename $(notdir $(wildcard tests/*.rs))) \
            $(notdir $(patsubst %/main.rs,%,$(wildcard tests/*/main.rs))))

# Set it only on the command line. An environment variable of this name has no effect, so that it
# cannot leave tests out.
FILTER :=

# The languages in clients/. Each has a step of its own in `make test`.
CLIENT_LANGUAGES := python typescript go java rust
CLIENTS_IN_STEPS := $(addprefix clients-,$(CLIENT_LANGUAGES))

# The steps of `make test`, in order: quick checks first, long suites last. Steps after a "+" run at
# the same time as those before it: on two cores, steps that mostly wait run beside steps that
# compile or compute. The faults run alone, because a busy machine delays the recovery that they
# measure. A suite that is not named here runs beside the clients.
STEPS := fmt-check scripts "lint doc + deny proto languages" build layering \
         "unit corpus client_feature + cli" \
         "$(filter-out layering corpus client_feature cli faults,$(SUITES)) e2e-redis conformance-sentinel conformance-cluster e2e-clusters-short release-notes units chart + $(CLIENTS_IN_STEPS) clients-table interop containers" faults

# A script that cannot run on this machine prints "skipped: why" and exits with 3. That is a failure
# only with `make test NO_SKIP=1`; the summary of `make test` lists it.
MAY_SKIP = || [ $$? -eq 3 ]

# Builds target/debug/frameway. `cargo build` would compile some dependencies a second time, without
# the features that dev-dependencies add to them.
PROGRAM = cargo test --locked --no-run --quiet --test layering

.PHONY: store-fixture help demo test setup setup-demo fmt fmt-check lint doc build unit proto languages deny clients \
        $(CLIENTS_IN_STEPS) clients-table e2e-redis conformance-sentinel conformance-cluster e2e-sentinel e2e-cluster e2e-clusters-short clusters interop quickstart scripts bench coverage fuzz deb sbom msrv release-notes units chart deb-test containers \
        $(SUITES)

help: ## prints this list
	@echo "Frameway: camera frames over gRPC. The main targets:"
	@echo
	@echo "  make demo           install what is missing, build, watch frames flow"
	@echo "                        ARGS=\"--seconds 5 --json\" is passed to \`frameway demo\`; ARGS=--help lists its flags"
	@echo "  make test           install what is missing, run every check and every test"
	@echo "                        NO_SKIP=1: a check that cannot run here fails;  FAIL_FAST=1: stop at the first failure"
	@echo
	@echo "Parts of \`make test\`:"
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## /{ if ($$1 != "help") printf "  make %-17s%s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  make clients-LANGUAGE one client ($(CLIENT_LANGUAGES)): format, lint, the short scenarios, samples, installation"
	@echo
	@echo "Suites (cargo test --test NAME; FILTER=words selects tests): $(SUITES)"
	@echo "  make faults ROUNDS=100     more rounds of the fault tests"
	@echo "  make faults FILTER=flood PAIRS=100000   registers and unregisters so many streams; takes minutes"
	@echo "  make abuse STRICT=1        longer attacks on a release build; the honest client's 99th percentile may at most double"
	@echo "  make corpus ITERATIONS=n   more mutated pictures; SEED=n repeats a run"
	@echo
	@echo "Not in \`make test\`, because they take long or need more tools:"
	@echo "  make bench                 benchmarks of the hot paths; FILTER=words selects some"
	@echo "  make coverage              lines and regions of each room in src/ that the tests run; ROOM=cli lists its files"
	@echo "  make clients               all scenarios of all clients against the release build; writes docs/clients.md"
	@echo "  make deb-test              installs the Debian package in a container, uses and purges it; as root, with podman"
	@echo "  make deb                   the Debian package, in target/deb"
	@echo "  make sbom                  the list of all dependencies (CycloneDX), in target/sbom"
	@echo "  make msrv                  compiles with the oldest Rust that Cargo.toml promises"
	@echo "  make fuzz TARGET=decode SECONDS=60   with nightly Rust and cargo-fuzz; TARGET=list names the targets"

demo: setup-demo
	@cargo build --release --locked
	@target/release/frameway demo $(ARGS)

test: setup
	@scripts/run-steps.sh $(STEPS)

setup: ## installs missing packages that the tests need (apt or Homebrew)
	@scripts/setup.sh test

setup-demo: ## installs missing packages that the build and the demo need
	@scripts/setup.sh demo

fmt: ## formats the Rust code
	cargo fmt

fmt-check: ## checks that the Rust code is formatted
	cargo fmt --check

lint: ## runs clippy; warnings are errors
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --features client --lib -- -D warnings

# Documents the examples, too, because they bring in dev-dependencies: without the features of
# these, dependencies such as libjpeg-turbo would be compiled again.
doc: ## runs rustdoc; warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --lib --bins --examples

proto: ## checks the proto: format, lint, no breaking change, up-to-date generated code
	scripts/proto-check.sh $(MAY_SKIP)

# The languages of `make languages`: any of csharp, php and ruby. If
# empty, all.
LANGUAGES :=

languages: ## generates code from the proto in languages without a client: C#, PHP and Ruby
	tests/languages/run.py $(LANGUAGES) $(MAY_SKIP)

deny: ## checks the dependencies: licences, sources, bans, advisories
	scripts/deny.sh $(MAY_SKIP)

scripts: ## runs shellcheck on every shell script
	git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run 'deploy/deb/p*' | xargs -0 shellcheck

build: ## compiles the program and every test, once
	cargo test --locked --no-run

unit: ## runs the tests beside the code, and the examples in the documentation
	cargo test --locked --lib --bins -- $(FILTER)
	cargo test --locked --doc

# Where the tests of the clients write what they found, one file for each language.
SCENARIOS := $(abspath $(or $(CARGO_TARGET_DIR),target))/scenarios

clients: ## (not in `make test`) runs all scenarios of all clients against the release build, and writes docs/clients.md
	@cargo build --release --locked
	@rm -rf $(SCENARIOS) && mkdir -p $(SCENARIOS)
	@verdict=0; for language in $(CLIENT_LANGUAGES); do \
	  echo "=== $$language"; \
	  FRAMEWAY=$(abspath $(or $(CARGO_TARGET_DIR),target))/release/frameway FRAMEWAY_SCENARIOS=$(SCENARIOS)/$$language.tsv \
	    clients/$$language/check.sh all || verdict=$$?; \
	done; scripts/clients-table.py $(SCENARIOS); exit $$verdict

$(CLIENTS_IN_STEPS): clients-%: ## the client of a language: format, lint, the short scenarios, the samples, the installation
	@$(PROGRAM)
	@mkdir -p $(SCENARIOS) && rm -f $(SCENARIOS)/$*.tsv $(SCENARIOS)/$*-*.tsv
	@FRAMEWAY=$(abspath $(or $(CARGO_TARGET_DIR),target))/debug/frameway FRAMEWAY_SCENARIOS=$(SCENARIOS)/$*.tsv \
	  clients/$*/check.sh short $(MAY_SKIP)

clients-table: ## compares the results of the clients' last run with docs/clients.md
	@mkdir -p $(SCENARIOS) && scripts/clients-table.py --check $(SCENARIOS)

units: ## lets systemd check the units in deploy/systemd
	@scripts/units.sh $(MAY_SKIP)

store-fixture: ## writes the store of this version to tests/fixtures, at a release
	cargo test --locked --test cli -- --ignored writes_the_fixture_of_this_version

chart: ## checks the Helm chart: lint, schemas, and real processes as it starts them
	@$(PROGRAM)
	@scripts/chart.sh $(MAY_SKIP)

containers: ## builds the image's last stage, runs it, and starts docker-compose.yml
	@$(PROGRAM)
	@scripts/containers.sh $(MAY_SKIP)

deb-test: ## (not in `make test`) installs the Debian package in a container with systemd, sends a frame, purges it without a trace
	@$(PROGRAM)
	@scripts/deb-test.sh $(MAY_SKIP)

release-notes: ## checks that the notes of a release can be taken from CHANGELOG.md
	@scripts/release-notes.py --test

deb: ## (not in `make test`) builds the Debian package with the release profile
	@scripts/deb.sh $(MAY_SKIP)

sbom: ## (not in `make test`) lists all dependencies as a CycloneDX file in target/sbom
	@scripts/sbom.sh $(MAY_SKIP)

msrv: ## (not in `make test`) compiles with the oldest Rust that Cargo.toml promises
	@scripts/msrv.sh $(MAY_SKIP)

# The clients of `make interop`: any of go, sync, aio, node, grpcurl, quickstart, security and nginx.
# If empty, all.
CLIENTS :=

interop: ## runs grpc-go, grpcio, grpc-js, grpcurl, the commands of two pages, and nginx in front; CLIENTS="go nginx" selects some
	@$(PROGRAM)
	tests/interop/run.py $(CLIENTS) $(MAY_SKIP)

quickstart: CLIENTS := quickstart
quickstart: interop ## runs the commands of docs/quickstart.md

e2e-redis: ## runs the suite e2e with its queues in Redis, as the Redis user of docs/redis.md
	TEST_ON_REDIS=1 cargo test --locked --test e2e -- $(FILTER)

conformance-sentinel: ## runs the suite conformance with each Redis behind a Sentinel
	TEST_ON_SENTINEL=1 cargo test --locked --test conformance -- --skip memory:: $(FILTER)

conformance-cluster: ## runs the suite conformance with each Redis as a cluster of three masters
	TEST_ON_CLUSTER=1 cargo test --locked --test conformance -- --skip memory:: $(FILTER)

e2e-sentinel: ## runs the suite e2e with its queues in Redis servers behind Sentinels
	TEST_ON_SENTINEL=1 cargo test --locked --test e2e -- $(FILTER)

e2e-cluster: ## runs the suite e2e with its queues in clusters of three masters
	TEST_ON_CLUSTER=1 cargo test --locked --test e2e -- $(FILTER)

# What the clients of a server see of its backend, in few tests: frames, groups, dead letters, lists over
# all partitions, the operators' commands, erasures and removals.
SHORT := groups:: dead_letters:: erase:: operate:: removal:: submit:: list_frames::

e2e-clusters-short: ## runs a short part of the suite e2e behind Sentinels, and in clusters
	TEST_ON_SENTINEL=1 cargo test --locked --test e2e -- $(SHORT)
	TEST_ON_CLUSTER=1 cargo test --locked --test e2e -- $(SHORT)

clusters: conformance conformance-sentinel conformance-cluster e2e e2e-redis e2e-sentinel e2e-cluster ## (not in `make test`) runs the suites conformance and e2e on all four backends

$(filter-out abuse faults,$(SUITES)):
	cargo test --locked --test $@ -- $(FILTER)

# Each row of the fault campaign appends a line to this file. A run first removes the file, and
# prints the table at its end even if a row failed.
FAULTS_TABLE := $(or $(CARGO_TARGET_DIR),target)/tmp/faults-table.jsonl

faults: ## kills, pauses and cuts off real processes, and counts every frame; ROUNDS=20 runs longer, SEED=n repeats
	@rm -f $(FAULTS_TABLE)
	@verdict=0; cargo test --locked --test $@ -- $(FILTER) || verdict=$$?; \
	  scripts/faults-table.py $(FAULTS_TABLE); \
	  [ $$verdict -eq 0 ] || echo "FAILED, and not in the table: see above"; exit $$verdict

# Each attack appends a line to this file, as the faults do. Latencies are asserted only with
# STRICT=1, with the release profile, because `make test` runs other suites at the same time, and a
# call costs many times as much without optimisation. Most of the time, the tests wait until a
# server has reaped an attack, so all of them run at once.
ABUSE_TABLE := $(or $(CARGO_TARGET_DIR),target)/tmp/abuse-table.txt

abuse: ## attacks servers while an honest client is served; STRICT=1 takes longer and asserts its latency
	@rm -f $(ABUSE_TABLE)
	@verdict=0; cargo test --locked $(if $(filter 1,$(STRICT)),--release) --test $@ -- --test-threads 64 $(FILTER) || verdict=$$?; \
	  printf '\n%-40s %8s %8s %6s %8s %8s %6s %8s\n' "attack (p99 of an honest client)" "alone ms" attacked \
	    ratio "new ms" "mem MiB" files "reaped s"; sort $(ABUSE_TABLE); exit $$verdict

bench: ## (not in `make test`) runs benchmarks of the hot paths; FILTER=words selects some
	cargo bench --locked --benches --features fuzzing -- $(FILTER)

# A room of src/. With it, `make coverage` lists each file of the room.
ROOM :=

# Builds in a separate folder, target/llvm-cov-target. Leaves out the faults and the abuse, because the
# processes that they kill write no counts. Prints the table even if a test failed.
coverage: ## (not in `make test`) prints the lines and regions of each room in src/ that the tests run
	@tool=$$(scripts/tool.sh cargo-llvm-cov); verdict=0; \
	  "$$tool" llvm-cov clean --profraw-only; \
	  "$$tool" llvm-cov --no-report --no-fail-fast --locked --lib --bins \
	    $(addprefix --test ,$(filter-out abuse faults layering,$(SUITES))) || verdict=$$?; \
	  "$$tool" llvm-cov report --json --summary-only --output-path target/coverage.json; \
	  scripts/coverage.py target/coverage.json $(ROOM); exit $$verdict

TARGET := decode
# SECONDS is read only from the command line: the shell has a variable of this name.
fuzz: ## (not in `make test`) fuzzes one reader of bytes; TARGET=decode SECONDS=60
	@scripts/fuzz.sh $(TARGET) $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60) $(MAY_SKIP)
