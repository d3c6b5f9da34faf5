# Every target does its whole set-up and may be repeated. The project brings its own Node 24; npm runs on any Node ≥ 20.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

root := $(CURDIR)
bin := $(root)/node_modules/.bin
node := $(bin)/node
vitest := $(bin)/vitest run --config $(root)/vitest.config.ts
results := .tsbuild/results
installed := node_modules/.installed
built := dist/signalbox.mjs
sources := $(shell find api core ports adapters operator runtime local cli -name '*.ts' -not -name '*.test.ts' 2>/dev/null)
# Binaries are taken from here when set, else from the cache, a pinned download, or a build with Go.
export SIGNALBOX_ASSETS
export PATH := $(bin):$(PATH)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(installed): package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node 20 or later, which brings it" >&2; exit 1; }
	@echo "installing dependencies …"
	@npm ci --no-fund --no-audit --no-update-notifier --loglevel=error
	@case "$$($(node) --version)" in v24.*) ;; \
	  *) echo "$(node) is $$($(node) --version), expected v24: npm was told to run no scripts; run npm config delete ignore-scripts, then make setup" >&2; exit 1;; esac
	@touch $@

.PHONY: setup
setup: $(installed) ## install the dependencies, Node 24 among them

$(built): $(installed) tools/build.mjs $(sources)
	@$(node) tools/build.mjs
	@touch $@

.PHONY: build
build: $(built) ## build what the image and the command line run

.PHONY: assets
assets: setup ## fetch or build etcd, kube-apiserver and NATS
	@$(node) --input-type=module -e "const {resolveAssets} = await import('./local/assets/resolve.ts'); \
	  for (const [name, path] of Object.entries(await resolveAssets(console.log))) console.log(name.padEnd(24), path)"

.PHONY: demo
demo: build ## a clinic with seven agents (KILL=engine, JSON=1)
	@$(root)/bin/signalbox demo $(foreach role,$(KILL),--kill $(role)) $(if $(JSON),--json)

.PHONY: test
test: build assets ## check, unit, integration, e2e, workloads: "N passed, N failed"
	@rm -rf $(results); status=0; \
	for stage in check unit integration e2e workloads; do $(MAKE) $$stage || { status=1; echo "make $$stage failed" >&2; }; done; \
	$(node) test/support/tally.mjs $(results) || status=1; \
	exit $$status

.PHONY: check
check: setup ## format, lint, types, generated files
	@status=0; \
	prettier --check --cache --cache-location .tsbuild/prettier --log-level warn . || { echo "run make format" >&2; status=1; }; \
	oxlint --type-aware --quiet || status=1; \
	tsc -b || status=1; \
	$(node) tools/generate/main.ts --check || status=1; \
	exit $$status

.PHONY: unit
unit: setup ## tests of single parts, seconds
	@$(vitest) --project unit --reporter=default --reporter=json --outputFile.json=$(results)/unit.json

.PHONY: integration
integration: build ## tests on a real API server and NATS
	@$(vitest) --project integration --reporter=default --reporter=json --outputFile.json=$(results)/integration.json test/integration test/contract test/disk

.PHONY: e2e
e2e: build ## the demo, the tour, and a kill of each process
	@$(vitest) --project integration --reporter=default --reporter=json --outputFile.json=$(results)/e2e.json test/e2e

.PHONY: workloads
workloads: build ## work that others made up, where it is present
	@$(vitest) --project integration --reporter=default --reporter=json --outputFile.json=$(results)/workloads.json test/workloads

.PHONY: powercut
powercut: assets ## cut the power of the disk under load (root; CUTS=50)
	@CUTS=$(CUTS) $(node) test/disk/main.ts

.PHONY: crash-sweep
crash-sweep: build assets ## kill each process at every moment of its protocols (ONLY=part of a name, LANES=3)
	@$(node) test/crash/main.ts $(ONLY)

.PHONY: bench-runtime
bench-runtime: build ## five durable steps beside Restate, DBOS, Temporal, JetStream (QUICK=1, PARTS=abcd, WRITE=1, JSON=1)
	@$(node) bench/runtime/main.ts

.PHONY: simulate
simulate: setup ## 20,000 worlds with every fault there is, twice each (SEEDS=n; SEED=n TRACE=1 for one)
	@$(node) test/simulator/main.ts

.PHONY: disk-faults
disk-faults: assets ## full, slow, failing disks, a flipped byte, an old copy
	@$(vitest) --project integration --reporter=default test/disk/faults test/integration/journal-damage

.PHONY: soak
soak: build assets ## mixed load while everything is killed at random (MINUTES=30, SEED)
	@$(if $(MINUTES),MINUTES=$(MINUTES)) $(if $(SEED),SEED=$(SEED)) $(node) test/soak/main.ts

.PHONY: scale
scale: assets build ## a million runs that wait, 10,000 at once, 50,000 events (WAITING=, CONCURRENT=, EVENTS=, WRITE=1, JSON=1)
	@$(node) bench/scale/main.ts

.PHONY: simulate-bugs
simulate-bugs: setup ## put each seeded bug into the source: the simulator must find it (ONLY=name)
	@$(node) test/simulator/bugs/main.ts

.PHONY: rollout-stats
rollout-stats: setup ## how often the judge of rollouts is wrong, beside others (ROLLOUTS=2000, SEED=1, WRITE=1, JSON=1)
	@$(node) --max-semi-space-size=32 test/rollout-stats/main.ts

.PHONY: format
format: setup ## format every file
	@prettier --write --log-level warn .

.PHONY: generate
generate: setup ## write crds/ and docs/reference/ from the schemas
	@$(node) tools/generate/main.ts

.PHONY: golden
golden: setup ## record histories of this release that are not there yet; what is recorded stays
	@$(node) test/golden/record.ts

.PHONY: clean
clean: ## remove what was built; dependencies and state stay
	@rm -rf dist .tsbuild coverage
