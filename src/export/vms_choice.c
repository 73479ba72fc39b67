// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/log.h"
#include "vms_choice.h"

#define MAX_TOP 1000000

static int parse_top(const char *text, uint64_t *top)
{
	char *end;

	errno = 0;
	*top = strtoull(text, &end, 10);
	if (errno || *end || !isdigit((unsigned char)*text) || !*top || *top > MAX_TOP)
		return log_error(-EINVAL, "N must be a whole number from 1 to 1000000", NULL,
				 "--vms top:%s", text);
	return 0;
}

static int parse_regex(const char *text, regex_t *regex)
{
	char *whole, why[128];
	int ret;

	if (asprintf(&whole, "^(%s)$", text) < 0)
		return -ENOMEM;
	ret = regcomp(regex, whole, REG_EXTENDED | REG_NOSUB);
	free(whole);
	if (!ret)
		return 0;
	regerror(ret, regex, why, sizeof(why));
	return log_error(-EINVAL, why, NULL, "--vms regex:%s", text);
}

int vms_choice_parse(const char *text, struct vms_choice *choice)
{
	memset(choice, 0, sizeof(*choice));
	if (!strcmp(text, "none")) {
		choice->kind = VMS_NONE;
		return 0;
	}
	if (!strncmp(text, "top:", 4)) {
		choice->kind = VMS_TOP;
		return parse_top(text + 4, &choice->top);
	}
	if (!strncmp(text, "regex:", 6)) {
		choice->kind = VMS_REGEX;
		return parse_regex(text + 6, &choice->regex);
	}
	return log_error(-EINVAL, "not top:N, none or regex:RE", NULL, "--vms %s", text);
}

void vms_choice_free(struct vms_choice *choice)
{
	if (choice->kind == VMS_REGEX)
		regfree(&choice->regex);
	memset(choice, 0, sizeof(*choice));
}

bool vms_choice_matches(const struct vms_choice *choice, const char *name)
{
	return choice->kind != VMS_REGEX || !regexec(&choice->regex, name, 0, NULL, 0);
}
