// SPDX-License-Identifier: GPL-2.0-only
/* A frame as a table, for people. */
#include <ctype.h>
#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/utf8.h"
#include "out.h"
#include "silence.h"

#define CELL_SIZE 4096

static void format(struct value value, char *buf, size_t size)
{
	switch (value.kind) {
	case VALUE_NONE: snprintf(buf, size, "-"); break;
	case VALUE_NUMBER: snprintf(buf, size, "%llu", (unsigned long long)value.number); break;
	case VALUE_FIXED: rate_text(value.number, buf, size); break;
	case VALUE_TEXT: utf8_copy(buf, size, value_text(&value)); break;
	}
}

static int add_column(struct libscols_table *table, const struct column *column,
		      const struct features *features)
{
	char title[32];
	size_t i;

	snprintf(title, sizeof(title), "%s%s", column->name, column_mark(column, features));
	for (i = 0; title[i]; i++)
		title[i] = (char)toupper((unsigned char)title[i]);
	return scols_table_new_column(table, title, 0, column->width < 0 ? 0 : SCOLS_FL_RIGHT)
		       ? 0
		       : -ENOMEM;
}

static int add_line(struct libscols_table *table, const struct batch *batch,
		    const struct features *features, const struct model_vm *vm)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	const struct column *column;
	char buf[CELL_SIZE];
	unsigned int c;
	int ret = line ? 0 : -ENOMEM;

	for (c = 0; c < batch->nr_columns && !ret; c++) {
		column = batch->columns[c];
		format(column->get(column, features, vm), buf, sizeof(buf));
		ret = scols_line_set_data(line, c, buf);
	}
	return ret;
}

/* A table without lines prints nothing: of one with an empty line the first is taken. */
static int print_titles(FILE *out, struct libscols_table *table)
{
	char *text = NULL;
	int ret = scols_table_new_line(table, NULL) ? 0 : -ENOMEM;

	ret = ret ?: scols_print_table_to_string(table, &text);
	if (!ret)
		fprintf(out, "%.*s\n", (int)strcspn(text, "\n"), text);
	free(text);
	return ret;
}

int out_text(FILE *out, struct batch *batch, const struct frames *frames, const struct model *model,
	     size_t nr)
{
	struct libscols_table *table = scols_new_table();
	unsigned int c;
	size_t i;
	int ret = table ? 0 : -ENOMEM;

	/* As wide as it is: what does not fit a terminal is for the terminal to wrap. */
	for (c = 0; c < batch->nr_columns && !ret; c++)
		ret = add_column(table, batch->columns[c], frames->features);
	for (i = 0; i < nr && !ret; i++)
		ret = add_line(table, batch, frames->features, batch->shown[i]);
	if (ret)
		goto out;
	scols_table_enable_nowrap(table, 1);
	scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
	scols_table_set_stream(table, out);
	if (batch->header)
		putc('\n', out);
	batch->header = true;
	ret = nr ? scols_print_table(table) : print_titles(out, table);
	if (!ret && model->looked & WANT_LATENCY)
		ret = out_phases_text(out, batch, frames, model, nr);
	if (ret)
		goto out;
	if (model_lower_bounds(model))
		fputs("Some events were not counted: all counters are lower bounds.\n", out);
	if (frames->features->silenced)
		fputs("Numbers are missing: " SILENCE_SYSCTL " is 0.\n", out);
	ret = fflush(out) ? -errno : 0;
out:
	scols_unref_table(table);
	return ret;
}
