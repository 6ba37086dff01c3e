# `make install`, `make uninstall`, `make deb` and their tests. install and uninstall go through one list of files, and the
# Debian packages hold what `make install` installs.

LIBDIR   ?= $(PREFIX)/lib
UNITDIR  ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
MANDIR   := $(PREFIX)/share/man
SHARE    := $(PREFIX)/share/sockeye
COMPLETE := $(PREFIX)/share/bash-completion/completions

# ------------------------------------------------------ files that are made
MADE := $(BUILD)/installed
MANUAL := $(addprefix $(MADE)/,sockeye.1 sockeye-load.1 sockeye-doctor.1 sockeye.conf.5 sockeye.bash sockeye-load.bash)

SUMMARY_sockeye := Socket.IO server
SUMMARY_sockeye-load := load tester for Socket.IO servers

$(MADE)/%.1: $(BUILD)/% deploy/manual/man.awk
	@mkdir -p $(@D)
	$(Q)$< --help | LC_ALL=C awk -f deploy/manual/man.awk -v name=$* -v summary='$(SUMMARY_$*)' -v version=$(VERSION) > $@

$(MADE)/%.bash: $(BUILD)/% deploy/manual/completion.awk
	@mkdir -p $(@D)
	$(Q)$< --help | LC_ALL=C awk -f deploy/manual/completion.awk -v name=$* > $@

$(MADE)/sockeye-doctor.1: deploy/manual/sockeye-doctor.1.in
	@mkdir -p $(@D)
	$(Q)sed 's|@VERSION@|$(VERSION)|' $< > $@

$(MADE)/sockeye.conf.5: deploy/manual/sockeye.conf.5.in deploy/manual/options.awk $(BUILD)/sockeye
	@mkdir -p $(@D)
	$(Q)$(BUILD)/sockeye --help=markdown | LC_ALL=C awk -f deploy/manual/options.awk > $@.options
	$(Q)sed -e 's|@VERSION@|$(VERSION)|' -e '/@OPTIONS@/{r $@.options' -e 'd;}' $< > $@
	@rm $@.options

# Files that name the folders of the installation. They are made each time, as PREFIX may have changed.
.PHONY: with-prefix manual
with-prefix: | $(MADE)
	$(file >$(MADE)/list,$(INSTALLED))
	@sed 's|/usr/local|$(PREFIX)|' deploy/sockeye.service > $(MADE)/sockeye.service
	@sed 's|@PREFIX@|$(PREFIX)|' deploy/sockeye.conf > $(MADE)/sockeye.conf
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBS)|' \
		deploy/sockeye.pc.in > $(MADE)/sockeye.pc

$(MADE):
	@mkdir -p $@

manual: $(MANUAL)

