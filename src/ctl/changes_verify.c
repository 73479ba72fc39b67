// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "../lib/input.h"
#include "changes.h"
#include "kernel/digest.h"

static json_object *member(json_object *object, const char *name)
{
	json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

static const char *text_of(json_object *object, const char *name)
{
	json_object *value = member(object, name);

	return value ? json_object_get_string(value) : NULL;
}

static void read_line(const char *text, json_object *change, struct changes_line *line)
{
	json_object *arguments = member(change, "arguments"), *policy = member(change, "policy");
	size_t i, len = 0;

	memset(line, 0, sizeof(*line));
	line->text = text;
	line->number = json_object_get_uint64(member(change, "number"));
	line->time_ns = json_object_get_uint64(member(change, "time_ns"));
	line->command = text_of(change, "command");
	line->outcome = text_of(change, "outcome");
	line->uid = text_of(change, "uid");
	line->login_uid = text_of(change, "login_uid");
	line->policy = text_of(policy, "name");
	line->generation = text_of(policy, "generation");
	line->mode = text_of(policy, "mode");
	for (i = 0; json_object_is_type(arguments, json_type_array) &&
		    i < json_object_array_length(arguments) && len < sizeof(line->arguments);
	     i++)
		len += (size_t)snprintf(
			line->arguments + len, sizeof(line->arguments) - len, "%s%s", i ? " " : "",
			json_object_get_string(json_object_array_get_idx(arguments, i)));
}

static bool wrong(struct changes_report *report, const char *why)
{
	report->wrong = report->entries;
	snprintf(report->why, sizeof(report->why), "%s", why);
	return false;
}

/* Does a line follow the one before? @report has the hash of that one. */
static bool follows(json_object *change, uint64_t number, struct changes_report *report)
{
	const char *previous = text_of(change, "previous");

	if (strcmp(previous ?: "", report->last))
		return wrong(report, "it does not follow the line before: lines were removed, "
				     "inserted or reordered");
	if (json_object_get_uint64(member(change, "number")) != number + 1)
		return wrong(report, "its number is not the next one");
	return true;
}

static bool is_hash(const char *text, size_t len, const char *hash)
{
	__u8 digest[GMEM_SOURCE_DIGEST];
	char own[DIGEST_TEXT];

	return !digest_of(text, len, digest) &&
	       !strncmp(hash, digest_text(digest, own), DIGEST_TEXT - 1);
}

/* @change: the line, to be released by the caller */
static bool check_line(const char *text, uint64_t number, json_object **change,
		       struct changes_report *report)
{
	const char *tail = NULL, *at;

	for (at = text; (at = strstr(at, CHANGE_HASH_MEMBER)); at++)
		tail = at;
	if (!tail || strlen(tail) != strlen(CHANGE_HASH_MEMBER) + CHANGE_HASH - 1 + strlen("\"}"))
		return wrong(report, "it is cut off, or no line of this record");
	if (!is_hash(text, (size_t)(tail - text), tail + strlen(CHANGE_HASH_MEMBER)))
		return wrong(report, "its hash is another one: it was changed");
	*change = json_tokener_parse(text);
	if (!json_object_is_type(*change, json_type_object))
		return wrong(report, "it is not a JSON object");
	return follows(*change, number, report);
}

int changes_verify(const char *path, const char *hash, changes_fn fn, void *data,
		   struct changes_report *report)
{
	struct changes_line line = { .number = 0 };
	json_object *change;
	char *text = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *in;
	int ret;

	memset(report, 0, sizeof(*report));
	ret = input_open(path, &in);
	if (ret)
		return ret;
	while (!report->wrong && (len = getline(&text, &size, in)) > 0) {
		report->entries++;
		if (text[len - 1] == '\n')
			text[len - 1] = '\0';
		change = NULL;
		if (check_line(text, line.number, &change, report)) {
			read_line(text, change, &line);
			snprintf(report->last, sizeof(report->last), "%s", text_of(change, "hash"));
			report->contains |= hash && !strcmp(report->last, hash);
			if (fn)
				fn(&line, data);
		}
		json_object_put(change);
	}
	if (!report->wrong && !feof(in))
		ret = input_failed(path);
	free(text);
	input_close(in);
	return ret;
}
