// SPDX-License-Identifier: GPL-2.0-only
/* The text of what was learned, with the evidence as comments. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/utf8.h"
#include "learned.h"
#include "tree.h"
#include "value.h"

/* The conditions of a rule, and which operations it has. */
struct proposal {
	__u32 ops, conditions;
	const struct learned_op *by[POLICY_IF_MAX]; /* by condition: whose values it has */
};

/* The smallest power of two that is not below a number. */
static __u64 round_up(__u64 number)
{
	__u64 power = VALUE_PAGE;

	while (power < number && power < 1ULL << 62)
		power <<= 1;
	return power < number ? number : power;
}

static bool is_exact(const struct learn *learn, const struct learned_op *op)
{
	return learn->options.exact || op->exact;
}

static __u64 size_of(const struct learn *learn, const struct learned_op *op)
{
	return is_exact(learn, op) ? op->size_max : round_up(op->size_max);
}

static void range_of(const struct learn *learn, const struct learned_op *op, __u64 *start,
		     __u64 *end)
{
	*start = is_exact(learn, op) ? op->start : 0;
	*end = is_exact(learn, op) ? op->end : round_up(op->end);
}

/* The conditions that a rule for an operation has: those whose values were always known. */
static __u32 conditions_of(const struct learned_op *op, __u32 number)
{
	__u32 bits = 0;
	int c;

	for (c = 0; c < POLICY_IF_MAX; c++)
		bits |= (condition_ops[c] >> number & 1) << c;
	/* Bounded by the size of the instance. */
	bits &= ~(1U << POLICY_IF_offset);
	return bits & ~op->unknown;
}

static bool same_values(const struct learn *learn, const struct learned_op *a,
			const struct learned_op *b, int condition)
{
	__u64 start[2], end[2];

	switch (condition) {
	case POLICY_IF_size: return size_of(learn, a) == size_of(learn, b);
	case POLICY_IF_flags: return a->flags == b->flags && a->flags_differ == b->flags_differ;
	case POLICY_IF_prot: return a->prot == b->prot;
	case POLICY_IF_direction: return a->directions == b->directions;
	case POLICY_IF_range:
		range_of(learn, a, &start[0], &end[0]);
		range_of(learn, b, &start[1], &end[1]);
		return start[0] == start[1] && end[0] == end[1];
	default: return a->types == b->types;
	}
}

/* Can one rule have both? A condition is ignored for operations that it does not apply to. */
static bool can_join(const struct learn *learn, const struct proposal *proposal,
		     const struct learned_op *op, __u32 number)
{
	__u32 conditions = conditions_of(op, number), applies;
	int c;

	for (c = 0; c < POLICY_IF_MAX; c++) {
		applies = condition_ops[c] & proposal->ops && condition_ops[c] >> number & 1;
		if (applies && (proposal->conditions >> c & 1) != (conditions >> c & 1))
			return false;
		if (conditions >> c & 1 && proposal->conditions >> c & 1 &&
		    !same_values(learn, op, proposal->by[c], c))
			return false;
	}
	return true;
}

static void join(struct proposal *proposal, const struct learned_op *op, __u32 number)
{
	__u32 conditions = conditions_of(op, number);
	int c;

	for (c = 0; c < POLICY_IF_MAX; c++) {
		if (conditions >> c & 1)
			proposal->by[c] = op;
	}
	proposal->ops |= 1U << number;
	proposal->conditions |= conditions;
}

/* The rules of a subject, with as many operations in each as have the same conditions. */
static size_t propose(const struct learn *learn, const struct learned_subject *subject,
		      struct proposal proposals[GMEM_DO_MAX])
{
	size_t nr = 0, i;
	__u32 op;

	memset(proposals, 0, GMEM_DO_MAX * sizeof(*proposals));
	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (!subject->ops[op].count)
			continue;
		for (i = 0; i < nr && !can_join(learn, &proposals[i], &subject->ops[op], op); i++)
			;
		nr += i == nr;
		join(&proposals[i], &subject->ops[op], op);
	}
	return nr;
}

/* --- text --- */

static void write_names(FILE *out, const char *what, const struct names *names)
{
	if (!names->nr)
		return;
	fprintf(out, ", %s ", what);
	utf8_print(names->first, strlen(names->first), out);
	if (names->nr > 1)
		fprintf(out, " and others");
}

static void write_evidence(FILE *out, const struct learned_subject *subject,
			   const struct proposal *proposal)
{
	__u32 op;

	for (op = 0; op < GMEM_DO_MAX; op++) {
		const struct learned_op *seen = &subject->ops[op];

		if (!(proposal->ops >> op & 1))
			continue;
		fprintf(out, "  # %s: %llu events, seq %llu to %llu",
			value_name(VALUE_OPERATION, op), seen->count, seen->first_seq,
			seen->last_seq);
		write_names(out, "VM", &seen->vms);
		write_names(out, "host", &seen->hosts);
		if (seen->inferred)
			fputs("; inferred: the process used instances that another one created",
			      out);
		fputc('\n', out);
	}
}

