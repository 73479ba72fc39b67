# SPDX-License-Identifier: GPL-2.0-only
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
SHELL := /bin/bash
.DEFAULT_GOAL := help

LANE ?= patched
# A command has dollar signs of its own: take it as it was written, not as make would expand it.
override CMD := $(value CMD)
export LANE CMD TIMEOUT TTY ICOUNT MEM SMP APPEND UPDATE KERNEL_TARBALL KERNEL_PATCHES SERIES LAB_DIR
ALL_LANES := $(shell sed -n "s/^lanes='\(.*\)'/\1/p" tests/vm/lib.sh)
# next is a kernel given by hand.
LANES := $(filter-out next,$(ALL_LANES))

# The architecture that is built for, as the kernel's sources name it: x86_64 or arm64.
ARCH ?= $(patsubst aarch64,arm64,$(shell uname -m))
override ARCH := $(patsubst x86,x86_64,$(patsubst aarch64,arm64,$(ARCH)))
# Another one than this machine's is built with a cross compiler and the libraries of the lab's user land for it.
CROSS := $(filter-out $(patsubst aarch64,arm64,$(shell uname -m)),$(ARCH))
O := build$(addprefix /,$(CROSS))
# Tests at a time. A VM of the lab keeps two thirds of a CPU busy and wants 4 GiB of memory at most.
JOBS ?= $(shell echo $$(($$(nproc) + 1)))
# Compilers at a time, where make was not told.
PARALLEL = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS))
# All of these can be given in the environment or on the command line. Make has a CC of its own, cc.
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
PKG_CONFIG ?= pkg-config
ROOT :=
ifneq ($(CROSS),)
ROOT := $(shell tests/vm/source.sh userland-$(CROSS))
$(if $(ROOT),,$(error no user land for ARCH=$(CROSS), see above))
TRIPLET := $(patsubst arm64,aarch64,$(CROSS))-linux-gnu
CC := $(TRIPLET)-gcc --sysroot=$(ROOT)
PKG_CONFIG := PKG_CONFIG_SYSROOT_DIR=$(ROOT) PKG_CONFIG_LIBDIR=$(ROOT)/usr/lib/$(TRIPLET)/pkgconfig:$(ROOT)/usr/share/pkgconfig pkg-config
endif
# Ubuntu's bpftool is a script that refuses to run on a kernel that it has no package for, as where packages are built.
BPFTOOL ?= $(or $(shell for tool in bpftool /usr/sbin/bpftool /usr/lib/linux-tools*/*/bpftool /usr/lib/linux-tools-*/bpftool; do \
	! $$tool version >/dev/null 2>&1 || { echo $$tool; break; }; done),bpftool)
CFLAGS ?= -O2 -g
CPPFLAGS ?=
LDFLAGS ?=
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
ALL_CFLAGS := -std=gnu11 $(WARN) -MMD -MP -I$(O)/tests $(CPPFLAGS) $(CFLAGS)
# V=1 shows the commands.
Q := $(if $(V),,@)
tell = $(if $(V),,@echo '  $(1) $(2)')
BPF_ARCH := $(patsubst x86_64,x86,$(ARCH))
# Debian has the architecture's headers in a directory that clang does not look at for BPF.
BPF_INCLUDE := $(wildcard $(ROOT)/usr/include/$(patsubst arm64,aarch64,$(ARCH))-linux-gnu)
BPF_CFLAGS ?= -g -O2 -Wall
BPF_FLAGS := -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) $(addprefix -I,$(BPF_INCLUDE))
# clang 17 once took all of the machine's memory for one file. In KiB.
BPF_MEMORY := 6000000
# $(call bpf,CLANG): the command that builds $@ from $<
bpf = ulimit -v $(BPF_MEMORY); $(1) $(BPF_FLAGS) $(BPF_CFLAGS) -MMD -MP -MF $@.d -MT $@ -c -o $@

