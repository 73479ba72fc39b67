// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/json.h"
#include "../lib/utf8.h"
#include "diag.h"

#define EXCERPT	      100 /* columns of a line that are shown */
#define BEFORE_MARK   60  /* columns in front of the mark, of a longer line */
#define MESSAGE_BYTES 512

static const char *const severity_names[] = {
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_ERROR] = "error",
};

void diag_add(struct diags *diags, enum severity severity, struct place place, const char *hint,
	      const char *fmt, ...)
{
	char message[MESSAGE_BYTES];
	struct diag *diag;
	va_list args;

	if (severity == SEVERITY_ERROR)
		diags->nr_errors++;
	else
		diags->nr_warnings++;
	if (diags->nr == DIAGS_KEPT)
		return;
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	diag = &diags->list[diags->nr++];
	diag->severity = severity;
	diag->place = place;
	diag->message = strdup(message);
	diag->hint = hint ? strdup(hint) : NULL;
}

static int compare(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;

	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	if (!x->message || !y->message)
		return 0;
	return strcmp(x->message, y->message);
}

void diags_sort(struct diags *diags)
{
	qsort(diags->list, diags->nr, sizeof(*diags->list), compare);
}

static const char *line_of(const struct diags *diags, unsigned int line, size_t *len)
{
	const char *text = diags->text, *end = text + diags->len, *newline;

	while (--line) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (!newline)
			return NULL;
		text = newline + 1;
	}
	newline = memchr(text, '\n', (size_t)(end - text));
	*len = (size_t)((newline ? newline : end) - text);
	return text;
}

/* The byte where a character begins: @columns characters behind the first. */
static size_t skip_columns(const char *line, size_t len, size_t columns)
{
	size_t at = 0;

	while (at < len && columns--) {
		at++;
		while (at < len && ((unsigned char)line[at] & 0xc0) == 0x80)
			at++;
	}
	return at;
}

static void print_excerpt(const struct diags *diags, const struct place *place, FILE *out)
{
	size_t len, from = 0, until, column = place->column - 1, first = 0, width, shown;
	const char *line;

	line = diags->text ? line_of(diags, place->line, &len) : NULL;
	if (!line)
		return;
	if (column > BEFORE_MARK) {
		first = column - BEFORE_MARK;
		from = skip_columns(line, len, first);
	}
	until = from + skip_columns(line + from, len - from, EXCERPT);
	fprintf(out, "%5u | ", place->line);
	utf8_print(line + from, until - from, out);
	fprintf(out, "\n      | %*s^", (int)(column - first), "");
	shown = EXCERPT - (column - first);
	for (width = place->width < shown ? place->width : shown; width > 1; width--)
		putc('~', out);
	putc('\n', out);
}

static void print_one(const struct diags *diags, const struct diag *diag, FILE *out)
{
	const char *message = diag->message ? diag->message : "out of memory";

	/* The name of a file can be anything, also what commands a terminal. */
	utf8_print(diags->file, strlen(diags->file), out);
	if (diag->place.line)
		fprintf(out, ":%u:%u", diag->place.line, diag->place.column);
	fputs(": ", out);
	fprintf(out, "%s: ", severity_names[diag->severity]);
	utf8_print(message, strlen(message), out);
	if (diag->hint) {
		fputs("; ", out);
		utf8_print(diag->hint, strlen(diag->hint), out);
	}
	putc('\n', out);
	if (diag->place.line)
		print_excerpt(diags, &diag->place, out);
}

void diags_print(const struct diags *diags, FILE *out)
{
	size_t i, all = diags->nr_errors + diags->nr_warnings;

	for (i = 0; i < diags->nr; i++)
		print_one(diags, &diags->list[i], out);
	if (all > diags->nr) {
		utf8_print(diags->file, strlen(diags->file), out);
		fprintf(out, ": %zu more are not shown\n", all - diags->nr);
	}
}

void diags_json(const struct diags *diags, struct json *json)
{
	const struct diag *diag;

	json_open(json, "diagnostics", '[');
	for (diag = diags->list; diag < diags->list + diags->nr; diag++) {
		json_open(json, NULL, '{');
		json_str(json, "severity", severity_names[diag->severity]);
		if (diag->place.line) {
			json_u64(json, "line", diag->place.line);
			json_u64(json, "column", diag->place.column);
			json_u64(json, "width", diag->place.width);
		}
		json_str(json, "message", diag->message);
		json_str(json, "hint", diag->hint);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void diags_report(const struct diags *diags, bool as_json)
{
	struct json json = { 0 };

	if (!as_json) {
		diags_print(diags, stderr);
		return;
	}
	if (!diags->nr)
		return;
	json_open(&json, NULL, '{');
	json_open(&json, diags->nr_errors ? "error" : "warning", '{');
	json_str(&json, "what", diags->file);
	json_str(&json, "why", diags->nr_errors ? "invalid" : "doubtful");
	json_null(&json, "todo");
	diags_json(diags, &json);
	json_close(&json, '}');
	json_close(&json, '}');
	json_flush_line(&json, stderr);
	json_free(&json);
}

void diags_free(struct diags *diags)
{
	size_t i;

	for (i = 0; i < diags->nr; i++) {
		free(diags->list[i].message);
		free(diags->list[i].hint);
	}
	memset(diags, 0, sizeof(*diags));
}
