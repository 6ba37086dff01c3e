# The load tester end to end: every scenario against Sockeye, Node.js and Python, servers that fail, a cluster that loses a node.
# With the sanitizer build, tests that measure time are skipped.
.PHONY: test-load
test-load: $(BUILD)/sockeye $(BUILD)/sockeye-load $(BUILD)/apps/bench.so $(TESTS_NPM)
	TEST_BUILD=$(abspath $(BUILD)) $(if $(SAN),TEST_SHORT=1) timeout 1200 $(NODE_TEST) $(or $(TEST_FILES),tests/load/*.test.mjs)
