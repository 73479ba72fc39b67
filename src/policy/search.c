// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "search.h"
#include "value.h"

/* Boxes that are decided for one request, before the search is given up. */
#define MAX_BOXES (20ULL << 20)

#define PAGES(bytes) ((__s64)((bytes) / VALUE_PAGE))

/* By dimension the first and the last value, in pages. */
struct box {
	__s64 low[GMEM_BY_MAX], high[GMEM_BY_MAX];
};

struct search_rules {
	/* By policy and rule. Empty: low is above high. */
	struct box boxes[POLICIES_MAX][GMEM_MAX_RULES];
	/* By policy and operation: the rules that name it and decide. */
	struct gmem_set ops[POLICIES_MAX][GMEM_DO_MAX];
};

/* KVM limits sizes and offsets to what loff_t holds. */
static const struct box everything = {
	.low = { [GMEM_BY_size] = 1, [GMEM_BY_end] = 1, [GMEM_BY_offset_end] = 1 },
	.high = {
		[GMEM_BY_size] = PAGES(1ULL << 63) - 1,
		[GMEM_BY_start] = PAGES(~0ULL) - 1,
		[GMEM_BY_end] = PAGES(~0ULL),
		[GMEM_BY_offset] = PAGES(1ULL << 63) - 2,
		[GMEM_BY_offset_end] = PAGES(1ULL << 63) - 1,
	},
};

/* One search, from the classes to the values. */
struct finder {
	struct search *search;
	__u32 op;
	__u32 known; /* dimensions whose values are known: bits */
	struct gmem_request *request;
	__u64 boxes;
};

/* The dimensions of an operation: bits. */
static __u32 dimensions_of(__u32 op)
{
	__u32 bits = 0;
	int by;

	for (by = 0; by < GMEM_BY_MAX; by++)
		bits |= (condition_ops[condition_of_dimension[by]] >> op & 1) << by;
	return bits;
}

static void set_narrow(struct gmem_set *set, const struct gmem_set *by)
{
	int k;

	for (k = 0; k < GMEM_SET_WORDS; k++)
		set->w[k] &= by->w[k];
}

/* --- the values: sizes and addresses --- */

static __s64 most(__s64 a, __s64 b)
{
	return a > b ? a : b;
}

static __s64 least(__s64 a, __s64 b)
{
	return a < b ? a : b;
}

/* Place a range of @length pages as low as possible. */
static void place(const struct box *box, int start, int end, __s64 length, struct box *point)
{
	point->low[start] = most(box->low[start], box->low[end] - length);
	point->low[end] = point->low[start] + length;
}

/*
 * The lowest request of a box: the shortest ranges, and the smallest instance that contains them.
 * The lengths that two intervals of ends allow are an interval too, so both ranges of a binding have
 * a common length if the intervals of their lengths meet. Return: false if there is no request.
 */
static bool lowest(const struct finder *finder, const struct box *box, struct box *point)
{
	__u32 known = finder->known;
	bool range = known >> GMEM_BY_start & 1, offset = known >> GMEM_BY_offset & 1;
	bool size = known >> GMEM_BY_size & 1;
	__s64 shortest = 1, longest = everything.high[GMEM_BY_end], inside = 0;
	int by;

	*point = *box;
	for (by = 0; by < GMEM_BY_MAX; by++) {
		if (known >> by & 1 && box->low[by] > box->high[by])
			return false;
	}
	if (range) {
		shortest = most(shortest, box->low[GMEM_BY_end] - box->high[GMEM_BY_start]);
		longest = least(longest, box->high[GMEM_BY_end] - box->low[GMEM_BY_start]);
	}
	if (offset) {
		shortest = most(shortest, box->low[GMEM_BY_offset_end] - box->high[GMEM_BY_offset]);
		longest = least(longest, box->high[GMEM_BY_offset_end] - box->low[GMEM_BY_offset]);
	}
	if (shortest > longest)
		return false;
	if (range)
		place(box, GMEM_BY_start, GMEM_BY_end, shortest, point);
	if (offset)
		place(box, GMEM_BY_offset, GMEM_BY_offset_end, shortest, point);
	/* Of a binding that has no known offset at least the length must fit. */
	if (offset)
		inside = point->low[GMEM_BY_offset_end];
	else if (range && dimensions_of(finder->op) >> GMEM_BY_size & 1)
		inside = shortest;
	if (size) {
		point->low[GMEM_BY_size] = most(box->low[GMEM_BY_size], inside);
		return point->low[GMEM_BY_size] <= box->high[GMEM_BY_size];
	}
	return true;
}

