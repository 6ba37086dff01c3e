# `make bench`: first figures of speed and memory. The server runs on core 0, the load on core 1.
$(BUILD)/bench-%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< -lcrypto -o $@

.PHONY: bench
bench: $(BUILD)/bench-quick $(BUILD)/sockeye $(BUILD)/apps/bench.so
	$(BUILD)/bench-quick $(BUILD)/sockeye $(BUILD)/apps/bench.so

# `make bench-cluster`: broadcasts across two nodes with one Redis, beside Node.js with its adapter, in one run.
.PHONY: bench-cluster
bench-cluster: $(BUILD)/bench-cluster $(BUILD)/sockeye $(BUILD)/apps/bench.so $(BUILD)/tests-npm.stamp
	$(BUILD)/bench-cluster $(BUILD)/sockeye $(BUILD)/apps/bench.so tests/bench/peers/cluster-node.mjs
