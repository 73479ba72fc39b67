// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counting, the log of operations, and the report as JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

#define LOG_LINE 256

/* Members of a cell that are printed, beside ok, failed and unreached; NULL: not printed. */
struct cell_desc {
	enum cell_id id;
	const char *name, *pages, *changed, *redundant;
};

static const struct cell_desc cell_descs[] = {
	{ CELL_CREATE, "create", "pages", NULL, NULL },
	{ CELL_RELEASE, "release", "pages", NULL, NULL },
	{ CELL_BIND, "bind", "pages", NULL, NULL },
	{ CELL_UNBIND, "unbind", "pages", NULL, NULL },
	{ CELL_ALLOCATE, "allocate", "pages", "pages_added", NULL },
	{ CELL_PUNCH, "punch", "pages", "pages_freed", NULL },
	{ CELL_GUEST_FAULT, "guest_fault", NULL, "first_touches", NULL },
	{ CELL_HOST_FAULT, "host_fault", NULL, "first_touches", "refused" },
	{ CELL_MMAP, "mmap", "pages", NULL, NULL },
	{ CELL_RECEIVE, "receive", NULL, NULL, NULL },
	{ CELL_POISON, "poison", NULL, NULL, NULL },
	{ CELL_HYPERCALL, "hypercall", NULL, NULL, NULL },
	{ CELL_MEMORY_FAULT, "memory_fault_exit", NULL, NULL, NULL },
};

static const struct cell_desc convert_desc = {
	CELL_CONVERT, "convert", "pages", "pages_changed", "redundant",
};

static const char *const origins[] = { "host", "hypercall", "implicit" };
static const char *const directions[] = { "to_private", "to_shared", "to_invalid" };
static const char *const ends[] = { "running", "closed", "exited", "killed" };

/* The cell of conversions of that origin and direction. */
enum cell_id convert_cell(enum origin by, enum direction to)
{
	return CELL_CONVERT + by * NR_DIRECTIONS + to;
}

enum direction direction_of(u64 attributes)
{
	if (!attributes)
		return TO_SHARED;
	return attributes == KVM_MEMORY_ATTRIBUTE_PRIVATE ? TO_PRIVATE : TO_INVALID;
}

/* Count an operation that succeeded. */
void count_ok(struct cell *cell, u64 pages, u64 changed)
{
	cell->ok++;
	cell->pages += pages;
	cell->changed += changed;
}

/* Count an operation that failed with this errno (positive). */
void count_failed(struct cell *cell, int err)
{
	if (err > 0 && err < ERRNO_MAX)
		cell->failed[err]++;
}

void counts_sum(struct counts *to, const struct counts *from)
{
	size_t i, e;

	for (i = 0; i < NR_CELLS; i++) {
		to->cell[i].ok += from->cell[i].ok;
		to->cell[i].pages += from->cell[i].pages;
		to->cell[i].changed += from->cell[i].changed;
		to->cell[i].redundant += from->cell[i].redundant;
		for (e = 0; e < ERRNO_MAX; e++) {
			to->cell[i].failed[e] += from->cell[i].failed[e];
			to->cell[i].unreached[e] += from->cell[i].unreached[e];
		}
	}
}

/* The sum over a VM's threads. */
void counts_of_vm(struct counts *to, const struct vm *vm)
{
	size_t i;

	memset(to, 0, sizeof(*to));
	for (i = 0; i <= MAX_VCPUS; i++) {
		if (i < cfg.vcpus || i == MAX_VCPUS)
			counts_sum(to, &vm->counts[i]);
	}
}

/**
 * log_op - write one line to the log of operations, if there is one
 * @vm: whose operation
 * @fmt: the operation with the values that the kernel must have seen
 */
void log_op(const struct vm *vm, const char *fmt, ...)
{
	char line[LOG_LINE];
	va_list args;
	int n;

	if (cfg.log_fd < 0)
		return;
	n = snprintf(line, sizeof(line), "vm=%u ", vm->index);
	va_start(args, fmt);
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
	va_end(args);
	if (n > LOG_LINE - 2)
		n = LOG_LINE - 2;
	line[n++] = '\n';
	if (write(cfg.log_fd, line, n) != n)
		say("cannot write the log: %s", strerror(errno));
}

static void add_number(struct json_object *to, const char *name, u64 value)
{
	json_object_object_add(to, name, json_object_new_int64((s64)value));
}

static struct json_object *errnos_json(const u32 *errnos)
{
	struct json_object *obj = json_object_new_object();
	int i;

	for (i = 0; i < ERRNO_MAX; i++) {
		if (errnos[i])
			add_number(obj, strerrorname_np(i), errnos[i]);
	}
	return obj;
}

static struct json_object *cell_json(const struct cell_desc *desc, const struct cell *cell)
{
	static const u32 none[ERRNO_MAX];
	struct json_object *obj = json_object_new_object();

