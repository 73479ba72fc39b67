// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measures.h"
#include "tui_text.h"

#define NS_PER_S   1e9
#define PAGE_BYTES 4096.0

const struct measure_desc measures[NR_MEASURES] = {
#define X(name, unit, facts, help) { #name, help, UNIT_##unit, facts },
	GMEM_MEASURES(X)
#undef X
};

static bool percentile(const struct digest *digest, unsigned int percent, double *value)
{
	struct latency both = digest_latency(&digest->host);
	__u64 ns;

	if (!latency_percentiles(&both, &percent, 1, &ns))
		return false;
	*value = percent == 100 ? (double)both.max_ns : (double)ns;
	return true;
}

static bool ratio(uint64_t a, uint64_t b, double *value)
{
	*value = b ? (double)a / (double)b : 0;
	return b;
}

static double lost(const struct digest *digest)
{
	uint64_t sum = digest->missed;
	int n;

	for (n = 0; n < GMEM_LOST_MAX; n++)
		sum += digest->lost[n];
	return (double)sum;
}

bool measure_of(const struct digest *digest, enum measure measure, double *value)
{
	const struct digest_vm *host = &digest->host;
	const uint64_t *c = host->c, *inst = host->inst;

	*value = 0;
	if (measures[measure].facts & ~digest->facts)
		return false;
	switch (measure) {
	case MEASURE_p50: return percentile(digest, 50, value);
	case MEASURE_p90: return percentile(digest, 90, value);
	case MEASURE_p99: return percentile(digest, 99, value);
	case MEASURE_max: return percentile(digest, 100, value);
	case MEASURE_mean: return ratio(digest_convert_ns(host), digest_conversions(host), value);
	case MEASURE_pages_per_conversion:
		return ratio(digest_asked(host), digest_conversions(host), value);
	case MEASURE_conversions: *value = (double)digest_conversions(host); break;
	case MEASURE_conversion_time: *value = (double)digest_convert_ns(host); break;
	case MEASURE_converted_pages: *value = (double)digest_asked(host); break;
	case MEASURE_redundant:
		*value = (double)(c[GMEM_VM_to_private_redundant] + c[GMEM_VM_to_shared_redundant]);
		return host->known_vm >> GMEM_VM_to_private_redundant & 1;
	case MEASURE_guest_faults: *value = (double)inst[GMEM_INST_guest_faults]; break;
	case MEASURE_first_touches: *value = (double)inst[GMEM_INST_first_touches]; break;
	case MEASURE_host_faults: *value = (double)inst[GMEM_INST_host_faults]; break;
	case MEASURE_host_faults_refused:
		*value = (double)inst[GMEM_INST_host_faults_refused];
		break;
	case MEASURE_errors: *value = (double)digest_errors(host); break;
	case MEASURE_denials: *value = (double)host->denials; break;
	case MEASURE_private: *value = (double)host->private.peak; break;
	case MEASURE_resident: *value = (double)host->resident.peak; break;
	case MEASURE_waste:
		*value = (double)(host->waste_instance.peak + host->waste_backing.peak);
		return host->waste_instance.frames || host->waste_backing.frames;
	case MEASURE_vms: *value = (double)(digest->nr_vms ? digest->nr_vms : digest->live); break;
	case MEASURE_lost: *value = lost(digest); break;
	case MEASURE_seconds: *value = (double)digest->watched_ns / NS_PER_S; break;
	case NR_MEASURES: return false;
	}
	return true;
}

const char *measure_text(enum measure measure, double value, char *buf)
{
	enum unit unit = measures[measure].unit;

	if (unit == UNIT_NS || unit == UNIT_PAGES)
		format_number(buf, (uint64_t)(value * 100), unit, true);
	else
		snprintf(buf, NUMBER_LEN,
			 value < 100 && value != (double)(uint64_t)value ? "%.2f" : "%.0f", value);
	return buf;
}

/* --- conditions --- */

