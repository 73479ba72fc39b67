/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bounds of the bench, one row each. bench_costs evaluates them, costs-test.sh generates its
 * cases from them (bench_costs --list): a new row needs no other code.
 *
 * A number is named LANE/WATCHER.OPERATION, as lane.sh prints it. Bounds are relations between
 * numbers of one run, so that they hold for another compiler or kernel too; they are absolute only
 * where a fixed cost was demanded or where nothing comparable is measured. A bound that was not
 * demanded is the measured relation plus about a fifth.
 */
#ifndef BENCH_BOUNDS_H
#define BENCH_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>

enum lane { VANILLA, PATCHED, LAB, NR_LANES };

/* How a row's value follows from its numbers a, b, c, d. */
enum form {
	VALUE,	 /* a / scale */
	ADDED,	 /* a - b, in instructions */
	PERCENT, /* 100 * (a - b) / b */
	TIMES,	 /* a / b */
	GROWTH, /* cost of a further VM from c to d over that from a to b, or its inverse, if larger
		 */
	NR_FORMS
};

enum group {
	PATCHES,
	GMEMTOP,
	FRAMES,
	WATCHED,
	POLICY,
	CONDITIONS,
	RULES,
	FILES,
	LOCKED,
	LOADS,
	NR_GROUPS
};

#define MAX_KEYS  4
#define MAX_SHOWN 2

struct number_key {
	enum lane lane;
	const char *name; /* NULL: no number */
};

struct bound_row {
	const char *id; /* unique */
	enum group group;
	enum form form;
	struct number_key keys[MAX_KEYS];
	double max;	  /* largest value that passes */
	double scale;	  /* of VALUE; 0: 1 */
	const char *unit; /* of VALUE */
	const char *why;  /* why this bound; NULL: as for the whole group */
	bool whole;	  /* measured by the whole bench only, not by its check */
	/* Shown beside in the whole bench: what else can be attached, or nothing attached. Numbers
	 * of bpftrace may be absent for a reason that lane.sh prints. */
	struct number_key shown[MAX_SHOWN];
};

/* Title, and the reason for bounds that have none of their own. */
static const struct {
	const char *title, *why;
} groups[NR_GROUPS] = {
	[PATCHES] = { "Patched kernel over vanilla, nothing attached",
		      "measured plus a fifth, at least 0.5 %" },
	[GMEMTOP] = { "gmemtop attached, over nothing attached",
		      "what was demanded of conversions and faults; measured plus a fifth for others" },
	[FRAMES] = { "gmemtop --json with N VMs that convert before every frame",
		     "600,000 instructions for a frame and 20,000 for each VM; measured plus a fifth "
		     "for the start and the memory" },
	[WATCHED] = { "64 VMs that convert and the exporter, which is scraped each second, over "
		      "gmemtop --json with a frame each second",
		      "measured plus a fifth" },
	[POLICY] = { "A policy with one rule, over no policy", "measured plus a fifth" },
	[CONDITIONS] = { "A policy with one rule that checks sizes, addresses and types, over no policy",
			 "measured plus a fifth" },
	[RULES] = { "1,024 such rules over one",
		    "the cost does not depend on the number of rules" },
	[FILES] = { "Operations on other objects, policy over empty LSM programs in the same places",
		    "measured plus a fifth, at least 0.5 %; 30 % was demanded" },
	[LOCKED] = { "The same, locked policy over empty LSM programs in the same places",
		     "measured plus a fifth, at least 0.5 %; 30 % was demanded" },
	[LOADS] = { "gmemctl load", "measured plus a fifth" },
};

#define BY_LIBFYAML \
	"libfyaml takes 68 million for these 213 KiB; the faster second parser of YAML is gone"
#define DEMANDED "demanded"
#define BY_THE_EMULATOR \
	"demanded; other work on this machine adds to the time: repeat it on an idle one"
#define BY_ONE_SECOND                                                                                  \
	"CPU time in the emulator, less than the interval between frames; other work on this machine " \
	"adds to it: repeat it on an idle one"
#define BY_TWO_PERCENT                                                                             \
	"measured plus a fifth; 2 % of a CPU are demanded for 1,000 VMs and a frame each second, " \
	"which take 59 million instructions"
