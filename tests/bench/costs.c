// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of costs: what tests/bench/lane.sh measured in several lanes side by side, the bounds
 * beside it and whether they are met.
 *
 *   bench_costs [--json] [--check] LANE=FILE...
 *
 * LANE: vanilla, patched, and lab for what is measured in seconds. --check: exit 1 if a bound is
 * broken that is not known to be; without a lane's file its bounds are not checked.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <json-c/json.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_NUMBERS   384
#define MAX_BOUNDS    128
#define NAME_LEN      48

#define KIB_24M	   (24 << 10)
#define MAX_PER_VM 20000 /* instructions of a frame */
#define LINEAR	   1.25	 /* how much the price of a further VM may differ between sizes */
/* As measured with lsm= that leaves bpf out. */
#define BY_THE_HOOKS \
	"the hook, 16 instructions of it only with bpf in lsm=, and the count of private pages"

enum lane { VANILLA, PATCHED, LAB, NR_LANES };

static const char *const lane_names[NR_LANES] = { "vanilla", "patched", "lab" };

/* 0: no bound. In instructions, but for over_vanilla, in percent. */
struct op {
	const char *name, *title;
	double attached[2]; /* by lane: gmemtop over nothing */
	double over_vanilla;
	const char *known; /* why over_vanilla is not met today */
};

static const struct op ops[] = {
	{ "convert", "convert a page", { 450, 300 }, 1, NULL },
	{ "convert_unbound", "  without a memslot", { 450, 300 }, 1, BY_THE_HOOKS },
	{ "convert_redundant", "  that has it already", { 450, 300 }, 1, BY_THE_HOOKS },
	{ "guest_fault", "guest fault", { 200, 200 }, 0, NULL },
	{ "host_fault", "host fault", { 200, 200 }, 0, NULL },
	{ "create_close", "create and close", { 0, 0 }, 0, NULL },
	{ "mmap_munmap", "mmap and munmap", { 0, 0 }, 0, NULL },
};

/* What policies decide: instructions that one with a single rule may add, 0: no bound. */
static const struct {
	const char *name, *title;
	double added;
} decided[] = {
	{ "convert", "convert a page", 400 },
	{ "create_close", "create and close", 900 },
	{ "mmap_munmap", "mmap and munmap", 500 },
	{ "host_fault", "host fault", 0 },
	{ "punch", "punch a hole", 0 },
	{ "bind_unbind", "bind and unbind", 0 },
	{ "receive_close", "receive and close", 0 },
};

/* What is nobody's business. */
static const struct {
	const char *name, *title;
} files[] = {
	{ "read_file", "read a byte of a file" },
	{ "mmap_file", "mmap and munmap of a file" },
	{ "ioctl_file", "ioctl on a file" },
	{ "mmap_code", "mmap of code and munmap" },
	{ "open_read", "open to read, and close" },
	{ "open_write", "open to write, and close" },
	{ "create_unlink", "create and remove a file" },
	{ "rename", "rename" },
	{ "mkdir_rmdir", "mkdir and rmdir" },
	{ "chmod", "chmod" },
	{ "mount_umount", "mount and unmount" },
	{ "bpf_lookup", "read an entry of a BPF map" },
	{ "exec", "start and end a program" },
};

static const unsigned int rules[] = { 1, 1024 };

#define MAX_OVER_1_RULE	   1.05 /* times what it costs with one rule */
#define MAX_OVER_EMPTY_LSM 1.3	/* times what it costs with empty programs */
#define MAX_LOAD	   50e6 /* instructions, of 1,024 rules */

static const char *const watchers[] = { "empty", "gmemtop", "bpftrace" };
static const unsigned int sizes[] = { 10, 100, 1000, 10000 };

struct number {
	enum lane lane;
	char name[NAME_LEN];
	double value;
};

struct bound {
	char what[96];
	const char *unit, *known;
	double measured, max;
	bool met;
};

static struct number numbers[MAX_NUMBERS];
static size_t nr_numbers;
static struct bound bounds[MAX_BOUNDS];
static size_t nr_bounds;

