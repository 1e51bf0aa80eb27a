# Every target is one script; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench fuzz
MAKEFLAGS += --no-print-directory

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: ## orders from Postgres to Kafka before your eyes, on throw-away servers; SECONDS=20 ends by itself
	@deploy/local/demo $(SECONDS)

test: ## all tests, on real servers; installs what is missing (Debian 12)
	@deploy/local/test

lint: ## formatting, clippy, dependencies
	@deploy/local/lint

bench: ## the benchmarks
	@deploy/local/bench

fuzz: ## the fuzz targets, a while each; FUZZ_SECONDS=60
	@deploy/local/fuzz
