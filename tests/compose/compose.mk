# The whole deployment in real containers; needs root, or a Docker engine that runs.
.PHONY: test-compose
test-compose: all $(BUILD)/tests-npm.stamp
	tests/compose/run.sh
