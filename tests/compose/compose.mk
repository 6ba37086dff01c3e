# Tests the deployment in real containers: with Docker Compose, and each image of deploy/Dockerfile. Both need root, or a Docker
# engine that runs.
.PHONY: test-compose test-images
test-compose: all $(TESTS_NPM) $(EXAMPLES_JS)/node_modules/.package-lock.json
	timeout --kill-after=60 2400 tests/compose/run.sh

test-images: $(BUNDLE_DIR)/bundle.c $(TESTS_NPM)
	timeout --kill-after=60 3000 tests/compose/images.sh
