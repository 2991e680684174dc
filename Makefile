# The few commands of the project. What they do is in scripts/, conformance/ and xtask/.

.PHONY: help demo demo-stop test torture load fuzz deny advisories bench build install

# A toolchain that scripts/install-deps has just installed is found without a new login.
export PATH := $(HOME)/.cargo/bin:$(PATH)

PREFIX ?= /usr/local

help: ## Lists the commands.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## Shows a logged-in browser becoming a profile and coming back.
	@scripts/install-deps
	cargo build --release --package roadstead-server --package roadstead-testing --bins
	@target/release/demo

demo-stop: ## Stops what `make demo` left running.
	@target/release/demo --stop

test: ## Runs every check and test, as CI does.
	@scripts/install-deps --clients
	@conformance/install
	cargo xtask ci

TORTURE ?= --duration 15m

torture: ## Kills servers, browsers and disks at random; TORTURE="--duration 2h --seed 7" for as long as you like.
	@scripts/install-deps
	cargo xtask torture $(TORTURE)

LOAD ?= --seconds 300

load: ## Lets 200 DevTools clients come and go over 20 sessions beside 1,000 reads a second, and counts what is left.
	@scripts/install-deps
	cargo xtask load $(LOAD)

FUZZ_SECONDS ?= 600

fuzz: ## Runs every fuzz target in turn, ten minutes each; FUZZ_SECONDS=60 for less.
	@scripts/install-deps
	@command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz@0.13.2
	@set -e; for target in $$(cargo fuzz list); do \
		cargo fuzz run $$target --sanitizer none -- -max_len=4096 -max_total_time=$(FUZZ_SECONDS); \
	done

deny: ## Checks licences, crates and their sources with cargo-deny; the tests check the same lists without it.
	@scripts/install-deps
	@command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny@0.20.2
	cargo deny check licenses bans sources

advisories: deny ## Asks the advisory database about what is built in; needs the network.
	cargo deny check advisories

bench: ## Measures the figures of the README.
	@scripts/install-deps --clients
	@conformance/install
	cargo xtask bench

build: ## Builds the program: target/release/roadstead.
	@scripts/install-deps
	cargo build --release --package roadstead-server --bins

install: build ## Installs the program into $(PREFIX)/bin.
	install -D target/release/roadstead $(DESTDIR)$(PREFIX)/bin/roadstead
