// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "report_fields.h"

struct walk {
	void (*field)(void *data, const char *name, const char *value, int string);
	void *data;
};

static void walk(const struct walk *w, const char *prefix, struct json_object *value)
{
	struct json_object_iterator at, end;
	char name[REPORT_FIELD_NAME];
	const char *member;
	size_t i;

	switch (json_object_get_type(value)) {
	case json_type_null: break;
	case json_type_object:
		at = json_object_iter_begin(value);
		end = json_object_iter_end(value);
		for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
			member = json_object_iter_peek_name(&at);
			if (strcmp(member, "who"))
				snprintf(name, sizeof(name), "%s_%s", prefix, member);
			else
				snprintf(name, sizeof(name), "%s", prefix);
			walk(w, name, json_object_iter_peek_value(&at));
		}
		break;
	case json_type_array:
		for (i = 0; i < json_object_array_length(value); i++)
			walk(w, prefix, json_object_array_get_idx(value, i));
		break;
	default:
		w->field(w->data, prefix, json_object_get_string(value),
			 json_object_is_type(value, json_type_string));
	}
}

int report_each_field(const char *json, size_t len, const char *prefix,
		      void (*field)(void *data, const char *name, const char *value, int string),
		      void *data)
{
	struct walk w = { .field = field, .data = data };
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;
	int ret = -ENOMEM;

	object = tokener ? json_tokener_parse_ex(tokener, json, (int)len) : NULL;
	if (object) {
		walk(&w, prefix, object);
		ret = 0;
	}
	json_object_put(object);
	if (tokener)
		json_tokener_free(tokener);
	return ret;
}