/* The median of WATCHER.OP in a lane, the least if it was measured again; NAN: not measured. */
static double get(enum lane lane, const char *watcher, const char *op)
{
	char name[NAME_LEN];
	double value = NAN;
	size_t i;

	snprintf(name, sizeof(name), "%s.%s", watcher, op);
	for (i = 0; i < nr_numbers; i++) {
		if (numbers[i].lane == lane && !strcmp(numbers[i].name, name))
			value = fmin(value, numbers[i].value);
	}
	return value;
}

static double get_sized(enum lane lane, const char *what, unsigned int vms)
{
	char op[NAME_LEN];

	snprintf(op, sizeof(op), "%s_%u", what, vms);
	return get(lane, "gmemtop", op);
}

static int read_lane(char *arg)
{
	char *path = strchr(arg, '=');
	struct number *n;
	int lane, found = 0;
	FILE *f;

	if (path)
		*path++ = '\0';
	for (lane = 0; lane < NR_LANES && strcmp(arg, lane_names[lane]); lane++)
		;
	if (!path || lane == NR_LANES) {
		fprintf(stderr, "bench_costs: '%s' is not LANE=FILE\n", arg);
		return 2;
	}
	f = fopen(path, "re");
	if (!f) {
		perror(path);
		return 1;
	}
	for (; nr_numbers < MAX_NUMBERS; nr_numbers++, found++) {
		n = &numbers[nr_numbers];
		n->lane = (enum lane)lane;
		if (fscanf(f, "%47s %*u %*u %lf", n->name, &n->value) != 2)
			break;
	}
	if (!feof(f) || !found)
		fprintf(stderr, "bench_costs: %s is not what lane.sh prints\n", path);
	lane = feof(f) && found ? 0 : 1;
	fclose(f);
	return lane;
}

/* Returns the bound, NULL where there is none or nothing was measured. */
static const struct bound *judge(const char *what, const char *where, double measured, double max,
				 const char *unit, const char *known)
{
	struct bound *b = &bounds[nr_bounds];

	if (!max || isnan(measured) || nr_bounds == MAX_BOUNDS)
		return NULL;
	snprintf(b->what, sizeof(b->what), "%s, %s", what, where);
	b->unit = unit;
	b->known = known;
	b->measured = measured;
	b->max = max;
	b->met = measured <= max;
	nr_bounds++;
	return b;
}

enum form { COUNT, ADDED, PERCENT, ADDED_PERCENT, SECONDS, TIMES };

static void format(enum form form, double value, char *buf, size_t size)
{
	char digits[32], *to = buf;
	const char *at = digits;

	if (isnan(value)) {
		snprintf(buf, size, "-");
		return;
	}
	switch (form) {
	case PERCENT: snprintf(buf, size, "%.0f%%", value); return;
	case ADDED_PERCENT: snprintf(buf, size, "%+.2f%%", value); return;
	case SECONDS:
	case TIMES: snprintf(buf, size, "%.2f", value); return;
	case ADDED:
	case COUNT: break;
	}
	snprintf(digits, sizeof(digits), "%.0f", fabs(value));
	if (form == ADDED)
		*to++ = value < 0 ? '-' : '+';
	while (*at && to < buf + size - 2) {
		*to++ = *at++;
		if (*at && strlen(at) % 3 == 0)
			*to++ = ',';
	}
	*to = '\0';
}

static void cell(enum form form, int width, double value)
{
	char text[40];

	format(form, value, text, sizeof(text));
	printf(" %*s", width, text);
}

static void bound_cell(enum form form, const struct bound *b)
{
	char max[40] = "";

	if (b)
		format(form, b->max, max, sizeof(max));
	printf(" %7s %-6s", max, !b ? "" : b->met ? "met" : "MISSED");
}

static void put(struct json_object *row, const char *name, double value)
{
	json_object_object_add(row, name, isnan(value) ? NULL : json_object_new_double(value));
}