# Of the files arch_*.c, the one of the architecture.
WORKLOAD_OBJ := $(patsubst tests/workload/%.c,$(O)/workload/%.o, \
	$(filter-out tests/workload/arch_%,$(wildcard tests/workload/*.c)) tests/workload/arch_$(BPF_ARCH).c)
VM_TESTS := $(patsubst tests/vm/%.c,$(O)/tests/%,$(wildcard tests/vm/*_test.c))
SKELETONS := $(patsubst tests/vm/%.bpf.c,$(O)/tests/%.skel.h,$(wildcard tests/vm/*.bpf.c))
BENCHES := $(patsubst tests/bench/%.c,$(O)/tests/bench_%,$(wildcard tests/bench/*.c))
# Guests or registers of x86 are in these.
ifneq ($(BPF_ARCH),x86)
VM_TESTS := $(filter-out %/memory_test,$(VM_TESTS))
BENCHES :=
endif
PROGRAMS := $(O)/tests/runner $(O)/tests/tsc_khz $(O)/tests/demo $(BENCHES) $(if $(WORKLOAD_OBJ),$(O)/tests/gmem-workload) $(VM_TESTS)

help:	## this text
	@echo 'The two to begin with: make demo, make check. All of them:'
	@sed -En 's/^([a-z-]+):[^#]*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 21
	@echo 'LANE is one of $(ALL_LANES) (patched where none is given).'

demo:	## set everything up, boot the patched kernel and show what guest_memfd does, live
	@$(MAKE) --no-print-directory deps
	@tests/vm/kernel.sh patched >/dev/null
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@tests/vm/demo.sh

check:	## set everything up and run the tests; TESTS='pattern or lane...' selects
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@$(O)/tests/runner -j $(JOBS) -o $(O)/check tests/suite $(TESTS)

check-long:	## the tests that take too long for each change: debug kernel, races, all lanes; TESTS=...
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory $(PARALLEL) all
	@$(O)/tests/runner -j $(JOBS) -o $(O)/check-long tests/suite.long $(TESTS)

deps:	## install the packages that are missing (Debian, Ubuntu)
	@tests/vm/deps.sh

kernel:	## have the kernel of LANE: built here, or Debian's; UPDATE=1 KERNEL_TARBALL=/path (KERNEL_PATCHES=none)
	@tests/vm/kernel.sh $(LANE)

# One after the other: each of them uses all CPUs.
kernels:	## the kernels of all lanes
	@for lane in $(LANES); do tests/vm/kernel.sh $$lane >/dev/null || exit; done

lab: $(O)/tests/tsc_khz	## run CMD='...' as root in a VM with LANE's kernel, or a shell (options: tests/vm/lab.sh)
	@tests/vm/lab.sh

selftests:	## KVM's own selftests in LANE
	@CMD='tests/vm/selftests.sh run $$LAB_KERNEL/selftests $$LAB_OUT/results' tests/vm/lab.sh

all: $(PROGRAMS)	## build the programs
	@:

# The only thing that a header includes and that has to be built.
lint: $(O)/gmem_trace.skel.h	## shellcheck, clang-format, headers that compile alone, SPDX lines, names of programs
	@tests/lint.sh

bench: all	## what the patches, gmemtop and policies cost in guest instructions, beside the bounds; JSON=1
	@tests/bench/bench.sh $(if $(JSON),--json)

check-compilers: all	## build with every compiler of Debian 12, 13 and Ubuntu 24.04, as far as there is an archive
	@tests/compilers.sh

check-patches:	## is every patch of the series fit to be sent? SERIES=7.3 or 6.12
	@tests/vm/check-patches.sh

clean:	## remove build/ (the cache of kernels stays)
	rm -rf $(O)

RUNNER_OBJ := $(patsubst tests/%.c,$(O)/%.o,$(wildcard tests/runner/*.c))

$(RUNNER_OBJ): $(O)/%.o: tests/%.c tests/vm/lib.sh | $(O)/runner
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -DGMEM_LANES='"$(ALL_LANES)"' -c -o $@ $<

$(O)/tests/runner: $(RUNNER_OBJ) | $(O)/tests
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(O)/tests/tsc_khz: tests/vm/tsc_khz.c | $(O)/tests
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d -o $@ $<

$(O)/tests/demo: tests/demo.c | $(O)/tests
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d $(LDFLAGS) -o $@ $< -ljson-c

$(O)/workload/%.o: tests/workload/%.c | $(O)/workload
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(O)/tests/gmem-workload: $(WORKLOAD_OBJ) | $(O)/tests
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljson-c -lpthread

$(O)/tests/%.bpf.o: tests/vm/%.bpf.c | $(O)/tests
	$(call tell,BPF ,$@)
	$(Q)$(call bpf,$(CLANG)) $<

$(O)/tests/%.skel.h: $(O)/tests/%.bpf.o
	$(call tell,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@

$(O)/tests/%_test: tests/vm/%_test.c | $(SKELETONS) $(O)/tests
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d $(LDFLAGS) -o $@ $< -ljson-c -lbpf -lelf -lz -lpthread

$(O)/tests/selinux_test: | $(O)/tests/selinux.policy $(O)/tests/selinux-older.policy

$(O)/tests/selinux.policy: tests/vm/selinux/policy.cil | $(O)/tests
	$(call tell,CIL ,$@)
	$(Q)secilc -c 33 -f /dev/null -o $@ $<

$(O)/tests/selinux-older.cil: tests/vm/selinux/policy.cil | $(O)/tests
	$(Q)sed '/; class$$/d' $< >$@

$(O)/tests/selinux-older.policy: $(O)/tests/selinux-older.cil
	$(call tell,CIL ,$@)
	$(Q)secilc -c 33 -f /dev/null -o $@ $<

$(O)/tests/bench_%: tests/bench/%.c | $(O)/tests
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(TOP_CFLAGS) -I$(O) -MF $@.d $(LDFLAGS) -o $@ $(filter %.c %.o,$^) $(BENCH_LIBS) -lm

$(O)/tests $(O)/workload $(O)/runner:
	@mkdir -p $@

# --- gmemtop ---

all: $(O)/gmemtop

TOP_OBJ := $(patsubst src/%.c,$(O)/src/%.o,src/gmemtop.c $(wildcard src/lib/*.c src/top/*.c))
# What a frame runs for each VM: -O3 in place of -O2 takes 2 % fewer instructions for a frame of 1,000 VMs.
FRAME_OBJ := $(addprefix $(O)/src/,lib/json.o top/latency.o top/model.o top/out_json.o top/source_records.o)
$(FRAME_OBJ): private ALL_CFLAGS += $(if $(filter -O2,$(CFLAGS)),-O3)

# Before `make deps` there is neither compiler nor pkg-config, and nothing to say about it.
TOP_PKGS := ncursesw json-c smartcols libzstd
TOP_LIBS := -lbpf -lelf -lz -lm $(shell $(PKG_CONFIG) --libs $(TOP_PKGS) 2>/dev/null)
TOP_CFLAGS := $(shell $(PKG_CONFIG) --cflags-only-I $(TOP_PKGS) 2>/dev/null)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/*_test.c))

BPF_OBJ := $(patsubst %.c,$(O)/%.o,$(notdir $(wildcard bpf/*.bpf.c bpf/*/*.bpf.c)))
vpath %.bpf.c bpf $(wildcard bpf/*)

lint: $(BPF_OBJ)

$(BPF_OBJ): $(O)/%.bpf.o: %.bpf.c | $(O)/src
	$(call tell,BPF ,$@)
	$(Q)$(call bpf,$(CLANG)) $<

# With what `gmemctl status` tells programs of another build by.
define make_skeleton
$(Q)$(BPFTOOL) gen skeleton $< name gmem_$*_bpf >$@
$(Q)sha256sum <$< | sed 's/^\(.\{16\}\).*/#define GMEM_OBJECT_$* "\1"/' >>$@
endef

$(O)/gmem_%.skel.h: $(O)/gmem_%.bpf.o
	$(call tell,SKEL,$@)
	$(make_skeleton)

# The release, and the commit that is built: a tarball of `make dist` has that in a file.
VERSION := $(shell sed -n "s/^.. \([0-9]\)/\1/p" CHANGELOG.md | head -n 1)
COMMIT := $(shell if [ -e .git ]; then git rev-parse --short=12 HEAD; else cat COMMIT; fi 2>/dev/null)

# Written anew only where it differs.
$(O)/gmem_version.h: FORCE | $(O)/src
	$(Q)text='#define GMEM_VERSION "$(VERSION)$(if $(COMMIT), ($(COMMIT)))"'; \
		[ "$$text" = "$$(cat $@ 2>/dev/null)" ] || echo "$$text" >$@

$(O)/src/lib/version.o: $(O)/gmem_version.h

$(O)/src/%.o: src/%.c | $(O)/gmem_trace.skel.h $(O)/gmem_latency.skel.h $(O)/gmem_survey.skel.h $(O)/gmem_events.skel.h $(O)/gmem_attached.skel.h $(O)/src
	$(call tell,CC  ,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(TOP_CFLAGS) -I$(O) -c -o $@ $<

$(O)/gmemtop: $(TOP_OBJ)
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TOP_LIBS)

# It is gmemtop's model with an HTTP server instead of a screen.
all: $(O)/gmem-exporter

EXPORT_OBJ := $(patsubst src/%.c,$(O)/src/%.o,$(wildcard src/export/*.c))
EXPORT_PKGS := libmicrohttpd libsystemd gnutls libcrypt
EXPORT_LIBS := $(shell $(PKG_CONFIG) --libs $(EXPORT_PKGS) 2>/dev/null)

$(EXPORT_OBJ): TOP_CFLAGS += $(shell $(PKG_CONFIG) --cflags-only-I $(EXPORT_PKGS) 2>/dev/null)

$(O)/gmem-exporter: $(O)/src/gmem-exporter.o $(EXPORT_OBJ) $(filter-out $(O)/src/gmemtop.o,$(TOP_OBJ))
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TOP_LIBS) $(EXPORT_LIBS)

# It asks gmemtop's table what its programs are attached to.
$(O)/tests/verified_test: tests/vm/verified_test.c $(filter-out $(O)/src/gmemtop.o,$(TOP_OBJ)) | $(O)/tests
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $(filter %.c %.o,$^) $(TOP_LIBS)

# The BPF objects by other clangs, in directories of their names: the oldest and the newest of those
# that are here and no older than 14, or CLANGS='clang-16 clang-19'.
BPF_SOURCES := $(wildcard bpf/*.bpf.c bpf/*/*.bpf.c tests/vm/*.bpf.c)
ALL_CLANGS := $(filter-out clang-11 clang-12 clang-13,$(sort $(notdir \
	$(wildcard $(addsuffix /clang-[1-9][0-9],$(subst :, ,$(PATH)))))))
CLANGS ?= $(or $(sort $(firstword $(ALL_CLANGS)) $(lastword $(ALL_CLANGS))),$(notdir $(CLANG)))
BY_CLANGS := $(foreach c,$(CLANGS),$(patsubst %.c,$(O)/$c/%.o,$(notdir $(BPF_SOURCES))))

# What is in the dependency files makes them old.
$(BY_CLANGS): Makefile
	@mkdir -p $(@D)
	$(call tell,BPF ,$@)
	$(Q)$(call bpf,$(notdir $(@D))) $(filter %/$(notdir $(@:.o=.c)),$(BPF_SOURCES))

# Their names, so that tests leave out directories of other runs.
$(O)/clangs: $(BY_CLANGS) FORCE
	@echo $(addprefix $(O)/,$(CLANGS)) | cmp -s - $@ || echo $(addprefix $(O)/,$(CLANGS)) >$@

FORCE:

all: $(O)/clangs

-include $(BY_CLANGS:=.d)

$(O)/unit/%_test: tests/unit/%_test.c $(filter-out $(O)/src/gmemtop.o,$(TOP_OBJ)) | $(O)/unit
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d $(LDFLAGS) -o $@ $< $(filter %.o,$^) -lcmocka $(TOP_LIBS) $(UNIT_LIBS)

$(O)/unit/metrics_test $(O)/unit/metrics_text_test: $(EXPORT_OBJ)
$(O)/unit/metrics_test $(O)/unit/metrics_text_test: UNIT_LIBS = $(EXPORT_LIBS)

# Empty programs where gmemtop has its own: it asks gmemtop's table.
$(O)/tests/bench_floor: $(filter-out $(O)/src/gmemtop.o,$(TOP_OBJ))
$(O)/tests/bench_floor: BENCH_LIBS = $(TOP_LIBS)
$(O)/tests/bench_floor_lsm: BENCH_LIBS = -lbpf -lelf -lz
$(O)/tests/bench_costs: BENCH_LIBS = -ljson-c

unit: $(UNIT_TESTS)	## the unit tests, which need neither root nor a VM
	@for t in $^; do $$t || exit; done

# The tables of columns and of events are the program's own: for another architecture, of one that runs here.
TABLES := build
ifneq ($(CROSS),)
build/gmemtop build/gmem-exporter &: FORCE
	$(Q)$(MAKE) --no-print-directory ARCH=$(shell uname -m) build/gmemtop build/gmem-exporter
endif
# The first line tells man that there are tables.
page := { echo "'\\\" t"; scdoc; }

$(O)/gmemtop.1: man/gmemtop.1.scd $(TABLES)/gmemtop | $(O)/src
	$(call tell,MAN ,$@)
	$(Q)$(TABLES)/gmemtop events -e help >$(O)/events.txt
	$(Q)$(TABLES)/gmemtop --columns help >$(O)/columns.txt
	$(Q)sed -e '/^@EVENTS@$$/{r $(O)/events.txt' -e 'd}' \
		-e '/^@COLUMNS@$$/{r $(O)/columns.txt' -e 'd}' $< | $(page) >$@

# So is the list of metrics.
$(O)/gmemtop-export.8: man/gmemtop-export.8.scd $(TABLES)/gmemtop $(TABLES)/gmem-exporter | $(O)/src
	$(call tell,MAN ,$@)
	$(Q)$(TABLES)/gmemtop export --metrics >$(O)/metrics.tsv
	$(Q)awk -F '\t' \
		'{ printf "*%s* (%s%s%s)\n\t%s.\n\n", $$1, $$2, $$3 == "" ? "" : "; ", $$3, toupper(substr($$4, 1, 1)) substr($$4, 2) }' \
		$(O)/metrics.tsv >$(O)/metrics.txt
	$(Q)sed -e '/^@METRICS@$$/{r $(O)/metrics.txt' -e 'd}' $< | $(page) >$@

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
SHARE := $(DESTDIR)$(PREFIX)/share

install: $(O)/gmemtop $(O)/gmemtop.1 $(O)/gmemtop-export.8	## install gmemtop below PREFIX (/usr/local); DESTDIR=... for packages
	install -D -m 755 $(O)/gmemtop $(DESTDIR)$(PREFIX)/sbin/gmemtop
	install -D -m 755 $(O)/gmem-exporter $(DESTDIR)$(PREFIX)/sbin/gmem-exporter
	install -D -m 644 $(O)/gmemtop.1 $(SHARE)/man/man1/gmemtop.1
	install -D -m 644 $(O)/gmemtop-export.8 $(SHARE)/man/man8/gmemtop-export.8
	ln -sf gmemtop-export.8 $(SHARE)/man/man8/gmem-exporter.8
	install -D -m 644 contrib/completion/gmemtop.bash $(SHARE)/bash-completion/completions/gmemtop
	install -D -m 644 contrib/gmemtop.schema.json $(SHARE)/doc/gmem/gmemtop.schema.json
	install -m 644 contrib/gmemtop-report.schema.json $(SHARE)/doc/gmem

.PHONY: unit install

# --- gmemctl ---

all: $(O)/gmemctl

CTL_OBJ := $(patsubst src/%.c,$(O)/src/%.o,src/gmemctl.c $(wildcard src/lib/*.c src/policy/*.c src/ctl/*.c src/ctl/*/*.c))
CTL_SKELETONS := $(addprefix $(O)/gmem_,$(addsuffix .skel.h,policy lock census inspect))
CTL_LIBS := -lbpf -lelf -lz $(shell $(PKG_CONFIG) --libs libfyaml smartcols json-c libgcrypt 2>/dev/null)
CTL_CFLAGS := $(shell $(PKG_CONFIG) --cflags-only-I libfyaml smartcols json-c libgcrypt 2>/dev/null)

$(filter $(O)/src/ctl/% $(O)/src/policy/% $(O)/src/gmemctl.o,$(CTL_OBJ)): TOP_CFLAGS += $(CTL_CFLAGS)
$(filter $(O)/src/ctl/%,$(CTL_OBJ)): | $(CTL_SKELETONS)

$(O)/gmemctl: $(CTL_OBJ)
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CTL_LIBS)

