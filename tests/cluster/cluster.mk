# tests/cluster/app/peer.c: a node on which a test client can call each operation that concerns other nodes.
PEER_APP := $(BUILD)/tests/peer.so

$(PEER_APP): tests/cluster/app/peer.c tests/clients/app/driven.h node/sockeye.h
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared $< -o $@

# Several nodes with real Redis servers, Node.js servers and balancers.
.PHONY: test-cluster
test-cluster: all $(PEER_APP) $(TESTS_NPM) admin-ui
	TEST_BUILD=$(abspath $(BUILD)) timeout 1800 $(NODE_TEST) $(or $(TEST_FILES),tests/cluster/*.test.mjs)

# Three nodes of two workers and a Node.js server for MINUTES, while Redis and its links fail in turn. Each round has the next
# seed; SEED=n starts with that one. MODE=classic or ONLY=restart,failover limit what is played.
.PHONY: chaos-cluster
chaos-cluster: all $(PEER_APP) $(TESTS_NPM)
	TEST_BUILD=$(abspath $(BUILD)) node tests/cluster/history/run.mjs --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(MODE),--mode $(MODE)) $(if $(ONLY),--only $(ONLY))

# Random programs for the clients of connection state recovery: STRETCHES in each form. tests/cluster/random/recovery.test.mjs
# explains FORM, SEED, WORLDS and WINDOW.
.PHONY: chaos-recovery
chaos-recovery: all $(PEER_APP) $(TESTS_NPM)
	TEST_BUILD=$(abspath $(BUILD)) STRETCHES=$(or $(STRETCHES),100) $(foreach v,FORM SEED WORLDS WINDOW,$(if $($v),$v=$($v))) \
		node --test tests/cluster/random/recovery.test.mjs