/* What is allowed beyond what was seen. */
static void write_generalisation(FILE *out, const struct learn *learn,
				 const struct proposal *proposal)
{
	const struct learned_op *size = proposal->by[POLICY_IF_size];
	const struct learned_op *range = proposal->by[POLICY_IF_range];
	char text[VALUE_SIZE_TEXT];

	if (size && size_of(learn, size) != size->size_max)
		fprintf(out, "  # generalised: sizes up to %s were seen\n",
			value_size_text(size->size_max, text));
	if (range && !is_exact(learn, range))
		fprintf(out, "  # generalised: guest addresses 0x%llx-0x%llx were seen\n",
			range->start, range->end);
}

static void write_condition(FILE *out, const struct learn *learn, const struct learned_op *op,
			    int condition)
{
	char list[256], size[VALUE_SIZE_TEXT];
	__u64 start, end;

	switch (condition) {
	case POLICY_IF_size:
		fprintf(out, "size: \"<= %s\"", value_size_text(size_of(learn, op), size));
		break;
	case POLICY_IF_flags:
		fprintf(out, "flags%s: [%s]", op->flags_differ ? "" : "-are",
			value_list(VALUE_FLAG, op->flags, ", ", list, sizeof(list)));
		break;
	case POLICY_IF_prot:
		fprintf(out, "prot: [%s]",
			value_list(VALUE_PROT, op->prot, ", ", list, sizeof(list)));
		break;
	case POLICY_IF_direction:
		fprintf(out, "direction: [%s]",
			value_list(VALUE_DIRECTION, op->directions, ", ", list, sizeof(list)));
		break;
	case POLICY_IF_range:
		range_of(learn, op, &start, &end);
		fprintf(out, "range: \"0x%llx-0x%llx\"", start, end);
		break;
	default:
		fprintf(out, "vm-type: [%s]",
			value_list(VALUE_TYPE, op->types, ", ", list, sizeof(list)));
	}
}

static void write_rule(FILE *out, const struct learn *learn, const struct learned_subject *subject,
		       const struct proposal *proposal, size_t number)
{
	char ops[128];
	const char *separator = "";
	int c;

	write_evidence(out, subject, proposal);
	write_generalisation(out, learn, proposal);
	fprintf(out, "  - name: %s-%zu\n    allow: [%s]\n    subjects: [%s]\n", subject->name,
		number, value_list(VALUE_OPERATION, proposal->ops, ", ", ops, sizeof(ops)),
		subject->name);
	if (!proposal->conditions)
		return;
	fputs("    when: { ", out);
	for (c = 0; c < POLICY_IF_MAX; c++) {
		if (!(proposal->conditions >> c & 1))
			continue;
		fputs(separator, out);
		write_condition(out, learn, proposal->by[c], c);
		separator = ", ";
	}
	fputs(" }\n", out);
}

static bool is_proposed(const struct learn *learn, const struct learned_subject *subject)
{
	size_t i;

	for (i = 0; i < learn->nr_exceptions; i++) {
		if (learn->exceptions[i].subject == subject && !learn->exceptions[i].cgroup &&
		    !learn->exceptions[i].useless)
			return true;
	}
	return subject->count;
}

static void write_subject(FILE *out, const struct learned_subject *subject)
{
	fprintf(out, "  # %llu events", subject->count);
	write_names(out, "cgroup", &subject->cgroups);
	fputc('\n', out);
	if (subject->cgroup && subject->cgroups.nr &&
	    (subject->cgroups.nr > 1 || strcmp(subject->cgroup, subject->cgroups.first)))
		fputs("  # generalised: what contains these cgroups\n", out);
	if (!subject->cgroup)
		fputs("  # no cgroup: the processes are in the root cgroup, or it is not known\n",
		      out);
	fprintf(out, "  %s:\n    exe: ", subject->name);
	tree_write_text(out, subject->exe);
	fputc('\n', out);
	if (subject->root != GMEM_ROOT_host)
		fputs("    root: any\n", out);
	if (subject->uid >= 0)
		fprintf(out, "    uid: [%lld]\n", (long long)subject->uid);
	if (subject->cgroup) {
		fputs("    cgroup: ", out);
		tree_write_text(out, subject->cgroup);
		fputc('\n', out);
	}
}

static void write_exception_subjects(FILE *out, const struct learn *learn)
{
	size_t i;

	for (i = 0; i < learn->nr_exceptions; i++) {
		const struct exception *exception = &learn->exceptions[i];

		if (!exception->cgroup || exception->useless)
			continue;
		fprintf(out, "  # %s was only denied in this cgroup\n",
			value_name(VALUE_OPERATION, exception->request.op));
		fprintf(out, "  %s-in-%zu:\n    exe: ", exception->subject->name, i + 1);
		tree_write_text(out, exception->subject->exe);
		if (exception->subject->root != GMEM_ROOT_host)
			fputs("\n    root: any", out);
		if (exception->subject->uid >= 0)
			fprintf(out, "\n    uid: [%lld]", (long long)exception->subject->uid);
		fputs("\n    cgroup: ", out);
		tree_write_text(out, exception->cgroup);
		fputc('\n', out);
	}
}

