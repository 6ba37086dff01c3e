# The browser client, embedded in the program: npm fetches it, embed.mjs compresses and embeds it. The result is rebuilt
# only if embed.mjs or a file of npm (package.json, package-lock.json) changes. The including Makefile links
# $(BUNDLE_OBJ).

# Fetched and generated once for all build folders. Each folder has its own object.
BUNDLE_DIR := build/client
BUNDLE_OBJ := $(BUILD)/obj/client/bundle.o

$(BUNDLE_DIR)/installed: node/client/package.json node/client/package-lock.json
	@mkdir -p $(@D)
	@for tool in node npm; do command -v $$tool >/dev/null || \
		{ echo "error: the build needs $$tool to get the browser client (apt install nodejs npm)" >&2; exit 1; }; done
	$(call say,NPM,$(@D))
	@cp $^ $(@D)/
	$(Q)(cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1) || \
		{ echo "error: npm could not get the browser client (check the network): see $(@D)/npm.log" >&2; exit 1; }
	@touch $@

$(BUNDLE_DIR)/bundle.c: $(BUNDLE_DIR)/installed node/client/embed.mjs
	$(call say,EMBED,$@)
	$(Q)node node/client/embed.mjs $(@D)

$(BUNDLE_OBJ): $(BUNDLE_DIR)/bundle.c node/http/http_bundle.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS) -c $< -o $@
