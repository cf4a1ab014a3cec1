# Makefile
#    Builds, tests and installs pgshovel. One makefile for all folders; nothing is written outside $(BUILD).
#
#    make [MODE=release|debug|asan|tsan|cov|fuzz] [BUILD=folder] [V=1] [WERROR=0] [JOBS=n] TARGET
#    Folders are globbed: a new .c file in common/, admin/, supervisor/, worker/ or tests/ needs no edit here.

MODE ?= release
BUILD ?= build/$(MODE)
WERROR ?= 1
JOBS ?= $(shell nproc)

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

ifneq ($(V),1)
Q := @
endif

# ---- Compiler ----

ifeq ($(MODE),fuzz)
CC := clang-14
else
CC := gcc
endif
AR := ar
CLANG_FORMAT ?= clang-format-14
VERSION := $(shell cat VERSION)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wundef \
	-Wwrite-strings -Wimplicit-fallthrough -Wswitch-enum
ifneq ($(MODE),fuzz)
# Messages are cut by contract (common/err.h); gcc would see a mistake in each snprintf that may cut.
WARN += -Wno-format-truncation
endif
ifneq ($(CI),)
WERROR := 1
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif

MODE_release := -O2 -g -D_FORTIFY_SOURCE=2
MODE_debug := -O0 -g3 -DPGSHOVEL_TEST_HOOKS
MODE_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	-DPGSHOVEL_TEST_HOOKS
MODE_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread -DPGSHOVEL_TEST_HOOKS
MODE_cov := -O0 -g --coverage -DPGSHOVEL_TEST_HOOKS
MODE_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -DPGSHOVEL_TEST_HOOKS
ifeq ($(MODE_$(MODE)),)
$(error unknown MODE "$(MODE)": release, debug, asan, tsan, cov or fuzz)
endif

PQ_INCLUDE ?= /usr/include/postgresql
CPPFLAGS += -I. -isystem $(PQ_INCLUDE) -D_GNU_SOURCE -DPGSHOVEL_VERSION='"$(VERSION)"'
CFLAGS_ALL := -std=gnu17 $(WARN) $(MODE_$(MODE)) -fstack-protector-strong -fstack-clash-protection \
	-fPIE -pthread $(CFLAGS)
LDFLAGS_ALL := $(filter -fsanitize=% --coverage -O%,$(MODE_$(MODE))) -pie -pthread -Wl,-z,relro,-z,now \
	-Wl,--as-needed $(LDFLAGS)

# ---- What is built from what ----

ADMIN_LIBS := -lpq -lzookeeper_st -lconfig -ljansson -lcrypto
SUPERVISOR_LIBS := -lzookeeper_st -lsystemd -lmicrohttpd -lconfig -ljansson -lcrypto
WORKER_LIBS := -lpq -lrdkafka -lseccomp -lconfig -ljansson -lcrypto -lm
TEST_LIBS := -lcheck_pic -lsubunit -lpq -lzookeeper_st -lrdkafka -lseccomp -lsystemd -lmicrohttpd -lconfig -ljansson -lcrypto \
	-lrt -lm

