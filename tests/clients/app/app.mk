# The application that shows every part of sockeye.h to a test client.
TEST_APP := $(BUILD)/tests/everything.so

$(TEST_APP): tests/clients/app/everything.c tests/clients/app/driven.h node/sockeye.h
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared $< -o $@
