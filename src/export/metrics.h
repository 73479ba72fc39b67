/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics as text, in OpenMetrics 1.0 and in the Prometheus text format 0.0.4. Pure: what is
 * written comes from the arguments alone. The metrics are those of metrics_list.h.
 */
#ifndef GMEM_METRICS_H
#define GMEM_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../top/frames.h"
#include "ledger.h"
#include "metrics_list.h"
#include "metrics_text.h"

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
	METRIC_INFO,
};

enum metric_scope {
	METRIC_HOST, /* gmem_NAME, of the host */
	METRIC_VM,   /* gmem_NAME{vm}, of listed VMs only */
	METRIC_VMS,  /* gmem_NAME{vm} of listed and of other VMs, and gmem_node_NAME of all VMs */
};

enum metric_writer {
	METRIC_BY_UP,
	METRIC_BY_BUILD,
	METRIC_BY_FACTS,
	METRIC_BY_LOWER_BOUNDS,
	METRIC_BY_LOST,
	METRIC_BY_FRAME,
	METRIC_BY_VMS,
	METRIC_BY_VMS_WITHOUT_VMM,
	METRIC_BY_VMS_ENDED,
	METRIC_BY_POLICY,
	METRIC_BY_POLICY_GENERATION,
	METRIC_BY_DENIALS,
	METRIC_BY_VM_INFO,
	METRIC_BY_GAUGE,
	METRIC_BY_WASTED,
	METRIC_BY_DIRECTIONS,
	METRIC_BY_DURATIONS,
	METRIC_BY_ERRORS,
	METRIC_BY_VM_COUNTER,
	METRIC_BY_INST_COUNTER,
	METRIC_BY_REQUESTS,
};

struct metric {
	const char *name;   /* without prefix and suffix */
	const char *unit;   /* "": none */
	const char *labels; /* names with commas between, without vm */
	const char *help;
	enum metric_type type;
	enum metric_scope scope;
	enum metric_writer writer;
	unsigned int argument; /* of the writer */
	bool skipped;	       /* a counter that another metric includes */
};

#define METRIC_PREFIX	   "gmem_"
#define METRIC_NODE_PREFIX "gmem_node_"
#define METRIC_NAME_SIZE   96

extern const char *const metric_type_names[];
extern const struct metric metrics[];
extern const unsigned int nr_metrics;

enum metrics_format {
	METRICS_TEXT, /* Prometheus text format 0.0.4 */
	METRICS_OPENMETRICS,
	NR_METRICS_FORMATS
};

enum down_reason {
#define X(name) DOWN_##name,
	GMEM_DOWN_REASONS(X)
#undef X
		DOWN_REASONS
};

/* Answers to HTTP requests, by status. X(status) */
#define METRICS_CODES(X) \
	X(200)           \
	X(401)           \
	X(404)           \
	X(405)           \
	X(429)           \
	X(500)           \
	X(503)

enum metrics_code {
#define X(status) CODE_##status,
	METRICS_CODES(X)
#undef X
		NR_CODES
};

/* What is written. */
struct metrics_state {
	bool up;
	enum down_reason why; /* if it is not: then there is no frame */
	const struct ledger *ledger;
	const struct frames *frames;
	const struct model *model;
	uint64_t frame_ns;	  /* how long it took to read the frame */
	const uint64_t *requests; /* [NR_CODES], NULL: no HTTP is served */
	bool no_created;	  /* leave out when counters began */
	bool exemplars;		  /* the longest conversions */
};

/**
 * metrics_write - all metrics of a moment
 * @text: the result, which replaces what is there; belongs to the caller, who frees @text->data
 *
 * Return: 0 or -ENOMEM.
 */
int metrics_write(struct text *text, const struct metrics_state *state, enum metrics_format format);

/* The name under which a metric is stored, with prefix and suffix. @node: that of the host's total */
void metric_full_name(const struct metric *metric, bool node, char *buf, size_t size);

/* Print the list of metrics: name, type, labels, help, with tabs between. */
void metrics_print_list(void);

/* The value of the header Content-Type. */
const char *metrics_content_type(enum metrics_format format);

/* Which format an Accept header asks for. @accept: NULL: there is none */
enum metrics_format metrics_accepted(const char *accept);

/* Does an Accept-Encoding header allow gzip? @accept: NULL: there is none */
bool gzip_accepted(const char *accept);

#endif /* GMEM_METRICS_H */
