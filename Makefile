# The few commands of the project. What they do is in scripts/, conformance/ and xtask/.

.PHONY: help demo demo-stop test torture bench build install

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

bench: ## Measures the figures of the README.
	@scripts/install-deps --clients
	@conformance/install
	cargo xtask bench

build: ## Builds the program: target/release/roadstead.
	@scripts/install-deps
	cargo build --release --package roadstead-server --bins

install: build ## Installs the program into $(PREFIX)/bin.
	install -D target/release/roadstead $(DESTDIR)$(PREFIX)/bin/roadstead
