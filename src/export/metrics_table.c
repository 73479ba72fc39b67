// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "metrics.h"

/* The units of counters, as OpenMetrics has them. */
#define UNIT_COUNT ""
#define UNIT_PAGES "pages"
#define UNIT_NS	   "" /* of skipped ones only: a histogram has the sum, in seconds */

/* clang-format off */
#define METRIC(name, type, unit, scope, writer, argument, labels, help) \
	{ #name, unit, labels, help, METRIC_##type, METRIC_##scope, METRIC_BY_##writer, argument, false },
/* Counters of a direction are in metrics with the label direction. */
#define VM_COUNTER(name, fact, unit, help) \
	{ #name, UNIT_##unit, "", help, METRIC_COUNTER, METRIC_VMS, METRIC_BY_VM_COUNTER, GMEM_VM_##name, \
	  GMEM_VM_##name < GMEM_DIRECTIONS * GMEM_PER_DIRECTION },
#define INST_COUNTER(name, fact, unit, help) \
	{ #name, UNIT_##unit, "", help, METRIC_COUNTER, METRIC_VMS, METRIC_BY_INST_COUNTER, GMEM_INST_##name, false },

const struct metric metrics[] = {
	GMEM_METRICS_BEFORE(METRIC)
	GMEM_VM_COUNTERS(VM_COUNTER)
	GMEM_INST_COUNTERS(INST_COUNTER)
	GMEM_METRICS_AFTER(METRIC)
};
/* clang-format on */

const unsigned int nr_metrics = sizeof(metrics) / sizeof(metrics[0]);

const char *const metric_type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
	[METRIC_INFO] = "info",
};

void metric_full_name(const struct metric *metric, bool node, char *buf, size_t size)
{
	static const char *const suffixes[] = {
		[METRIC_COUNTER] = "_total",
		[METRIC_GAUGE] = "",
		[METRIC_HISTOGRAM] = "",
		[METRIC_INFO] = "_info",
	};

	snprintf(buf, size, "%s%s%s", node ? METRIC_NODE_PREFIX : METRIC_PREFIX, metric->name,
		 suffixes[metric->type]);
}

static void print(const struct metric *metric, bool node)
{
	bool vm = metric->scope != METRIC_HOST && !node;
	char name[METRIC_NAME_SIZE];

	metric_full_name(metric, node, name, sizeof(name));
	printf("%s\t%s\t%s%s%s\t%s%s\n", name, metric_type_names[metric->type], vm ? "vm" : "",
	       vm && *metric->labels ? "," : "", metric->labels, metric->help,
	       node ? ", of all VMs of the host" : "");
}

void metrics_print_list(void)
{
	unsigned int i;

	for (i = 0; i < nr_metrics; i++) {
		if (metrics[i].skipped)
			continue;
		print(&metrics[i], false);
		if (metrics[i].scope == METRIC_VMS)
			print(&metrics[i], true);
	}
}

const char *metrics_content_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}
