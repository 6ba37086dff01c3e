# `make bench`: Sockeye, Node.js and the floor (the least that a server can do) side by side; rewrites RESULTS.md and ratios.svg.
# Variables: BENCH_ROUNDS, BENCH_SECONDS, BENCH_ROWS (tests/bench/run.mjs).
$(BUILD)/bench-%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< -lcrypto -o $@

BENCH_PROGRAMS := $(BUILD)/sockeye $(BUILD)/apps/bench.so $(BUILD)/sockeye-load

# Bun, about 100 MB, with its engine for Socket.IO. Without it, make bench leaves Bun out.
BENCH_NPM := build/bench-npm.stamp
$(BENCH_NPM): tests/bench/peers/package-lock.json
	@mkdir -p $(@D)
	@if (cd tests/bench/peers && npm ci --no-audit --no-fund --loglevel=error); then touch $@; \
	else echo "Bun could not be installed; the next make bench tries again" >&2; fi

.PHONY: bench
bench: $(BENCH_PROGRAMS) $(BUILD)/bench-floor $(TESTS_NPM) $(BENCH_NPM)
	BENCH_BUILD=$(abspath $(BUILD)) CC="$(CC)" node tests/bench/run.mjs

# `make bench-idle`: BENCH_IDLE_CLIENTS (100,000) held for BENCH_IDLE_MINUTES (10) by several workers; tests/bench/idle.mjs lists the other variables.
.PHONY: bench-idle
bench-idle: $(BENCH_PROGRAMS)
	BENCH_BUILD=$(abspath $(BUILD)) CC="$(CC)" node tests/bench/idle.mjs

# `make bench-backends`: an application on plain Node.js, and the same one behind an edge.
.PHONY: bench-backends
bench-backends: $(BENCH_PROGRAMS) $(TESTS_NPM)
	BENCH_BUILD=$(abspath $(BUILD)) CC="$(CC)" node tests/bench/backends.mjs

# `make bench-log`: what a recorded broadcast costs Redis, beside a plain one.
.PHONY: bench-log
bench-log: $(TESTS_NPM)
	node tests/bench/log_cost.mjs

# `make bench-cluster`: what a room's message costs Redis and bystanders with 2 to 64 workers.
.PHONY: bench-cluster
bench-cluster: $(BENCH_PROGRAMS) $(TESTS_NPM)
	BENCH_BUILD=$(abspath $(BUILD)) CC="$(CC)" node tests/bench/cluster.mjs

# `make bench-adminui`: what the Admin UI costs a worker with many sockets, without an admin and with one.
.PHONY: bench-adminui
bench-adminui: $(BENCH_PROGRAMS) $(TESTS_NPM)
	BENCH_BUILD=$(abspath $(BUILD)) node tests/bench/adminui.mjs

# `make bench-recovery`: what connection state recovery costs with two workers, and how fast clients come back.
.PHONY: bench-recovery
bench-recovery: $(BENCH_PROGRAMS) $(TESTS_NPM)
	BENCH_BUILD=$(abspath $(BUILD)) node tests/bench/recovery.mjs

# `make bench-cost`: the instructions of the server for each piece of work, by callgrind; rewrites COSTS.md. `make bench-cost-check`
# fails if one has grown by more than 3 %. BENCH_WORKS=echo,join counts some only.
.PHONY: bench-cost bench-cost-check
bench-cost: $(BENCH_PROGRAMS) $(TESTS_NPM)
	BENCH_BUILD=$(abspath $(BUILD)) CC="$(CC)" node tests/bench/cost.mjs

bench-cost-check: $(BENCH_PROGRAMS) $(TESTS_NPM)
	BENCH_BUILD=$(abspath $(BUILD)) CC="$(CC)" timeout 1800 node tests/bench/cost.mjs --check

# The compared servers do the same work; the figures are computed correctly.
.PHONY: test-bench
test-bench: $(BUILD)/sockeye $(BUILD)/apps/bench.so $(BUILD)/bench-floor $(TESTS_NPM)
	BENCH_BUILD=$(abspath $(BUILD)) timeout 300 node --test --test-concurrency=1 tests/bench/*.test.mjs