enum relation {
	OUTSIDE, /* no value of the box matches */
	PARTLY,
	INSIDE, /* all values match */
};

/* Does a rule match the values of a box? @cut: PARTLY, a dimension in which it does not match all. */
static enum relation relate(const struct finder *finder, const struct policy_rule *rule,
			    const struct box *matches, const struct box *box, int *cut)
{
	enum relation relation = INSIDE;
	int by;

	for (by = 0; by < GMEM_BY_MAX; by++) {
		if (!(finder->known >> by & 1) || !rule_has(rule, condition_of_dimension[by]))
			continue;
		if (matches->low[by] > box->high[by] || matches->high[by] < box->low[by])
			return OUTSIDE;
		if (relation == INSIDE &&
		    (matches->low[by] > box->low[by] || matches->high[by] < box->high[by])) {
			relation = PARTLY;
			*cut = by;
		}
	}
	return relation;
}

/* What a policy does with all requests of a box. */
enum outcome {
	AS_WANTED,
	OTHERWISE,
	MIXED, /* or unknown before the box is divided */
};

/*
 * Remove the rules that cannot decide in this box. The policy decides alike there if all rules that
 * are left, up to the first that matches everything or the default, have one verdict.
 * @by, @at: MIXED, divide the box here: the first value of the upper part
 */
static enum outcome decide_box(const struct finder *finder, unsigned int p, const struct box *box,
			       struct gmem_set *live, int *by, __s64 *at)
{
	const struct search *search = finder->search;
	const struct policy *policy = search->policies[p]->policy;
	bool end = false, wanted = false, other = false, cut = false;
	unsigned int i, n;
	__u64 left;

	for (i = 0; i < GMEM_SET_WORDS; i++) {
		if (end)
			live->w[i] = 0;
		for (left = live->w[i]; left && !end; left &= left - 1) {
			const struct box *matches;
			enum relation relation;
			int where = 0;

			n = i * 64 + (unsigned int)__builtin_ctzll(left);
			matches = &search->rules->boxes[p][n];
			relation = relate(finder, &policy->rules[n], matches, box, &where);
			if (relation == OUTSIDE) {
				live->w[i] &= ~(left & -left);
				continue;
			}
			*(policy->rules[n].deny == search->deny[p] ? &wanted : &other) = true;
			if (relation == PARTLY && !cut) {
				cut = true;
				*by = where;
				*at = matches->low[where] > box->low[where]
					      ? matches->low[where]
					      : matches->high[where] + 1;
			} else if (relation == INSIDE) {
				end = true;
				live->w[i] &= (left & -left) | ((left & -left) - 1);
			}
		}
	}
	if (!end)
		*((policy->default_deny >> finder->op & 1) == search->deny[p] ? &wanted : &other) =
			true;
	return !wanted ? OTHERWISE : !other ? AS_WANTED : MIXED;
}

