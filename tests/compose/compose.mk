# The whole deployment in real containers; needs root, or a Docker engine that runs.
.PHONY: test-compose
test-compose: all $(BUILD)/tests-npm.stamp $(EXAMPLES_JS)/node_modules/.package-lock.json
	tests/compose/run.sh
