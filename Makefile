# Every target is one script; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test compat gauntlet mutants memory snapshot bars lint bench fuzz
MAKEFLAGS += --no-print-directory

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: ## orders from Postgres to Kafka before your eyes, on throw-away servers; SECONDS=20 ends by itself
	@deploy/local/demo $(SECONDS)

test: ## all tests, on real servers; installs what is missing (Debian 12)
	@deploy/local/test

compat: ## 2,000 generated cases through the real Debezium and through walpost, compared; some minutes
	@deploy/local/compat

gauntlet: ## two thousand faults under load, and everything counted; some 40 minutes, the report in target/gauntlet
	@deploy/local/gauntlet

lint: ## formatting, clippy, dependencies
	@deploy/local/lint

bench: ## walpost beside Debezium and the servers' limits, hours; QUICK=1 takes under ten minutes; benches/results
	@deploy/local/bench

memory: ## what walpost takes at most: 10 M rows in one transaction, 100 events of 20 MB, a Kafka that halts; 30 minutes
	@deploy/local/memory

snapshot: ## how fast a snapshot publishes a million rows, counted; some minutes
	@deploy/local/snapshot

bars: ## what dead letters cost, and how fast verify compares ten million rows; some 30 minutes
	@deploy/local/bars

mutants: ## the broken builds that the tests must find out, each under those tests
	@deploy/local/mutants

fuzz: ## the fuzz targets, a while each; FUZZ_SECONDS=60
	@deploy/local/fuzz
