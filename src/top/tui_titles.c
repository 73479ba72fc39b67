// SPDX-License-Identifier: GPL-2.0-only
/* Titles and widths of the columns on the screen. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tui_state.h"

#define WIDTH_MIN 6

/* Common columns have short titles: a screen of 80 columns has room for few. */
static const struct {
	const char *title;
	int width;
} short_titles[NR_COLUMNS] = {
	[COLUMN_id] = { "ID", 5 },
	[COLUMN_pid] = { "PID", 7 },
	[COLUMN_name] = { "NAME", -NAME_MIN },
	[COLUMN_type] = { "TYPE", -18 },
	[COLUMN_cgroup] = { "CGROUP", -40 },
	[COLUMN_private_pages] = { "PRIVATE", 7 },
	[COLUMN_size_pages] = { "SIZE", 6 },
	[COLUMN_resident_pages] = { "RESIDENT", 8 },
	[COLUMN_instances] = { "INST", 4 },
	[COLUMN_mappable] = { "MMAP", 4 },
	[COLUMN_bound_now_pages] = { "BOUND", 6 },
	[COLUMN_holders] = { "HOLDERS", 7 },
	[COLUMN_bound_private_pages] = { "BOUNDPRIV", 9 },
	[COLUMN_waste_instance_pages] = { "WASTE", 6 },
	[COLUMN_waste_backing_pages] = { "WASTEBACK", 9 },
	[COLUMN_errors] = { "ERRORS", 6 },
	[COLUMN_errors_rate] = { "ERRORS/S", 8 },
	[COLUMN_denials] = { "DENIED", 6 },
	[COLUMN_denials_rate] = { "DENIED/S", 8 },
	[COLUMN_last_error] = { "LASTERROR", -24 },
	[COLUMN_p50_ns] = { "P50ALL", 6 },
	[COLUMN_p90_ns] = { "P90ALL", 6 },
	[COLUMN_p99_ns] = { "P99ALL", 6 },
	[COLUMN_max_ns] = { "MAXALL", 6 },
	[COLUMN_interval_p50_ns] = { "P50", 6 },
	[COLUMN_interval_p90_ns] = { "P90", 6 },
	[COLUMN_interval_p99_ns] = { "P99", 6 },
	[COLUMN_interval_max_ns] = { "MAX", 6 },
	[COLUMN_to_private_rate] = { "PRIV/S", 6 },
	[COLUMN_to_shared_rate] = { "SHARED/S", 8 },
	[COLUMN_guest_faults_rate] = { "GUESTFLT/S", 10 },
	[COLUMN_host_faults_rate] = { "HOSTFLT/S", 9 },
	[COLUMN_host_faults_refused] = { "REFUSED", 7 },
};

/* "to_private_pages_rate" becomes "TO-PRIVATE-MEM/S": pages are shown as bytes or as pages. */
static void make_title(const char *name, char *buf, size_t size)
{
	static const struct {
		const char *end, *instead;
	} ends[] = { { "_pages_rate", "-mem/s" },
		     { "_ns_rate", "-time/s" },
		     { "_rate", "/s" },
		     { "_pages", "-mem" },
		     { "_ns", "-time" } };
	size_t n = strlen(name), len, i;
	const char *instead = "";

	for (i = 0; i < ARRAY_LEN(ends); i++) {
		len = strlen(ends[i].end);
		if (n > len && !strcmp(name + n - len, ends[i].end)) {
			n -= len;
			instead = ends[i].instead;
			break;
		}
	}
	snprintf(buf, size, "%.*s%s", (int)n, name, instead);
	for (; *buf; buf++)
		*buf = *buf == '_' ? '-' : (char)toupper((unsigned char)*buf);
}

const char *title_of(const struct column *column, char *buf, size_t size, int *width)
{
	size_t n = (size_t)(column - columns);

	if (short_titles[n].title) {
		*width = short_titles[n].width;
		return short_titles[n].title;
	}
	make_title(column->name, buf, size);
	*width = (int)strlen(buf);
	if (*width < WIDTH_MIN)
		*width = WIDTH_MIN;
	if (column->width < 0)
		*width = column->width < -*width ? column->width : -*width;
	return buf;
}

const char *column_title(const struct tui *tui, const struct column *column, char *buf, size_t size)
{
	const char *title, *mark = column_mark(column, tui->frames->features);
	int width;

	title = title_of(column, buf, size, &width);
	if (!*mark)
		return title;
	/* The mark replaces the last letter. */
	snprintf(buf, size, "%.*s%s", width - 1, title, mark);
	return buf;
}
