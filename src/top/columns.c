// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../lib/log.h"
#include "columns.h"
#include "key.h"

#define NONE	  ((struct value){ .kind = VALUE_NONE })
#define NUMBER(n) ((struct value){ .kind = VALUE_NUMBER, .number = (n) })
#define FIXED(n)  ((struct value){ .kind = VALUE_FIXED, .number = (n) })
#define TEXT(t)	  ((struct value){ .kind = VALUE_TEXT, .text = (t) })

#define GETTER(name)                                                               \
	static struct value name(const struct column *c __attribute__((unused)),   \
				 const struct features *f __attribute__((unused)), \
				 const struct model_vm *vm)

const char *const vm_counter_names[GMEM_VM_MAX] = {
#define X(name, ...) #name,
	GMEM_VM_COUNTERS(X)
#undef X
};

static const enum gmem_fact vm_counter_facts[GMEM_VM_MAX] = {
#define X(name, fact, ...) GMEM_FACT_##fact,
	GMEM_VM_COUNTERS(X)
#undef X
};

const char *const inst_counter_names[GMEM_INST_MAX] = {
#define X(name, ...) #name,
	GMEM_INST_COUNTERS(X)
#undef X
};

const enum gmem_fact inst_counter_facts[GMEM_INST_MAX] = {
#define X(name, fact, ...) GMEM_FACT_##fact,
	GMEM_INST_COUNTERS(X)
#undef X
};

const char *const op_names[GMEM_OP_MAX] = {
#define X(name, ...) #name,
	GMEM_OPS(X)
#undef X
};

const enum gmem_fact op_facts[GMEM_OP_MAX] = {
#define X(name, fact, help) GMEM_FACT_##fact,
	GMEM_OPS(X)
#undef X
};

const char *const loss_names[GMEM_LOST_MAX] = {
#define X(name, ...) #name,
	GMEM_LOSSES(X)
#undef X
};

const char *const direction_names[GMEM_DIRECTIONS] = {
#define X(name) #name,
	GMEM_DIRECTION_NAMES(X)
#undef X
};

static const struct {
	uint32_t type;
	const char *name;
} vm_types[] = {
#define X(name, number, text) { GMEM_VM_TYPE_##name, text },
	GMEM_VM_TYPE_NAMES(X)
#undef X
};

#define NR_VM_TYPES (sizeof(vm_types) / sizeof(vm_types[0]))

const char *vm_type_name(uint32_t type)
{
	size_t i;

	/* Those of x86 have KVM's numbers as indices. */
	if (type < NR_VM_TYPES && vm_types[type].type == type)
		return vm_types[type].name;
	for (i = 0; i < NR_VM_TYPES; i++) {
		if (vm_types[i].type == type)
			return vm_types[i].name;
	}
	return "unknown";
}

uint32_t vm_type_number(const char *name)
{
	size_t i;

	for (i = 0; i < NR_VM_TYPES; i++) {
		if (!strcmp(vm_types[i].name, name))
			return vm_types[i].type;
	}
	return GMEM_TYPE_NONE;
}

const char *rate_text(uint64_t millionths, char *buf, size_t size)
{
	bool small = millionths && millionths < 5000;

	snprintf(buf, size, small ? "%.6f" : "%.2f", (double)millionths / 1e6);
	return buf;
}

static bool have(const struct features *features, enum gmem_fact fact)
{
	return features->facts & (1U << fact);
}

/* Where a call tells whether a conversion was redundant, it must have told so of every one. */
static bool all_judged(const struct features *features, const struct model_vm *vm, int direction)
{
	int source = features->chosen[GMEM_FACT_redundant];

	if (vm->now.latency[direction].judged == GMEM_UNKNOWN)
		return false;
	if (source < 0 || is_tracepoint(&sources[source].hooks[0]))
		return true;
	return vm->now.latency[direction].judged ==
	       vm->now.c[GMEM_VM_to_private + direction * GMEM_PER_DIRECTION];
}

static bool vm_counter_known(const struct features *features, const struct model_vm *vm, int index)
{
	if (!have(features, vm_counter_facts[index]))
		return false;
	if (index == GMEM_VM_to_private_redundant)
		return all_judged(features, vm, 0);
	if (index == GMEM_VM_to_shared_redundant)
		return all_judged(features, vm, 1);
	return true;
}

