# Sockeye: build, run, test, install. `make help` lists the targets.

VERSION := 1.0.0
BUILD   ?= build$(if $(SAN),/asan)$(if $(DEBUG),/debug)
PREFIX  ?= /usr/local
CC      ?= cc
PORT    ?= 3000

.DEFAULT_GOAL := all

# Commands are shown by V=1; otherwise one short line per file.
Q := $(if $(V),,@)
say = @printf '  %-5s %s\n' $(1) $(2)

# WebTransport is planned: docs/clients.md says what is missing.
ifneq ($(filter-out 0,$(WEBTRANSPORT)),)
$(error WEBTRANSPORT=1 cannot be built: no library of Debian has the streams of WebTransport (docs/clients.md))
endif

# --------------------------------------------------------------- requirements
# Installs the packages that the goals need before make does anything else, or prints one line that names them. This takes
# milliseconds if no package is missing.
GOALS := $(or $(MAKECMDGOALS),all)
NEEDS := $(sort $(if $(filter-out clean help deps uninstall unit-python unit-javascript,$(GOALS)),build) \
	$(if $(filter unit unit-% test-programs chaos chaos-run $(BUILD)/unit/%,$(filter-out unit-python unit-javascript,$(GOALS))),unit) \
	$(if $(filter unit-python,$(GOALS)),python) \
	$(if $(filter test-backends chaos-backends,$(GOALS)),backends) \
	$(if $(filter readme-check,$(GOALS)),docs) \
	$(if $(filter test-bench bench bench-%,$(GOALS)),bench) \
	$(if $(filter fuzz fuzz-%,$(GOALS)),fuzz) \
	$(if $(filter deb,$(GOALS)),deb) \
	$(if $(filter unit-javascript admin-ui deb test-deb run-backend test-clients test-backends chaos-backends chaos-cluster chaos-recovery test-cluster test-load test-bench test-compose test-images test-programs bench bench-% structure-check readme readme-check screenshots clients-table %.stamp,$(GOALS)),npm) \
	$(if $(filter test-clients screenshots clients-table,$(GOALS)),clients) \
	$(if $(filter test-cluster test-backends chaos-backends chaos-cluster chaos-recovery,$(GOALS)),cluster) \
	$(if $(filter test-load,$(GOALS)),load) \
	$(filter test,$(GOALS)))
# `make run`, `make run-backend` and `make test` may ask for the password of sudo. Other targets use sudo only if it asks for no
# password.
ifneq ($(NEEDS),)
ifneq ($(shell CC='$(CC)' deploy/install-deps.sh $(if $(filter run run-backend test,$(GOALS)),,--no-questions) $(NEEDS) >&2 && echo yes),yes)
$(error cannot make $(GOALS))
endif
endif

# ------------------------------------------------------------------ libraries
MSGPACK := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
PACKAGES := openssl zlib libpcre2-8 hiredis $(MSGPACK)
LIB_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS := -lev -lcrypt $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -ldl -lm

# llhttp: a library on Debian 13, C sources of the node-llhttp package on Debian 12
ifeq ($(shell pkg-config --exists libllhttp 2>/dev/null && echo yes),yes)
LIBS += $(shell pkg-config --libs libllhttp)
LIB_CFLAGS += $(shell pkg-config --cflags libllhttp)
else
LLHTTP_SRC := /usr/share/llhttp
LLHTTP_OBJ := $(addprefix $(BUILD)/obj/llhttp/,api.o http.o llhttp.o)
LIB_CFLAGS += -isystem /usr/share/include/llhttp
endif

# -------------------------------------------------------------------- flags
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wformat=2 -Wundef
OPT  ?= -O2
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong
# A failed check of UBSan is a trap, and ASan prints its stack (common/base/must.c). Texts about all checks would be 6 MB of a
# program's data, which LeakSanitizer searches whenever a process ends.
# The reports of the sanitizers need functions and lines (-g1). Types and variables would take an eighth of the compiler's time.
ifdef SAN
OPT := -Og -g1 -fsanitize=address,undefined -fsanitize-undefined-trap-on-error -fno-omit-frame-pointer
HARDEN :=
endif
ifdef DEBUG
OPT := -O0
HARDEN := -DSIO_CHECKED
endif
override CFLAGS += -std=c11 -D_GNU_SOURCE -g $(OPT) $(HARDEN) $(WARN) -fPIC -fvisibility=hidden -fno-strict-aliasing \
	-DSOCKEYE_VERSION='"$(VERSION)"' -I. -Inode $(LIB_CFLAGS)