static void write_exact_request(FILE *out, const struct gmem_request *request)
{
	char list[256], size[VALUE_SIZE_TEXT];
	const char *separator = "    when: { ";

	if (request->size != POLICY_VALUE_UNKNOWN) {
		fprintf(out, "%ssize: \"== %s\"", separator, value_size_text(request->size, size));
		separator = ", ";
	}
	if (request->flags < GMEM_FLAGS_NAMED) {
		fprintf(out, "%sflags-are: [%s]", separator,
			value_list(VALUE_FLAG, request->flags, ", ", list, sizeof(list)));
		separator = ", ";
	}
	if (request->prot) {
		fprintf(out, "%sprot: [%s]", separator,
			value_list(VALUE_PROT, request->prot, ", ", list, sizeof(list)));
		separator = ", ";
	}
	if (request->direction != GMEM_DIR_other) {
		fprintf(out, "%sdirection: [%s]", separator,
			value_name(VALUE_DIRECTION, request->direction));
		separator = ", ";
	}
	if (request->start != POLICY_VALUE_UNKNOWN) {
		fprintf(out, "%srange: \"0x%llx-0x%llx\"", separator, request->start, request->end);
		separator = ", ";
	}
	if (request->type != GMEM_TYPE_unknown) {
		fprintf(out, "%svm-type: [%s]", separator, value_name(VALUE_TYPE, request->type));
		separator = ", ";
	}
	if (*separator == ',')
		fputs(" }\n", out);
}

static void write_exceptions(FILE *out, const struct learn *learn)
{
	size_t i;

	for (i = 0; i < learn->nr_exceptions; i++) {
		const struct exception *exception = &learn->exceptions[i];
		const char *op = value_name(VALUE_OPERATION, exception->request.op);

		if (exception->useless) {
			fprintf(out,
				"  # REVIEW: %s was denied here, and is allowed: it cannot be told "
				"apart from what was done\n",
				op);
			continue;
		}
		fputs("  # it was only denied\n", out);
		fprintf(out, "  - name: %s-not-%zu\n    deny: [%s]\n", exception->subject->name,
			i + 1, op);
		if (exception->cgroup) {
			fprintf(out, "    subjects: [%s-in-%zu]\n", exception->subject->name,
				i + 1);
			continue;
		}
		fprintf(out, "    subjects: [%s]\n", exception->subject->name);
		write_exact_request(out, &exception->request);
	}
}

static void write_head(FILE *out, const struct learn *learn, bool whole)
{
	const struct learn_report *report = &learn->report;

	fputs("# Proposed by gmemctl learn. Review it before it is loaded: whatever was done while\n"
	      "# it was recorded is allowed, also what an attacker did.\n",
	      out);
	fprintf(out,
		"# %llu events are the evidence. %llu were denied and %llu failed: they are none.\n",
		report->events, report->denied, report->failed);
	if (report->anonymous)
		fprintf(out,
			"# %llu events are left out: the executable of the process is not known.\n",
			report->anonymous);
	if (learn->options.base) {
		fputs("# A drop-in for ", out);
		utf8_print(learn->options.base_name, strlen(learn->options.base_name), out);
		fprintf(out,
			", which allows %llu events more.\n# %llu are left out: its rules deny "
			"them, or they have flags that it does not know.\n",
			report->allowed, report->by_rule);
	}
	fprintf(out, "version: %u\n", whole ? 2 : learn->options.base->policy->version);
	if (whole)
		fputs("name: learned\nmode: enforce\ndefault: deny\n", out);
	fputc('\n', out);
}

static void write_all(FILE *out, const struct learn *learn, bool whole)
{
	const struct learned_subject *subject;
	struct proposal proposals[GMEM_DO_MAX];
	size_t nr, i;

	write_head(out, learn, whole);
	fputs("subjects:\n", out);
	for (subject = learn->subjects; subject; subject = subject->next) {
		if (is_proposed(learn, subject))
			write_subject(out, subject);
	}
	write_exception_subjects(out, learn);
	fputs("\nrules:\n", out);
	write_exceptions(out, learn);
	for (subject = learn->subjects; subject; subject = subject->next) {
		nr = propose(learn, subject, proposals);
		for (i = 0; i < nr; i++)
			write_rule(out, learn, subject, &proposals[i], i + 1);
	}
}

int learned_write(const struct learn *learn, bool whole, char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);

	if (!out)
		return -ENOMEM;
	write_all(out, learn, whole);
	if (!fclose(out))
		return 0;
	free(*text);
	*text = NULL;
	return -ENOMEM;
}
