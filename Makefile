# Sockeye: build, run, test, install. `make help` lists the targets.

VERSION := 0.1.0
BUILD   ?= build$(if $(SAN),/asan)
PREFIX  ?= /usr/local
CC      ?= cc
PORT    ?= 3000

# ------------------------------------------------------------------ libraries
MSGPACK := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
PACKAGES := openssl zlib libpcre2-8 $(MSGPACK)
LIB_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS := -lev $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -ldl -lm

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
ifdef SAN
OPT := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN :=
endif
override CFLAGS += -std=c11 -D_GNU_SOURCE -g $(OPT) $(HARDEN) $(WARN) -fPIC -fvisibility=hidden -fno-strict-aliasing \
	-DSOCKEYE_VERSION='"$(VERSION)"' -I. -Inode $(LIB_CFLAGS)
override LDFLAGS += $(if $(SAN),-fsanitize=address$(comma)undefined)
comma := ,

# ------------------------------------------------------------------- layers
# One archive per layer; a layer links with itself and what is below it.
LAYERS   := process socketio engineio ws http io base
DIR_base := common/base
DIR_io   := common/io
DIR_http := node/http
DIR_ws   := node/ws
DIR_engineio := node/engineio
DIR_socketio := node/socketio
DIR_process  := node/process

sources = $(filter-out %/main_sockeye.c %/main_engine_echo.c,$(wildcard $(DIR_$(1))/*.c))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(call sources,$(1)))
archive = $(BUILD)/layers/$(1).a
# the archives of a layer and of all below it
below = $(if $(filter process,$(1)),$(foreach l,$(LAYERS),$(call archive,$(l))),$(if \
	$(filter socketio,$(1)),$(foreach l,socketio engineio ws http io base,$(call archive,$(l))),$(if \
	$(filter engineio,$(1)),$(foreach l,engineio ws http io base,$(call archive,$(l))),$(if \
	$(filter ws,$(1)),$(foreach l,ws http io base,$(call archive,$(l))),$(if \
	$(filter http,$(1)),$(foreach l,http io base,$(call archive,$(l))),$(if \
	$(filter io,$(1)),$(foreach l,io base,$(call archive,$(l))),$(call archive,base)))))))

APPS := $(patsubst node/apps/%.c,$(BUILD)/apps/%.so,$(wildcard node/apps/*.c))
UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SOURCES))

.PHONY: all
all: $(BUILD)/sockeye $(BUILD)/engine-echo $(BUILD)/libsockeye.a $(BUILD)/libsockeye.so $(APPS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/llhttp/%.o: $(LLHTTP_SRC)/%.c
	@mkdir -p $(@D)
	$(CC) -g $(OPT) -fPIC -fvisibility=hidden -w -I/usr/share/include/llhttp -c $< -o $@

define layer_archive
$(call archive,$(1)): $(call objects,$(1)) $(if $(filter http,$(1)),$(LLHTTP_OBJ))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_archive,$(l))))

# ----------------------------------------------------------------- unit tests
define unit_layer
$(BUILD)/unit/$(1)/%: tests/unit/$(1)/%.c $(call below,$(1))
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS) -MMD -MP $$(LDFLAGS) $$< $(call below,$(1)) $(call below,$(1)) $$(LIBS) -lcmocka -o $$@
.PHONY: unit-$(1)
unit-$(1): $$(filter $(BUILD)/unit/$(1)/%,$$(UNIT_TESTS))
	@set -e; for t in $$^; do echo "== $$$$t"; $$$$t; done
endef
$(foreach l,$(LAYERS),$(eval $(call unit_layer,$(l))))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
