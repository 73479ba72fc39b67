// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "value.h"

__attribute__((format(printf, 4, 5))) static int
wrong(struct request_error *error, const char *name, const char *value, const char *fmt, ...)
{
	va_list args;

	error->name = name;
	error->value = value;
	va_start(args, fmt);
	vsnprintf(error->why, sizeof(error->why), fmt, args);
	va_end(args);
	return -EINVAL;
}

static int unknown_name(struct request_error *error, enum value_kind kind, const char *name,
			const char *value)
{
	char names[128];

	return wrong(error, name, value, "it can be %s",
		     value_list(kind, VALUE_ALL, ", ", names, sizeof(names)));
}

/* Each reads one attribute. Return: 0 or -EINVAL. */

static int parse_size(const char *text, struct gmem_request *request, struct request_error *error)
{
	if (!value_size(text, &request->size))
		return 0;
	return wrong(error, "size", text, "not a size as 64GiB");
}

static int parse_flags(const char *text, struct gmem_request *request, struct request_error *error)
{
	if (!strcmp(text, "foreign"))
		request->flags = GMEM_FLAGS_foreign;
	else if (value_bits(VALUE_FLAG, text, &request->flags))
		return unknown_name(error, VALUE_FLAG, "flags", text);
	return 0;
}

static int parse_prot(const char *text, struct gmem_request *request, struct request_error *error)
{
	if (!value_bits(VALUE_PROT, text, &request->prot))
		return 0;
	return unknown_name(error, VALUE_PROT, "prot", text);
}

static int parse_direction(const char *text, struct gmem_request *request,
			   struct request_error *error)
{
	int direction = value_number(VALUE_DIRECTION, text);

	if (direction < 0)
		return unknown_name(error, VALUE_DIRECTION, "direction", text);
	request->direction = (__u32)direction;
	return 0;
}

static int parse_limits(const char *text, const char *name, const char *what, __u64 *start,
			__u64 *end, struct request_error *error)
{
	int ret = value_range(text, start, end);

	if (ret == -EXDEV)
		return wrong(error, name, text,
			     "the limits must be multiples of 4KiB, and the end does not belong to "
			     "the range, as in 0x0-0x40000000");
	return ret ? wrong(error, name, text, "not two %s, as 0x0-0x40000000", what) : 0;
}

static int parse_range(const char *text, struct gmem_request *request, struct request_error *error)
{
	return parse_limits(text, "range", "guest addresses", &request->start, &request->end,
			    error);
}

static int parse_offset(const char *text, struct gmem_request *request, struct request_error *error)
{
	return parse_limits(text, "offset", "offsets", &request->offset, &request->offset_end,
			    error);
}

static int parse_vm_type(const char *text, struct gmem_request *request,
			 struct request_error *error)
{
	int type = value_number(VALUE_TYPE, text);

	if (type < 0)
		return unknown_name(error, VALUE_TYPE, "vm-type", text);
	request->type = (__u32)type;
	return 0;
}

static const struct attribute {
	size_t offset;
	int (*parse)(const char *text, struct gmem_request *request, struct request_error *error);
} attributes[POLICY_IF_MAX] = {
#define X(name, ...) [POLICY_IF_##name] = { offsetof(struct request_text, name), parse_##name },
	POLICY_CONDITIONS(X)
#undef X
};

int request_parse(const struct request_text *text, struct gmem_request *request,
		  struct request_error *error)
{
	const char *value, *name;
	int op, i, ret;

