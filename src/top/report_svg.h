/* SPDX-License-Identifier: GPL-2.0-only */
/* Charts of a report as inline SVG. Pure: they write to a stream. */
#ifndef GMEM_REPORT_SVG_H
#define GMEM_REPORT_SVG_H

#include <stdint.h>
#include <stdio.h>

#include "digest.h"
#include "fields.h"

/* A line of a chart over time. */
struct svg_series {
	const char *name, *color;
	size_t offset; /* of the value in struct timeline_slot */
	enum unit unit;
};

/* Text that somebody else chose, for HTML and SVG; control characters become U+FFFD. */
void svg_text(FILE *out, const char *text);

/* Lines over time, of one unit. */
void svg_timeline(FILE *out, const struct timeline *timeline, const struct svg_series *series,
		  unsigned int nr, const char *title);

/* How many conversions took how long, by direction. */
void svg_histogram(FILE *out, const struct latency latency[GMEM_DIRECTIONS]);

/* Conversions by their mean size. */
void svg_sizes(FILE *out, const uint64_t sizes[GMEM_DIRECTIONS][DIGEST_SIZES]);

/* How the time of conversions is divided. @phases: of GMEM_PHASE_MAX */
void svg_phases(FILE *out, const struct digest_phase *phases);

/* Cells of guest memory over time. @timeline: one with heat */
void svg_heat(FILE *out, const struct timeline *timeline);

#endif /* GMEM_REPORT_SVG_H */