#define LINEAR	 "the cost of a further VM is the same at every number of VMs"
#define PER_VM	 "instructions/VM"
#define PER_PAGE "instructions/page in memory"
#define BY_THE_SHORT_OPERATION                                                                            \
	"what a page of a memslot pays (63 instructions: the LSM hook, which with bpf in lsm= is a call " \
	"also while no program is attached, and the count of private pages), of an operation of 1,400; "  \
	"no VMM converts what it has not bound"
#define BY_TWO_BRANCHES                                                                                       \
	"7 instructions of 675: the static branches of tracing, the file of the VM and space for the number " \
	"of pages; the LSM hook is not called, as nothing changes"
#define BY_MMAP_PREPARE                                                                              \
	"mmap_prepare: mm fills a descriptor of the mapping and reads it back, for every file with " \
	"this operation; in return no mmap() is missed by tracing, nor by VM_DONTDUMP"
#define BY_THE_ALLOCATOR                                                                        \
	"1.2 % is added; a start takes 950,000 or 966,000 instructions, depending on what was " \
	"allocated and freed before"
#define BY_WHAT_WAS_ALLOCATED \
	"0.7 to 1.1 % were measured: a binding takes more or less, depending on what was allocated before"
#define BY_MORE_PROGRAMS                                                                             \
	"measured plus a tenth: histograms of four buckets to a power of two, what VMMs are called " \
	"at the birth of a VM, and the end of VMs that was not seen; five programs "                 \
	"for what security modules refuse"
#define BY_MORE_REPORTS                                                                               \
	"measured plus a tenth: the SHA-256 of the policy, and a look at every cgroup that a policy " \
	"names"
#define BY_MORE_CONDITIONS \
	"measured plus a fifth; flags are a set of bits, and offsets are a dimension of their own"
#define BY_EVERY_IOCTL                                                                                \
	"measured plus a fifth; 30 % was demanded. Every ioctl is looked at: one on an instance can " \
	"be a conversion"
#define BY_THE_FILE                                                                              \
	"measured plus a fifth; 30 % was demanded. A file is kept by device, subvolume, number " \
	"and generation"
#define BY_THE_VERIFIER                                                                                   \
	"measured plus a tenth: the kernel verifies the programs; verified instructions are bounded for " \
	"every compiler"
#define BY_THE_TAG                                                                                  \
	"measured plus a fifth: every new process gets a copy of its parent's identity in storage " \
	"that the kernel allocates, which takes 760 of 890 instructions (tag.fork has the others)"
#define BY_THE_COPY                                                                                      \
	"measured plus a fifth, over a program that makes the same storage and nothing else: 124 to "    \
	"171, depending on what was allocated before; 150 was demanded. The parent's identity is found " \
	"and copied"
#define BY_FUNCTIONS \
	"measured plus a fifth; a request is kept from entry to exit, and two more programs run"
#define BY_PHASES                                                                                       \
	"measured plus a fifth; 900 was demanded, and is kept with the patches. Without them one more " \
	"program notes when the call begins (about 220 instructions); the first fault, which comes "    \
	"after the conversion, takes 340"
#define BY_PAGEMAP_SCAN                                                                               \
	"measured plus a fifth; 60 was demanded. PAGEMAP_SCAN takes about 120 instructions for each " \
	"anonymous page"
#define BY_SURVEY                                                                                   \
	"measured plus a fifth; 60 was demanded and is missed: a folio of one page takes 150, for " \
	"its payer, node and order"
#define BY_RANGE                                                                                      \
	"measured plus a fifth, for 64 pages of which none is in memory: their attributes are read, " \
	"and two page caches are asked"
#define AS_GMEMTOP "the exporter has gmemtop's programs, and is scraped ten times per second"
#define NOT_MORE   "demanded: no more; repetitions differ by less than 0.02 %"
#define BY_THE_SERIES                                                                                      \
	"measured plus a fifth; 2,500 samples of 20 VMs and the host, where a frame has lines of 64 VMs. " \
	"No VM waits for it, and a scrape each second takes 0.3 % of a CPU"
