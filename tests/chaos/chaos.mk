# chaos: random calls of the public API from every callback, under ASan and UBSan, for CHAOS_SECONDS in each of the
# programs. Each run uses new seeds. The last line of a failure names its seed; give it to the program to repeat the run.
# `make unit` plays the same seeds each time.
CHAOS_SECONDS ?= 60
CHAOS_PROGRAMS := unit/socketio/test_sio_chaos unit/socketio/test_sio_chaos_cluster unit/process/test_chaos

.PHONY: chaos chaos-run
chaos:
	$(MAKE) SAN=1 chaos-run

chaos-run: $(addprefix $(BUILD)/,$(CHAOS_PROGRAMS))
	@set -e; for program in $^; do echo "== $$program, $(CHAOS_SECONDS) s"; CHAOS_SECONDS=$(CHAOS_SECONDS) $$program; done
