# Programs that use libsockeye as an installed library. They can include sockeye.h, but no internal header.
EXAMPLES := $(patsubst node/examples/%.c,$(BUILD)/examples/%,$(wildcard node/examples/*.c))

.PHONY: examples
examples: $(EXAMPLES)

$(BUILD)/examples/%: node/examples/%.c node/sockeye.h $(BUILD)/libsockeye.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -g $(OPT) $(WARN) -isystem node $< $(LDFLAGS) -L$(BUILD) -lsockeye -Wl,-rpath,'$$ORIGIN/..' -lev -o $@
