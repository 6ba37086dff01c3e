# Tests the Node.js package alone, against a small edge.
.PHONY: unit-javascript
unit-javascript: $(TESTS_NPM)
	timeout 300 node --test backends/javascript/test/

# Stock clients of backends behind the real program: a backend written by hand, and backends of the packages.
.PHONY: test-backends
test-backends: all $(TESTS_NPM)
	TEST_BUILD=$(abspath $(BUILD)) timeout 1800 $(NODE_TEST) $(or $(TEST_FILES),tests/backends/*.test.mjs)

# Two edges, three backends and 60 clients for MINUTES, with kills, deploys and other faults in turn; SEED=n repeats the faults.
MINUTES ?= 10
.PHONY: chaos-backends
chaos-backends: all $(TESTS_NPM)
	TEST_BUILD=$(abspath $(BUILD)) node tests/backends/chaos/chaos.mjs --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))