/* Of most counters the kernel decides, whatever the VM. Kept, as it is asked for every VM. */
static uint64_t by_facts(uint32_t facts, const enum gmem_fact *needed, int nr)
{
	uint64_t known = 0;
	int i;

	for (i = 0; i < nr; i++)
		known |= (uint64_t)(facts >> needed[i] & 1) << i;
	return known;
}

#define BIT(n) (1ULL << (n))

uint64_t vm_counters_known(const struct features *features, const struct model_vm *vm)
{
	static uint64_t known;
	static uint32_t facts;

	_Static_assert(GMEM_VM_MAX <= 64 && GMEM_INST_MAX <= 64, "a bit each");
	if (facts != features->facts)
		known = by_facts(features->facts, vm_counter_facts, GMEM_VM_MAX);
	facts = features->facts;
	return (known & ~BIT(GMEM_VM_to_private_redundant) & ~BIT(GMEM_VM_to_shared_redundant)) |
	       (uint64_t)vm_counter_known(features, vm, GMEM_VM_to_private_redundant)
		       << GMEM_VM_to_private_redundant |
	       (uint64_t)vm_counter_known(features, vm, GMEM_VM_to_shared_redundant)
		       << GMEM_VM_to_shared_redundant;
}

struct value vm_counter(const struct features *features, const struct model_vm *vm, int index)
{
	return vm_counter_known(features, vm, index) ? NUMBER(vm->now.c[index]) : NONE;
}

struct value vm_rate(const struct features *features, const struct model_vm *vm, int index)
{
	return vm->rated && vm_counter_known(features, vm, index) ? FIXED(vm->rate_vm[index])
								  : NONE;
}

/*
 * KVM's functions do not tell how many bindings end with an instance. That is known from those that
 * began, if all did while we looked.
 */
static bool inst_counter_known(const struct features *features, const struct model_vm *vm,
			       int index)
{
	int source = features->chosen[GMEM_FACT_unbind];

	if (!have(features, inst_counter_facts[index]))
		return false;
	if (index != GMEM_INST_unbinds && index != GMEM_INST_unbound_pages)
		return true;
	if (vm->unbinds_unknown)
		return false;
	return !vm->adopted || source < 0 || is_tracepoint(&sources[source].hooks[0]);
}

uint64_t inst_counters_known(const struct features *features, const struct model_vm *vm)
{
	static uint64_t known;
	static uint32_t facts;

	if (facts != features->facts)
		known = by_facts(features->facts, inst_counter_facts, GMEM_INST_MAX);
	facts = features->facts;
	if (inst_counter_known(features, vm, GMEM_INST_unbinds))
		return known;
	return known & ~BIT(GMEM_INST_unbinds) & ~BIT(GMEM_INST_unbound_pages);
}

struct value inst_counter(const struct features *features, const struct model_vm *vm, int index)
{
	return inst_counter_known(features, vm, index) ? NUMBER(vm->inst[index]) : NONE;
}

struct value inst_rate(const struct features *features, const struct model_vm *vm, int index)
{
	return vm->rated && inst_counter_known(features, vm, index) ? FIXED(vm->rate_inst[index])
								    : NONE;
}

struct value vm_private(const struct features *features, const struct model_vm *vm)
{
	if (!have(features, GMEM_FACT_private_pages) || vm->now.private_pages == GMEM_UNKNOWN)
		return NONE;
	return NUMBER(vm->now.private_pages);
}

/* @n: GMEM_UNKNOWN where it cannot be told. */
static struct value known(uint64_t n)
{
	return n == GMEM_UNKNOWN ? NONE : NUMBER(n);
}

_Static_assert(COLUMN_to_private + GMEM_VM_MAX == COLUMN_guest_faults, "VM_COLUMN");
_Static_assert(COLUMN_guest_faults + GMEM_INST_MAX == COLUMN_to_private_rate, "INST_COLUMN");

static struct value get_vm_counter(const struct column *c, const struct features *f,
				   const struct model_vm *vm)
{
	return vm_counter(f, vm, c->index);
}

static struct value get_vm_rate(const struct column *c, const struct features *f,
				const struct model_vm *vm)
{
	return vm_rate(f, vm, c->index);
}

static struct value get_inst_counter(const struct column *c, const struct features *f,
				     const struct model_vm *vm)
{
	return inst_counter(f, vm, c->index);
}

static struct value get_inst_rate(const struct column *c, const struct features *f,
				  const struct model_vm *vm)
{
	return inst_rate(f, vm, c->index);
}