# ASan describes each global variable with pointers. Without -no-pie, the start of a program would write all of them.
# clang does not use -no-pie for a shared object, and says so.
override LDFLAGS += $(if $(SAN),-fsanitize=address -no-pie -Wno-unused-command-line-argument)

# ------------------------------------------------------------------- layers
# One archive per layer. A program of a layer links with this layer and all layers below it.
LAYERS   := process adminui api upstream backend socketio broker engineio ws http io base
DIR_base := common/base
DIR_io   := common/io
DIR_broker := broker
DIR_http := node/http
DIR_ws   := node/ws
DIR_engineio := node/engineio
DIR_socketio := node/socketio
DIR_backend := node/backend
DIR_upstream := node/upstream
DIR_api := node/api
DIR_adminui := node/adminui
DIR_process  := node/process
# The load tester shares the lower layers with the server. The library contains nothing of it.
DIR_load := tests/load

sources = $(filter-out %/main_sockeye.c %/main_engine_echo.c %/main_load.c,$(wildcard $(DIR_$(1))/*.c))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(call sources,$(1)))
# LOWER=folder takes the layers below the Socket.IO layer from another build folder. Only the Socket.IO layer and those above it
# differ in a build with checked handles.
LOWER_LAYERS := broker engineio ws http io base
archive = $(if $(filter $(LOWER_LAYERS),$(1)),$(or $(LOWER),$(BUILD)),$(BUILD))/layers/$(1).a
# the archives of a layer and of all layers below it
BELOW_process := $(LAYERS)
BELOW_backend := backend socketio broker engineio ws http io base
BELOW_upstream := upstream http io base
BELOW_api := api socketio broker engineio ws http io base
BELOW_adminui := adminui socketio broker engineio ws http io base
BELOW_socketio := socketio broker engineio ws http io base
BELOW_engineio := engineio ws http io base
BELOW_ws := ws http io base
BELOW_http := http io base
BELOW_broker := broker io base
BELOW_io := io base
BELOW_base := base
BELOW_load := load engineio ws http io base
below = $(foreach l,$(BELOW_$(1)),$(call archive,$(l)))

-include node/client/bundle.mk
include node/adminui/page/page.mk

APPS := $(patsubst node/apps/%.c,$(BUILD)/apps/%.so,$(wildcard node/apps/*.c))
LIBRARY_OBJ := $(foreach l,$(LAYERS),$(call objects,$(l))) $(BUNDLE_OBJ)
SONAME := libsockeye.so.0

.PHONY: all
all: $(BUILD)/sockeye $(BUILD)/engine-echo $(BUILD)/sockeye-load $(BUILD)/libsockeye.a $(BUILD)/libsockeye.so $(BUILD)/libsockeye_test.a $(APPS) examples

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/llhttp/%.o: $(LLHTTP_SRC)/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -g $(OPT) -fPIC -fvisibility=hidden -w -I/usr/share/include/llhttp -c $< -o $@

define layer_archive
$(call archive,$(1)): $(call objects,$(1)) $(if $(filter http,$(1)),$(LLHTTP_OBJ) $(BUNDLE_OBJ))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR,$$@)
	$(Q)ar rcs $$@ $$^
endef
$(foreach l,$(filter-out $(if $(LOWER),$(LOWER_LAYERS)),$(LAYERS) load),$(eval $(call layer_archive,$(l))))

# Hidden visibility keeps all functions except sio_* out of the dynamic table, so -rdynamic exports only sio_* to applications.
$(BUILD)/sockeye: $(BUILD)/obj/node/process/main_sockeye.o $(LIBRARY_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -rdynamic $^ $(LIBS) -o $@

$(BUILD)/engine-echo: $(BUILD)/obj/node/process/main_engine_echo.o $(LIBRARY_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/sockeye-load: $(BUILD)/obj/tests/load/main_load.o $(call below,load)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/libsockeye.a: $(LIBRARY_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

$(BUILD)/$(SONAME): $(LIBRARY_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) $^ $(LIBS) -o $@

$(BUILD)/libsockeye.so: $(BUILD)/$(SONAME)
	@ln -sf $(SONAME) $@

# An application needs only sockeye.h at build time. The program that loads it provides the sio_ functions.
$(BUILD)/apps/%.so: node/apps/%.c node/sockeye.h
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared $< -o $@

# ------------------------------------------------------------------------ run
.PHONY: run deps
deps:
	@deploy/install-deps.sh build

# The example programs of backends/javascript, with the packages that they need.
EXAMPLES_JS := backends/javascript/examples
$(EXAMPLES_JS)/node_modules/.package-lock.json: $(EXAMPLES_JS)/package-lock.json
	cd $(EXAMPLES_JS) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Try this: kill the Node.js process with kill -9, or change server.js and send SIGHUP to sockeye.
.PHONY: run-backend
run-backend: all $(EXAMPLES_JS)/node_modules/.package-lock.json
	cd $(EXAMPLES_JS)/chat && PORT=$(PORT) $(abspath $(BUILD))/sockeye --port $(PORT) \
		--exec "node --import @sockeye/backend/register server.js"

# New users see the last messages, and users who lose their connection for a moment miss no messages.
CHAT_OPTIONS := --connection-state-recovery --history "everyone=100/1d,room:*=100/1d"
run: all
	$(BUILD)/sockeye --app $(BUILD)/apps/chat.so --public node/apps/public $(CHAT_OPTIONS) --port $(PORT)

include deploy/install.mk

# ----------------------------------------------------------------- unit tests
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*/test_*.c))