	add_number(obj, "ok", cell->ok);
	if (desc->pages)
		add_number(obj, desc->pages, cell->pages);
	if (desc->changed)
		add_number(obj, desc->changed, cell->changed);
	if (desc->redundant)
		add_number(obj, desc->redundant, cell->redundant);
	json_object_object_add(obj, "failed", errnos_json(cell->failed));
	if (memcmp(cell->unreached, none, sizeof(none)))
		json_object_object_add(obj, "unreached", errnos_json(cell->unreached));
	return obj;
}

static struct json_object *convert_json(const struct counts *counts)
{
	struct json_object *obj = json_object_new_object(), *sub;
	struct counts sum = { 0 };
	struct cell *cell;
	int by, to;
	u32 e;

	for (by = 0; by < NR_ORIGINS; by++) {
		sub = json_object_new_object();
		for (to = 0; to < NR_DIRECTIONS; to++) {
			const struct cell *from = &counts->cell[convert_cell(by, to)];

			json_object_object_add(sub, directions[to], cell_json(&convert_desc, from));
			cell = &sum.cell[to];
			cell->ok += from->ok;
			cell->pages += from->pages;
			cell->changed += from->changed;
			cell->redundant += from->redundant;
			for (e = 0; e < ERRNO_MAX; e++) {
				cell->failed[e] += from->failed[e];
				cell->unreached[e] += from->unreached[e];
			}
		}
		json_object_object_add(obj, origins[by], sub);
	}
	sub = json_object_new_object();
	for (to = 0; to < NR_DIRECTIONS; to++)
		json_object_object_add(sub, directions[to],
				       cell_json(&convert_desc, &sum.cell[to]));
	json_object_object_add(obj, "sum", sub);
	return obj;
}

static struct json_object *counts_json(const struct counts *counts)
{
	struct json_object *obj = json_object_new_object();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cell_descs); i++)
		json_object_object_add(obj, cell_descs[i].name,
				       cell_json(&cell_descs[i], &counts->cell[cell_descs[i].id]));
	json_object_object_add(obj, "convert", convert_json(counts));
	return obj;
}

static struct json_object *vm_json(const struct vm *vm, struct counts *totals)
{
	static const struct counts none;
	struct json_object *obj = json_object_new_object();
	struct counts counts;

	counts_of_vm(&counts, vm);
	counts_sum(totals, &counts);
	add_number(obj, "vm", vm->index);
	add_number(obj, "pid", vm->pid);
	json_object_object_add(obj, "type", json_object_new_string(arch_type_name()));
	add_number(obj, "vcpus", cfg.vcpus);
	json_object_object_add(obj, "end", json_object_new_string(ends[vm->end]));
	json_object_object_add(obj, "guest_faults_exact", json_object_new_boolean(!vm->inexact));
	add_number(obj, "guest_resets", vm->resets);
	add_number(obj, "private_pages", vm->private_pages);
	json_object_object_add(obj, "kvm_stat_private_pages",
			       vm->stat_private < 0 ? NULL
						    : json_object_new_int64(vm->stat_private));
	json_object_object_add(obj, "counts", counts_json(&counts));
	if (memcmp(&vm->setup, &none, sizeof(none)))
		json_object_object_add(obj, "before_start", counts_json(&vm->setup));
	return obj;
}

/**
 * report - print what was done as one JSON object
 * @out: where to
 * @vms: all VMs
 */
int report(FILE *out, const struct vm *vms)
{
	struct json_object *obj = json_object_new_object(), *list = json_object_new_array();
	struct counts totals = { 0 };
	u32 i;

	for (i = 0; i < cfg.vms; i++)
		json_object_array_add(list, vm_json(&vms[i], &totals));
	add_number(obj, "seed", cfg.seed);
	json_object_object_add(obj, "vms", list);
	json_object_object_add(obj, "totals", counts_json(&totals));
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(obj, cfg.json_lines ? JSON_C_TO_STRING_PLAIN
								   : JSON_C_TO_STRING_PRETTY));
	json_object_put(obj);
	return fflush(out) ? -errno : 0;
}

/**
 * report_progress - print one line of JSON about where the run is
 * @out: where to
 * @what: ready, started, held
 * @vms: all VMs
 */
void report_progress(FILE *out, const char *what, const struct vm *vms)
{
	struct json_object *obj;
	struct counts totals = { 0 }, counts;
	u32 i;

	if (!cfg.json_lines)
		return;
	for (i = 0; i < cfg.vms; i++) {
		counts_of_vm(&counts, &vms[i]);
		counts_sum(&totals, &counts);
	}
	obj = json_object_new_object();
	json_object_object_add(obj, "progress", json_object_new_string(what));
	json_object_object_add(obj, "totals", counts_json(&totals));
	fprintf(out, "%s\n", json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	fflush(out);
	json_object_put(obj);
}
