// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>

#include "opts.h"
#include "when.h"

#define NS_PER_S 1000000000ULL

/* A date and a time of day. */
static int parse_date(const char *text, uint64_t *ns)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
					     "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M" };
	const char *end = NULL;
	struct tm tm;
	time_t seconds;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		tm = (struct tm){ .tm_isdst = -1 };
		end = strptime(text, forms[i], &tm);
		if (end && (!*end || !strcmp(end, "Z")))
			break;
		end = NULL;
	}
	if (!end)
		return -EINVAL;
	seconds = *end ? timegm(&tm) : mktime(&tm);
	if (seconds < 0)
		return -EINVAL;
	*ns = (uint64_t)seconds * NS_PER_S;
	return 0;
}

/* A time of day, the first one that is not before @begin_ns. */
static int parse_clock(const char *text, uint64_t begin_ns, uint64_t *ns)
{
	time_t begin = (time_t)(begin_ns / NS_PER_S), seconds;
	const char *end;
	struct tm tm;

	localtime_r(&begin, &tm);
	tm.tm_sec = 0;
	end = strptime(text, "%H:%M:%S", &tm);
	if (!end || *end) {
		tm.tm_sec = 0;
		end = strptime(text, "%H:%M", &tm);
	}
	if (!end || *end)
		return -EINVAL;
	tm.tm_isdst = -1;
	seconds = mktime(&tm);
	if (seconds < begin) {
		tm.tm_mday++;
		tm.tm_isdst = -1;
		seconds = mktime(&tm);
	}
	*ns = (uint64_t)seconds * NS_PER_S;
	return 0;
}

int when_parse(const char *text, bool known, uint64_t begin_ns, uint64_t end_ns, uint64_t *ns)
{
	uint64_t distance;
	int ret;

	if (*text == '+' || *text == '-') {
		ret = parse_duration(text + 1, &distance);
		if (ret || !known)
			return ret ? ret : -ESPIPE;
		if (*text == '+')
			*ns = begin_ns + distance;
		else
			*ns = distance < end_ns ? end_ns - distance : 0;
		return 0;
	}
	if (!parse_date(text, ns))
		return 0;
	ret = parse_clock(text, known ? begin_ns : 0, ns);
	return ret || known ? ret : -ESPIPE;
}