# The sources of the tests are not optimised, because that would take half of the compiler's time for programs that run for
# less than a second. A third of the linker's time goes into their symbols, so gold links them where it is installed. Only the
# reports of the sanitizers need information for debuggers: cmocka prints the line of a failure itself.
UNIT_FLAGS := -O0 -U_FORTIFY_SOURCE -Wno-unknown-warning-option -Wno-maybe-uninitialized $(if $(shell command -v ld.gold),-fuse-ld=gold) \
	$(if $(SAN)$(DEBUG),,-g0 -Wl,--strip-debug)

# must.o sets the options of ASan, in programs that do not use it, too.
UNIT_OBJ := $(if $(SAN),$(BUILD)/obj/common/base/must.o)

# A program ends at its first failure: the cleanup of a test that failed halfway may abort before cmocka prints the failure. All
# programs run, so one run shows every program that fails.
define unit_layer
$(BUILD)/unit/$(1)/%: tests/unit/$(1)/%.c $(call below,$(1))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$(Q)$$(CC) $$(CFLAGS) $$(UNIT_FLAGS) -MMD -MP $$(LDFLAGS) $$< $(UNIT_OBJ) $(call below,$(1)) $(call below,$(1)) $$(LIBS) -lcmocka -o $$@
.PHONY: unit-$(1)
unit-$(1): $$(filter $(BUILD)/unit/$(1)/%,$$(UNIT_TESTS))
	@failed=; for t in $$^; do echo "== $$$$t"; CMOCKA_TEST_ABORT=1 timeout 300 $$$$t || failed="$$$$failed $$$$t"; done; \
		[ -z "$$$$failed" ] || { echo "FAILED:$$$$failed"; exit 1; }
endef
$(foreach l,$(LAYERS) load,$(eval $(call unit_layer,$(l))))

# The Python package, with Debian's python3 and python3-socketio (PYTHON=... uses another).
PYTHON ?= /usr/bin/python3
.PHONY: unit-python
unit-python:
	cd backends/python && timeout 300 $(PYTHON) -W ignore -m unittest discover -b -t . -s tests

.PHONY: unit
unit: $(foreach l,base io broker http ws engineio socketio adminui api backend upstream process load examples,unit-$(l))

# ---------------------------------------------------------------------- fuzz
# fuzz: FUZZ_SECONDS for each target, with new inputs in each run. fuzz-check: the same FUZZ_RUNS inputs in each run, so that only
# the change at hand can make it fail. A crash fails and leaves its input in $(BUILD)/fuzz/.
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= 30000
# Each of these inputs starts a server or a link, which takes 10 to 20 times as long as what the other targets do.
FUZZ_RUNS_fuzz_adminui ?= 8000
FUZZ_RUNS_fuzz_sio_client ?= 8000
FUZZ_RUNS_fuzz_sio_presence ?= 8000
FUZZ_RUNS_fuzz_sio_recovery ?= 8000
FUZZ_RUNS_fuzz_sio_raw ?= 15000
FUZZ_RUNS_fuzz_backend_link ?= 15000
fuzz-runs = $(or $(FUZZ_RUNS_$(1)),$(FUZZ_RUNS))
FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_NAMES := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FLAGS := -O1 -gline-tables-only -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

