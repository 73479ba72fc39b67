// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>

#include <libsmartcols/libsmartcols.h>

#include "kernel/probe.h"
#include "print.h"

_Static_assert(GMEM_VERDICT_allowed == 0 && GMEM_VERDICT_denied == 1 &&
		       GMEM_VERDICT_would_deny == 2 && GMEM_VERDICT_would_allow == 3 &&
		       GMEM_VERDICT_MAX == 4,
	       "FIELDS_OF_HITS");

static const char *const report_names[] = {
#define X(name) [REPORT_##name] = #name,
	REPORTS(X)
#undef X
};

static const char *const hit_names[GMEM_VERDICT_MAX] = {
#define X(name, text) [GMEM_VERDICT_##name] = #name,
	GMEM_VERDICTS(X)
#undef X
};

void report_begin(struct json *json, enum report report)
{
	json_open(json, NULL, '{');
	json_u64(json, "version", REPORT_VERSION);
	json_str(json, "report", report_names[report]);
}

int report_end(struct json *json)
{
	int ret;

	json_close(json, '}');
	ret = json_flush_line(json, stdout);
	json_free(json);
	return ret;
}

char *dev_text(__u32 dev, char text[DEV_TEXT])
{
	snprintf(text, DEV_TEXT, "%u:%u", dev >> 20, dev & 0xfffff);
	return text;
}

void json_inode(struct json *json, const char *name, __u32 dev, __u64 ino)
{
	char text[DEV_TEXT];

	if (!ino) {
		json_null(json, name);
		return;
	}
	json_open(json, name, '{');
	json_str(json, "dev", dev_text(dev, text));
	json_u64(json, "ino", ino);
	json_close(json, '}');
}

void json_identity(struct json *json, const char *name, const struct gmem_identity *identity)
{
	char text[DEV_TEXT];

	if (identity->kind != GMEM_BY_INODE) {
		json_null(json, name);
		return;
	}
	json_open(json, name, '{');
	json_str(json, "dev", dev_text(identity->dev, text));
	json_u64(json, "ino", identity->ino);
	json_u64(json, "generation", identity->generation);
	json_u64(json, "changed", identity->changed);
	json_u64(json, "subvolume", identity->subvolume);
	json_close(json, '}');
}

void json_hits(struct json *json, const struct gmem_hits *hits, unsigned int nr)
{
	unsigned int v;

	for (v = 0; v < nr; v++)
		json_u64(json, hit_names[v], hits->n[v]);
}

void json_operations(struct json *json, const char *name, __u32 ops)
{
	unsigned int op;

	json_open(json, name, '[');
	for (op = 0; op < GMEM_DO_MAX; op++) {
		if (ops >> op & 1)
			json_str(json, NULL, operation_names[op]);
	}
	json_close(json, ']');
}

void json_line(struct json *json, const char *name, unsigned int line)
{
	if (line)
		json_u64(json, name, line);
	else
		json_null(json, name);
}

/* --- tables --- */

static bool is_hidden(const struct rows *rows, unsigned int field)
{
	return rows->hidden >> field & 1 ||
	       !(rows->json ? rows->fields[field].name : rows->fields[field].title);
}

void fact_str(struct json *json, const char *name, const char *value)
{
	if (json)
		json_str(json, name, value);
}

void fact_u64(struct json *json, const char *name, __u64 value)
{
	if (json)
		json_u64(json, name, value);
}

void fact_bool(struct json *json, const char *name, bool value)
{
	if (json)
		json_bool(json, name, value);
}

void fact_list(struct json *json, const char *name)
{
	if (json)
		json_open(json, name, '[');
}

void fact_list_end(struct json *json)
{
	if (json)
		json_close(json, ']');
}

void fact_object(struct json *json)
{
	if (json)
		json_open(json, NULL, '{');
}

void fact_object_end(struct json *json)
{
	if (json)
		json_close(json, '}');
}

void fact_line(const struct json *json, const char *fmt, ...)
{
	va_list args;

	if (json)
		return;
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

void rows_begin(struct rows *rows, struct json *json, const char *name, char bracket,
		const struct field *fields, unsigned int nr, __u32 hidden)
{
	unsigned int i;

	*rows = (struct rows){ .fields = fields, .nr = nr, .json = json, .hidden = hidden };
	if (json) {
		json_open(json, name, bracket);
		rows->bracket = bracket;
		return;
	}
	rows->table = scols_new_table();
	for (i = 0; rows->table && i < nr; i++) {
		if (!is_hidden(rows, i))
			scols_table_new_column(rows->table, fields[i].title, 0,
					       fields[i].kind == FIELD_NUMBER ? SCOLS_FL_RIGHT : 0);
	}
}

void row_begin(struct rows *rows, const char *name)
{
	rows->field = rows->column = 0;
	if (rows->json)
		json_open(rows->json, rows->bracket == '{' ? name : NULL, '{');
	else
		rows->line = rows->table ? scols_table_new_line(rows->table, NULL) : NULL;
}

static void set(struct rows *rows, const char *text)
{
	if (rows->line)
		scols_line_set_data(rows->line, rows->column, text && *text ? text : "-");
	rows->column++;
}

void row_text(struct rows *rows, const char *text)
{
	unsigned int field = rows->field++;

	if (is_hidden(rows, field))
		return;
	if (rows->json)
		json_str(rows->json, rows->fields[field].name, text);
	else
		set(rows, text);
}

void row_number(struct rows *rows, __u64 number)
{
	unsigned int field = rows->field++;
	char text[24];

	if (is_hidden(rows, field))
		return;
	if (rows->json) {
		json_u64(rows->json, rows->fields[field].name, number);
		return;
	}
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	set(rows, text);
}

void row_bool(struct rows *rows, bool value)
{
	unsigned int field = rows->field++;

	if (is_hidden(rows, field))
		return;
	if (rows->json)
		json_bool(rows->json, rows->fields[field].name, value);
	else
		set(rows, value ? "yes" : "no");
}

void row_hits(struct rows *rows, const struct gmem_hits *hits, unsigned int nr)
{
	unsigned int v;

	for (v = 0; v < nr; v++)
		row_number(rows, hits->n[v]);
}

void row_end(struct rows *rows)
{
	if (rows->json)
		json_close(rows->json, '}');
}

void rows_end(struct rows *rows)
{
	if (rows->json) {
		json_close(rows->json, rows->bracket == '{' ? '}' : ']');
		return;
	}
	if (rows->table)
		scols_print_table(rows->table);
	scols_unref_table(rows->table);
}
