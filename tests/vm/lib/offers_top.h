/* SPDX-License-Identifier: GPL-2.0-only */
/* What gmemtop offers against the lane's column in offers.h. */
#ifndef VM_OFFERS_TOP_H
#define VM_OFFERS_TOP_H

#include <json-c/json.h>

#include "offers.h"

/* The kind of a source by what gmemtop prints of it; NULL: it has none. */
static inline enum offer_source offers_kind(const char *text)
{
	if (!text)
		return OFFER_NONE;
	if (!strncmp(text, "tracepoint ", strlen("tracepoint ")))
		return OFFER_TRACEPOINT;
	return strncmp(text, "function ", strlen("function ")) ? OFFER_MEMORY : OFFER_FUNCTION;
}

/* Is @text the source that gmemtop must have for the fact? Prints what differs. */
static inline bool offers_source_is(const char *what, const char *fact, const char *text,
				    bool redundant)
{
	static const char *const names[] = { "nothing", "a tracepoint", "a function", "a function",
					     "the kernel's memory" };
	enum offer_source wanted = offer_source(fact);

	if (wanted == OFFER_ON_REQUEST)
		wanted = redundant ? OFFER_FUNCTION : OFFER_NONE;
	if (offers_kind(text) == wanted)
		return true;
	printf("  %s %s comes from '%s', in lane %s it must come from %s\n", what, fact,
	       text ? text : "nothing", getenv("LANE"), names[wanted]);
	return false;
}

static inline struct json_object *offers_features(bool redundant)
{
	FILE *out = popen(redundant ? "build/gmemtop --no-wait --features --json --redundant"
				    : "build/gmemtop --no-wait --features --json",
			  "r");
	struct json_object *obj = NULL;
	char *line = NULL;
	size_t size = 0;

	if (out && getline(&line, &size, out) > 0)
		obj = json_tokener_parse(line);
	free(line);
	if (out && pclose(out))
		printf("  gmemtop --features failed\n");
	return obj;
}

/**
 * offers_check_top - compare `gmemtop --features` with this lane's column
 * @redundant: with --redundant
 *
 * Return: the number of differences, each of which is printed.
 */
static inline size_t offers_check_top(bool redundant)
{
	struct json_object *obj = offers_features(redundant), *list = NULL, *name, *source;
	size_t i, nr, differ = 0;

	json_object_object_get_ex(obj, "features", &list);
	nr = list ? json_object_array_length(list) : 0;
	for (i = 0; i < nr; i++) {
		struct json_object *fact = json_object_array_get_idx(list, i);

		json_object_object_get_ex(fact, "name", &name);
		json_object_object_get_ex(fact, "source", &source);
		differ += !offers_source_is("fact", json_object_get_string(name),
					    json_object_get_string(source), redundant);
	}
	if (nr != OFFER_NR_FACTS) {
		printf("  gmemtop --features lists %zu facts, tests/vm/lib/offers.h %zu\n", nr,
		       OFFER_NR_FACTS);
		differ++;
	}
	json_object_put(obj);
	return differ;
}

#endif /* VM_OFFERS_TOP_H */