.PHONY: fuzz fuzz-build
fuzz-build:
	$(MAKE) BUILD=$(FUZZ_BUILD) CC=clang OPT='$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link' HARDEN= fuzz-programs

.PHONY: fuzz-programs
fuzz-programs: $(addprefix $(BUILD)/,$(FUZZ_NAMES))

# lld takes half of the time of the usual linker.
FUZZ_LINKER := $(if $(shell command -v ld.lld),-fuse-ld=lld)
FUZZ_ARCHIVES := $(call archive,adminui) $(call archive,load) $(call archive,api) $(call archive,upstream) $(call below,backend)
$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_ARCHIVES)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(FUZZ_LINKER) -fsanitize=fuzzer -MMD -MP $< $(FUZZ_ARCHIVES) $(FUZZ_ARCHIVES) $(LIBS) -o $@

# $(call fuzz-run,name,how much,corpus,libFuzzer's arguments)
define fuzz-run
	@echo "== $(1), $(2)"
	@mkdir -p $(3)/$(1) tests/fuzz/seeds/$(1:fuzz_%=%)
	@$(FUZZ_BUILD)/$(1) $(4) -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
		-artifact_prefix=$(FUZZ_BUILD)/ $(3)/$(1) tests/fuzz/seeds/$(1:fuzz_%=%) \
		>$(FUZZ_BUILD)/$(1).log 2>&1 || { cat $(FUZZ_BUILD)/$(1).log; exit 1; }
endef

# One target for each program, so -j2 runs two of them at a time.
FUZZ_GOALS := $(addprefix fuzz-seconds-,$(FUZZ_NAMES))
FUZZ_CHECK_GOALS := $(addprefix fuzz-check-,$(FUZZ_NAMES))
.PHONY: fuzz-check $(FUZZ_GOALS) $(FUZZ_CHECK_GOALS)
fuzz: $(FUZZ_GOALS)
$(FUZZ_GOALS): fuzz-seconds-%: fuzz-build
	$(call fuzz-run,$*,$(FUZZ_SECONDS) s,$(FUZZ_BUILD)/corpus,-max_total_time=$(FUZZ_SECONDS))

fuzz-check: $(FUZZ_CHECK_GOALS)
$(FUZZ_CHECK_GOALS): fuzz-check-%: fuzz-build
	@rm -rf $(FUZZ_BUILD)/corpus-check/$*
	$(call fuzz-run,$*,$(call fuzz-runs,$*) inputs,$(FUZZ_BUILD)/corpus-check,-seed=1 -runs=$(call fuzz-runs,$*))

# ---------------------------------------------------------------------- test
# The packages of npm are the same for all build folders.
TESTS_NPM := build/tests-npm.stamp
# TEST_FILES=tests/clients/x.test.mjs runs some of the files of test-clients, test-backends, test-cluster or test-load. A file that takes
# longer than 15 minutes fails, and the next one runs; Node.js 18, which Debian 12 has, knows no such limit.
NODE_TEST = node --test --test-concurrency=1 $(shell node --test-timeout=900000 -e 0 2>/dev/null && echo --test-timeout=900000)
include tests/clients/app/app.mk
include tests/backends/backends.mk
include tests/cluster/cluster.mk
include tests/compose/compose.mk
include tests/chaos/chaos.mk
include tests/load/load.mk

.PHONY: test test-programs test-clients
$(TESTS_NPM): tests/package-lock.json
	@mkdir -p $(@D)
	cd tests && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Stock clients, browsers and raw bytes against the built programs; TEST_BUILD names the build folder.
