// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>

#include "../../policy/value.h"
#include "request_print.h"

void json_who(struct json *json, const struct who *who)
{
	char text[VALUE_DIGEST_TEXT];

	json_open(json, "subject", '{');
	json_str(json, "exe", who->exe);
	json_bool(json, "exe_untrusted_fs", who->exe_untrusted_fs);
	json_str(json, "root", root_names[who->root]);
	json_str(json, "verity", who->has_verity ? value_digest_text(&who->verity, text) : NULL);
	if (who->has_uid)
		json_u64(json, "uid", who->uid);
	else
		json_null(json, "uid");
	json_str(json, "user", who->user);
	json_str(json, "cgroup", who->cgroup);
	json_close(json, '}');
}

void json_request(struct json *json, const struct gmem_request *request)
{
	char value[REQUEST_TEXT];
	unsigned int i;

	json_open(json, "request", '{');
	for (i = 0; i < POLICY_IF_MAX; i++) {
		if (condition_ops[i] >> request->op & 1)
			json_str(json, value_name(VALUE_CONDITION, i),
				 request_value(request, (enum policy_condition)i, value));
	}
	json_close(json, '}');
}

__attribute__((format(printf, 3, 4))) static size_t append(char text[REQUEST_LINE], size_t len,
							   const char *fmt, ...)
{
	va_list args;
	int n;

	if (len >= REQUEST_LINE)
		return len;
	va_start(args, fmt);
	n = vsnprintf(text + len, REQUEST_LINE - len, fmt, args);
	va_end(args);
	return n < 0 ? len : len + (size_t)n;
}

char *who_line(const struct who *who, char text[REQUEST_LINE])
{
	char digest[VALUE_DIGEST_TEXT];
	size_t len;

	len = append(text, 0, "exe %s", who->exe ?: who->has_verity ? "any" : "any other");
	if (who->has_verity)
		len = append(text, len, ", verity %s", value_digest_text(&who->verity, digest));
	if (who->root != GMEM_ROOT_host)
		len = append(text, len, ", root %s", root_names[who->root]);
	if (who->user)
		len = append(text, len, ", uid %s", who->user);
	else if (who->has_uid)
		len = append(text, len, ", uid %u", who->uid);
	else
		len = append(text, len, ", uid any other");
	append(text, len, ", cgroup %s", who->cgroup ?: "any other");
	return text;
}

char *request_line(const struct gmem_request *request, char text[REQUEST_LINE])
{
	char value[REQUEST_TEXT];
	size_t len = 0;
	unsigned int i;

	*text = '\0';
	for (i = 0; i < POLICY_IF_MAX; i++) {
		if (condition_ops[i] >> request->op & 1)
			len = append(text, len, "%s%s %s", len ? ", " : "",
				     value_name(VALUE_CONDITION, i),
				     request_value(request, (enum policy_condition)i, value));
	}
	return text;
}
