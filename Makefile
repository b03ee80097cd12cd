# One entry point for everything. `make demo` and `make test` are all a newcomer needs: they install what
# is missing by package name and build with one shared profile (dev: dependencies optimised, no LTO).

SHELL := /bin/bash
CARGO ?= cargo
MAJORS ?= 15 18
ALL_MAJORS := 14 15 16 17 18

.PHONY: help demo build test test-all check fmt bench soak servers package

help:
	@echo 'make demo      the main job on a throw-away PostgreSQL: backup, loss, recovery to the moment before'
	@echo 'make test      all tests, with real PostgreSQL $(MAJORS)'
	@echo 'make test-all  all tests, with real PostgreSQL $(ALL_MAJORS), in full length'
	@echo 'make check     formatting, lints, documentation, layering, dependency policy'
	@echo 'make package   the Debian package, in target/debian'
	@echo 'make bench     measures, and writes docs/benchmarks.md'
	@echo 'make soak      two million files within the memory budget'
	@echo 'make fmt       formats the sources'

demo:
	@scripts/packages demo
	@$(MAKE) --no-print-directory build
	@scripts/demo $(ARGS)

build:
	@test -x target/debug/pgcairn || echo 'building; the first build compiles all dependencies and takes minutes' >&2
	@$(CARGO) build --locked $$([ -t 2 ] || echo --quiet)

# One build of everything, then the tests that need no server, then the scenarios on real servers. The last
# line printed is the scenarios' own: the majors that ran and those that were skipped.
test:
	@scripts/packages test
	@scripts/servers $(MAJORS) || true
	@scripts/run-tests '$(MAJORS)' short

test-all:
	@scripts/packages test
	@scripts/servers --all || true
	@scripts/run-tests '$(ALL_MAJORS)' full

servers:
	@scripts/servers $(MAJORS)

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --quiet --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --quiet --no-deps
	$(CARGO) test --locked --quiet --test layering --test policy --test tidy
	@scripts/advisories

fmt:
	$(CARGO) fmt

# The tests make one of their own, of the program that they run.
package:
	@scripts/packages test
	@scripts/package release

# An optimised build with LTO of its own, then some minutes of measuring on an idle machine.
bench:
	@scripts/packages test
	@scripts/servers 18
	@$(CARGO) bench --locked --bench bench

soak:
	@scripts/packages test
	@scripts/servers 18
	@PGCAIRN_TEST_LENGTH=soak PGCAIRN_TEST_MAJORS=18 $(CARGO) test --locked --test servers -- soak::
