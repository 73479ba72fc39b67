// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of YAML that policies are written in, read in a tenth of the time that libfyaml takes.
 * A policy is loaded while the system starts and VMs wait for it.
 *
 * Whatever is unusual, and whatever is wrong, is left to libfyaml: this gives up, tells nothing,
 * and the whole text is read again. What it does read must become the same tree, which tests and
 * the fuzzer compare. Known here: maps and lists, in blocks and in brackets, words, and quotes
 * without escapes; ASCII; no value may be missing, and none goes on in a second line.
 */
#include <string.h>

#include "tree.h"

struct text {
	const char *at, *end;
	const char *line_start;
	unsigned int line;
	struct arena *arena;
	bool given_up;
	unsigned int depth;
};

enum letter {
	LETTER_NAME = 1,  /* in keys */
	LETTER_FIRST = 2, /* a word may begin with it */
	LETTER_WORD = 4,  /* in words; blanks too, but not at the end */
};

#define FOR_NAMES LETTER_NAME | LETTER_FIRST | LETTER_WORD

static const unsigned char letters[256] = {
	['0' ... '9'] = FOR_NAMES,
	['A' ... 'Z'] = FOR_NAMES,
	['a' ... 'z'] = FOR_NAMES,
	['_'] = FOR_NAMES,
	['.'] = LETTER_NAME | LETTER_WORD,
	['-'] = LETTER_NAME | LETTER_WORD,
	['/'] = LETTER_FIRST | LETTER_WORD,
	['<'] = LETTER_FIRST | LETTER_WORD,
	['='] = LETTER_WORD,
	['>'] = LETTER_WORD,
	['+'] = LETTER_WORD,
	['@'] = LETTER_WORD,
	[' '] = LETTER_WORD,
};

static struct tree *give_up(struct text *text)
{
	text->given_up = true;
	return NULL;
}

/* What is there; a newline where the text ends. */
static inline char look(const struct text *text)
{
	return text->at < text->end ? *text->at : '\n';
}

static inline char look_behind(const struct text *text)
{
	return text->at + 1 < text->end ? text->at[1] : '\n';
}

static inline unsigned int column(const struct text *text)
{
	return (unsigned int)(text->at - text->line_start);
}

static inline void skip_blanks(struct text *text)
{
	while (look(text) == ' ')
		text->at++;
}

/* A list goes on, or begins: a dash and a blank, or the end of the line. */
static inline bool at_dash(const struct text *text)
{
	return look(text) == '-' && (look_behind(text) == ' ' || look_behind(text) == '\n');
}

/* Behind blanks: is there nothing more in this line but a comment? */
static inline bool at_line_end(const struct text *text)
{
	return look(text) == '\n' || (look(text) == '#' && text->at[-1] == ' ');
}

/* To the next line that has something, behind its blanks. Return: false at the end of the text. */
static bool next_line(struct text *text)
{
	const char *newline;

	while (text->at < text->end) {
		newline = memchr(text->at, '\n', (size_t)(text->end - text->at));
		if (!newline) {
			text->at = text->end;
			break;
		}
		text->at = text->line_start = newline + 1;
		text->line++;
		skip_blanks(text);
		if (look(text) != '\n' && look(text) != '#')
			return true;
	}
	return false;
}

static struct tree *tree_new(struct text *text, enum tree_kind kind, unsigned int width)
{
	struct tree *tree = arena_alloc(text->arena, sizeof(*tree));

	if (!tree)
		return give_up(text);
	tree->kind = kind;
	tree->place.line = text->line;
	tree->place.column = column(text) + 1;
	tree->place.width = width ? width : 1;
	return tree;
}

/* The @len bytes from here on become a scalar. */
static struct tree *scalar(struct text *text, size_t len)
{
	struct tree *tree = tree_new(text, TREE_SCALAR, (unsigned int)len);

	if (!tree)
		return NULL;
	tree->text = arena_text(text->arena, text->at, len);
	if (!tree->text)
		return give_up(text);
	text->at += len;
	return tree;
}

static void append(struct tree *in, struct tree **last, struct tree *item, struct tree *key)
{
	item->key = key;
	item->parent = in;
	if (*last)
		(*last)->next = item;
	else
		in->first = item;
	*last = item;
	in->nr++;
}

static struct tree *quoted(struct text *text)
{
	char quote = *text->at++;
	const char *end = text->at;
	struct tree *tree;

	while (end < text->end && *end != quote && *end != '\n' && *end != '\\')
		end++;
	if (end == text->end || *end != quote ||
	    (quote == '\'' && end + 1 < text->end && end[1] == quote))
		return give_up(text);
	tree = scalar(text, (size_t)(end - text->at));
	text->at++;
	return tree;
}

/* A word ends before a comment, and before what is no letter of it. */
static struct tree *word(struct text *text)
{
	const char *end = text->at;

	if (!(letters[(unsigned char)look(text)] & LETTER_FIRST))
		return give_up(text);
	while (end < text->end && letters[(unsigned char)*end] & LETTER_WORD)
		end++;
	while (end[-1] == ' ')
		end--;
	return scalar(text, (size_t)(end - text->at));
}

/* A key, its colon and a blank or the end of the line. */
static struct tree *key(struct text *text)
{
	const char *end = text->at;
	struct tree *tree;

