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

# ---------------------------------------------------------------------- tests
# The library for tests of applications, and those of the examples, which use it as an installed library.
TEST_LIBRARY_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard node/testing/*.c))

# libsockeye.so calls the functions of the clock that this library defines, so they are visible.
$(TEST_LIBRARY_OBJ): override CFLAGS := $(filter-out -fvisibility=hidden,$(CFLAGS))
$(BUILD)/libsockeye_test.a: $(TEST_LIBRARY_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

EXAMPLE_TESTS := $(patsubst tests/examples/%.c,$(BUILD)/examples/%,$(wildcard tests/examples/test_*.c))

$(BUILD)/examples/test_%: tests/examples/test_%.c node/examples/%/*.c $(BUILD)/libsockeye_test.a $(BUILD)/libsockeye.so
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -g $(OPT) $(WARN) -Wno-unused-parameter -isystem node $(filter %.c,$^) $(LDFLAGS) -L$(BUILD) -lsockeye_test -lsockeye -Wl,-rpath,'$$ORIGIN/..' -pthread -lhiredis -lev -lcmocka -o $@

.PHONY: unit-examples
unit-examples: $(EXAMPLE_TESTS)
	@failed=; for t in $^; do echo "== $$t"; CMOCKA_TEST_ABORT=1 timeout 300 $$t || failed="$$failed $$t"; done; \
		[ -z "$$failed" ] || { echo "FAILED:$$failed"; exit 1; }