comma := ,
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard $(1)/*.c)))

COMMON_OBJ := $(call objects,common)
ADMIN_OBJ := $(call objects,admin) $(BUILD)/obj/gen/sql.o
SUPERVISOR_OBJ := $(call objects,supervisor)
WORKER_OBJ := $(call objects,worker)

LIB_common := $(BUILD)/libpgshovel.a
LIB_admin := $(BUILD)/libadmin.a
LIB_supervisor := $(BUILD)/libsupervisor.a
LIB_worker := $(BUILD)/libworker.a
LIB_testing := $(BUILD)/libtesting.a

PROGRAMS := $(BUILD)/pgshovel $(BUILD)/pgshoveld $(BUILD)/pgshovel-kafka-relay

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ_REPLAYS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
# Files without main(): linked with every test program.
TEST_PART_SOURCES := $(addprefix tests/lib/,checker.c checker_chain.c checker_rows.c checker_seen.c latency.c reader.c \
	record.c show.c writers.c) $(addprefix tests/chaos/,deeds.c schedule.c)
TEST_TOOL_SOURCES := $(filter-out $(TEST_PART_SOURCES),$(wildcard tests/lib/*.c tests/bench/*.c tests/chaos/*.c tests/fakes/*.c))
# Confined as a released relay is: without sanitizers, which need calls that it gives up, and without test hooks.
PLAIN_SOURCES := tests/fakes/attack.c tests/fakes/attacks.c $(wildcard worker/confine*.c common/setdoc*.c) $(addprefix common/,arena.c assignment.c \
	buf.c clock.c confine.c err.c log.c parse.c utf8.c)
PLAIN_FLAGS := $(filter-out -fsanitize=% -fno-sanitize% --coverage -DPGSHOVEL_TEST_HOOKS,$(CFLAGS_ALL))
TEST_TOOL_SOURCES := $(filter-out tests/fakes/attack.c tests/fakes/attacks.c,$(TEST_TOOL_SOURCES))
TEST_TOOLS := $(BUILD)/tests/attack $(addprefix $(BUILD)/tests/,$(basename $(notdir $(TEST_TOOL_SOURCES))))

MAN_SOURCES := $(wildcard common/*.[1-8] admin/*.[1-8] supervisor/*.[1-8] worker/*.[1-8] docs/*.[1-8])
MAN_PAGES := $(addprefix $(BUILD)/man/,$(notdir $(MAN_SOURCES)))

C_FILES = $(wildcard common/*.[ch] admin/*.[ch] supervisor/*.[ch] worker/*.[ch] tests/*/*.[ch])

.PHONY: all programs tests man completion golden run-golden deps libraries check check-unit check-integration test chaos demo bench sim \
	lint format format-check fuzz cov install deb dist clean run-tests run-chaos run-demo run-bench run-sim run-fuzz \
	run-cov FORCE

all: programs man completion
programs: $(PROGRAMS)
tests: $(UNIT_TESTS) $(FUZZ_REPLAYS) $(TEST_TOOLS)
man: $(MAN_PAGES)
completion: $(BUILD)/completion/pgshovel.bash $(BUILD)/completion/pgshovel.zsh

$(BUILD)/completion/pgshovel.%: $(BUILD)/pgshovel
	@mkdir -p $(@D)
	$(Q)$(BUILD)/pgshovel --print-completion $* > $@

$(BUILD)/pgshovel: $(BUILD)/obj/admin/main.o $(LIB_admin) $(LIB_common)
	@echo "  link  $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(ADMIN_LIBS)

$(BUILD)/pgshoveld: $(BUILD)/obj/supervisor/main.o $(LIB_supervisor) $(LIB_common)
	@echo "  link  $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(SUPERVISOR_LIBS)

$(BUILD)/pgshovel-kafka-relay: $(BUILD)/obj/worker/main.o $(LIB_worker) $(LIB_common)
	@echo "  link  $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(WORKER_LIBS)

$(LIB_common): $(COMMON_OBJ)
$(LIB_admin): $(ADMIN_OBJ)
$(LIB_supervisor): $(SUPERVISOR_OBJ)
$(LIB_worker): $(WORKER_OBJ)
$(LIB_testing): $(patsubst %.c,$(BUILD)/obj/%.o,$(TEST_PART_SOURCES))

