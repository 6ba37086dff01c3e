# The page of the admin UI, which the admin port serves with --admin-ui: npm fetches it and its fonts, build.mjs puts them
# together. It is not part of `all`. A server without it runs and says how to get it.

ADMIN_PAGE := $(BUILD)/admin-ui
ADMIN_PAGE_NPM := build/admin-ui-npm

$(ADMIN_PAGE_NPM)/installed: node/adminui/page/package.json node/adminui/page/package-lock.json
	@mkdir -p $(@D)
	$(call say,NPM,$(@D))
	@cp $^ $(@D)/
	$(Q)(cd $(@D) && npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error >npm.log 2>&1) || \
		{ echo "error: npm could not get the page of the admin UI (check the network): see $(@D)/npm.log" >&2; exit 1; }
	@touch $@

$(ADMIN_PAGE)/index.html: $(ADMIN_PAGE_NPM)/installed node/adminui/page/build.mjs
	$(call say,PAGE,$(@D))
	$(Q)node node/adminui/page/build.mjs $(ADMIN_PAGE_NPM) $(@D)

.PHONY: admin-ui
admin-ui: $(ADMIN_PAGE)/index.html