static void print_op(const struct op *op, enum lane lane, bool text, struct json_object *list)
{
	double alone = get(lane, "idle", op->name), with[ARRAY_SIZE(watchers)];
	double base = get(VANILLA, "idle", op->name), over = (alone - base) * 100 / base;
	const struct bound *b_over = NULL, *b;
	struct json_object *row;
	size_t w;

	if (isnan(alone))
		return;
	for (w = 0; w < ARRAY_SIZE(watchers); w++)
		with[w] = get(lane, watchers[w], op->name) - alone;
	if (lane == PATCHED)
		b_over = judge(op->name, "patched kernel over vanilla, nothing attached", over,
			       op->over_vanilla, "percent", op->known);
	b = judge(op->name, lane == PATCHED ? "gmemtop on patched" : "gmemtop on vanilla", with[1],
		  op->attached[lane], "instructions", NULL);
	if (text) {
		printf("%-22s %-8s", lane == VANILLA ? op->title : "", lane_names[lane]);
		cell(COUNT, 8, alone);
		cell(ADDED_PERCENT, 8, lane == PATCHED ? over : NAN);
		bound_cell(PERCENT, b_over);
		cell(ADDED, 7, with[0]);
		cell(ADDED, 8, with[1]);
		bound_cell(ADDED, b);
		cell(ADDED, 8, with[2]);
		printf("\n");
	}
	row = json_object_new_object();
	json_object_object_add(row, "operation", json_object_new_string(op->name));
	json_object_object_add(row, "lane", json_object_new_string(lane_names[lane]));
	put(row, "alone", alone);
	put(row, "over_vanilla_percent", lane == PATCHED ? over : NAN);
	for (w = 0; w < ARRAY_SIZE(watchers); w++)
		put(row, watchers[w], with[w]);
	json_object_array_add(list, row);
}

static void print_size(unsigned int vms, enum lane lane, bool text, struct json_object *list)
{
	double frame = get_sized(lane, "refresh", vms), kib = get_sized(lane, "resident", vms);
	double start = get_sized(lane, "start", vms);
	double first = get_sized(LAB, "first_frame", vms) / 1e6;
	const struct bound *b_frame = NULL, *b_kib = NULL, *b_first = NULL;
	struct json_object *row;

	if (isnan(frame))
		return;
	if (vms == 1000) {
		b_frame = judge("refresh", "per VM with 1,000 VMs", frame / vms, MAX_PER_VM,
				"instructions", NULL);
		b_kib = judge("resident memory", "1,000 VMs", kib, KIB_24M, "KiB", NULL);
	}
	if (vms == 100)
		b_first = judge("first frame", "100 VMs", first, 2, "seconds", NULL);
	if (text) {
		printf("%6u", vms);
		cell(COUNT, 14, frame);
		cell(COUNT, 9, frame / vms);
		bound_cell(COUNT, b_frame);
		cell(COUNT, 9, kib);
		bound_cell(COUNT, b_kib);
		cell(COUNT, 13, start);
		cell(SECONDS, 7, first);
		bound_cell(SECONDS, b_first);
		printf("\n");
	}
	row = json_object_new_object();
	json_object_object_add(row, "vms", json_object_new_int64(vms));
	put(row, "frame_instructions", frame);
	put(row, "resident_kib", kib);
	put(row, "start_instructions", start);
	put(row, "first_frame_seconds", first);
	json_object_array_add(list, row);
}

/* Where KVM has no statistic of private pages: they are counted anew for each VM that converts. */
static void print_counted(bool text, struct json_object *list)
{
	double frame = get_sized(VANILLA, "private_refresh", 1000);
	struct json_object *row;
	const struct bound *b;

	if (isnan(frame))
		return;
	b = judge("refresh", "per VM with 1,000 VMs whose private pages are counted", frame / 1000,
		  MAX_PER_VM, "instructions", NULL);
	if (text) {
		printf("%6d", 1000);
		cell(COUNT, 14, frame);
		cell(COUNT, 9, frame / 1000);
		bound_cell(COUNT, b);
		printf("  (vanilla: private pages are counted)\n");
	}
	row = json_object_new_object();
	json_object_object_add(row, "vms", json_object_new_int64(1000));
	put(row, "frame_instructions_private_counted", frame);
	json_object_array_add(list, row);
}

/* What each further VM costs, between one size and the next. */
static void print_growth(enum lane lane, bool text)
{
	double least = INFINITY, most = 0, slope, last = NAN;
	unsigned int last_vms = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		double frame = get_sized(lane, "refresh", sizes[i]);

		if (isnan(frame))
			continue;
		if (!isnan(last)) {
			slope = (frame - last) / (sizes[i] - last_vms);
			least = fmin(least, slope);
			most = fmax(most, slope);
		}
		last = frame;
		last_vms = sizes[i];
	}
	if (!most)
		return;
	judge("refresh", "dearest further VM over cheapest", most / least, LINEAR, "times", NULL);
	if (text) {
		printf("each further VM:");
		cell(COUNT, 0, least);
		printf(" to");
		cell(COUNT, 0, most);
		printf(" instructions (%s)\n", most / least <= LINEAR ? "linear" : "NOT LINEAR");
	}
}

