# Everything works on a fresh checkout: each target sets up what it needs in .venv first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SOURCES := $(wildcard stream/*.p[yx][xd] stream/*/*.p[yx][xd]) setup.py pyproject.toml

# Install the package (editable), its extension, the embedded Kafka's parts and the development tools.
.venv/installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python .ci/install.py --editable '.[broker,otel,parquet,lsp,loadtest,dev]'
	touch $@

.PHONY: setup demo test lint types engine unit integration broken faults attacks debug asan fuzz bench bench-page \
	bench-peers guard \
	micro dashboards dashboards-preview pictures settings chart clean

# Set up only.
setup: .venv/installed

# Start an embedded Apache Kafka, play public data through a worker, show triggers as they fire.
demo: setup
	$(BIN)/stream demo

# Everything that has to pass before a change lands: lints, types, the debug build, all tests. Those with Kafka wait most of
# the time, the others work: side by side they take half of the time.
test: lint types
	$(MAKE) --no-print-directory --jobs=3 integration broken debug unit

# Style of Python and Cython.
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint stream/*.p[yx][xd] stream/*/*.p[yx][xd]

# Static types.
types: setup
	$(BIN)/mypy

# The engine alone (mark `engine`), with fewer generated histories: two minutes, to judge a change by.
engine: setup
	STREAM_HISTORIES=500 $(BIN)/pytest -q -m engine tests

# The tests that need no Kafka: minutes, most of them for generated histories (STREAM_HISTORIES).
unit: setup
	$(BIN)/pytest tests --ignore tests/integration --ignore tests/faults --ignore tests/attacks/live

# The tests on a real Apache Kafka.
integration: setup
	$(BIN)/pytest --numprocesses=2 --dist=loadfile tests/integration

# Real workers on a real Apache Kafka, broken and attacked on purpose, in the short form.
broken: setup
	$(BIN)/pytest tests/faults tests/attacks/live

# Real workers broken on purpose, in the long form: half an hour and more. STREAM_SEED=7 for other worlds.
faults: setup
	STREAM_FAULTS=long $(BIN)/pytest tests/faults

# What outsiders can send, all surfaces, in the long form: floods of poisonous records beside good ones.
attacks: setup
	STREAM_ATTACKS=long $(BIN)/pytest tests/attacks

# The engine's tests on a build with bounds checks, overflow checks and C assertions.
debug: setup
	STREAM_DEBUG=1 $(BIN)/python setup.py --quiet build --build-base build/debug --build-lib build/debug/lib
	STREAM_BUILD=debug STREAM_HISTORIES=200 $(BIN)/pytest -q --import-mode=append \
		-o pythonpath="build/debug/lib ." -m engine tests

# The same on a build with AddressSanitizer and UndefinedBehaviorSanitizer. Every object has a block of its own
# (PYTHONMALLOC), so that a step beyond one is seen. Leaks are not looked for: Python itself keeps memory to the end.
ASAN := $(shell $(or $(CC),cc) -print-file-name=libasan.so)
ASAN_HISTORIES ?= 200
asan: setup
	@test -e "$(ASAN)" || { echo "this needs gcc with its sanitizer libraries (libasan)"; exit 1; }
	STREAM_SANITIZE=1 $(BIN)/python setup.py --quiet build --build-base build/asan --build-lib build/asan/lib
	LD_PRELOAD="$(ASAN)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
		STREAM_BUILD=asan STREAM_HISTORIES=$(ASAN_HISTORIES) $(BIN)/pytest -q --import-mode=append \
		-o pythonpath="build/asan/lib ." -m engine tests

# Fuzz what reads rule files, conditions and templates, FUZZ_SECONDS each; every run has another seed, printed.
FUZZ_SECONDS ?= 600
fuzz: setup
	for target in rules conditions templates; do \
		$(BIN)/python -m tests.fuzz $$target -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

# Measure the cases of loadtest/cases in turns: all of them, three rounds, at full size, take many hours. An interrupted
# run goes on. `make bench CASES=wide,keep-up ROUNDS=1 SCALE=0.1 COMPARE=main`; see loadtest/README.md.
CASES ?= all
ROUNDS ?= 3
SCALE ?= 1
bench: setup
	$(BIN)/python -m loadtest.cases --cases $(CASES) --rounds $(ROUNDS) --scale $(SCALE) \
		$(if $(COMPARE),--compare $(COMPARE)) $(if $(RESULTS),--results $(RESULTS))

# Write a page of what `make bench` has measured: build/bench/page.html.
bench-page: setup
	$(BIN)/python -m loadtest.cases --page build/bench/page.html $(if $(RESULTS),--results $(RESULTS))

# Count the instructions, allocations and calls of the hot path, and hold them against the committed counts. With valgrind.
guard: setup
	$(BIN)/python -m loadtest.guard

# The same rules in Flink and Kafka Streams, in turns with a worker: needs Java 17 and Maven, and an hour, or with
# EVENTS=600000 ROUNDS=1 ten minutes. See docs/peers.md.
EVENTS ?= 3000000
ROUNDS ?= 3
bench-peers: setup
	$(BIN)/python -m loadtest.peers --events $(EVENTS) --rounds $(ROUNDS)

# The engine's parts under pyperf: minutes. Compare two files with `python -m pyperf compare_to`.
micro: setup
	$(BIN)/python -m loadtest.micro.suite --fast

# Write the dashboards' JSON anew, after a change in deploy/dashboards.
dashboards: setup
	$(BIN)/python -m deploy.dashboards

# Write docs/settings.md anew, after a change of the settings.
settings: setup
	$(BIN)/python -m deploy.settings_page

# Run a shop for six minutes (SECONDS) and draw the dashboards: pages in build/dashboards, with a Chromium pictures
# in docs/images.
dashboards-preview: dashboards
	$(BIN)/python -m tests.deploy.preview

# Take the pictures of a backtest's report anew, after a change of the page. With a Chromium.
pictures: setup
	$(BIN)/python -m tests.authoring.page.pictures

# Image and chart: render the kustomize base anew, then lint, render, validate. Its first run fetches and builds tools.
chart: setup
	$(BIN)/python -m tests.deploy.kustomize
	$(BIN)/pytest tests/deploy

# Remove what was built or installed here.
clean:
	rm -rf .venv build dist *.egg-info stream/*.so stream/*/*.so stream/*.c stream/*/*.c .pytest_cache .mypy_cache .ruff_cache .hypothesis
