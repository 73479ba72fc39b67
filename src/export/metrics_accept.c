// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "metrics.h"

/* Of a media range: what q says in thousandths. */
static long quality(const char *params, size_t len)
{
	const char *at = params, *end = params + len;
	long q = 0, unit = 100;

	while ((at = memchr(at, ';', (size_t)(end - at)))) {
		while (++at < end && isblank((unsigned char)*at))
			;
		if (end - at < 3 || (at[0] != 'q' && at[0] != 'Q') || at[1] != '=')
			continue;
		if (at[2] == '1')
			return 1000;
		for (at += 3; at < end && *at == '.'; at++)
			;
		for (; at < end && isdigit((unsigned char)*at) && unit; at++, unit /= 10)
			q += (*at - '0') * unit;
		return q;
	}
	return 1000;
}

/* Is it a version of OpenMetrics that is not written here? */
static bool other_version(const char *range, size_t len)
{
	const char *version = memmem(range, len, "version=", 8);

	return version && strncmp(version + 8, "1.0.0", 5) && strncmp(version + 8, "\"1.0.0\"", 7);
}

/* Among equals the older format wins unless OpenMetrics is named: every client can read it. */
enum metrics_format metrics_accepted(const char *accept)
{
	static const char openmetrics[] = "application/openmetrics-text";
	long best_open = 0, best_text = 0, q;
	const char *at = accept;
	size_t len, name;

	while (at && *at) {
		at += strspn(at, " \t,");
		len = strcspn(at, ",");
		name = strcspn(at, ";, \t");
		q = quality(at, len);
		if (name == sizeof(openmetrics) - 1 && !strncasecmp(at, openmetrics, name) &&
		    !other_version(at, len))
			best_open = q > best_open ? q : best_open;
		else if (name == 10 && !strncasecmp(at, "text/plain", name))
			best_text = q > best_text ? q : best_text;
		at += len;
	}
	return best_open && best_open >= best_text ? METRICS_OPENMETRICS : METRICS_TEXT;
}

/* A coding that is named decides over "*". */
bool gzip_accepted(const char *accept)
{
	long named = -1, any = 0;
	const char *at = accept;
	size_t len, name;

	while (at && *at) {
		at += strspn(at, " \t,");
		len = strcspn(at, ",");
		name = strcspn(at, ";, \t");
		if ((name == 4 && !strncasecmp(at, "gzip", name)) ||
		    (name == 6 && !strncasecmp(at, "x-gzip", name)))
			named = quality(at, len);
		else if (name == 1 && *at == '*')
			any = quality(at, len);
		at += len;
	}
	return named >= 0 ? named : any;
}
