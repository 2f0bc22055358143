# make alone says what there is.
FUZZTIME ?= 10s
export CGO_ENABLED ?= 0
GOLANGCI = go tool -modfile=tools/go.mod golangci-lint
# Packages with goroutines that share memory: they are tested with the race detector.
RACE = ./blockstore/... ./exchange ./gossip ./aggregate ./train ./node/... ./scenarios/local ./scenarios/nodetest ./scenarios/play/real ./scenarios/netem/... ./cmd/weft/term

.PHONY: help
help: ## this text
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: build
build: ## the binary, dist/weft
	go build -trimpath -ldflags '-s -w' -o dist/weft ./cmd/weft

.PHONY: test
test: ## all tests (go test ./...), and at the end which were skipped, and why
	go -C tools test ./gotest
	go -C tools build -o ../dist/gotest ./gotest
	dist/gotest ./...

.PHONY: check
check: fmt vet lint test race python-types wheel python frameworks demo ## what CI runs

.PHONY: fmt
fmt: ## is everything formatted?
	@files=$$(git ls-files '*.go' | xargs gofmt -l); test -z "$$files" || { echo "gofmt -w $$files"; exit 1; }

.PHONY: vet
vet: ## go vet, here, for arm64 and of a node alone
	go vet ./...
	GOARCH=arm64 go vet ./...
	go vet -tags node ./cmd/weft

.PHONY: lint
lint: ## golangci-lint, pinned in tools/go.mod, and no dead code
	$(GOLANGCI) run ./...
	@dead=$$(go tool -modfile=tools/go.mod deadcode -test ./...); test -z "$$dead" || { echo "$$dead"; exit 1; }

.PHONY: race
race: ## the concurrent packages under the race detector
	CGO_ENABLED=1 go test -race $(RACE)

# What checks and builds the Python package, in exact versions; made anew when they change.
PYTOOLS = dist/pytools-$(shell cksum < python/constraints.txt | cut -d' ' -f1)
$(PYTOOLS)/done:
	rm -rf dist/pytools-*
	python3 -m venv $(PYTOOLS)
	$(PYTOOLS)/bin/pip install -q --disable-pip-version-check --no-deps -r python/constraints.txt
	touch $@

.PHONY: arm64
arm64: ## the vector code of arm64, on another processor by qemu-aarch64 (Debian: qemu-user)
	GOARCH=arm64 go test -exec qemu-aarch64 ./tensor/... ./aggregate/... ./train/builtin/kernel

.PHONY: python
python: ## the Python package's tests; those of wheels after make wheel
	WEFT_PYTOOLS=$$(test ! -e $(PYTOOLS)/done || echo $(CURDIR)/$(PYTOOLS)) $(or $(WEFT_PYTHON),python3) -m unittest discover -s python/tests -t python

.PHONY: python-types
python-types: $(PYTOOLS)/done ## the Python package under mypy, pyright and ruff
	cd python && ../$(PYTOOLS)/bin/ruff check . && ../$(PYTOOLS)/bin/ruff check --ignore D ../examples ../tools && ../$(PYTOOLS)/bin/ruff format --check weft hatch_build.py
	cd python && ../$(PYTOOLS)/bin/mypy
	cd python && ../$(PYTOOLS)/bin/pyright --pythonpath ../$(PYTOOLS)/bin/python
	cd dist && PYTHONPATH=../python ../$(PYTOOLS)/bin/pyright --ignoreexternal --verifytypes weft | tee types.txt | grep -A1 'error:\|completeness score'
	grep -q 'completeness score: 100%' dist/types.txt

# PyTorch and others in their newest versions, some 4 GB; made anew when the versions change.
FRAMEWORKS = dist/frameworks-$(shell cksum < python/constraints-frameworks.txt | cut -d' ' -f1)
$(FRAMEWORKS)/done: $(PYTOOLS)/done
	rm -rf dist/frameworks-*
	python3 -m venv $(FRAMEWORKS)
	$(PYTOOLS)/bin/uv pip install -q --python $(FRAMEWORKS)/bin/python --no-deps -r python/constraints-frameworks.txt
	touch $@

.PHONY: frameworks
frameworks: $(FRAMEWORKS)/done ## the Python package with the newest PyTorch, transformers, PEFT
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(FRAMEWORKS)/bin/python -m unittest discover -s python/tests -t python -p 'real_*.py'

# What reads CAR files elsewhere: IPLD's own packages (npm), and Kubo, built from its source, as "go install" refuses a module that
# excludes others.
KUBO = v0.42.0
IPLD = @ipld/car@5.4.7 @ipld/dag-cbor@10.0.2 @noble/hashes@2.4.0 multiformats@14.0.5
.PHONY: ipfs
ipfs: ## the ledger's and a model's CAR file, read by IPLD's packages and by Kubo
	mkdir -p dist/ipfs && cp tools/ipfs/check.mjs dist/ipfs
	test -d dist/ipfs/node_modules || npm install --prefix dist/ipfs --no-save --no-audit --no-fund $(IPLD)
	test -x dist/ipfs/bin/ipfs || $(MAKE) dist/ipfs/bin/ipfs
	WEFT_IPFS=$(CURDIR)/dist/ipfs go test ./cmd/weft -run TestIPFS -count 1 -v

