# The commands of this project. `make demo` and `make test` install what they need (as root, with apt-get), are
# quiet when all is well, and quick the second time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test lint fuzz bench needs cli crds kubernetes sanity clean

# Outside the checkout, so that a fresh clone builds only what changed.
export XDG_CACHE_HOME ?= $(HOME)/.cache
export CARGO_TARGET_DIR ?= $(XDG_CACHE_HOME)/esi/target
CLI_TARGET := x86_64-unknown-linux-gnu
export ESI_CLI_STATIC := $(CARGO_TARGET_DIR)/$(CLI_TARGET)/cli/esi-cli

help: ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: ## Mint a PostgreSQL user, use it, see it go
	@tests/needs demo
	@echo "building (minutes the first time, seconds later)" >&2
	@cargo build --quiet --bins -p esi-federation -p esi-cli
	@cargo run --quiet -p esi-tests --bin demo

test: needs lint cli kubernetes sanity ## Run every check
	@echo "building the binaries under test" >&2
	@cargo build --quiet --workspace --bins
	@echo "running the tests" >&2
	@cargo test --quiet --workspace

lint: ## Formatting, lints, supply chain
	@echo "checking formatting, lints and supply chain" >&2
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@tests/supply-chain

fuzz: ## Fuzz what strangers write, a minute each
	@tests/fuzz

bench: needs cli kubernetes ## Print the figures of the budgets
	@cargo build --quiet --release --bins -p esi-federation -p esi-webhook -p esi-node
	@cargo run --quiet --release -p esi-tests --bin bench

cli: ## Build the static esi-cli, as it runs in pods
	@echo "building the static esi-cli" >&2
	@AWS_LC_SYS_SMALL=1 \
	 RUSTFLAGS="-C target-feature=+crt-static -C force-unwind-tables=no" \
	 CFLAGS_x86_64_unknown_linux_gnu="-fno-asynchronous-unwind-tables -fno-unwind-tables" \
	 cargo build --quiet --profile cli --target $(CLI_TARGET) -p esi-cli
	@tests/cli-size "$(ESI_CLI_STATIC)"

crds: ## Write the custom resource definitions that the types state
	@cargo run --quiet -p esi-resources --example crds -- deploy/crds

kubernetes: ## Build the API server that the tests start
	@tests/kubernetes/build >/dev/null

sanity: ## Build the conformance test of CSI drivers
	@tests/csi-sanity/build >/dev/null

needs: ## Install what tests and demo need
	@tests/needs test

clean: ## Remove what was built
	@cargo clean
