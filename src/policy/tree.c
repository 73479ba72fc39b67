// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

#include "../lib/closest.h"
#include "../lib/utf8.h"
#include "tree.h"

#define MAX_KEYS 32

struct builder {
	struct arena *arena;
	struct diags *diags;
	struct tree *root, *in;	       /* in: the list or map that is open */
	struct tree *last[TREE_DEPTH]; /* the last item of each that is open */
	struct tree *key;	       /* the key whose value comes next */
	unsigned int depth;
	struct place at; /* of the last event that has one */
};

/* Where nothing is written at all, it is where the last thing was. */
static struct place place_of(struct builder *builder, struct fy_event *event)
{
	const struct fy_mark *start = fy_event_start_mark(event), *end = fy_event_end_mark(event);
	struct place place = builder->at;

	if (!start)
		return place;
	place.line = (unsigned int)start->line + 1;
	place.column = (unsigned int)start->column + 1;
	place.width = 1;
	if (end && end->line == start->line && end->column > start->column)
		place.width = (unsigned int)(end->column - start->column);
	builder->at = place;
	return place;
}

static struct tree *tree_new(struct builder *builder, enum tree_kind kind, struct fy_event *event)
{
	struct tree *tree = arena_alloc(builder->arena, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->kind = kind;
	tree->place = place_of(builder, event);
	tree->parent = builder->in;
	return tree;
}

/* Put it where it belongs: into the list or map that is open, or on top. */
static void insert(struct builder *builder, struct tree *tree)
{
	struct tree *in = builder->in;

	if (!in) {
		builder->root = tree;
		return;
	}
	if (in->kind == TREE_MAP) {
		tree->key = builder->key;
		builder->key = NULL;
	}
	if (in->first)
		builder->last[builder->depth - 1]->next = tree;
	else
		in->first = tree;
	builder->last[builder->depth - 1] = tree;
	in->nr++;
}

static bool awaits_key(const struct builder *builder)
{
	return builder->in && builder->in->kind == TREE_MAP && !builder->key;
}

static int add_scalar(struct builder *builder, struct fy_event *event)
{
	const char *text = NULL;
	struct tree *tree;
	size_t len = 0;

	tree = tree_new(builder, TREE_SCALAR, event);
	if (!tree)
		return -ENOMEM;
	if (event->scalar.value)
		text = fy_token_get_text(event->scalar.value, &len);
	if (!text)
		len = 0;
	tree->text = arena_text(builder->arena, text, len);
	if (!tree->text)
		return -ENOMEM;
	if (len && memchr(text, '\0', len)) {
		diag_error(builder->diags, tree->place, NULL, "a word contains a NUL byte");
		return -EBADMSG;
	}
	if (awaits_key(builder))
		builder->key = tree;
	else
		insert(builder, tree);
	return 0;
}

static int open_tree(struct builder *builder, enum tree_kind kind, struct fy_event *event)
{
	struct tree *tree;

	tree = tree_new(builder, kind, event);
	if (!tree)
		return -ENOMEM;
	if (awaits_key(builder)) {
		diag_error(builder->diags, tree->place, NULL, "a key must be a word, this is %s",
			   tree_kind_name(tree));
		return -EBADMSG;
	}
	if (builder->depth == TREE_DEPTH) {
		diag_error(builder->diags, tree->place, NULL, "nested too deeply");
		return -EBADMSG;
	}
	insert(builder, tree);
	builder->in = tree;
	builder->depth++;
	return 0;
}

static int close_tree(struct builder *builder)
{
	builder->in = builder->in->parent;
	builder->depth--;
	return 0;
}

static int refuse(struct builder *builder, struct fy_event *event, const char *what)
{
	diag_error(builder->diags, place_of(builder, event), "write it out",
		   "%s are not part of the language", what);
	return -EBADMSG;
}

/* Return: 0, -EBADMSG (no more is read), -ENOMEM. */
static int add_event(struct builder *builder, struct fy_event *event)
{
	switch (event->type) {
	case FYET_SCALAR:
		if (event->scalar.anchor)
			return refuse(builder, event, "anchors");
		if (event->scalar.tag)
			return refuse(builder, event, "tags");
		return add_scalar(builder, event);
	case FYET_MAPPING_START:
		if (event->mapping_start.anchor)
			return refuse(builder, event, "anchors");
		if (event->mapping_start.tag)
			return refuse(builder, event, "tags");
		return open_tree(builder, TREE_MAP, event);
	case FYET_SEQUENCE_START:
		if (event->sequence_start.anchor)
			return refuse(builder, event, "anchors");
		if (event->sequence_start.tag)
			return refuse(builder, event, "tags");
		return open_tree(builder, TREE_LIST, event);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END: return close_tree(builder);
	case FYET_ALIAS: return refuse(builder, event, "aliases");
	case FYET_DOCUMENT_START:
		if (!builder->root)
			return 0;
		diag_error(builder->diags, place_of(builder, event), NULL,
			   "a second document in the file");
		return -EBADMSG;
	default: return 0;
	}
}

/* Diagnostics of libfyaml. */
static void take_errors(struct fy_diag *diag, struct diags *diags)
{
	struct fy_diag_error *error;
	void *at = NULL;

	while ((error = fy_diag_errors_iterate(diag, &at))) {
		struct place place = { 0 };

		if (error->line > 0) {
			place.line = (unsigned int)error->line;
			place.column = error->column > 0 ? (unsigned int)error->column : 1;
			place.width = 1;
		}
		diag_error(diags, place,
			   strstr(error->msg, "plain scalar") ? "put it in quotes" : NULL,
			   "not valid YAML: %s", error->msg);
	}
	if (!diags->nr_errors)
		diag_error(diags, (struct place){ 0 }, NULL, "not valid YAML");
}

static void swallow(struct fy_diag *diag, void *user, const char *buf, size_t len)
{
	(void)diag;
	(void)user;
	(void)buf;
	(void)len;
}

static int build(struct builder *builder, struct fy_parser *parser, struct fy_diag *diag)
{
	struct fy_event *event;
	int ret = 0;

	while (!ret && (event = fy_parser_parse(parser))) {
		ret = add_event(builder, event);
		fy_parser_event_free(parser, event);
	}
	if (!ret && (fy_parser_get_stream_error(parser) || fy_diag_got_error(diag))) {
		take_errors(diag, builder->diags);
		ret = -EBADMSG;
	}
	return ret;
}

/* Controls, other ends of lines than ours, marks of byte order. */
static bool is_text(unsigned int c)
{
	if (c < 0xa0)
		return (c >= ' ' && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';
	return c != 0x2028 && c != 0x2029 && c != 0xfeff;
}

/*
 * What libfyaml does not need to see: no policy has it, and some of it keeps libfyaml busy for
 * ever. Return: 0 or -EBADMSG.
 */
static int check_bytes(const char *text, size_t len, struct diags *diags)
{
	struct place place = { 1, 1, 1 };
	size_t i, bytes;
	unsigned int c;

	for (i = 0; i < len; i += bytes, place.column++) {
		bytes = 1;
		if (text[i] >= ' ' && text[i] < 0x7f && text[i] != '%')
			continue;
		c = utf8_character(text + i, len - i, &bytes);
		if (!bytes) {
			diag_error(diags, place, NULL, "not UTF-8: byte 0x%02x", c);
			return -EBADMSG;
		}
		if (!i && c == 0xfeff) {
			diag_error(diags, place, "save it as UTF-8 without one",
				   "the file begins with a byte order mark (U+FEFF)");
			return -EBADMSG;
		}
		if (!is_text(c)) {
			diag_error(diags, place, NULL, "the character U+%04X is not allowed", c);
			return -EBADMSG;
		}
		if (c == '%' && place.column == 1) {
			diag_error(diags, place, NULL, "directives are not part of the language");
			return -EBADMSG;
		}
		if (c == '\n' || (c == '\r' && (i + 1 == len || text[i + 1] != '\n'))) {
			place.line++;
			place.column = 0;
		}
	}
	return 0;
}

int tree_parse(const char *text, size_t len, struct arena *arena, struct tree **tree,
	       struct diags *diags)
{
	struct fy_diag_cfg diag_cfg = { .output_fn = swallow, .level = FYET_ERROR };
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET };
	struct builder builder = { .arena = arena, .diags = diags, .at = { 1, 1, 1 } };
	struct fy_parser *parser = NULL;
	int ret = -ENOMEM;

	*tree = NULL;
	if (check_bytes(text, len, diags))
		return -EBADMSG;
	diag_cfg.module_mask = ~0U;
	cfg.diag = fy_diag_create(&diag_cfg);
	if (!cfg.diag)
		return -ENOMEM;
	fy_diag_set_collect_errors(cfg.diag, true);
	parser = fy_parser_create(&cfg);
	if (!parser || fy_parser_set_string(parser, text, len))
		goto out;
	ret = build(&builder, parser, cfg.diag);
	if (!ret && !builder.root) {
		diag_error(diags, (struct place){ 1, 1, 1 }, NULL, "the file is empty");
		ret = -EBADMSG;
	}
	if (!ret)
		*tree = builder.root;
out:
	fy_parser_destroy(parser);
	fy_diag_destroy(cfg.diag);
	return ret;
}

const char *tree_kind_name(const struct tree *tree)
{
	switch (tree->kind) {
	case TREE_LIST: return "a list";
	case TREE_MAP: return "a map";
	case TREE_SCALAR: return *tree->text ? "a word" : "nothing";
	}
	return "?";
}

bool tree_is(const struct tree *tree, enum tree_kind kind, const char *what, struct diags *diags)
{
	static const char *const wanted[] = {
		[TREE_SCALAR] = "a word",
		[TREE_LIST] = "a list",
		[TREE_MAP] = "a map",
	};

	if (tree->kind == kind && (kind != TREE_SCALAR || *tree->text))
		return true;
	diag_error(diags, tree->place, NULL, "%s must be %s, this is %s", what, wanted[kind],
		   tree_kind_name(tree));
	return false;
}

static void unknown_key(const struct tree *value, const char *what, const struct tree_key *keys,
			size_t nr, struct diags *diags)
{
	const char *names[MAX_KEYS], *closest;
	char hint[256] = "it can have ";
	size_t i, len = strlen(hint);

	for (i = 0; i < nr; i++) {
		names[i] = keys[i].name;
		if (len < sizeof(hint))
			len += (size_t)snprintf(hint + len, sizeof(hint) - len, "%s%s",
						i ? ", " : "", keys[i].name);
	}
	closest = closest_name(value->key->text, names, nr);
	if (closest)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", closest);
	diag_error(diags, value->key->place, hint, "%s has no key \"%s\"", what, value->key->text);
}

int tree_read_map(const struct tree *tree, const char *what, const struct tree_key *keys, size_t nr,
		  void *context, void *into, struct diags *diags)
{
	const struct tree *found[MAX_KEYS] = { 0 }, *value;
	size_t i;
	int ret;

	if (!tree_is(tree, TREE_MAP, what, diags))
		return 0;
	for (value = tree->first; value; value = value->next) {
		for (i = 0; i < nr && strcmp(keys[i].name, value->key->text); i++)
			;
		if (i == nr)
			unknown_key(value, what, keys, nr, diags);
		else if (found[i])
			diag_error(diags, value->key->place, NULL,
				   "\"%s\" is defined twice, first in line %u", keys[i].name,
				   found[i]->key->place.line);
		else
			found[i] = value;
	}
	for (i = 0; i < nr; i++) {
		if (!found[i] && keys[i].required)
			diag_error(diags, tree->place, NULL, "%s lacks \"%s\"", what, keys[i].name);
		if (!found[i])
			continue;
		ret = keys[i].read(context, found[i], into);
		if (ret)
			return ret;
	}
	return 0;
}

struct name_slot {
	const char *name;
	unsigned int number;
};

static struct name_slot *slot_of(const struct name_map *map, const char *name)
{
	size_t hash = 5381, i;

	for (i = 0; name[i]; i++)
		hash = hash * 33 + (unsigned char)name[i];
	hash ^= hash >> 16;
	while (map->slots[hash % map->size].name && strcmp(map->slots[hash % map->size].name, name))
		hash++;
	return &map->slots[hash % map->size];
}

int name_map_init(struct name_map *map, struct arena *arena, size_t nr)
{
	/* Never more than half full, so that a search ends soon. */
	for (map->size = 16; map->size < 2 * nr; map->size *= 2)
		;
	map->slots = arena_alloc(arena, map->size * sizeof(*map->slots));
	return map->slots ? 0 : -ENOMEM;
}

bool name_map_add(struct name_map *map, const char *name, unsigned int number)
{
	struct name_slot *slot = slot_of(map, name);

	if (slot->name)
		return false;
	slot->name = name;
	slot->number = number;
	return true;
}

int name_map_find(const struct name_map *map, const char *name)
{
	const struct name_slot *slot;

	if (!map->slots)
		return -1;
	slot = slot_of(map, name);
	return slot->name ? (int)slot->number : -1;
}

void tree_write_text(FILE *out, const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	fputc('"', out);
	for (; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ' || *c == 0x7f)
			fprintf(out, "\\x%02x", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}