dist/ipfs/bin/ipfs:
	rm -rf dist/ipfs/kubo
	cp -r $$(GOFLAGS=-mod=mod go mod download -json github.com/ipfs/kubo@$(KUBO) | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') dist/ipfs/kubo
	chmod -R u+w dist/ipfs/kubo
	cd dist/ipfs/kubo && go build -o ../bin/ipfs ./cmd/ipfs
	rm -rf dist/ipfs/kubo

PLATFORMS = linux/amd64 linux/arm64 darwin/arm64
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' python/weft/__init__.py)
.PHONY: wheels
wheels: $(PYTOOLS)/done ## the Python package with the weft program in it for PLATFORMS, dist/wheels
	rm -rf dist/wheels
	cd python && ../$(PYTOOLS)/bin/hatchling build -d ../dist/wheels
	for p in $(PLATFORMS); do program=$(CURDIR)/dist/$$(echo $$p | tr / -)/weft; \
		GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -ldflags '-s -w -X main.release=$(VERSION)' -o $$program ./cmd/weft && \
		(cd python && WEFT_BINARY=$$program ../$(PYTOOLS)/bin/hatchling build -t wheel -d ../dist/wheels) || exit 1; done

.PHONY: wheel
wheel: ## as wheels, for this machine only
	$(MAKE) wheels PLATFORMS=$$(go env GOOS)/$$(go env GOARCH)

.PHONY: scenarios
scenarios: ## every scenario of the library, in full
	WEFT_SCENARIOS=full go test ./scenarios/library ./scenarios/play/simulated -run 'Library|Learning|Poison' -v -count=1 -timeout 60m

# Few sites and short trainings: a small machine runs them in a quarter of an hour.
.PHONY: scenarios-real
scenarios-real: build ## six scenarios, simulated and with real nodes
	cd dist && for s in "three-hospitals" "transatlantic --sites 4 --hurry 10" "late-joiner --hurry 10" "partition-heals --sites 6 --hurry 10" "churn --hurry 5" "come-and-go --hurry 10"; do \
		./weft scenario run $$s --real || failed="$$failed $${s%% *}"; done; test -z "$$failed" || { echo "not as expected:$$failed"; exit 1; }

.PHONY: demo
demo: ## three sites fine-tune one model, here
	go run ./cmd/weft demo

.PHONY: crash
crash: ## the kill -9 test, longer
	WEFT_CRASH_ROUNDS=20 go test ./cmd/weft -run Crash -count 1 -timeout 30m -v

SEEDS ?= 500
.PHONY: sim
sim: ## random meshes with faults and liars, SEEDS of them; a failure says how to play it again
	go test ./scenarios/sim -run TestTrials -v -count 1 -timeout 24h -seeds $(SEEDS)

.PHONY: digest
digest: ## one hash of all that SEEDS random meshes save, send and start: equal before and after code moves
	@go test ./scenarios/sim -run 'TestDigest$$' -count 1 -timeout 24h -v -digest $(SEEDS) $(if $(LIST),-digest-list $(abspath $(LIST))) $(if $(EAGER),-eager)

.PHONY: mutants
mutants: ## bugs planted into round: the simulator must find each within 2,000 seeds
	WEFT_MUTANTS=1 go test ./scenarios/sim -run 'TestMutants$$' -v -count 1 -timeout 2h

.PHONY: model
model: ## every interleaving of the agreement in the model (docs/model.md)
	WEFT_MODEL=full go test ./consensus/modelcheck -run TestExplore -count 1 -timeout 3h -v

.PHONY: vnode
vnode: SEEDS = 20
vnode: ## twenty whole nodes in virtual time, under SEEDS schedules of faults
	WEFT_VNODE_SEEDS=$(SEEDS) go test ./scenarios/nodetest -count 1 -timeout 0 -v

.PHONY: rollbacks
rollbacks: ROLLBACKS = 50
rollbacks: ## directories of nodes put back to earlier states ROLLBACKS times: nobody is named, rounds go on
	WEFT_ROLLBACKS=$(ROLLBACKS) go test ./scenarios/nodetest -run TestRollbacks -count 1 -timeout 0 -v

# A minute to shorten each input that is new, which is the default, leaves no time to find any.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include '*_test.go' . | xargs grep -HoE '^func Fuzz\w+' | sed 's/:func /\t/' | while read -r file name; do \
		echo "$$name ($$(dirname $$file))"; go test $$(dirname $$file) -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x || exit 1; done

.PHONY: bench
bench: ## benchmarks, to bench/<commit>.txt, compared with the newest before
	@mkdir -p bench; old=$$(ls -t bench/*.txt 2>/dev/null | head -1); new=bench/$$(git rev-parse --short HEAD).txt; \
	go test -run '^$$' -bench . -count 6 ./... | tee $$new; \
	test -z "$$old" || test "$$old" = "$$new" || go tool -modfile=tools/go.mod benchstat $$old $$new

.PHONY: picture
picture: build $(PYTOOLS)/done ## docs/demo.svg anew: what weft demo shows in a terminal
	cd dist && ../$(PYTOOLS)/bin/python ../tools/picture.py ../docs/demo.svg "go run ./cmd/weft demo" ./weft demo && rm weft-demo.safetensors

.PHONY: base
base: ## pretrain the embedded base anew (docs/base-model.md)
	go generate ./train/builtin/base

.PHONY: siege
siege: build ## four real sites under each attack of scenarios/siege, and a table (half an hour to an hour)
	go test ./scenarios/siege -run TestSiege -v -count 1 -timeout 3h -siege $(CURDIR)/dist/weft $(if $(TIME),-siege-time $(TIME)) $(if $(REPEATS),-siege-repeats $(REPEATS))

.PHONY: siege-short
siege-short: build ## the same, four seconds each, judged by bans and growth alone
	go test ./scenarios/siege -run TestSiege -v -count 1 -timeout 10m -siege $(CURDIR)/dist/weft -siege-time 4s -siege-repeats 0
