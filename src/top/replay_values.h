/* SPDX-License-Identifier: GPL-2.0-only */
/* Values of the JSON of a frame, and what has the form of a record. */
#ifndef GMEM_REPLAY_VALUES_H
#define GMEM_REPLAY_VALUES_H

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "columns.h"
#include "latency.h"
#include "policy.h"
#include "sample.h"

/* --- values; what is absent is NULL, and NULL has no members --- */

static inline struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

static inline uint64_t number(struct json_object *object, const char *name)
{
	return json_object_get_uint64(member(object, name));
}

static inline void text(struct json_object *object, const char *name, char *buf, size_t size)
{
	struct json_object *value = member(object, name);

	snprintf(buf, size, "%s", value ? json_object_get_string(value) : "");
}

static inline uint64_t key_in(struct json_object *object)
{
	struct json_object *value = member(object, VM_FIELD(key));

	return value ? strtoull(json_object_get_string(value), NULL, 16) : 0;
}

static inline size_t length(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static inline uint64_t known(struct json_object *object, const char *name)
{
	return member(object, name) ? number(object, name) : GMEM_UNKNOWN;
}

/* Also where it is null: that it could not be told. */
static inline bool has(struct json_object *object, const char *name)
{
	return json_object_is_type(object, json_type_object) &&
	       json_object_object_get_ex(object, name, NULL);
}

/* --- replay_values.c --- */

/* An errno by its name or number. */
uint32_t replay_errno(const char *name);

/* @op, @err: set to one of them if there is one, else left as they are */
void replay_errors(struct json_object *errors, struct sample_errors *to, uint32_t *op,
		   uint32_t *err);

/* @wraps: as in struct sample_recorded */
void replay_latency(struct json_object *latency, struct sample_vm *vm, uint32_t *wraps);

/* The same of one direction, with all bits of each number. */
void replay_durations(struct json_object *object, struct latency *latency);

void replay_heat(struct json_object *object, struct gmem_heat *heat);
void replay_policy(struct policy_counts *counts, struct json_object *policy);

#endif /* GMEM_REPLAY_VALUES_H */
