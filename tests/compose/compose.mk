# Tests the deployment in real containers. It needs root, or a Docker engine that runs.
.PHONY: test-compose
test-compose: all $(TESTS_NPM) $(EXAMPLES_JS)/node_modules/.package-lock.json
	timeout --kill-after=60 1200 tests/compose/run.sh