GETTER(get_id)
{
	return NUMBER(vm->now.id);
}

GETTER(get_key)
{
	struct value value = { .kind = VALUE_TEXT };

	return key_text(vm->key, value.buf) ? value : NONE;
}

GETTER(get_pid)
{
	/* Another process may have the pid of a VMM that is gone. */
	return vm->now.tgid && !vm->now.vmm_gone ? NUMBER(vm->now.tgid) : NONE;
}

GETTER(get_name)
{
	return TEXT(vm->name);
}

GETTER(get_cgroup)
{
	return vm->cgroup ? TEXT(vm->cgroup) : NONE;
}

GETTER(get_type)
{
	return vm->now.id == GMEM_ID_OTHER ? NONE : TEXT(vm_type_name(vm->now.type));
}

GETTER(get_state)
{
	return TEXT(state_names[vm->gone	   ? STATE_GONE
				: vm->now.vmm_gone ? STATE_VMM_GONE
						   : STATE_LIVE]);
}

GETTER(get_private_pages)
{
	return vm_private(f, vm);
}

GETTER(get_private_from)
{
	const char *from = features_private_from(f);

	return from && vm->now.private_pages != GMEM_UNKNOWN ? TEXT(from) : NONE;
}

GETTER(get_size_pages)
{
	return NUMBER(vm->size);
}

GETTER(get_resident_pages)
{
	return NUMBER(vm->resident);
}

GETTER(get_instances)
{
	return NUMBER(vm->nr_instances);
}

/* The instances for which there was no room have no flags. */
GETTER(get_mappable)
{
	return vm->now.id == GMEM_ID_OTHER ? NONE : known(vm->mappable);
}

GETTER(get_bound_now_pages)
{
	return known(vm->bound);
}

GETTER(get_holders)
{
	return known(vm->holders);
}

GETTER(get_bound_private_pages)
{
	return known(vm->bound_private);
}

GETTER(get_waste_instance_pages)
{
	return known(vm->waste_instance);
}

GETTER(get_waste_backing_pages)
{
	return known(vm->waste_backing);
}

