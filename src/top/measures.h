/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers by which recordings are compared, and about which conditions can be stated. The one list
 * gives names, units and helps; pure.
 */
#ifndef GMEM_MEASURES_H
#define GMEM_MEASURES_H

#include <stdbool.h>

#include "digest.h"
#include "fields.h"

/* X(name, unit, facts that are needed, help) */
#define GMEM_MEASURES(X)                                                                      \
	X(p50, NS, FACT(convert), "50 % of all conversions took at most this long (+25 %)")   \
	X(p90, NS, FACT(convert), "90 % of all conversions took at most this long (+25 %)")   \
	X(p99, NS, FACT(convert), "99 % of all conversions took at most this long (+25 %)")   \
	X(max, NS, FACT(convert), "the longest conversion")                                   \
	X(mean, NS, FACT(convert), "mean duration of a conversion")                           \
	X(conversions, COUNT, FACT(convert), "conversions")                                   \
	X(conversion_time, NS, FACT(convert), "time spent in conversions")                    \
	X(converted_pages, PAGES, FACT(convert), "pages asked for in conversions")            \
	X(pages_per_conversion, COUNT, FACT(convert), "mean size of a conversion in pages")   \
	X(redundant, COUNT, FACT(redundant), "conversions that changed nothing")              \
	X(guest_faults, COUNT, FACT(guest_fault), "guest faults")                             \
	X(first_touches, COUNT, FACT(first_touch), "guest faults that used a page first")     \
	X(host_faults, COUNT, FACT(host_fault), "host faults")                                \
	X(host_faults_refused, COUNT, FACT(host_fault), "host faults that ended in a signal") \
	X(errors, COUNT, 0, "operations that failed, refused host faults included")           \
	X(denials, COUNT, FACT(deny), "what security modules refused")                        \
	X(private, PAGES, FACT(private_pages), "the most private pages in a frame")           \
	X(resident, PAGES, 0, "the most pages of instances that were in memory in a frame")   \
	X(waste, PAGES, FACT(bindings) | FACT(attributes),                                    \
	  "the most pages that were held twice in a frame (--waste)")                         \
	X(vms, COUNT, 0, "VMs that were seen")                                                \
	X(lost, COUNT, 0, "events that were not counted where they belong")                   \
	X(seconds, PLAIN, 0, "seconds that the frames cover")

enum measure {
#define X(name, ...) MEASURE_##name,
	GMEM_MEASURES(X)
#undef X
		NR_MEASURES
};

struct measure_desc {
	const char *name, *help;
	enum unit unit;
	uint32_t facts;
};

extern const struct measure_desc measures[NR_MEASURES];

/**
 * measure_of - the value of a measure
 * @value: the result, in the unit of the measure
 *
 * Return: false if it is unknown: a fact is missing, or there were no conversions.
 */
bool measure_of(const struct digest *digest, enum measure measure, double *value);

/* A value for people, in about 8 characters. @buf: of 32 bytes */
const char *measure_text(enum measure measure, double value, char *buf);

/* --- conditions: "p99 > 1.2x", "errors > 0", "waste >= 1G" --- */

enum condition_kind {
	CONDITION_VALUE, /* beside a number of the measure's unit */
	CONDITION_TIMES, /* beside so many times another value: 1.2x */
	CONDITION_MORE,	 /* beside so many percent more than another value: 20% */
};

struct condition {
	enum measure measure;
	enum condition_kind kind;
	bool less, or_equal; /* <, and <= or >= */
	double limit;
	char text[64];
};

#define MAX_CONDITIONS 16

/**
 * conditions_parse - a list of conditions, with commas between
 * @text: as MEASURE OPERATOR NUMBER[UNIT]: > >= < <=; ns us ms s, K M G T (bytes), x, %
 * @relative: x and % are allowed
 * @conditions: the result, of MAX_CONDITIONS
 * @nr: how many
 * @why: what is wrong, for people
 *
 * Return: 0 or -EINVAL.
 */
int conditions_parse(const char *text, bool relative, struct condition *conditions,
		     unsigned int *nr, const char **why);

/* Does it hold of @value? @other: beside which a relative condition is stated */
bool condition_holds(const struct condition *condition, double value, double other);

#endif /* GMEM_MEASURES_H */
