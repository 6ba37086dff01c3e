# Clients behind a backend written by hand, in the real program.
.PHONY: test-backends
test-backends: all $(BUILD)/tests-npm.stamp
	TEST_BUILD=$(abspath $(BUILD)) timeout 900 node --test --test-concurrency=1 tests/backends/*.test.mjs