# Made anew each time: an archive that is updated in place keeps the objects of deleted files.
$(BUILD)/lib%.a:
	@mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c $(BUILD)/.flags | $(BUILD)/.libraries
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/.flags | $(BUILD)/.libraries
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/gen/sql.c: $(sort $(wildcard sql/*.sql)) sql/embed.awk
	@mkdir -p $(@D)
	$(Q)awk -f sql/embed.awk $(filter %.sql,$^) > $@

# ---- Test programs: one source file each, linked with common/ and the folders that it includes ----

# Words "tests/unit/test_x.c:worker". Not all archives for all tests: programs may use a name twice.
TEST_INCLUDES := $(shell grep -oHE '^.include "(admin|supervisor|worker)/' tests/*/*.c | sed 's|:.*"|:|; s|/$$||' | sort -u)
test_archives = $(foreach part,$(patsubst $(1):%,%,$(filter $(1):%,$(TEST_INCLUDES))) testing common,$(LIB_$(part)))

define test_link
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(TEST_LIBS)
endef

# Tests that make memory end (tests/unit/fail_alloc.h).
FAIL_ALLOC_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(shell grep -ls 'include "tests/unit/fail_alloc.h"' tests/unit/*.c))
$(FAIL_ALLOC_TESTS): LDFLAGS_ALL += $(addprefix -Wl$(comma)--wrap=,malloc calloc realloc strdup strndup)

# test_program SOURCE [OBJECT ...]
define test_program
$(BUILD)/tests/$(basename $(notdir $(1))): $(BUILD)/obj/$(1:.c=.o) $(2) $(call test_archives,$(1))
	$$(test_link)
endef
$(foreach source,$(wildcard tests/unit/test_*.c) $(TEST_TOOL_SOURCES),$(eval $(call test_program,$(source))))
$(foreach source,$(wildcard tests/fuzz/fuzz_*.c),$(eval $(call test_program,$(source),$(BUILD)/obj/tests/fuzz/replay.o)))

$(BUILD)/tests/attack: $(patsubst %.c,$(BUILD)/obj/plain/%.o,$(PLAIN_SOURCES))
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(filter-out -fsanitize=% --coverage,$(LDFLAGS_ALL)) -o $@ $^ -lpq -lseccomp -lconfig -lcrypto

$(BUILD)/obj/plain/%.o: %.c $(BUILD)/.flags | $(BUILD)/.libraries
	@mkdir -p $(@D)
	@echo "  cc    $< (plain)"
	$(Q)$(CC) $(CPPFLAGS) $(PLAIN_FLAGS) -MMD -MP -c -o $@ $<

# Plays what the archives hold, too: its own functions come first.
$(BUILD)/tests/sim_fleet: LDFLAGS_ALL += -Wl,-z,muldefs

# The model of the rollout protocol (tests/model/) asks the program itself for its verdict.
$(BUILD)/tests/test_model_rollout: $(call objects,tests/model) $(LIB_admin)

# ---- Manuals: the line `.\" @OPTIONS@` becomes the option list of the page's program ----

define man_page
$(BUILD)/man/$(notdir $(1)): $(1) $(filter %/$(basename $(notdir $(1))),$(PROGRAMS))
	@mkdir -p $$(@D)
	$$(Q)sed -e 's/@VERSION@/$(VERSION)/g' $$(if $$(word 2,$$^),-e '/^\.\\" @OPTIONS@$$$$/e $$(abspath $$(word 2,$$^)) --mdoc-options') $$< > $$@
endef
$(foreach source,$(MAN_SOURCES),$(eval $(call man_page,$(source))))

# ---- Guards ----

# Rewritten only when compiler or flags change: then everything is compiled again.
$(BUILD)/.flags: FORCE
	@mkdir -p $(@D)
	@new='$(subst ','\'',$(CC) $(CPPFLAGS) $(CFLAGS_ALL))'; \
	 [ "$$new" = "$$(cat $@ 2>/dev/null)" ] || printf '%s\n' "$$new" > $@

# header:library:Debian package; looked at once per build folder.
LIBRARIES := libpq-fe.h:libpq:libpq-dev zookeeper/zookeeper.h:libzookeeper-st:libzookeeper-st-dev \
	librdkafka/rdkafka.h:librdkafka:librdkafka-dev seccomp.h:libseccomp:libseccomp-dev libconfig.h:libconfig:libconfig-dev \
	systemd/sd-event.h:libsystemd:libsystemd-dev microhttpd.h:libmicrohttpd:libmicrohttpd-dev jansson.h:libjansson:libjansson-dev \
	openssl/evp.h:libcrypto:libssl-dev check.h:check:check

$(BUILD)/.libraries:
	@mkdir -p $(@D)
	@bad=0; \
	 command -v $(CC) >/dev/null || { echo "missing $(CC): apt-get install $(CC)"; exit 1; }; \
	 for item in stdlib.h:libc:libc6-dev $(LIBRARIES); do \
		header=$${item%%:*}; rest=$${item#*:}; \
		echo "#include <$$header>" | $(CC) $(CPPFLAGS) -E -x c - >/dev/null 2>&1 && continue; \
		echo "missing $${rest%%:*}: apt-get install $${rest#*:}"; bad=1; \
	 done >&2; \
	 [ $$bad = 0 ] || { echo 'or all at once: make deps' >&2; exit 1; }
	@touch $@

libraries:
	@rm -f $(BUILD)/.libraries
	@$(MAKE) $(BUILD)/.libraries

deps:
	tests/lib/deps.sh

# ---- Tests: these start on a machine that has only make and git ----

TEST_MODE ?= asan

check-unit: tests
	@BUILD=$(abspath $(BUILD)) tests/run unit

check-integration: all tests
	@BUILD=$(abspath $(BUILD)) tests/run integration

check: all tests
	@BUILD=$(abspath $(BUILD)) tests/run lint unit integration

test:
	tests/lib/deps.sh
	@$(MAKE) MODE=$(TEST_MODE) run-tests

run-tests: all tests
	@BUILD=$(abspath $(BUILD)) tests/run

# make chaos SEED=7 MINUTES=3: load and faults that follow from the seed, then the proof. 3 minutes of it are part of make test.
MINUTES ?= 3

chaos:
	tests/lib/deps.sh
	@$(MAKE) MODE=$(TEST_MODE) run-chaos

run-chaos: all tests
	@SEED=$(SEED) MINUTES=$(MINUTES) BUILD=$(abspath $(BUILD)) tests/chaos/run

# What programs print, as the tests compare it (tests/golden/): written anew from what they print now.
GOLDEN_TESTS := integration/(40-admin|44-manage)|unit/test_(cli|diff)

golden:
	tests/lib/deps.sh
	@$(MAKE) MODE=$(TEST_MODE) run-golden

run-golden: all tests
	@BUILD=$(abspath $(BUILD)) PGSHOVEL_TEST_UPDATE=1 PGSHOVEL_TEST_ONLY='$(GOLDEN_TESTS)' tests/run unit integration
	@git --no-pager diff --stat -- tests/golden

demo:
	tests/lib/deps.sh
	@$(MAKE) MODE=release run-demo

run-demo: all $(BUILD)/tests/consume
	@BUILD=$(abspath $(BUILD)) tests/demo

bench:
	tests/lib/deps.sh
	@$(MAKE) MODE=release run-bench

run-bench: all tests
	@BUILD=$(abspath $(BUILD)) tests/bench/run

# 100 hosts and 10,000 sets in one process: what ZooKeeper would have to bear (tests/bench/sim_fleet.c).
HOSTS ?= 100
SETS ?= 10000

sim:
	tests/lib/deps.sh
	@$(MAKE) MODE=release run-sim

run-sim: $(BUILD)/tests/sim_fleet
	$(BUILD)/tests/sim_fleet $(HOSTS) $(SETS)

lint: all
	@BUILD=$(abspath $(BUILD)) tests/lint/run

format:
	$(CLANG_FORMAT) -i $(C_FILES)

format-check:
	$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)

# make fuzz FUZZ=setdoc SECONDS=60: tests/fuzz/fuzz_setdoc.c from its corpus; finds go to $(BUILD)/found/.
SECONDS ?= 60

fuzz:
	@[ -n "$(FUZZ)" ] || { echo 'say which: make fuzz FUZZ=name, of: $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))' >&2; exit 1; }
	@$(MAKE) MODE=fuzz run-fuzz

ifneq ($(FUZZ),)
$(BUILD)/fuzz_$(FUZZ): $(BUILD)/obj/tests/fuzz/fuzz_$(FUZZ).o $(call test_archives,tests/fuzz/fuzz_$(FUZZ).c)
	@echo "  link  $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(TEST_LIBS)

run-fuzz: $(BUILD)/fuzz_$(FUZZ)
	@mkdir -p $(BUILD)/found $(BUILD)/corpus/$(FUZZ) tests/fuzz/corpus/$(FUZZ)
	$< -max_total_time=$(SECONDS) -artifact_prefix=$(BUILD)/found/$(FUZZ)- -print_final_stats=1 \
		$(BUILD)/corpus/$(FUZZ) tests/fuzz/corpus/$(FUZZ)
endif

# Lines that no unit test reaches, by file; the annotated sources are in build/cov/gcov/.
cov:
	@$(MAKE) MODE=cov run-cov

run-cov: check-unit
	@BUILD=$(abspath $(BUILD)) tests/lint/cov.sh

# ---- Installation ----

PREFIX ?= /usr/local
# The three programs look for one another beside themselves first, so all go into one folder by default.
bindir ?= $(PREFIX)/bin
sbindir ?= $(bindir)
mandir ?= $(PREFIX)/share/man
unitdir ?= $(PREFIX)/lib/systemd/system
sysusersdir ?= $(PREFIX)/lib/sysusers.d
tmpfilesdir ?= $(PREFIX)/lib/tmpfiles.d
docdir ?= $(PREFIX)/share/doc/pgshovel
bashcompletiondir ?= $(PREFIX)/share/bash-completion/completions
zshcompletiondir ?= $(PREFIX)/share/zsh/site-functions

install: all
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(sbindir) $(DESTDIR)$(docdir)
	install -m 755 $(BUILD)/pgshovel $(BUILD)/pgshovel-kafka-relay $(DESTDIR)$(bindir)
	install -m 755 $(BUILD)/pgshoveld $(DESTDIR)$(sbindir)
	for page in $(MAN_PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/} || exit 1; done
	install -D -m 644 $(BUILD)/completion/pgshovel.bash $(DESTDIR)$(bashcompletiondir)/pgshovel
	install -D -m 644 $(BUILD)/completion/pgshovel.zsh $(DESTDIR)$(zshcompletiondir)/_pgshovel
	for unit in $(wildcard systemd/*.service systemd/*.socket systemd/*.slice); do \
		install -d $(DESTDIR)$(unitdir) && \
		sed -e 's|@bindir@|$(bindir)|g' -e 's|@sbindir@|$(sbindir)|g' $$unit > $(DESTDIR)$(unitdir)/$${unit##*/} || exit 1; done
	for file in $(wildcard systemd/*sysusers*); do \
		install -D -m 644 $$file $(DESTDIR)$(sysusersdir)/pgshovel.conf || exit 1; done
	for file in $(wildcard systemd/*tmpfiles*); do \
		install -D -m 644 $$file $(DESTDIR)$(tmpfilesdir)/pgshovel.conf || exit 1; done
	for file in $(filter-out %sysusers.conf %tmpfiles.conf,$(wildcard systemd/*.conf)); do \
		install -D -m 644 $$file $(DESTDIR)$(docdir)/examples/$${file##*/} || exit 1; done
	install -m 644 README.md CHANGELOG.md LICENSE $(wildcard docs/*.md) $(DESTDIR)$(docdir)
	install -d $(DESTDIR)$(docdir)/monitoring
	install -m 644 $(wildcard monitoring/*) $(DESTDIR)$(docdir)/monitoring

# The package, built in a copy of this tree: debhelper leaves its own files beside the sources, and the package in the folder above.
DEB = $(abspath $(BUILD))/deb

deb:
	@command -v dpkg-buildpackage dh > /dev/null || { echo 'missing debhelper: apt-get install debhelper'; exit 1; }
	rm -rf $(DEB) && mkdir -p $(DEB)/pgshovel-$(VERSION)
	tar -c --exclude=./build --exclude=./.git . | tar -x -C $(DEB)/pgshovel-$(VERSION)
	cd $(DEB)/pgshovel-$(VERSION) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc
	@ls $(DEB)/pgshovel_$(VERSION)_*.deb

dist:
	@mkdir -p build
	git archive --format=tar --prefix=pgshovel-$(VERSION)/ HEAD | xz -9 > build/pgshovel-$(VERSION).tar.xz
	@echo build/pgshovel-$(VERSION).tar.xz

clean:
	rm -rf build $(filter-out build/%,$(wildcard $(BUILD)/obj $(BUILD)/gen $(BUILD)/tests $(BUILD)/man))

-include $(shell [ ! -d $(BUILD)/obj ] || find $(BUILD)/obj -name '*.d')