static void print_decided(bool text, struct json_object *list)
{
	const struct bound *b_added, *b_times;
	double alone, any, one, many;
	struct json_object *row;
	size_t i;

	if (text && !isnan(get(PATCHED, "policy_any", decided[0].name)))
		printf("\nUnder a policy of one rule; with 1 and 1,024 rules that look at everything\n"
		       "%-22s %8s %8s %14s %8s %8s %6s %14s\n",
		       "operation", "alone", "1 rule", "bound     ", "1 rule", "1,024", "times",
		       "bound     ");
	for (i = 0; i < ARRAY_SIZE(decided); i++) {
		alone = get(PATCHED, "idle", decided[i].name);
		any = get(PATCHED, "policy_any", decided[i].name) - alone;
		one = get(PATCHED, "policy_1", decided[i].name);
		many = get(PATCHED, "policy_1024", decided[i].name);
		if (isnan(any))
			continue;
		b_added = judge(decided[i].name, "a policy in force", any, decided[i].added,
				"instructions", NULL);
		b_times = judge(decided[i].name, "1,024 rules over 1 rule", many / one,
				MAX_OVER_1_RULE, "times", NULL);
		if (text) {
			printf("%-22s", decided[i].title);
			cell(COUNT, 8, alone);
			cell(ADDED, 8, any);
			bound_cell(ADDED, b_added);
			cell(ADDED, 8, one - alone);
			cell(ADDED, 8, many - alone);
			cell(TIMES, 6, many / one);
			bound_cell(TIMES, b_times);
			printf("\n");
		}
		row = json_object_new_object();
		json_object_object_add(row, "operation", json_object_new_string(decided[i].name));
		put(row, "alone", alone);
		put(row, "one_rule", any);
		put(row, "one_rule_with_conditions", one - alone);
		put(row, "1024_rules_with_conditions", many - alone);
		json_object_array_add(list, row);
	}
}

/* Under a policy or a lock, named @watcher: what is added to @floor, empty programs in its place. */
static void print_files(const char *what, const char *floor, const char *watcher, bool text,
			struct json_object *list)
{
	double alone, empty, with;
	struct json_object *row;
	const struct bound *b;
	char title[64];
	size_t i;

	snprintf(title, sizeof(title), "%s over empty LSM programs", what);
	if (text && !isnan(get(PATCHED, watcher, files[0].name)))
		printf("\nWhat is no instance, under %s\n%-26s %9s %8s %8s %6s %14s\n", what,
		       "operation", "alone", "empty", "all", "times", "bound     ");
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		alone = get(PATCHED, "idle", files[i].name);
		empty = get(PATCHED, floor, files[i].name);
		with = get(PATCHED, watcher, files[i].name);
		if (isnan(with))
			continue;
		b = judge(files[i].name, title, with / empty, MAX_OVER_EMPTY_LSM, "times", NULL);
		if (text) {
			printf("%-26s", files[i].title);
			cell(COUNT, 9, alone);
			cell(ADDED, 8, empty - alone);
			cell(ADDED, 8, with - alone);
			cell(TIMES, 6, with / empty);
			bound_cell(TIMES, b);
			printf("\n");
		}
		row = json_object_new_object();
		json_object_object_add(row, "operation", json_object_new_string(files[i].name));
		json_object_object_add(row, "under", json_object_new_string(watcher));
		put(row, "alone", alone);
		put(row, "empty", empty - alone);
		put(row, "added", with - alone);
		json_object_array_add(list, row);
	}
}