static int find_in_box(struct finder *finder, const struct box *box,
		       const struct gmem_set live[POLICIES_MAX], struct box *point)
{
	struct gmem_set mine[POLICIES_MAX];
	struct box part = *box;
	enum outcome outcome;
	int by = -1, ret, cut = -1;
	unsigned int p;
	__s64 at = 0, where = 0;

	if (!lowest(finder, box, point))
		return 0;
	if (++finder->boxes > MAX_BOXES)
		return -E2BIG;
	for (p = 0; p < finder->search->nr; p++) {
		mine[p] = live[p];
		outcome = decide_box(finder, p, box, &mine[p], &cut, &where);
		if (outcome == OTHERWISE)
			return 0;
		if (outcome == MIXED && by < 0) {
			by = cut;
			at = where;
		}
	}
	if (by < 0)
		return 1;
	part.high[by] = at - 1;
	ret = find_in_box(finder, &part, mine, point);
	if (ret)
		return ret;
	part.high[by] = box->high[by];
	part.low[by] = at;
	return find_in_box(finder, &part, mine, point);
}

/*
 * The smallest value of one dimension for which there is a request: whether there is one up to a
 * value can only change from no to yes as the value grows.
 */
static int shrink(struct finder *finder, struct box *box, const struct gmem_set *live, int by,
		  __s64 found, struct box *point)
{
	__s64 low = box->low[by], high = found, middle;
	int ret;

	while (low < high) {
		middle = low + (high - low) / 2;
		box->high[by] = middle;
		ret = find_in_box(finder, box, live, point);
		if (ret < 0)
			return ret;
		if (ret)
			high = least(middle, point->low[by]);
		else
			low = middle + 1;
	}
	box->low[by] = box->high[by] = low;
	return find_in_box(finder, box, live, point);
}

static void write_values(const struct finder *finder, const struct box *point)
{
	__u64 *to[GMEM_BY_MAX] = {
#define X(name, ...) [GMEM_BY_##name] = &finder->request->name,
		GMEM_INTERVALS(X)
#undef X
	};
	int by;

	for (by = 0; by < GMEM_BY_MAX; by++) {
		if (!(dimensions_of(finder->op) >> by & 1))
			*to[by] = 0;
		else if (finder->known >> by & 1)
			*to[by] = (__u64)point->low[by] * VALUE_PAGE;
		else
			*to[by] = POLICY_VALUE_UNKNOWN;
	}
}

/* The values that the caller gives. */
static void fix_values(const struct finder *finder, struct box *box)
{
	const struct gmem_request *fixed = &finder->search->fixed;
	const __u64 values[GMEM_BY_MAX] = {
#define X(name, ...) [GMEM_BY_##name] = fixed->name,
		GMEM_INTERVALS(X)
#undef X
	};
	int by;

	for (by = 0; by < GMEM_BY_MAX; by++) {
		if (finder->search->given >> condition_of_dimension[by] & 1)
			box->low[by] = box->high[by] = PAGES(values[by]);
	}
}

static int find_values(struct finder *finder, const struct gmem_set live[POLICIES_MAX])
{
	struct box box = everything, point;
	int by, ret;

	fix_values(finder, &box);
	ret = find_in_box(finder, &box, live, &point);
	for (by = 0; by < GMEM_BY_MAX && ret > 0; by++) {
		if (finder->known >> by & 1)
			ret = shrink(finder, &box, live, by, point.low[by], &point);
	}
	if (ret > 0)
		write_values(finder, &point);
	return ret;
}

/* --- which values are known --- */

/* By an unknown value rules that deny match, and rules that allow do not. */
static bool leave_unknown(const struct finder *finder, enum policy_condition condition,
			  struct gmem_set live[POLICIES_MAX])
{
	bool matters = false;
	unsigned int p, i;
	__u64 left;

	if (!(condition_ops[condition] >> finder->op & 1))
		return false;
	for (p = 0; p < finder->search->nr; p++) {
		const struct policy *policy = finder->search->policies[p]->policy;

		for (i = 0; i < GMEM_SET_WORDS; i++) {
			for (left = live[p].w[i]; left; left &= left - 1) {
				const struct policy_rule *rule =
					&policy->rules[i * 64 + (unsigned int)__builtin_ctzll(left)];

				if (!rule_has(rule, condition))
					continue;
				matters = true;
				if (!rule->deny)
					live[p].w[i] &= ~(left & -left);
			}
		}
	}
	return matters;
}

