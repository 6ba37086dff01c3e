# Programs that use libsockeye as an installed library. They can include sockeye.h, but no internal header.
EXAMPLES := $(patsubst node/examples/%.c,$(BUILD)/examples/%,$(wildcard node/examples/*.c))

# Applications, each in a folder with its page: node/examples/team/team.c becomes build/examples/team.so.
EXAMPLE_APPS := $(foreach folder,$(wildcard node/examples/*/*.c),$(BUILD)/examples/$(basename $(notdir $(folder))).so)

.PHONY: examples
examples: $(EXAMPLES) $(EXAMPLE_APPS)

# hiredis comes with its glue for libev, whose functions are static.
$(BUILD)/examples/%.so: node/examples/*/%.c node/sockeye.h
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -g $(OPT) $(WARN) -Wno-unused-parameter -fPIC -isystem node $(filter %.c,$^) $(LDFLAGS) -shared -pthread -lhiredis -lev -o $@

$(BUILD)/examples/%: node/examples/%.c node/sockeye.h $(BUILD)/libsockeye.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -g $(OPT) $(WARN) -isystem node $< $(LDFLAGS) -L$(BUILD) -lsockeye -Wl,-rpath,'$$ORIGIN/..' -lev -o $@