	op = text->op ? value_number(VALUE_OPERATION, text->op) : -1;
	if (op < 0)
		return unknown_name(error, VALUE_OPERATION, "op", text->op ? text->op : "");
	memset(request, 0, sizeof(*request));
	request->op = (__u32)op;
	request->flags = GMEM_FLAGS_unknown;
	request->type = GMEM_TYPE_unknown;
	request->direction = GMEM_DIR_other;
	request->size = request->start = request->end = POLICY_VALUE_UNKNOWN;
	request->offset = request->offset_end = POLICY_VALUE_UNKNOWN;
	for (i = 0; i < POLICY_IF_MAX; i++) {
		value = *(const char *const *)((const char *)text + attributes[i].offset);
		name = value_name(VALUE_CONDITION, (unsigned int)i);
		if (value && !(condition_ops[i] >> op & 1))
			return wrong(error, name, value, "it does not apply to %s", text->op);
		if (!value && i == POLICY_IF_prot && condition_ops[i] >> op & 1)
			return wrong(error, name, "", "it is required for %s", text->op);
		ret = value ? attributes[i].parse(value, request, error) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

const char *const root_names[] = {
	[GMEM_ROOT_host] = "host",
	[GMEM_ROOT_other] = "other",
};

int who_parse(const struct who_text *text, const struct who_lookup *lookup, struct who *who,
	      struct request_error *error)
{
	memset(who, 0, sizeof(*who));
	if (text->exe) {
		who->exe = text->exe;
		if (lookup)
			lookup->exe(text->exe, who);
	}
	if (text->verity) {
		if (value_digest(text->verity, &who->verity))
			return wrong(error, "verity", text->verity,
				     "not sha256: and 64 digits, or sha512: and 128");
		who->has_verity = true;
	}
	if (text->root && strcmp(text->root, root_names[GMEM_ROOT_host])) {
		if (strcmp(text->root, root_names[GMEM_ROOT_other]))
			return wrong(error, "root", text->root, "it is host or other");
		who->root = GMEM_ROOT_other;
	}
	if (text->uid && isdigit((unsigned char)*text->uid)) {
		if (value_uid(text->uid, &who->uid))
			return wrong(
				error, "uid", text->uid,
				"not the number of a user: 0 to 4294967294, without leading zeros");
		who->has_uid = true;
	} else if (text->uid) {
		who->user = text->uid;
		who->has_uid = lookup && !lookup->user(text->uid, &who->uid);
	}
	if (text->cgroup && *text->cgroup != '/')
		return wrong(error, "cgroup", text->cgroup, "it must begin with '/'");
	who->cgroup = text->cgroup;
	return 0;
}

static void range_text(__u64 start, __u64 end, char *text, size_t size)
{
	if (start == POLICY_VALUE_UNKNOWN || end == POLICY_VALUE_UNKNOWN)
		snprintf(text, size, "unknown");
	else
		snprintf(text, size, "0x%llx-0x%llx", start, end);
}

static void names_text(enum value_kind kind, __u32 bits, char *text, size_t size)
{
	if (!bits)
		snprintf(text, size, "none");
	else
		value_list(kind, bits, ",", text, size);
}

char *request_value(const struct gmem_request *request, enum policy_condition condition,
		    char text[REQUEST_TEXT])
{
	char size[VALUE_SIZE_TEXT];

	snprintf(text, REQUEST_TEXT, "unknown");
	switch (condition) {
	case POLICY_IF_size:
		if (request->size != POLICY_VALUE_UNKNOWN)
			snprintf(text, REQUEST_TEXT, "%s", value_size_text(request->size, size));
		break;
	case POLICY_IF_flags:
		if (request->flags < GMEM_FLAGS_foreign)
			names_text(VALUE_FLAG, request->flags, text, REQUEST_TEXT);
		else if (request->flags == GMEM_FLAGS_foreign)
			snprintf(text, REQUEST_TEXT, "foreign");
		break;
	case POLICY_IF_prot: names_text(VALUE_PROT, request->prot, text, REQUEST_TEXT); break;
	case POLICY_IF_direction:
		if (request->direction != GMEM_DIR_other)
			snprintf(text, REQUEST_TEXT, "%s",
				 value_name(VALUE_DIRECTION, request->direction));
		break;
	case POLICY_IF_range: range_text(request->start, request->end, text, REQUEST_TEXT); break;
	case POLICY_IF_offset:
		range_text(request->offset, request->offset_end, text, REQUEST_TEXT);
		break;
	case POLICY_IF_vm_type:
		if (request->type != GMEM_TYPE_unknown)
			snprintf(text, REQUEST_TEXT, "%s", value_name(VALUE_TYPE, request->type));
		break;
	case POLICY_IF_MAX: break;
	}
	return text;
}

char *condition_value(const struct policy_rule *rule, enum policy_condition condition,
		      char text[REQUEST_TEXT])
{
	char min[VALUE_SIZE_TEXT], max[VALUE_SIZE_TEXT];
	size_t len;

	switch (condition) {
	case POLICY_IF_size:
		value_size_text(rule->size_min, min);
		value_size_text(rule->size_max, max);
		if (rule->size_min == rule->size_max)
			snprintf(text, REQUEST_TEXT, "== %s", min);
		else if (rule->size_max == ~0ULL)
			snprintf(text, REQUEST_TEXT, ">= %s", min);
		else if (!rule->size_min)
			snprintf(text, REQUEST_TEXT, "<= %s", max);
		else
			snprintf(text, REQUEST_TEXT, ">= %s, <= %s", min, max);
		break;
	case POLICY_IF_flags:
		len = (size_t)snprintf(text, REQUEST_TEXT, "%s",
				       rule->flags_exact ? "exactly "
				       : rule->deny	 ? "one of "
							 : "only ");
		names_text(VALUE_FLAG, rule->flags, text + len, REQUEST_TEXT - len);
		break;
	case POLICY_IF_prot:
		len = (size_t)snprintf(text, REQUEST_TEXT, rule->deny ? "one of " : "only ");
		names_text(VALUE_PROT, rule->prot, text + len, REQUEST_TEXT - len);
		break;
	case POLICY_IF_direction:
		names_text(VALUE_DIRECTION, rule->directions, text, REQUEST_TEXT);
		break;
	case POLICY_IF_range:
		len = (size_t)snprintf(text, REQUEST_TEXT, rule->deny ? "touches " : "inside ");
		range_text(rule->start, rule->end, text + len, REQUEST_TEXT - len);
		break;
	case POLICY_IF_offset:
		len = (size_t)snprintf(text, REQUEST_TEXT, rule->deny ? "touches " : "inside ");
		range_text(rule->offset, rule->offset_end, text + len, REQUEST_TEXT - len);
		break;
	case POLICY_IF_vm_type: names_text(VALUE_TYPE, rule->types, text, REQUEST_TEXT); break;
	case POLICY_IF_MAX: *text = '\0'; break;
	}
	return text;
}