#define BY_GZIP                                                                                        \
	"measured plus a fifth; zlib's fastest level takes 6 million instructions for 170 KB, if the " \
	"client accepts gzip"
#define BY_A_CALL                                                                                 \
	"the LSM hook: with bpf in lsm= it is a call also while no program is attached, and the " \
	"operation is short"

/* clang-format off */
#define IN_PATCHED(n) { PATCHED, n }
#define IN_VANILLA(n) { VANILLA, n }

#define PATCHES_ROW(op, ...) \
	{ "patches." op, PATCHES, PERCENT, { IN_PATCHED("idle." op), IN_VANILLA("idle." op) }, \
	  .max = __VA_ARGS__ }
#define GMEMTOP_ROW(in, lane, op, form, ...) \
	{ "gmemtop." lane "." op, GMEMTOP, form, { in("gmemtop." op), in("idle." op) }, \
	  .max = __VA_ARGS__, .shown = { in("empty." op), in("bpftrace." op) } }
/* What --latency adds to gmemtop without it. */
#define LATENCY_ROW(in, lane, op, ...) \
	{ "latency." lane "." op, GMEMTOP, ADDED, { in("latency." op), in("gmemtop." op) }, \
	  .max = __VA_ARGS__, .shown = { in("idle." op) } }
#define POLICY_ROW(op, form, ...) \
	{ "policy." op, POLICY, form, \
	  { IN_PATCHED("policy_any." op), IN_PATCHED("idle." op) }, .max = __VA_ARGS__ }
#define CONDITIONS_ROW(op, ...) \
	{ "conditions." op, CONDITIONS, PERCENT, \
	  { IN_PATCHED("policy_1." op), IN_PATCHED("idle." op) }, .max = __VA_ARGS__ }
#define RULES_ROW(op) \
	{ "rules." op, RULES, TIMES, \
	  { IN_PATCHED("policy_1024." op), IN_PATCHED("policy_1." op) }, .max = 1.05 }
#define FILES_ROW(op, ...) \
	{ "files." op, FILES, PERCENT, \
	  { IN_PATCHED("policy_1024." op), IN_PATCHED("empty_lsm." op) }, .max = __VA_ARGS__, \
	  .shown = { IN_PATCHED("idle." op) } }
#define LOCKED_ROW(op, ...) \
	{ "locked." op, LOCKED, PERCENT, \
	  { IN_PATCHED("locked." op), IN_PATCHED("empty_lock." op) }, .max = __VA_ARGS__, \
	  .shown = { IN_PATCHED("idle." op) } }
#define SIZE_ROW(id, in, name, ...) \
	{ id, FRAMES, VALUE, { in("gmemtop." name) }, .max = __VA_ARGS__ }
/* clang-format on */