# Another version of gmemctl, to be replaced by this one and the other way round: the same sources with
# one constant of the programs changed, so that they are other programs.
OTHER_BPF_OBJ := $(O)/other/gmem_policy.bpf.o $(O)/other/gmem_lock.bpf.o
OTHER_OBJ := $(O)/other/programs.o $(O)/other/version.o

$(OTHER_BPF_OBJ): $(O)/other/%.bpf.o: %.bpf.c | $(O)/other
	$(call tell,BPF ,$@)
	$(Q)$(call bpf,$(CLANG)) -DGUARD_TRIES=4 $<

$(O)/other/gmem_%.skel.h: $(O)/other/gmem_%.bpf.o
	$(call tell,SKEL,$@)
	$(make_skeleton)

$(O)/other/programs.o: src/ctl/kernel/programs.c $(O)/other/gmem_policy.skel.h $(O)/other/gmem_lock.skel.h
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(CTL_CFLAGS) -I$(O)/other -I$(O) -c -o $@ $<

$(O)/other/version.o: src/lib/version.c | $(O)/other
	@echo '#define GMEM_VERSION "0.0.1 (other)"' >$(O)/other/gmem_version.h
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -I$(O)/other -c -o $@ $<

$(O)/other:
	@mkdir -p $@

$(O)/tests/gmemctl-other: $(OTHER_OBJ) $(filter-out $(O)/src/ctl/kernel/programs.o $(O)/src/lib/version.o,$(CTL_OBJ)) | $(O)/tests
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CTL_LIBS)