static bool known_measure(const char *name, size_t len, enum measure *measure)
{
	for (*measure = 0; *measure < NR_MEASURES; ++*measure) {
		if (strlen(measures[*measure].name) == len &&
		    !strncmp(measures[*measure].name, name, len))
			return true;
	}
	return false;
}

/* Into the unit of the measure. Return: false if it is not of that unit. */
static bool apply_unit(struct condition *c, const char *unit)
{
	static const struct {
		const char *name;
		enum unit unit;
		double factor;
	} units[] = {
		{ "ns", UNIT_NS, 1 },
		{ "us", UNIT_NS, 1e3 },
		{ "ms", UNIT_NS, 1e6 },
		{ "s", UNIT_NS, 1e9 },
		{ "K", UNIT_PAGES, 1024 / PAGE_BYTES },
		{ "M", UNIT_PAGES, 1048576 / PAGE_BYTES },
		{ "G", UNIT_PAGES, 1073741824 / PAGE_BYTES },
		{ "T", UNIT_PAGES, 1099511627776 / PAGE_BYTES },
		{ "", UNIT_PAGES, 1 },
		{ "", UNIT_COUNT, 1 },
		{ "", UNIT_PLAIN, 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (units[i].unit == measures[c->measure].unit && !strcmp(units[i].name, unit)) {
			c->limit *= units[i].factor;
			return true;
		}
	}
	/* A duration of 0 needs no unit. */
	return !*unit && c->limit == 0;
}

static const char *skip(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

/* @text: without blanks around it. Return: NULL or what is wrong. */
static const char *parse(const char *text, bool relative, struct condition *c)
{
	const char *end = text + strcspn(text, " \t<>=");
	char *unit;

	if (!known_measure(text, (size_t)(end - text), &c->measure))
		return "there is no such measure; `gmemtop diff --measures` lists them";
	text = skip(end);
	if (*text != '<' && *text != '>')
		return "behind the measure comes one of > >= < <=";
	c->less = *text++ == '<';
	c->or_equal = *text == '=';
	text = skip(text + c->or_equal);
	/* strtod() would take much more for a number. */
	if (!isdigit((unsigned char)*text))
		return "behind the operator comes a number";
	c->limit = strtod(text, &unit);
	unit = (char *)skip(unit);
	c->kind = CONDITION_VALUE;
	if (!strcmp(unit, "x"))
		c->kind = CONDITION_TIMES;
	else if (!strcmp(unit, "%"))
		c->kind = CONDITION_MORE;
	else if (!apply_unit(c, unit))
		return measures[c->measure].unit == UNIT_NS
			       ? "a duration has a unit: ns, us, ms or s"
			       : "the unit does not fit the measure";
	if (c->kind != CONDITION_VALUE && !relative)
		return "there is nothing to compare with: give a number, not x or %";
	return NULL;
}

int conditions_parse(const char *text, bool relative, struct condition *conditions,
		     unsigned int *nr, const char **why)
{
	struct condition *c;
	const char *end;
	size_t len;

	for (*nr = 0;; text = end + 1) {
		text = skip(text);
		end = text + strcspn(text, ",");
		len = (size_t)(end - text);
		while (len && isspace((unsigned char)text[len - 1]))
			len--;
		*why = "there are more than 16 conditions";
		if (*nr == MAX_CONDITIONS)
			return -EINVAL;
		c = &conditions[(*nr)++];
		*c = (struct condition){ 0 };
		*why = "a condition is too long";
		if (len >= sizeof(c->text))
			return -EINVAL;
		memcpy(c->text, text, len);
		*why = parse(c->text, relative, c);
		if (*why)
			return -EINVAL;
		if (!*end)
			return 0;
	}
}

bool condition_holds(const struct condition *c, double value, double other)
{
	double limit = c->limit;

	if (c->kind == CONDITION_TIMES)
		limit = other * c->limit;
	else if (c->kind == CONDITION_MORE)
		limit = other * (1 + c->limit / 100);
	if (c->or_equal && value == limit)
		return true;
	return c->less ? value < limit : value > limit;
}
