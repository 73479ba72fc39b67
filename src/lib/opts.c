// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "opts.h"

#define MAX_OPTS   40
#define FIRST_LONG 256
#define NS_PER_S   1000000000ULL
#define MAX_S	   (365ULL * 86400)

int parse_duration(const char *text, uint64_t *ns)
{
	uint64_t seconds = 0, decimals = 0, unit = NS_PER_S, factor;
	const char *s = text;

	while (isdigit((unsigned char)*s)) {
		seconds = seconds * 10 + (uint64_t)(*s++ - '0');
		if (seconds > MAX_S)
			return -EINVAL;
	}
	if (*s == '.') {
		while (isdigit((unsigned char)*++s)) {
			unit /= 10;
			decimals += (uint64_t)(*s - '0') * unit;
		}
	}
	if (s == text || (*text == '.' && s == text + 1))
		return -EINVAL;
	factor = *s == 'm' ? 60 : *s == 'h' ? 3600 : 1;
	if ((*s && (!strchr("smh", *s) || s[1])) || seconds * factor > MAX_S)
		return -EINVAL;
	*ns = (seconds * NS_PER_S + decimals) * factor;
	return 0;
}

int parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || !*bytes)
		return -EINVAL;
	if (!*end)
		return 0;
	unit = strchr(units, *end);
	if (!unit || (end[1] && strcmp(end + 1, "iB")) ||
	    __builtin_mul_overflow(*bytes, 1024ULL << 10 * (unit - units), bytes))
		return -EINVAL;
	return 0;
}

static int parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (errno || *end || !isdigit((unsigned char)*text) || !*number)
		return -EINVAL;
	return 0;
}

static int set(const struct opt *opt, void *into, const char *value)
{
	void *member = (char *)into + opt->offset;

	switch (opt->kind) {
	case OPT_FLAG: *(bool *)member = true; return 0;
	case OPT_COUNT: ++*(int *)member; return 0;
	case OPT_STRING:
	case OPT_OPERAND: *(const char **)member = value; return 0;
	case OPT_NUMBER:
		if (!parse_number(value, member))
			return 0;
		return log_error(-EINVAL, "not a whole number from 1 on", NULL, "--%s %s",
				 opt->name, value);
	case OPT_SIZE:
		if (!parse_size(value, member))
			return 0;
		return log_error(-EINVAL, "not a size", "write it as 4096, 64K, 100M or 2G",
				 "--%s %s", opt->name, value);
	case OPT_DURATION:
		if (!parse_duration(value, member))
			return 0;
		return log_error(-EINVAL, "not a time", "write it as 90, 1.5, 90s, 10m or 2h",
				 "--%s %s", opt->name, value);
	}
	return -EINVAL;
}

int opts_parse(const struct opt *table, void *into, int argc, char **argv)
{
	struct option longs[MAX_OPTS + 1] = { 0 };
	char shorts[3 * MAX_OPTS] = ":", *s = shorts + 1;
	const struct opt *opt;
	int c, ret, i, nr = 0;

	for (i = 0; table[i].name && nr < MAX_OPTS; i++) {
		if (table[i].kind == OPT_OPERAND)
			continue;
		longs[nr].name = table[i].name;
		longs[nr].has_arg = table[i].value ? required_argument : no_argument;
		longs[nr++].val = FIRST_LONG + i;
		if (table[i].letter) {
			*s++ = table[i].letter;
			if (table[i].value)
				*s++ = ':';
		}
	}
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == '?' || c == ':')
			return log_error(-EINVAL,
					 c == ':' ? "it wants a value" : "there is no such option",
					 "see --help", "option '%s'", argv[optind - 1]);
		for (opt = table; opt->name; opt++) {
			if (c == opt->letter || c == FIRST_LONG + (int)(opt - table))
				break;
		}
		ret = set(opt, into, optarg);
		if (ret)
			return ret;
	}
	for (opt = table; opt->name && optind < argc; opt++) {
		if (opt->kind == OPT_OPERAND)
			set(opt, into, argv[optind++]);
	}
	if (optind < argc)
		return log_error(-EINVAL, "unexpected", "see --help", "argument '%s'",
				 argv[optind]);
	return 0;
}

void opts_usage(const struct opt *table, const char *head)
{
	char left[64];

	puts(head);
	for (; table->name; table++) {
		if (table->kind == OPT_OPERAND)
			continue;
		snprintf(left, sizeof(left), "%c%c%s --%s%s%s", table->letter ? '-' : ' ',
			 table->letter ? table->letter : ' ', table->letter ? "," : " ",
			 table->name, table->value ? " " : "", table->value ? table->value : "");
		printf("  %-26s %s\n", left, table->help);
	}
}
