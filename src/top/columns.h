/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything that can be shown of a VM, as a table: names, titles, and how to get the value. */
#ifndef GMEM_COLUMNS_H
#define GMEM_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "features.h"
#include "fields.h"
#include "model.h"

#define MAX_COLUMNS 128 /* chosen ones; there are fewer to choose from */

enum value_kind {
	VALUE_NONE, /* cannot be told: "-", null */
	VALUE_NUMBER,
	VALUE_FIXED, /* millionths */
	VALUE_TEXT,
};

struct value {
	enum value_kind kind;
	uint64_t number;
	const char *text; /* NULL: it is in buf */
	char buf[40];
};

/* A rate as text: with two decimals, or more where it is less than 1/100. */
const char *rate_text(uint64_t millionths, char *buf, size_t size);

static inline const char *value_text(const struct value *value)
{
	return value->text ? value->text : value->buf;
}

/* A field of a VM. */
struct column {
	const char *name; /* the same in --columns, CSV and JSON */
	const char *help;
	enum field_kind kind;
	enum unit unit;
	uint32_t facts; /* all that it needs, see column_known() */
	/* VALUE_NONE where it is unknown for this VM, or cannot be reported at all. */
	struct value (*get)(const struct column *column, const struct features *features,
			    const struct model_vm *vm);
	int width;	/* negative: left-aligned text */
	int index;	/* of the counter, or an argument */
	uint32_t wants; /* enum want: what has to be looked at */
};

/* In the order of the lists in fields.h and bpf/abi/trace.h. */
enum column_id {
#define X(name, ...) COLUMN_##name,
	GMEM_VM_FIELDS(X) NR_VM_MEMBERS, /* those before are members of a VM in JSON */
	COLUMN_BEFORE_DERIVED = NR_VM_MEMBERS - 1,
	GMEM_VM_DERIVED(X) GMEM_DURATIONS(X) GMEM_VM_COUNTERS(X) GMEM_INST_COUNTERS(X)
#undef X
#define X(name, ...) COLUMN_##name##_rate,
		GMEM_VM_COUNTERS(X) GMEM_INST_COUNTERS(X)
#undef X
			NR_COLUMNS
};

/* Which column shows a counter, by its index in struct model_vm. */
#define VM_COLUMN(counter)   (COLUMN_to_private + (counter))
#define INST_COLUMN(counter) (COLUMN_guest_faults + (counter))

extern const struct column columns[NR_COLUMNS];
extern const unsigned int nr_columns;

/* The name of a column that is a member of a VM in JSON, as in VM_FIELD(size_pages). */
#define VM_FIELD(member) (columns[COLUMN_##member].name)

/* Can this kernel report it at all? Of a single VM it may be unknown for all that. */
bool column_known(const struct column *column, const struct features *features);

/* What is shown unless the user chooses. */
extern const char default_columns[];

/**
 * columns_parse - names with commas between
 * @list: the names
 * @chosen: the result, of MAX_COLUMNS
 * @nr: how many
 *
 * Return: 0, or -EINVAL for an unknown name, which has been explained.
 */
int columns_parse(const char *list, const struct column **chosen, unsigned int *nr);

const struct column *column_by_name(const char *name);

/* The counters and gauges as values: VALUE_NONE where this kernel cannot tell. */
struct value vm_counter(const struct features *features, const struct model_vm *vm, int index);
struct value vm_rate(const struct features *features, const struct model_vm *vm, int index);
struct value inst_counter(const struct features *features, const struct model_vm *vm, int index);
struct value inst_rate(const struct features *features, const struct model_vm *vm, int index);

/* Which counters this kernel tells of the VM: bit i is that of counter i. */
uint64_t vm_counters_known(const struct features *features, const struct model_vm *vm);
uint64_t inst_counters_known(const struct features *features, const struct model_vm *vm);
struct value vm_private(const struct features *features, const struct model_vm *vm);

extern const char *const vm_counter_names[GMEM_VM_MAX];
extern const char *const inst_counter_names[GMEM_INST_MAX];
extern const char *const loss_names[GMEM_LOST_MAX];
extern const char *const direction_names[GMEM_DIRECTIONS];
extern const char *const op_names[GMEM_OP_MAX];
extern const enum gmem_fact op_facts[GMEM_OP_MAX];
extern const enum gmem_fact inst_counter_facts[GMEM_INST_MAX];

const char *vm_type_name(uint32_t type);
/* The type of that name, GMEM_TYPE_NONE for others. */
uint32_t vm_type_number(const char *name);

/* Order of two VMs by a column: numbers falling, texts rising, then by id. */
int columns_compare(const struct column *column, const struct features *features,
		    const struct model_vm *a, const struct model_vm *b);

/* What stands behind its title: "*" where private pages are counted by gmemtop, else "". */
const char *column_mark(const struct column *column, const struct features *features);

/* Print name and help of every column. */
void columns_print(void);

#endif /* GMEM_COLUMNS_H */