#define P(X, name, ...)                                         \
	GETTER(get_backing_##name##_pages)                      \
	{                                                       \
		return known(vm->backing[GMEM_BACKING_##name]); \
	}                                                       \
	GETTER(get_waste_##name##_pages)                        \
	{                                                       \
		return known(vm->twice[GMEM_BACKING_##name]);   \
	}
GMEM_BACKINGS(P, )
#undef P

/* Can this kernel tell of any failure? */
static bool errors_known(const struct features *f)
{
#define X(name, fact, ...) | FACT(fact)
	return f->facts & (FACT(host_fault) GMEM_OPS(X));
#undef X
}

GETTER(get_errors)
{
	return errors_known(f) ? NUMBER(all_errors_of(vm)) : NONE;
}

GETTER(get_errors_rate)
{
	uint64_t sum = vm->rate_inst[GMEM_INST_host_faults_refused];
	int op;

	if (!errors_known(f) || !vm->rated)
		return NONE;
	for (op = 0; op < GMEM_OP_MAX; op++)
		sum += vm->rate_err[op];
	return FIXED(sum);
}

GETTER(get_denials)
{
	return have(f, GMEM_FACT_deny) ? NUMBER(denials_of(vm)) : NONE;
}

GETTER(get_denials_rate)
{
	return have(f, GMEM_FACT_deny) && vm->rated ? FIXED(vm->rate_denied) : NONE;
}

GETTER(get_last_error)
{
	struct value value = { .kind = VALUE_TEXT };

	model_error_text(vm->now.error_op, vm->now.error, value.buf, sizeof(value.buf));
	return *value.buf ? value : NONE;
}

bool column_known(const struct column *column, const struct features *features)
{
	if (column->get == get_errors || column->get == get_errors_rate)
		return errors_known(features);
	return (features->facts & column->facts) == column->facts;
}

#define ALL 100	 /* percent: the maximum */
#define NOW 1000 /* added to percent: of the last interval */

/* index: percent, of both directions together */
static struct value get_latency(const struct column *c, const struct features *f,
				const struct model_vm *vm)
{
	unsigned int percent = (unsigned int)c->index % NOW;
	enum span span = c->index >= NOW ? LAST_INTERVAL : SINCE_START;
	struct latency sum, shared;
	__u64 ns;

	if (!have(f, GMEM_FACT_convert) || (span == LAST_INTERVAL && !vm->rated))
		return NONE;
	model_latency(vm, 0, span, &sum);
	model_latency(vm, 1, span, &shared);
	latency_add(&sum, &shared);
	if (!latency_percentiles(&sum, &percent, 1, &ns))
		return NONE;
	return NUMBER(percent == ALL ? sum.max_ns : ns);
}

#define DURATION(percent, span) ((percent) + ((span) == LAST_INTERVAL ? NOW : 0))

/* clang-format off */
const struct column columns[NR_COLUMNS] = {
#define X(name, kind, unit, facts, wants, width, help) \
	{ #name, help, KIND_##kind, UNIT_##unit, facts, get_##name, width, 0, wants },
	GMEM_VM_FIELDS(X)
	GMEM_VM_DERIVED(X)
#undef X
#define X(name, percent, span, help) \
	{ #name, help, KIND_quantile, UNIT_NS, FACT(convert), get_latency, 10, \
	  DURATION(percent, span), 0 },
	GMEM_DURATIONS(X)
#undef X
#define X(name, fact, unit, help) \
	{ #name, help, KIND_counter, UNIT_##unit, FACT(fact), get_vm_counter, 10, \
	  GMEM_VM_##name, 0 },
	GMEM_VM_COUNTERS(X)
#undef X
#define X(name, fact, unit, help) \
	{ #name, help, KIND_counter, UNIT_##unit, FACT(fact), get_inst_counter, 10, \
	  GMEM_INST_##name, 0 },
	GMEM_INST_COUNTERS(X)
#undef X
#define X(name, fact, unit, help) \
	{ #name "_rate", help " per second", KIND_rate, UNIT_##unit, FACT(fact), get_vm_rate, 10, \
	  GMEM_VM_##name, 0 },
	GMEM_VM_COUNTERS(X)
#undef X
#define X(name, fact, unit, help) \
	{ #name "_rate", help " per second", KIND_rate, UNIT_##unit, FACT(fact), get_inst_rate, 10, \
	  GMEM_INST_##name, 0 },
	GMEM_INST_COUNTERS(X)
#undef X
};
/* clang-format on */

const unsigned int nr_columns = NR_COLUMNS;

const char default_columns[] = "id,pid,name,type,private_pages,resident_pages,size_pages,instances,"
			       "to_private_rate,to_shared_rate,interval_p99_ns,p99_ns,"
			       "guest_faults_rate,"
			       "host_faults_rate,errors";

const struct column *column_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_columns; i++) {
		if (!strcmp(columns[i].name, name))
			return &columns[i];
	}
	return NULL;
}

int columns_parse(const char *list, const struct column **chosen, unsigned int *nr)
{
	char name[64];
	size_t len;

	for (*nr = 0;; list += len + 1) {
		len = strcspn(list, ",");
		snprintf(name, sizeof(name), "%.*s", (int)len, list);
		if (*nr == MAX_COLUMNS)
			return log_error(-EINVAL, "too many", NULL, "--columns");
		chosen[*nr] = column_by_name(name);
		if (!chosen[(*nr)++])
			return log_error(-EINVAL, "there is no such column",
					 "--columns help lists them", "column '%s'", name);
		if (!list[len])
			return 0;
	}
}

int columns_compare(const struct column *column, const struct features *features,
		    const struct model_vm *a, const struct model_vm *b)
{
	struct value va = column->get(column, features, a);
	struct value vb = column->get(column, features, b);
	int order = 0;

	if (va.kind == VALUE_TEXT && vb.kind == VALUE_TEXT)
		order = strcmp(value_text(&va), value_text(&vb));
	else if (va.kind != vb.kind)
		order = va.kind == VALUE_NONE ? 1 : -1;
	else if (va.number != vb.number)
		order = va.number > vb.number ? -1 : 1;
	if (!order)
		order = a->now.id < b->now.id ? -1 : a->now.id > b->now.id;
	return order;
}

const char *column_mark(const struct column *column, const struct features *features)
{
	return column->get == get_private_pages && features->private_counted ? "*" : "";
}

void columns_print(void)
{
	unsigned int i;

	for (i = 0; i < nr_columns; i++)
		printf("%-30s %-8s %-5s %s\n", columns[i].name, kind_names[columns[i].kind],
		       unit_names[columns[i].unit], columns[i].help);
}