static void print_loads(bool text, struct json_object *list)
{
	struct json_object *row;
	const struct bound *b;
	char name[NAME_LEN];
	double first, later;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		snprintf(name, sizeof(name), "first_%u", rules[i]);
		first = get(PATCHED, "load", name);
		snprintf(name, sizeof(name), "later_%u", rules[i]);
		later = get(PATCHED, "load", name);
		if (isnan(later))
			continue;
		b = rules[i] == 1
			    ? NULL
			    : judge("load", "1,024 rules", later, MAX_LOAD, "instructions", NULL);
		if (text) {
			if (!i)
				printf("\n%-22s %12s %12s %14s\n", "gmemctl load", "first", "later",
				       "bound     ");
			printf("%-4u rules            ", rules[i]);
			cell(COUNT, 12, first);
			cell(COUNT, 12, later);
			bound_cell(COUNT, b);
			printf("\n");
		}
		row = json_object_new_object();
		json_object_object_add(row, "rules", json_object_new_int64(rules[i]));
		put(row, "first_instructions", first);
		put(row, "later_instructions", later);
		json_object_array_add(list, row);
	}
}

/* Returns how many bounds are broken that are not known to be. */
static int print_bounds(bool text, struct json_object *list)
{
	struct json_object *row;
	int broken = 0;
	size_t i;

	for (i = 0; i < nr_bounds; i++) {
		const struct bound *b = &bounds[i];

		broken += !b->met && !b->known;
		if (text && !b->met)
			printf("missed: %s: %.2f %s, bound %.10g%s%s%s\n", b->what, b->measured,
			       b->unit, b->max, b->known ? " (known: " : "",
			       b->known ? b->known : "", b->known ? ")" : "");
		row = json_object_new_object();
		json_object_object_add(row, "what", json_object_new_string(b->what));
		json_object_object_add(row, "unit", json_object_new_string(b->unit));
		put(row, "measured", b->measured);
		put(row, "bound", b->max);
		json_object_object_add(row, "met", json_object_new_boolean(b->met));
		json_object_object_add(row, "known",
				       b->known ? json_object_new_string(b->known) : NULL);
		json_object_array_add(list, row);
	}
	if (text)
		printf("%zu bounds, %d broken that were not known to be\n", nr_bounds, broken);
	return broken;
}

static int print(bool text)
{
	enum { OPERATIONS, GMEMTOP, POLICIES, FILES, LOADS, BOUNDS, NR_LISTS };
	struct json_object *all = json_object_new_object(), *lists[NR_LISTS];
	static const char *const names[NR_LISTS] = { "operations", "gmemtop", "policies",
						     "files",	   "loads",   "bounds" };
	bool patched = !isnan(get(PATCHED, "idle", "convert"));
	int broken, lane;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		lists[i] = json_object_new_array();
		json_object_object_add(all, names[i], lists[i]);
	}
	if (text)
		printf("Instructions of the calling thread per operation; +: what is added\n"
		       "%-22s %-8s %8s %8s %14s %7s %8s %14s %8s\n",
		       "operation", "lane", "alone", "patches", "bound     ", "empty", "gmemtop",
		       "bound     ", "bpftrace");
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		for (lane = VANILLA; lane <= PATCHED; lane++)
			print_op(&ops[i], (enum lane)lane, text, lists[OPERATIONS]);
	if (text)
		printf("\ngmemtop --json with VMs that convert before every frame\n"
		       "%6s %14s %9s %14s %9s %14s %13s %7s %14s\n",
		       "VMs", "instructions", "per VM", "bound     ", "KiB", "bound     ",
		       "first frame", "in s", "bound     ");
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		print_size(sizes[i], patched ? PATCHED : VANILLA, text, lists[GMEMTOP]);
	print_counted(text, lists[GMEMTOP]);
	print_growth(patched ? PATCHED : VANILLA, text);
	print_decided(text, lists[POLICIES]);
	print_files("a policy", "empty_lsm", "policy_1024", text, lists[FILES]);
	print_files("a locked policy", "empty_lock", "locked", text, lists[FILES]);
	print_loads(text, lists[LOADS]);
	broken = print_bounds(text, lists[BOUNDS]);
	if (!text)
		printf("%s\n", json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));
	json_object_put(all);
	return broken;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'c' },
		{ 0 },
	};
	bool text = true, check = false;
	int c, ret;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return 2;
		text &= c != 'j';
		check |= c == 'c';
	}
	if (optind == argc) {
		fprintf(stderr, "usage: bench_costs [--json] [--check] LANE=FILE...\n");
		return 2;
	}
	for (; optind < argc; optind++) {
		ret = read_lane(argv[optind]);
		if (ret)
			return ret;
	}
	return print(text) && check ? 1 : 0;
}
