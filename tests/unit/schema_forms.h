/* SPDX-License-Identifier: GPL-2.0-only */
/* How tests make a JSON schema, and compare it with the one in contrib/. */
#ifndef GMEM_SCHEMA_FORMS_H
#define GMEM_SCHEMA_FORMS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "../../src/top/columns.h"

#define REF(name)  "{\"$ref\":\"#/$defs/" name "\"}"
#define LIST(item) "{\"type\":\"array\",\"items\":" item "}"
#define MAYBE(one) "{\"oneOf\":[{\"type\":\"null\"}," one "]}"
#define ENUM(...)  "{\"enum\":[" __VA_ARGS__ "]}"
#define TEXT	   "{\"type\":\"string\"}"
#define INTEGER	   "{\"type\":\"integer\",\"minimum\":0}"

static inline struct json_object *parse(const char *text)
{
	struct json_object *value = json_tokener_parse(text);

	if (!value)
		fail_msg("no JSON: %s", text);
	return value;
}

static inline void add(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

static inline struct json_object *object_schema(const char *text)
{
	struct json_object *schema = json_object_new_object();

	if (text)
		add(schema, "description", text);
	add(schema, "type", "object");
	json_object_object_add(schema, "properties", json_object_new_object());
	json_object_object_add(schema, "required", json_object_new_array());
	json_object_object_add(schema, "additionalProperties", json_object_new_boolean(false));
	return schema;
}

static inline void add_property(struct json_object *schema, const char *name,
				struct json_object *form, bool required)
{
	struct json_object *properties = json_object_object_get(schema, "properties");

	if (json_object_object_get_ex(properties, name, NULL))
		fail_msg("%s is there twice", name);
	json_object_object_add(properties, name, form);
	if (required)
		json_object_array_add(json_object_object_get(schema, "required"),
				      json_object_new_string(name));
}

static inline struct json_object *form_of(enum field_kind kind, enum unit unit, const char *help,
					  bool is_nullable)
{
	static const char *const types[NR_KINDS] = {
		[KIND_text] = "string",	     [KIND_number] = "integer",	 [KIND_flag] = "boolean",
		[KIND_gauge] = "integer",    [KIND_counter] = "integer", [KIND_rate] = "number",
		[KIND_quantile] = "integer",
	};
	struct json_object *form = json_object_new_object(), *type;

	add(form, "description", help);
	add(form, "x-kind", kind_names[kind]);
	add(form, "x-unit", unit_names[unit]);
	assert_non_null(types[kind]);
	type = json_object_new_string(types[kind]);
	if (is_nullable) {
		struct json_object *both = json_object_new_array();

		json_object_array_add(both, type);
		json_object_array_add(both, json_object_new_string("null"));
		type = both;
	}
	json_object_object_add(form, "type", type);
	if (strcmp(types[kind], "string") && strcmp(types[kind], "boolean"))
		json_object_object_add(form, "minimum", json_object_new_int(0));
	return form;
}

/* An object with these members, all in the same form. */
static inline struct json_object *same_forms(const char *const *names, unsigned int nr,
					     const char *form)
{
	struct json_object *schema = object_schema(NULL);
	unsigned int i;

	for (i = 0; i < nr; i++)
		add_property(schema, names[i], parse(form), true);
	return schema;
}

static inline struct json_object *enum_of(const char *const *names, unsigned int nr)
{
	struct json_object *schema = json_object_new_object(), *list = json_object_new_array();
	unsigned int i;

	for (i = 0; i < nr; i++)
		json_object_array_add(list, json_object_new_string(names[i]));
	json_object_object_add(schema, "enum", list);
	return schema;
}

/* UPDATE=1 writes it anew. */
static inline void compare_schema(const char *path, struct json_object *schema)
{
	const char *text = json_object_to_json_string_ext(
		schema,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	struct json_object *file;

	if (getenv("UPDATE")) {
		FILE *out = fopen(path, "w");

		assert_non_null(out);
		fprintf(out, "%s\n", text);
		fclose(out);
	}
	file = json_object_from_file(path);
	assert_non_null(file);
	if (!json_object_equal(file, schema))
		fail_msg("%s is not what the list of fields says; UPDATE=1 writes it anew", path);
	json_object_put(file);
}

#endif /* GMEM_SCHEMA_FORMS_H */