# -------------------------------------------------------- install, uninstall
# Each line: mode, file, place.
define INSTALLED
755 $(BUILD)/sockeye $(PREFIX)/bin/sockeye
755 $(BUILD)/sockeye-load $(PREFIX)/bin/sockeye-load
755 deploy/doctor.sh $(PREFIX)/bin/sockeye-doctor
$(foreach app,$(APPS),755 $(app) $(PREFIX)/lib/sockeye/$(notdir $(app))
)
$(foreach page,$(wildcard node/apps/public/*),644 $(page) $(SHARE)/public/$(notdir $(page))
)
644 deploy/grafana-dashboard.json $(SHARE)/grafana-dashboard.json
644 deploy/alerts.yml $(SHARE)/alerts.yml
$(foreach file,credentials.conf haproxy.cfg haproxy-nodes.cfg haproxy-backends.cfg nginx.conf $(patsubst deploy/%,%,$(wildcard deploy/kubernetes/*.yaml)),644 deploy/$(file) $(SHARE)/examples/$(file)
)
644 $(MADE)/sockeye.service $(UNITDIR)/sockeye.service
644 deploy/sockeye.socket $(UNITDIR)/sockeye.socket
$(foreach page,$(filter %.1,$(MANUAL)),644 $(page) $(MANDIR)/man1/$(notdir $(page))
)
644 $(MADE)/sockeye.conf.5 $(MANDIR)/man5/sockeye.conf.5
644 $(MADE)/sockeye.bash $(COMPLETE)/sockeye
644 $(MADE)/sockeye-load.bash $(COMPLETE)/sockeye-load
644 $(BUILD)/$(SONAME) $(LIBDIR)/$(SONAME)
644 $(BUILD)/libsockeye.a $(LIBDIR)/libsockeye.a
644 $(BUILD)/libsockeye_test.a $(LIBDIR)/libsockeye_test.a
644 node/sockeye.h $(PREFIX)/include/sockeye.h
644 node/sockeye_test.h $(PREFIX)/include/sockeye_test.h
644 $(MADE)/sockeye.pc $(LIBDIR)/pkgconfig/sockeye.pc
$(foreach page,$(shell find $(ADMIN_PAGE) -type f 2>/dev/null),644 $(page) $(SHARE)/$(notdir $(ADMIN_PAGE))$(page:$(ADMIN_PAGE)%=%)
)
endef

CONFIG := $(DESTDIR)$(SYSCONFDIR)/sockeye/sockeye.conf

# A configuration that exists stays as it is.
.PHONY: install uninstall
install: all manual with-prefix
	@while read -r mode file place; do \
		[ -z "$$mode" ] || install -D -m $$mode $$file "$(DESTDIR)$$place" || exit 1; done <$(MADE)/list
	@ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libsockeye.so
	@[ -e "$(CONFIG)" ] || install -D -m 644 $(MADE)/sockeye.conf "$(CONFIG)"

# Removes what `make install` with the same variables has installed, but not a configuration that was changed.
uninstall: with-prefix
	@rm -f $(DESTDIR)$(LIBDIR)/libsockeye.so
	@rm -rf "$(DESTDIR)$(SHARE)/admin-ui" # the list has its files only while they are built
	@! cmp -s $(MADE)/sockeye.conf "$(CONFIG)" || rm "$(CONFIG)"
	@{ cat $(MADE)/list; echo "- - $(SYSCONFDIR)/sockeye/sockeye.conf"; } | while read -r mode file place; do \
		[ -z "$$mode" ] || [ "$$mode" = - ] || rm -f "$(DESTDIR)$$place"; \
		[ -z "$$mode" ] || rmdir -p --ignore-fail-on-non-empty "$$(dirname "$(DESTDIR)$$place")" 2>/dev/null || true; done

# Checks that the installed files are enough to build a program with the shared library, and with the static one, that the
# server starts with the installed configuration, and that uninstall removes everything except a configuration that was changed.
TEST_ROOT := $(abspath $(BUILD))/install
TEST_PC := PKG_CONFIG_SYSROOT_DIR=$(TEST_ROOT) PKG_CONFIG_PATH=$(TEST_ROOT)/usr/lib/pkgconfig pkg-config

.PHONY: test-install
test-install: all
	@rm -rf $(TEST_ROOT)
	$(MAKE) install DESTDIR=$(TEST_ROOT) PREFIX=/usr
	$(CC) node/examples/embed.c -o $(TEST_ROOT)/embed $$($(TEST_PC) --cflags --libs sockeye) -lev
	rm $(TEST_ROOT)/usr/lib/libsockeye.so*
	$(CC) node/examples/embed.c -o $(TEST_ROOT)/embed-static $$($(TEST_PC) --static --cflags --libs sockeye)
	rm $(TEST_ROOT)/embed $(TEST_ROOT)/embed-static
	echo '# changed' >> $(TEST_ROOT)/etc/sockeye/sockeye.conf
	$(MAKE) install DESTDIR=$(TEST_ROOT) PREFIX=/usr
	grep -q '^# changed' $(TEST_ROOT)/etc/sockeye/sockeye.conf
	$(MAKE) uninstall DESTDIR=$(TEST_ROOT) PREFIX=/usr
	[ "$$(cd $(TEST_ROOT) && find . ! -type d)" = ./etc/sockeye/sockeye.conf ]
	rm $(TEST_ROOT)/etc/sockeye/sockeye.conf
	$(MAKE) install DESTDIR=$(TEST_ROOT) PREFIX=/usr
	install -D -m 644 README.md $(TEST_ROOT)/usr/share/sockeye/admin-ui/assets/old.js # as after `make clean`
	$(MAKE) uninstall DESTDIR=$(TEST_ROOT) PREFIX=/usr
	[ ! -e $(TEST_ROOT)/usr ] && [ ! -e $(TEST_ROOT)/etc ]

# ---------------------------------------------------------- Debian packages
# The packages are built from a copy of the sources, with deploy/debian in the place that Debian's tools expect. The copy has the
# browser client, so the build needs no network. With DEB_REUSE=1 it has the objects of this build, too: only the applications are
# compiled with Debian's flags, and everything is linked with them. test-deb does so, because Debian's flags warn of nothing that
# WARN does not, and a second compilation of all sources would take most of its time.
DEB := $(abspath $(BUILD))/deb
DEB_SOURCE := $(DEB)/sockeye-$(VERSION)

# The list of the library's functions, each with the version that introduced it. Functions are added and never removed.
SYMBOLS := deploy/debian/libsockeye0.symbols
.PHONY: symbols
symbols: $(BUILD)/libsockeye.so
	nm -D --defined-only $< | awk '{ print " " $$3 "@Base $(VERSION)" }' | LC_ALL=C sort | \
		awk 'NR == FNR { print; if ($$1 ~ /@/) old[$$1] = 1; next } !($$1 in old)' $(SYMBOLS) - > $(BUILD)/symbols
	{ head -1 $(BUILD)/symbols; tail -n +2 $(BUILD)/symbols | LC_ALL=C sort; } > $(SYMBOLS)

.PHONY: deb test-deb
deb: $(BUNDLE_DIR)/bundle.c admin-ui
	@rm -rf $(DEB)
	@mkdir -p $(DEB_SOURCE)/$(BUNDLE_DIR)
	@tar -c --exclude=node_modules --exclude=__pycache__ CHANGELOG.md Makefile README.md backends broker common deploy docs node tests | \
		tar -x -C $(DEB_SOURCE)
	@cp -p $$(find $(BUNDLE_DIR) -maxdepth 1 -type f) $(DEB_SOURCE)/$(BUNDLE_DIR)/
	@[ ! -d $(ADMIN_PAGE) ] || cp -Rp --parents $(ADMIN_PAGE) $(DEB_SOURCE)/
	$(if $(DEB_REUSE),@cp -Rp --parents $(BUILD)/obj $(DEB_SOURCE)/)
	@mv $(DEB_SOURCE)/deploy/debian $(DEB_SOURCE)/debian
	@sed -e 's|@VERSION@|$(VERSION)|' -e "s|@DATE@|$$(date -R $${SOURCE_DATE_EPOCH:+-d @$$SOURCE_DATE_EPOCH})|" \
		deploy/debian/changelog > $(DEB_SOURCE)/debian/changelog
	cd $(DEB_SOURCE) && MAKEFLAGS= dpkg-buildpackage -b -us -uc -j$$(nproc) >$(DEB)/build.log 2>&1 || { tail -40 $(DEB)/build.log; exit 1; }
	lintian --allow-root --fail-on error,warning $(DEB)/sockeye_$(VERSION)_*.changes
	@echo && ls $(DEB)/*.deb

# test-deb needs root. It must not run at the same time as test-install, which makes the same files for another folder of libraries.
test-deb: all admin-ui
	timeout --kill-after=30 2400 tests/deb/run.sh $(BUILD)
