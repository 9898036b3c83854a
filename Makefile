FUZZTIME ?= 100000x

.DEFAULT_GOAL := help
.PHONY: help test bare full race bench fuzz lint services ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run all tests, on the services that are found
	@go test -v -run '^TestWhichServer$$' ./internal/... | grep -o "service: .*"
	go test ./...

bare: ## run all tests as on a machine that has Go alone, and say what is skipped there
	.ci/run bare

full: ## run all tests at full size
	STACKSYNC_TEST_FULL=1 go test -timeout=30m ./...

race: ## run all tests with the race detector, in random order, uncached
	go test -race -shuffle=on -count=1 ./...

bench: ## run all benchmarks
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## run each fuzz target on some inputs: make fuzz FUZZTIME=1000000x
	FUZZTIME=$(FUZZTIME) .ci/run fuzz

lint: ## check the formatting, go vet and golangci-lint
	.ci/run gofmt vet lint

services: ## install the servers that tests start
	.ci/run services

ci: ## run all checks that a change must pass
	.ci/run
