# Applications for test clients: one shows every part of sockeye.h, one does what an application should not.
TEST_APP := $(BUILD)/tests/everything.so $(BUILD)/tests/trouble.so

$(TEST_APP): $(BUILD)/tests/%.so: tests/clients/app/%.c tests/clients/app/driven.h node/sockeye.h
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared $< -o $@