/* clang-format off */
static const struct bound_row bounds[] = {
	PATCHES_ROW("convert", 1, .why = DEMANDED),
	PATCHES_ROW("convert_unbound", 5.5, .why = BY_THE_SHORT_OPERATION),
	PATCHES_ROW("convert_redundant", 1.2, .why = BY_TWO_BRANCHES),
	PATCHES_ROW("guest_fault", 0.5),
	PATCHES_ROW("host_fault", 1.5, .why = BY_A_CALL),
	PATCHES_ROW("create_close", 1.1, .why = BY_A_CALL),
	PATCHES_ROW("mmap_munmap", 1, .why = BY_MMAP_PREPARE),
	PATCHES_ROW("punch", 1.2),
	PATCHES_ROW("bind_unbind", 0.5),
	PATCHES_ROW("receive_close", 0.5),

	GMEMTOP_ROW(IN_VANILLA, "vanilla", "convert", ADDED, 450),
	GMEMTOP_ROW(IN_VANILLA, "vanilla", "convert_unbound", ADDED, 450),
	GMEMTOP_ROW(IN_VANILLA, "vanilla", "convert_redundant", ADDED, 450),
	GMEMTOP_ROW(IN_VANILLA, "vanilla", "guest_fault", ADDED, 200),
	GMEMTOP_ROW(IN_VANILLA, "vanilla", "host_fault", ADDED, 200),
	GMEMTOP_ROW(IN_VANILLA, "vanilla", "create_close", PERCENT, 113),
	GMEMTOP_ROW(IN_VANILLA, "vanilla", "mmap_munmap", PERCENT, 6.3),
	GMEMTOP_ROW(IN_PATCHED, "patched", "convert", ADDED, 300),
	GMEMTOP_ROW(IN_PATCHED, "patched", "convert_unbound", ADDED, 300),
	GMEMTOP_ROW(IN_PATCHED, "patched", "convert_redundant", ADDED, 300),
	GMEMTOP_ROW(IN_PATCHED, "patched", "guest_fault", ADDED, 200),
	GMEMTOP_ROW(IN_PATCHED, "patched", "host_fault", ADDED, 200),
	GMEMTOP_ROW(IN_PATCHED, "patched", "create_close", PERCENT, 81),
	GMEMTOP_ROW(IN_PATCHED, "patched", "mmap_munmap", PERCENT, 4.5),

	{ "export.patched.convert", GMEMTOP, ADDED,
	  { IN_PATCHED("export.convert"), IN_PATCHED("idle.convert") }, .max = 300,
	  .why = AS_GMEMTOP },
	{ "export.patched.guest_fault", GMEMTOP, ADDED,
	  { IN_PATCHED("export.guest_fault"), IN_PATCHED("idle.guest_fault") }, .max = 200,
	  .why = AS_GMEMTOP },

	LATENCY_ROW(IN_PATCHED, "patched", "guest_convert", 900, .why = DEMANDED),
	LATENCY_ROW(IN_PATCHED, "patched", "guest_convert_touch", 1380, .why = BY_PHASES),
	LATENCY_ROW(IN_PATCHED, "patched", "guest_fault", 107),
	LATENCY_ROW(IN_VANILLA, "vanilla", "guest_convert", 1240, .why = BY_PHASES),
	LATENCY_ROW(IN_VANILLA, "vanilla", "guest_convert_touch", 1650, .why = BY_PHASES),
	LATENCY_ROW(IN_VANILLA, "vanilla", "guest_fault", 107),

	{ "events.patched.convert", GMEMTOP, ADDED,
	  { IN_PATCHED("events.convert"), IN_PATCHED("idle.convert") }, .max = 900, .why = DEMANDED },
	{ "events.vanilla.convert", GMEMTOP, ADDED,
	  { IN_VANILLA("events.convert"), IN_VANILLA("idle.convert") }, .max = 2750,
	  .why = BY_FUNCTIONS },

	SIZE_ROW("refresh.10", IN_PATCHED, "refresh_10", 80000, .scale = 10, .unit = PER_VM),
	SIZE_ROW("refresh.100", IN_PATCHED, "refresh_100", 26000, .scale = 100, .unit = PER_VM),
	SIZE_ROW("refresh.1000", IN_PATCHED, "refresh_1000", 20000, .scale = 1000, .unit = PER_VM,
		 .why = DEMANDED),
	SIZE_ROW("refresh.10000", IN_PATCHED, "refresh_10000", 20000, .scale = 10000,
		 .unit = PER_VM, .whole = true),
	SIZE_ROW("refresh.private_1000", IN_VANILLA, "private_refresh_1000", 20000, .scale = 1000,
		 .unit = PER_VM, .why = DEMANDED),
	{ "refresh.growth_1000", FRAMES, GROWTH,
	  { IN_PATCHED("gmemtop.refresh_10"), IN_PATCHED("gmemtop.refresh_100"),
	    IN_PATCHED("gmemtop.refresh_100"), IN_PATCHED("gmemtop.refresh_1000") },
	  .max = 1.25, .why = LINEAR },
	{ "refresh.growth_10000", FRAMES, GROWTH,
	  { IN_PATCHED("gmemtop.refresh_100"), IN_PATCHED("gmemtop.refresh_1000"),
	    IN_PATCHED("gmemtop.refresh_1000"), IN_PATCHED("gmemtop.refresh_10000") },
	  .max = 1.25, .why = LINEAR, .whole = true },
	{ "refresh.growth_10_10000", FRAMES, GROWTH,
	  { IN_PATCHED("gmemtop.refresh_10"), IN_PATCHED("gmemtop.refresh_100"),
	    IN_PATCHED("gmemtop.refresh_1000"), IN_PATCHED("gmemtop.refresh_10000") },
	  .max = 1.25, .why = LINEAR, .whole = true },
	SIZE_ROW("start.10", IN_PATCHED, "start_10", 880e6, .unit = "instructions",
		 .why = BY_MORE_PROGRAMS),
	SIZE_ROW("start.100", IN_PATCHED, "start_100", 890e6, .unit = "instructions",
		 .whole = true, .why = BY_MORE_PROGRAMS),
	SIZE_ROW("start.1000", IN_PATCHED, "start_1000", 980e6, .unit = "instructions",
		 .whole = true, .why = BY_MORE_PROGRAMS),
	SIZE_ROW("start.10000", IN_PATCHED, "start_10000", 1650e6, .unit = "instructions",
		 .whole = true),
	SIZE_ROW("start.private_1000", IN_VANILLA, "private_start_1000", 1200e6,
		 .unit = "instructions"),
	SIZE_ROW("resident.10", IN_PATCHED, "resident_10", 14600, .unit = "KiB"),
	SIZE_ROW("resident.100", IN_PATCHED, "resident_100", 14600, .unit = "KiB"),
	SIZE_ROW("resident.1000", IN_PATCHED, "resident_1000", 24576, .unit = "KiB",
		 .why = DEMANDED),
	SIZE_ROW("resident.10000", IN_PATCHED, "resident_10000", 75000, .unit = "KiB",
		 .whole = true),
	SIZE_ROW("resident.private_1000", IN_VANILLA, "private_resident_1000", 24576, .unit = "KiB",
		 .why = DEMANDED),
	SIZE_ROW("record.1000", IN_PATCHED, "record_1000", 71000, .scale = 1000, .unit = PER_VM,
		 .whole = true, .why = BY_TWO_PERCENT),
	SIZE_ROW("recorded.1000", IN_PATCHED, "recorded_1000", 120, .scale = 1000,
		 .unit = "bytes/VM", .whole = true, .why = DEMANDED),
	SIZE_ROW("waste.memfd", IN_PATCHED, "waste_memfd", 60, .unit = PER_PAGE, .why = DEMANDED),
	SIZE_ROW("waste.anonymous", IN_PATCHED, "waste_anonymous", 112, .unit = PER_PAGE,
		 .why = BY_PAGEMAP_SCAN),
	SIZE_ROW("ledger.memfd", IN_PATCHED, "ledger_memfd", 250, .unit = PER_PAGE,
		 .why = BY_SURVEY),
	SIZE_ROW("ledger.anonymous", IN_PATCHED, "ledger_anonymous", 208, .unit = PER_PAGE,
		 .why = BY_SURVEY),
	SIZE_ROW("waste.empty", IN_PATCHED, "waste_empty", 3100, .unit = "instructions",
		 .why = BY_RANGE),
	{ "first_frame.100", FRAMES, VALUE, { { LAB, "gmemtop.first_frame_100" } }, .max = 2, .scale = 1e6,
	  .unit = "seconds", .why = BY_THE_EMULATOR, .whole = true },
	{ "frame.10000", FRAMES, VALUE, { { LAB, "gmemtop.frame_10000" } }, .max = 1, .scale = 1e6,
	  .unit = "seconds", .why = BY_ONE_SECOND, .whole = true },

	{ "watched.convert", WATCHED, PERCENT,
	  { IN_PATCHED("export.many_convert_64"), IN_PATCHED("gmemtop.many_convert_64") },
	  .max = 0.1, .why = NOT_MORE, .whole = true },
	{ "watched.convert_plain", WATCHED, PERCENT,
	  { IN_PATCHED("export_plain.many_convert_64"), IN_PATCHED("gmemtop.many_convert_64") },
	  .max = 0.1, .why = NOT_MORE, .whole = true },
	{ "watched.own", WATCHED, TIMES,
	  { IN_PATCHED("export.many_watcher_64"), IN_PATCHED("gmemtop.many_watcher_64") },
	  .max = 5.3, .why = BY_GZIP, .whole = true },
	{ "watched.own_plain", WATCHED, TIMES,
	  { IN_PATCHED("export_plain.many_watcher_64"), IN_PATCHED("gmemtop.many_watcher_64") },
	  .max = 1.8, .why = BY_THE_SERIES, .whole = true },

	POLICY_ROW("convert", ADDED, 400, .why = DEMANDED),
	POLICY_ROW("create_close", ADDED, 900, .why = DEMANDED),
	POLICY_ROW("mmap_munmap", ADDED, 500, .why = DEMANDED),
	POLICY_ROW("host_fault", PERCENT, 10.4),
	POLICY_ROW("punch", PERCENT, 33),
	POLICY_ROW("bind_unbind", PERCENT, 1.3, .why = BY_WHAT_WAS_ALLOCATED),
	POLICY_ROW("receive_close", PERCENT, 38),

	CONDITIONS_ROW("convert", 25.2, .why = BY_MORE_CONDITIONS),
	CONDITIONS_ROW("create_close", 34, .why = BY_MORE_CONDITIONS),
	CONDITIONS_ROW("mmap_munmap", 17.4),
	CONDITIONS_ROW("host_fault", 48.7),
	CONDITIONS_ROW("punch", 156),
	CONDITIONS_ROW("bind_unbind", 6.6, .why = BY_MORE_CONDITIONS),
	CONDITIONS_ROW("receive_close", 180),

	RULES_ROW("convert"),
	RULES_ROW("create_close"),
	RULES_ROW("mmap_munmap"),
	RULES_ROW("host_fault"),
	RULES_ROW("punch"),
	RULES_ROW("bind_unbind"),
	RULES_ROW("receive_close"),

	FILES_ROW("read_file", 6),
	FILES_ROW("mmap_file", 0.8),
	FILES_ROW("ioctl_file", 11.4, .why = BY_EVERY_IOCTL),
	FILES_ROW("mmap_code", 1),
	FILES_ROW("open_read", 0.5),
	FILES_ROW("open_write", 0.5),
	FILES_ROW("create_unlink", 0.5),
	FILES_ROW("rename", 0.5),
	FILES_ROW("mkdir_rmdir", 0.5),
	FILES_ROW("chmod", 0.5),
	FILES_ROW("remount_umount", 0.5),
	FILES_ROW("bpf_lookup", 0.5),
	FILES_ROW("fork", 2.7, .why = BY_THE_TAG),
	{ "tag.fork", FILES, ADDED, { IN_PATCHED("policy_1024.fork"), IN_PATCHED("empty_tags.fork") },
	  .max = 205, .why = BY_THE_COPY },
	FILES_ROW("exec", 4, .why = BY_THE_ALLOCATOR),

	LOCKED_ROW("read_file", 5.1),
	LOCKED_ROW("mmap_file", 1.2),
	LOCKED_ROW("ioctl_file", 11.4, .why = BY_EVERY_IOCTL),
	LOCKED_ROW("mmap_code", 8.7),
	LOCKED_ROW("open_read", 1.2),
	LOCKED_ROW("open_write", 18.4, .why = BY_THE_FILE),
	LOCKED_ROW("create_unlink", 5.6, .why = BY_THE_FILE),
	LOCKED_ROW("rename", 1),
	LOCKED_ROW("mkdir_rmdir", 5.3, .why = BY_THE_FILE),
	LOCKED_ROW("chmod", 3.1),
	LOCKED_ROW("remount_umount", 28.8),
	LOCKED_ROW("bpf_lookup", 1),
	LOCKED_ROW("fork", 2.7, .why = BY_THE_TAG),
	LOCKED_ROW("exec", 4, .why = BY_THE_ALLOCATOR),

	{ "load.first", LOADS, VALUE, { IN_PATCHED("load.first") }, .max = 2780e6,
	  .unit = "instructions", .why = BY_THE_VERIFIER },
	{ "load.later_1", LOADS, VALUE, { IN_PATCHED("load.later_1") }, .max = 14.6e6,
	  .unit = "instructions", .why = BY_MORE_REPORTS },
	{ "load.later_1024", LOADS, VALUE, { IN_PATCHED("load.later_1024") }, .max = 148e6,
	  .unit = "instructions", .why = BY_LIBFYAML },
};
/* clang-format on */

#endif