	if (!(letters[(unsigned char)look(text)] & LETTER_FIRST))
		return give_up(text);
	while (end < text->end && letters[(unsigned char)*end] & LETTER_NAME)
		end++;
	if (end == text->at || end == text->end || *end != ':' ||
	    (end + 1 < text->end && end[1] != ' ' && end[1] != '\n'))
		return give_up(text);
	tree = scalar(text, (size_t)(end - text->at));
	text->at++;
	return tree;
}

/* --- in brackets --- */

/* Over blanks, comments and line ends; lines must be deeper than @indent. */
static void skip_in_flow(struct text *text, int indent)
{
	skip_blanks(text);
	while (!text->given_up && at_line_end(text)) {
		if (!next_line(text) || (int)column(text) <= indent)
			give_up(text);
	}
}

static struct tree *flow(struct text *text, int indent);

/* A list or a map up to its bracket. */
static struct tree *flow_items(struct text *text, int indent)
{
	bool is_map = *text->at == '{';
	char close = is_map ? '}' : ']';
	struct tree *tree, *last = NULL, *item, *name = NULL;

	tree = tree_new(text, is_map ? TREE_MAP : TREE_LIST, 1);
	if (!tree)
		return NULL;
	text->at++;
	skip_in_flow(text, indent);
	while (!text->given_up && look(text) != close) {
		if (is_map) {
			name = key(text);
			skip_blanks(text);
		}
		item = text->given_up ? NULL : flow(text, indent);
		if (!item)
			return NULL;
		append(tree, &last, item, name);
		skip_in_flow(text, indent);
		if (look(text) == ',') {
			text->at++;
			skip_in_flow(text, indent);
		} else if (look(text) != close) {
			return give_up(text);
		}
	}
	text->at++;
	return text->given_up ? NULL : tree;
}

static struct tree *flow(struct text *text, int indent)
{
	struct tree *tree;

	switch (look(text)) {
	case '{':
	case '[':
		if (text->depth == TREE_DEPTH)
			return give_up(text);
		text->depth++;
		tree = flow_items(text, indent);
		text->depth--;
		return tree;
	case '"':
	case '\'': return quoted(text);
	default: return word(text);
	}
}

/* --- in blocks --- */

static struct tree *block(struct text *text);

/* What stands in the rest of the line. Whoever asked looks whether the next one is deeper. */
static struct tree *rest_of_line(struct text *text, int indent)
{
	struct tree *tree = flow(text, indent);

	if (!tree)
		return NULL;
	skip_blanks(text);
	if (!at_line_end(text))
		return give_up(text);
	next_line(text);
	return tree;
}

/* The value behind a colon: here, or in the lines below it. */
static struct tree *map_value(struct text *text, int indent)
{
	skip_blanks(text);
	if (!at_line_end(text))
		return rest_of_line(text, indent);
	if (!next_line(text) || (int)column(text) < indent ||
	    ((int)column(text) == indent && !at_dash(text)))
		return give_up(text);
	return block(text);
}

static struct tree *block_map(struct text *text)
{
	int indent = (int)column(text);
	struct tree *tree, *last = NULL, *name, *value;

	tree = tree_new(text, TREE_MAP, 1);
	while (!text->given_up) {
		name = key(text);
		value = name ? map_value(text, indent) : NULL;
		if (!value)
			return NULL;
		append(tree, &last, value, name);
		if (text->at == text->end || (int)column(text) < indent)
			return tree;
		if ((int)column(text) > indent)
			return give_up(text);
	}
	return NULL;
}

static bool at_key(const struct text *text)
{
	const char *end = text->at;

	while (end < text->end && letters[(unsigned char)*end] & LETTER_NAME)
		end++;
	return end > text->at && end < text->end && *end == ':';
}

static struct tree *block_item(struct text *text, int indent)
{
	text->at++;
	skip_blanks(text);
	if (at_line_end(text)) {
		if (!next_line(text) || (int)column(text) <= indent)
			return give_up(text);
		return block(text);
	}
	return at_key(text) ? block(text) : rest_of_line(text, indent);
}

static struct tree *block_list(struct text *text)
{
	int indent = (int)column(text);
	struct tree *tree, *last = NULL, *item;

	tree = tree_new(text, TREE_LIST, 1);
	while (!text->given_up) {
		item = block_item(text, indent);
		if (!item)
			return NULL;
		append(tree, &last, item, NULL);
		/* A map goes on at the depth of the dashes that are its value. */
		if (text->at == text->end || (int)column(text) != indent || !at_dash(text))
			break;
	}
	return text->given_up ? NULL : tree;
}

static struct tree *block(struct text *text)
{
	struct tree *tree;

	if (text->depth == TREE_DEPTH)
		return give_up(text);
	text->depth++;
	tree = at_dash(text) ? block_list(text) : block_map(text);
	text->depth--;
	return tree;
}

/* Markers of documents, and what is not plain ASCII. */
static bool is_simple(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < ' ' && c != '\n') || c > '~')
			return false;
	}
	return true;
}

struct tree *tree_parse_simple(const char *source, size_t len, struct arena *arena)
{
	struct text text = { .at = source, .end = source + len, .line_start = source, .line = 1 };
	struct tree *tree;

	text.arena = arena;
	if (!len || !is_simple(source, len))
		return NULL;
	skip_blanks(&text);
	if ((look(&text) == '\n' || look(&text) == '#') && !next_line(&text))
		return NULL;
	if (column(&text) || at_dash(&text))
		return NULL;
	tree = block(&text);
	return text.given_up || text.at < text.end ? NULL : tree;
}