static int find_known(struct finder *finder, const struct gmem_set live[POLICIES_MAX])
{
	static const enum policy_condition conditions[] = { POLICY_IF_size, POLICY_IF_range,
							    POLICY_IF_offset };
	__u32 all = dimensions_of(finder->op), unknown;
	struct gmem_set mine[POLICIES_MAX];
	bool matters;
	int i, by, ret;

	for (unknown = 0; unknown < 8; unknown++) {
		memcpy(mine, live, sizeof(mine));
		finder->known = all;
		matters = true;
		for (i = 0; i < 3; i++) {
			if (!(unknown >> i & 1))
				continue;
			matters &= !(finder->search->given >> conditions[i] & 1) &&
				   leave_unknown(finder, conditions[i], mine);
			for (by = 0; by < GMEM_BY_MAX; by++) {
				if (condition_of_dimension[by] == conditions[i])
					finder->known &= ~(1U << by);
			}
		}
		ret = matters ? find_values(finder, mine) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

/* --- classes --- */

/* Sets of live rules that were tried already; they have no request. */
struct tried {
	struct gmem_set (*sets)[POLICIES_MAX];
	size_t nr;
};

static bool was_tried(struct tried *tried, const struct gmem_set live[POLICIES_MAX])
{
	size_t i;

	for (i = 0; i < tried->nr; i++) {
		if (!memcmp(tried->sets[i], live, sizeof(*tried->sets)))
			return true;
	}
	memcpy(tried->sets[tried->nr++], live, sizeof(*tried->sets));
	return false;
}

static const struct gmem_set *pool_of(const struct finder *finder, unsigned int p)
{
	return finder->search->policies[p]->pool;
}

static int find_flags(struct finder *finder, const struct gmem_set live[POLICIES_MAX])
{
	struct gmem_set mine[POLICIES_MAX], sets[GMEM_FLAGS_CLASS_MAX][POLICIES_MAX];
	const struct search *search = finder->search;
	struct tried tried = { .sets = sets };
	bool given = search->given >> POLICY_IF_flags & 1;
	__u32 class;
	unsigned int p;
	int ret;

	/* Of a conversion the flags are unknown. */
	finder->request->flags = GMEM_FLAGS_unknown;
	if (!(condition_ops[POLICY_IF_flags] >> finder->op & 1))
		return find_known(finder, live);
	for (class = 0; class < GMEM_FLAGS_CLASS_MAX; class ++) {
		finder->request->flags = class < GMEM_FLAGS_NAMED	   ? class
					 : class == GMEM_FLAGS_CLASS_other ? GMEM_FLAGS_foreign
									   : GMEM_FLAGS_unknown;
		if (given &&
		    (search->fixed.flags < GMEM_FLAGS_NAMED ? search->fixed.flags
							    : GMEM_FLAGS_CLASS_other) != class)
			continue;
		if (given)
			finder->request->flags = search->fixed.flags;
		memcpy(mine, live, sizeof(mine));
		for (p = 0; p < search->nr; p++) {
			if (search->policies[p]->head.by_flags >> finder->op & 1)
				set_narrow(&mine[p], pool_of(finder, p) + GMEM_POOL_FLAGS + class);
		}
		if (was_tried(&tried, mine))
			continue;
		ret = find_known(finder, mine);
		if (ret)
			return ret;
	}
	return 0;
}

/* Is it a kind that KVM can be asked for, and that the caller wants? */
static bool is_possible(const struct search *search, const struct gmem_request *request)
{
	if (request->op == GMEM_DO_fault && request->prot != 1 && request->prot != 2)
		return false;
	return !(search->given >> POLICY_IF_prot & 1 && request->prot != search->fixed.prot) &&
	       !(search->given >> POLICY_IF_direction & 1 &&
		 request->direction != search->fixed.direction) &&
	       !(search->given >> POLICY_IF_vm_type & 1 && request->type != search->fixed.type);
}

static __u32 details_of(__u32 op)
{
	static const __u32 details[] = {
#define X(name, nr) [GMEM_DO_##name] = nr,
		GMEM_KINDS(X)
#undef X
	};

	return details[op];
}

static __u32 kind_base(__u32 op)
{
	static const __u32 bases[] = {
#define X(name, nr) [GMEM_DO_##name] = GMEM_KIND_##name,
		GMEM_KINDS(X)
#undef X
	};

	return bases[op];
}

void search_narrow(const struct search *search, __u32 op, struct gmem_set mine[POLICIES_MAX])
{
	unsigned int p;

	for (p = 0; p < search->nr; p++)
		set_narrow(&mine[p], &search->rules->ops[p][op]);
	for (; p < POLICIES_MAX; p++)
		memset(&mine[p], 0, sizeof(mine[p]));
}

int search_request(struct search *search, __u32 op, const struct gmem_set mine[POLICIES_MAX],
		   struct gmem_request *request)
{
	struct gmem_set live[POLICIES_MAX], kind[POLICIES_MAX];
	struct gmem_set sets[GMEM_KIND_MAX][POLICIES_MAX];
	struct finder finder = { .search = search, .op = op, .request = request };
	struct tried tried = { .sets = sets };
	__u32 detail, type;
	unsigned int p;
	int ret = 0;

	memcpy(live, mine, sizeof(live));
	search_narrow(search, op, live);
	memset(request, 0, sizeof(*request));
	request->op = op;
	for (detail = 0; detail < details_of(op) && !ret; detail++) {
		for (type = 0; type < GMEM_TYPE_MAX && !ret; type++) {
			request->type = type;
			if (condition_ops[POLICY_IF_prot] >> op & 1)
				request->prot = detail;
			/* As request_parse() leaves it where it does not apply. */
			request->direction = op == GMEM_DO_convert ? detail : GMEM_DIR_other;
			if (!is_possible(search, request))
				continue;
			memcpy(kind, live, sizeof(kind));
			for (p = 0; p < search->nr; p++)
				set_narrow(&kind[p], pool_of(&finder, p) + GMEM_POOL_KIND +
							     kind_base(op) +
							     detail * GMEM_KINDS_PER_DETAIL + type);
			if (!was_tried(&tried, kind))
				ret = find_flags(&finder, kind);
		}
	}
	search->boxes += finder.boxes;
	return ret;
}

static struct box box_of(const struct policy_rule *rule)
{
	struct box box = everything;
	struct span span;
	int by;

	for (by = 0; by < GMEM_BY_MAX; by++) {
		if (!rule_has(rule, condition_of_dimension[by]))
			continue;
		span = span_of(rule, (enum gmem_interval_dimension)by);
		box.low[by] = most(box.low[by], PAGES(span.low) + (span.low % VALUE_PAGE ? 1 : 0));
		box.high[by] = least(box.high[by], PAGES(span.high));
	}
	return box;
}

int search_open(struct search *search)
{
	unsigned int p, op;
	size_t i;

	search->boxes = 0;
	search->rules = calloc(1, sizeof(*search->rules));
	if (!search->rules)
		return -ENOMEM;
	for (p = 0; p < search->nr; p++) {
		const struct policy *policy = search->policies[p]->policy;

		for (i = 0; i < policy->nr_rules; i++) {
			search->rules->boxes[p][i] = box_of(&policy->rules[i]);
			for (op = 0; op < GMEM_DO_MAX; op++) {
				if (policy->rules[i].ops >> op & 1 && !policy->rules[i].audit_rule)
					set_add(&search->rules->ops[p][op], (unsigned int)i);
			}
		}
	}
	return 0;
}

void search_close(struct search *search)
{
	free(search->rules);
	search->rules = NULL;
}