-include $(wildcard $(O)/other/*.d)

# Named each: which of two patterns that fit make takes depends on its version.
POLICY_UNIT_TESTS := $(filter $(O)/unit/policy_%_test,$(UNIT_TESTS))

$(POLICY_UNIT_TESTS): $(O)/unit/%: tests/unit/%.c $(filter-out $(O)/src/gmemctl.o,$(CTL_OBJ)) | $(O)/unit
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(CTL_CFLAGS) -MF $@.d $(LDFLAGS) -o $@ $< $(filter %.o,$^) -lcmocka $(CTL_LIBS)

# In a VM: what loads policies is linked in, so that its results are looked at and not its words.
POLICY_LIB := $(patsubst tests/vm/lib/%.c,$(O)/tests/lib/%.o,$(addprefix tests/vm/lib/,actors.c commands.c fuse_file.c gmemctl.c policies.c requests.c strangers.c))

$(POLICY_LIB): $(O)/tests/lib/%.o: tests/vm/lib/%.c | $(O)/tests/lib
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d -c -o $@ $<

POLICY_TESTS := $(patsubst tests/vm/%.c,$(O)/tests/%,$(wildcard tests/vm/policy*test.c))

$(POLICY_TESTS): $(O)/tests/%: tests/vm/%.c $(POLICY_LIB) $(filter-out $(O)/src/gmemctl.o,$(CTL_OBJ))
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d $(LDFLAGS) -o $@ $(filter %.c %.o,$^) $(CTL_LIBS) -lpthread

$(O)/tests/policy_random_test: | $(O)/tests/policy_match.skel.h
$(O)/tests/policy_upgrade_test: | $(O)/tests/gmemctl-other $(O)/gmemctl

# The bypass suite is one program of many files.
BYPASS_OBJ := $(patsubst tests/vm/%.c,$(O)/%.o,$(wildcard tests/vm/bypass/*.c))

$(BYPASS_OBJ): $(O)/bypass/%.o: tests/vm/bypass/%.c | $(O)/bypass
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(O)/tests/bypass: $(BYPASS_OBJ) $(POLICY_LIB) $(filter-out $(O)/src/gmemctl.o,$(CTL_OBJ)) | $(O)/tests
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CTL_LIBS) -lpthread

# Foreign code that gets into others' programs, or does not.
$(O)/tests/bypass_evil.so: tests/vm/bypass/evil/evil.c | $(O)/tests
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d -fPIC -shared -nostdlib -Wl,-e,evil -Wl,-init,evil -o $@ $<

all: $(O)/tests/bypass $(O)/tests/bypass_evil.so

# Without debug, which takes three quarters of an hour, unless LANES names it, patched-builtin, which is patched
# for it, and those for arm64, whose programs tests/vm/arm64.sh builds.
BYPASS_ARGS ?=
BYPASS_LANES = $(if $(filter file,$(origin LANES)),$(filter-out debug patched-builtin %-arm64,$(LANES)),$(LANES))
lab-bypass: all	## every known way around a policy, in five lanes or LANES; BYPASS_ARGS='--rounds N CASE...'
	@bad=0; for lane in $(BYPASS_LANES); do \
		LANE=$$lane CMD='$(O)/tests/bypass $(BYPASS_ARGS)' TIMEOUT=$${TIMEOUT:-5400} tests/vm/lab.sh || bad=$$?; \
	done; exit $$bad

# Hard enough to believe that nobody is quicker than a policy; a quarter of an hour.
ROUNDS ?= 1000000
lab-races: $(O)/tests/bypass $(O)/tests/bypass_evil.so $(O)/gmemctl	## the races among them, ROUNDS=1000000 each, in LANE, and how they went
	@CMD='$(O)/tests/bypass --verbose --area races --rounds $(ROUNDS)' TIMEOUT=$${TIMEOUT:-7200} tests/vm/lab.sh

$(O)/tests/lib $(O)/bypass:
	@mkdir -p $@

-include $(wildcard $(O)/bypass/*.d)
.PHONY: lab-bypass lab-races

-include $(wildcard $(O)/tests/lib/*.d)

$(O)/gmemctl.8 $(O)/gmem-policy.5: $(O)/%: man/%.scd | $(O)/src
	$(call tell,MAN ,$@)
	$(Q)$(page) <$< >$@

install-gmemctl: $(O)/gmemctl $(O)/gmemctl.8 $(O)/gmem-policy.5	## the same for gmemctl (a part of install)
	install -D -m 755 $(O)/gmemctl $(DESTDIR)$(PREFIX)/sbin/gmemctl
	install -D -m 644 $(O)/gmemctl.8 $(SHARE)/man/man8/gmemctl.8
	install -D -m 644 $(O)/gmem-policy.5 $(SHARE)/man/man5/gmem-policy.5
	install -D -m 644 contrib/completion/gmemctl.bash $(SHARE)/bash-completion/completions/gmemctl
	install -d $(SHARE)/doc/gmem/policies
	install -m 644 contrib/policies/*.yaml $(SHARE)/doc/gmem/policies
	install -m 644 contrib/gmemctl.schema.json $(SHARE)/doc/gmem
	install -d $(DESTDIR)$(SYSCONFDIR)/gmem
	install -d -m 700 $(DESTDIR)/var/lib/gmem

# Nothing is enabled. What is in docs/fleet.md names these places.
UNITS := $(notdir $(wildcard $(addprefix contrib/systemd/*.,service socket path)))
UNIT_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system

install-fleet:	## units, rules and dashboard (a part of install)
	install -d $(UNIT_DIR) $(SHARE)/doc/gmem/prometheus $(SHARE)/doc/gmem/grafana
	for unit in $(UNITS); do sed 's|@SBINDIR@|$(PREFIX)/sbin|' contrib/systemd/$$unit >$(UNIT_DIR)/$$unit || exit; done
	install -D -m 644 contrib/systemd/gmem-exporter.default $(DESTDIR)$(SYSCONFDIR)/default/gmem-exporter
	install -m 644 contrib/prometheus/*.rules.yml contrib/prometheus/scrape.yml $(SHARE)/doc/gmem/prometheus
	install -m 644 contrib/grafana/gmem.json $(SHARE)/doc/gmem/grafana

install: install-gmemctl install-fleet

# What install needs, so that it can be built without the rights to install.
installed: $(O)/gmemtop $(O)/gmem-exporter $(O)/gmemctl $(patsubst man/%.scd,$(O)/%,$(wildcard man/*.scd))

.PHONY: install-gmemctl install-fleet installed

# --- what is handed on ---

DIST := gmem-$(VERSION)

dist: $(O)/$(DIST).tar.gz	## a tarball of the tracked files, with the number of the commit

# Owner, order and time are the same whoever makes it.
$(O)/$(DIST).tar.gz: FORCE | $(O)/src
	$(Q)rm -rf $(O)/$(DIST) && mkdir $(O)/$(DIST)
	$(Q)git ls-files -z | xargs -0 cp --parents -t $(O)/$(DIST)
	$(Q)echo $(COMMIT) >$(O)/$(DIST)/COMMIT
	$(Q)tar -C $(O) --sort=name --owner=0 --group=0 --numeric-owner \
		--mtime=@$$(git log -1 --format=%ct) -czf $@ $(DIST)
	$(Q)rm -rf $(O)/$(DIST)

# For another architecture dpkg-shlibdeps reads the records of the lab's user land, by the paths that it has here.
DEB_CROSS := $(if $(CROSS),-a$(CROSS) -d)
$(O)/dpkg: FORCE | $(O)/src
	$(Q)rm -rf $@ && cp -r $(ROOT)/var/lib/dpkg $@
	$(Q)sed -i -E 's|^/(usr/)?lib/|$(ROOT)/usr/lib/|' $@/info/*.list

# In a tree of its own, as a package is built elsewhere. Debian wants the changelog in its own form.
deb: $(O)/$(DIST).tar.gz $(if $(CROSS),$(O)/dpkg)	## Debian packages of this commit, in build/deb; with ARCH=arm64 in build/arm64/deb
	$(Q)rm -rf $(O)/deb && mkdir -p $(O)/deb && tar -C $(O)/deb -xzf $<
	$(Q)cd $(O)/deb/$(DIST) && cp -r contrib/debian debian && \
		mkdir debian/source && echo '3.0 (native)' >debian/source/format && \
		printf 'gmem (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' \
			'$(VERSION)' '$(shell sed -n 's/^Maintainer: //p' contrib/debian/control)' \
			"$$(date -R -d @$$(git -C $(CURDIR) log -1 --format=%ct))" >debian/changelog && \
		MAKEFLAGS= DEB_BUILD_OPTIONS='nocheck parallel=$(JOBS)' LAB_ROOT='$(ROOT)' LAB_DPKG='$(if $(CROSS),$(CURDIR)/$(O)/dpkg)' \
			dpkg-buildpackage -b -us -uc $(DEB_CROSS)
	$(Q)rm -rf $(O)/deb/$(DIST)
	@ls $(O)/deb/*.deb

# The same from the spec file, in build/rpm. Where rpm is not the machine's own packager it knows of no
# installed package, and cannot check what the build requires.
rpm: $(O)/$(DIST).tar.gz	## RPM packages of this commit, in build/rpm
	$(Q)rm -rf $(O)/rpm && mkdir -p $(O)/rpm
	$(Q)cp $< $(O)/rpm
	$(Q)MAKEFLAGS= rpmbuild -ta --quiet $(if $(wildcard /var/lib/dpkg/status),--nodeps) \
		--define '_topdir $(CURDIR)/$(O)/rpm' --define '_smp_mflags -j$(JOBS)' $(O)/rpm/$(DIST).tar.gz
	@ls $(O)/rpm/RPMS/*/*.rpm

.PHONY: dist deb rpm

# The policy language: the parser with any bytes, the matcher with every policy that comes out.
FUZZ_SECONDS ?= 600
FUZZ_SRC := $(addprefix src/policy/,$(addsuffix .c,tree parse parse_rule value diag compile classes check decide eval)) \
	src/lib/arena.c src/lib/closest.c src/lib/json.c src/lib/utf8.c

$(O)/fuzz/policy_fuzz: tests/fuzz/policy_fuzz.c $(FUZZ_SRC) $(wildcard src/policy/*.h src/lib/*.h) \
		tests/unit/policy_random.h bpf/policy/match.h bpf/abi/policy.h | $(O)/fuzz
	$(call tell,FUZZ,$@)
	$(Q)$(CLANG) -std=gnu11 -g -O1 $(WARN) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined $(CTL_CFLAGS) -o $@ $(filter %.c,$^) \
		$(shell $(PKG_CONFIG) --libs libfyaml 2>/dev/null)

fuzz: $(O)/fuzz/policy_fuzz	## fuzz the policy language for FUZZ_SECONDS (600); SEED=new takes another seed
	@mkdir -p $(O)/fuzz/corpus
	@cd $(O)/fuzz && seed=$(if $(filter new,$(SEED)),$$(date +%s),$(or $(SEED),1)) && \
		echo "seed $$seed (SEED=$$seed repeats this run)" && LSAN_OPTIONS=suppressions=$(CURDIR)/tests/fuzz/lsan.supp:print_suppressions=0 \
		./policy_fuzz -seed=$$seed -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
		-dict=$(CURDIR)/tests/fuzz/policy.dict -print_final_stats=1 -verbosity=0 \
		corpus $(CURDIR)/tests/fuzz/corpus

# The interactive view: any keys, any size of the terminal, any recording.
TUI_FUZZ_OBJ := $(patsubst $(O)/src/%,$(O)/fuzz/src/%,$(TOP_OBJ))
EXPORT_FUZZ_OBJ := $(patsubst $(O)/src/%,$(O)/fuzz/src/%,$(O)/src/gmem-exporter.o $(EXPORT_OBJ))

$(TUI_FUZZ_OBJ) $(EXPORT_FUZZ_OBJ): $(O)/fuzz/src/%.o: src/%.c | $(O)/gmem_trace.skel.h $(O)/gmem_events.skel.h
	$(call tell,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined $(TOP_CFLAGS) -I$(O) -c -o $@ $<

$(O)/fuzz/gmemtop: $(TUI_FUZZ_OBJ)
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=address,undefined $(LDFLAGS) -o $@ $^ $(TOP_LIBS)

$(O)/fuzz/gmem-exporter: $(EXPORT_FUZZ_OBJ) $(filter-out $(O)/fuzz/src/gmemtop.o,$(TUI_FUZZ_OBJ))
	$(call tell,LD  ,$@)
	$(Q)$(CC) $(CFLAGS) -fsanitize=address,undefined $(LDFLAGS) -o $@ $^ $(TOP_LIBS) $(EXPORT_LIBS)

$(O)/fuzz/tui_fuzz: tests/fuzz/tui_fuzz.c | $(O)/fuzz
	$(call tell,CC  ,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -MF $@.d $(LDFLAGS) -o $@ $< -lutil

fuzz-tui: $(O)/fuzz/tui_fuzz $(O)/fuzz/gmemtop	## fuzz gmemtop's screen for FUZZ_SECONDS (600); SEED=new takes another seed
	@seed=$(if $(filter new,$(SEED)),$$(date +%s),$(or $(SEED),1)) && $(O)/fuzz/tui_fuzz $(FUZZ_SECONDS) $$seed $(O)/fuzz/gmemtop

-include $(TUI_FUZZ_OBJ:.o=.d) $(EXPORT_FUZZ_OBJ:.o=.d)

STORE_SRC := $(wildcard src/top/store*.c) src/lib/grow.c

$(O)/fuzz/store_fuzz: tests/fuzz/store_fuzz.c $(STORE_SRC) src/top/store.h | $(O)/fuzz
	$(call tell,FUZZ,$@)
	$(Q)$(CLANG) -std=gnu11 -g -O1 $(WARN) -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -o $@ $(filter %.c,$^) -lzstd -lz

# It begins with a block of two lines, without a sum of their text, which no mutation would keep right.
fuzz-store: $(O)/fuzz/store_fuzz	## fuzz the reader of recordings for FUZZ_SECONDS (600); SEED=new takes another seed
	@mkdir -p $(O)/fuzz/store
	@{ printf '\1\2\20\0'; printf '{"a":1}\n{"a":2}\n' | zstd -qc --no-check; } >$(O)/fuzz/store/block
	@cd $(O)/fuzz && seed=$(if $(filter new,$(SEED)),$$(date +%s),$(or $(SEED),1)) && \
		echo "seed $$seed (SEED=$$seed repeats this run)" && \
		./store_fuzz -seed=$$seed -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
		-rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 store

$(O)/fuzz:
	@mkdir -p $@

.PHONY: fuzz fuzz-tui fuzz-store

$(O)/unit $(O)/src:
	@mkdir -p $@

# build/tests/runner.d of an older tree names a source that has moved.
-include $(filter-out $(O)/tests/runner.d,$(wildcard $(O)/tests/*.d)) $(wildcard $(O)/runner/*.d $(O)/workload/*.d $(O)/*.d $(O)/unit/*.d $(O)/src/*.d $(O)/src/*/*.d $(O)/src/*/*/*.d)

.PRECIOUS: $(O)/tests/%.bpf.o $(O)/tests/%.skel.h $(O)/gmem_%.bpf.o $(O)/gmem_%.skel.h
.PHONY: help demo check check-long deps kernel kernels lab selftests all lint bench check-patches check-compilers clean FORCE