test-clients: all $(TEST_APP) $(PEER_APP) $(TESTS_NPM) admin-ui
	TEST_BUILD=$(abspath $(BUILD)) timeout 1800 $(NODE_TEST) $(or $(TEST_FILES),tests/clients/*.test.mjs)

# All programs that the steps of `make test` run from this build folder. They are built first, because steps that run at the same
# time must not build in one folder.
test-programs: all $(UNIT_TESTS) $(TEST_APP) $(PEER_APP) $(BUILD)/bench-floor $(TESTS_NPM) admin-ui $(EXAMPLES_JS)/node_modules/.package-lock.json

# Each line is one step: the name of its lane and the arguments of `make`. Lanes run at the same time, and the steps of a lane run in
# this order (tests/lanes.sh). The steps of the lane "computing" keep the processors busy; the other lanes mostly wait. Each lane
# takes about as long as the others.
define TEST_LANES
units: unit
units: SAN=1 unit
units: unit-python
units: unit-javascript
units: DEBUG=1 LOWER=build unit-socketio
$(if $(COMPOSE),units: test-compose)
units: SAN=1 test-backends
computing: readme-check structure-check test-install
computing: bench-cost-check
computing: fuzz-check
$(if $(COMPOSE),computing: test-deb)
release: test-clients
release: test-backends
release: test-cluster
release: test-load
release: test-bench
sanitizer: SAN=1 test-clients
sanitizer: SAN=1 test-cluster
sanitizer: SAN=1 test-load
endef
export TEST_LANES

# COMPOSE=1 adds test-compose and test-deb, which download systems and packages.
test:
	$(MAKE) -j$$(nproc) test-programs
	$(MAKE) -j$$(nproc) SAN=1 test-programs
	tests/lanes.sh build/lanes

# docs/options.md and docs/monitoring.md contain tables that --help=markdown and --help=metrics print. The table of
# README.md and docs/cluster.md comes from the scenarios that tests/cluster/history.test.mjs plays.
# `make readme` replaces the lines between the two comments around each table, `make readme-check` compares them.
# $(call with-table,name of the comments,argument of --help)
with-table = { sed '/<!-- $(1):/q' $<; echo; $(BUILD)/sockeye --help=$(2); echo; sed -n '/<!-- end of $(1)/,$$p' $<; } > $@
$(BUILD)/docs/options.md: docs/options.md $(BUILD)/sockeye
	@mkdir -p $(@D) && $(call with-table,options,markdown)

$(BUILD)/docs/monitoring.md: docs/monitoring.md $(BUILD)/sockeye
	@mkdir -p $(@D) && $(call with-table,metrics,metrics)

$(BUILD)/docs/cluster.md $(BUILD)/README.md: $(BUILD)/%: % tests/cluster/history/table.mjs tests/cluster/history/scenarios.mjs | $(TESTS_NPM)
	@mkdir -p $(@D)
	@{ sed '/<!-- kept:/q' $<; echo; node tests/cluster/history/table.mjs; echo; sed -n '/<!-- end of kept/,$$p' $<; } > $@

WITH_TABLES := docs/options.md docs/monitoring.md docs/cluster.md README.md
.PHONY: readme readme-check screenshots
readme: $(addprefix $(BUILD)/,$(WITH_TABLES))
	@for file in $(WITH_TABLES); do cp $(BUILD)/$$file $$file; done

# The pictures of the chat's page.
screenshots: all $(TESTS_NPM)
	TEST_BUILD=$(abspath $(BUILD)) node tests/browser/screenshots.mjs

# promtool tests Prometheus' rules. It is taken out of Debian's package, because installing the package would start a Prometheus.
# Without promtool, two tests of the rules are skipped.
PROMTOOL := $(if $(shell command -v promtool),,build/promtool)
build/promtool:
	@mkdir -p build/prometheus
	@cd build/prometheus && { apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; }; } \
		>/dev/null 2>&1 && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -xO ./usr/bin/promtool >promtool && chmod +x promtool && \
		mv promtool ../promtool || echo "promtool cannot be fetched: the alert rules are not evaluated"
	@rm -rf build/prometheus

readme-check: $(addprefix $(BUILD)/,$(WITH_TABLES)) all $(PROMTOOL)
	@for file in $(WITH_TABLES); do \
		cmp $$file $(BUILD)/$$file || { echo "$$file: the table is out of date; run make readme" >&2; exit 1; }; \
	done
	TEST_BUILD=$(abspath $(BUILD)) node --test tests/docs/*.test.mjs

# The table of docs/clients.md. `make test-clients` compares it.
.PHONY: clients-table
clients-table: all $(TESTS_NPM)
	@mkdir -p $(BUILD)/docs
	TEST_BUILD=$(abspath $(BUILD)) node tests/clients/compat/table.mjs > $(BUILD)/docs/clients-table
	@{ sed '/<!-- clients:/q' docs/clients.md; echo; cat $(BUILD)/docs/clients-table; echo; \
		sed -n '/<!-- end of clients/,$$p' docs/clients.md; } > $(BUILD)/docs/clients.md
	cp $(BUILD)/docs/clients.md docs

# At most three files of these folders may depend on each other in a circle, and a header must explain each circle.
CIRCLES_IN := common/base node/http node/engineio node/socketio node/adminui node/api node/backend node/upstream node/process
.PHONY: structure-check
structure-check: all
	node tests/structure/circles.mjs $(BUILD)/obj $(CIRCLES_IN)
	node tests/structure/once.mjs

.PHONY: clean
clean:
	rm -rf build

.PHONY: help
help:
	@echo "make              build everything under build/"
	@echo "make run          install missing packages, build, serve the chat on http://localhost:$(PORT)"
	@echo "make run-backend  the same with a chat in JavaScript, which runs in a process behind the server"
	@echo "make install      PREFIX=$(PREFIX) DESTDIR=; make uninstall with the same variables"
	@echo "make deb          Debian packages in build/deb/: sockeye, libsockeye0, libsockeye-dev"
	@echo "make deps         install the packages for building; each target installs what it needs, or says what is missing"
	@echo "make admin-ui     get the page of the admin UI (--admin-ui), which the admin port serves and make install copies"
	@echo "make clean        remove build/"
	@echo
	@echo "make test             install what the tests need and run all of them; COMPOSE=1: test-compose and test-deb too"
	@echo "make unit             the C unit tests; unit-base, unit-io, ...: those of one layer"
	@echo "make unit-javascript  the Node.js package"
	@echo "make unit-python      the Python package"
	@echo "make test-clients     stock clients, a browser and raw bytes"
	@echo "make test-backends    applications in other processes"
	@echo "make test-cluster     several nodes, Redis, Node.js servers and balancers"
	@echo "make test-load        the load tester"
	@echo "make test-compose     the containers"
	@echo "make test-images      the images for Debian 12 and 13, and the image for building applications"
	@echo "make test-deb         install, start, upgrade and remove the Debian packages"
	@echo "make fuzz             FUZZ_SECONDS=$(FUZZ_SECONDS) for each codec; fuzz-check: the same inputs in each run"
	@echo "make chaos            CHAOS_SECONDS=$(CHAOS_SECONDS) of random API calls from every callback"
	@echo "make chaos-cluster    MINUTES=$(MINUTES) of failures of Redis and its links; prints what was lost; SEED=n repeats a run"
	@echo "make chaos-recovery   STRETCHES=100 of losses and returns of clients in each form of recovery; SEED=n, WINDOW=ms"
	@echo "make chaos-backends   MINUTES=$(MINUTES) of kills, deploys and cuts among edges and backends; SEED=n repeats a run"
	@echo
	@echo "make bench            compare with Node.js, rewrite tests/bench/RESULTS.md"
	@echo "make bench-cost       the instructions of each piece of work, by callgrind; bench-cost-check: have they grown?"
	@echo "make bench-log        what --redis-log costs Redis"
	@echo "make bench-recovery   what connection state recovery costs, and how fast 10,000 clients come back"
	@echo "make bench-adminui    what the Admin UI costs with 10,000 sockets"
	@echo "make bench-idle       100,000 idle clients for 10 minutes"
	@echo "make bench-backends   an application on plain Node.js, and the same behind the server"
	@echo "make bench-cluster    what a message costs Redis in clusters of 2 to 64 workers"
	@echo "make readme           write the tables of README.md and three pages of docs/"
	@echo "make symbols          add new functions to the list of the library's functions (deploy/debian/libsockeye0.symbols)"
	@echo "make screenshots      take the pictures of the chat in docs/images"
	@echo "make clients-table    try the clients of docs/clients.md and write the table there"
	@echo "make readme-check     compare these tables, check links, names and programs in the pages"
	@echo
	@echo "PORT=$(PORT)  DEBUG=1 (check every handle of the application, in build/debug)  SAN=1 (ASan and UBSan, in build/asan)"
	@echo "CC=clang  BUILD=dir  V=1 (show the commands)"

-include node/examples/examples.mk
include tests/bench/bench.mk
-include $(shell find $(BUILD)/obj $(BUILD)/unit -name '*.d' 2>/dev/null)
