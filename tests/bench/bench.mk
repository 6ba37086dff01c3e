# `make bench`: first figures of speed and memory. The server runs on core 0, the load on core 1.
$(BUILD)/bench-quick: tests/bench/quick.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< -o $@

.PHONY: bench
bench: $(BUILD)/bench-quick $(BUILD)/sockeye $(BUILD)/apps/bench.so
	$(BUILD)/bench-quick $(BUILD)/sockeye $(BUILD)/apps/bench.so
