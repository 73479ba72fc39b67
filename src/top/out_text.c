// SPDX-License-Identifier: GPL-2.0-only
/* A frame as a table, for people. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "out.h"

void out_format(struct value value, char *buf, size_t size)
{
	const unsigned char *s;
	size_t n = 0;

	switch (value.kind) {
	case VALUE_NONE: snprintf(buf, size, "-"); break;
	case VALUE_NUMBER: snprintf(buf, size, "%llu", (unsigned long long)value.number); break;
	case VALUE_FIXED:
		snprintf(buf, size, "%llu.%02llu", (unsigned long long)value.number / 100,
			 (unsigned long long)value.number % 100);
		break;
	case VALUE_TEXT:
		/* A name must not steer the terminal. */
		for (s = (const unsigned char *)value.text; *s && n + 1 < size; s++)
			buf[n++] = *s < 0x20 || *s == 0x7f ? '?' : (char)*s;
		buf[n] = '\0';
		break;
	}
}

static void print_title(const struct column *column, const struct features *features)
{
	char title[32];
	size_t i;

	snprintf(title, sizeof(title), "%s%s", column->title ? column->title : column->name,
		 column_mark(column, features));
	for (i = 0; title[i]; i++)
		title[i] = (char)toupper((unsigned char)title[i]);
	printf("%*s", column->width, title);
}

int out_text(struct batch *batch, const struct features *f, const struct model *model, size_t nr)
{
	const struct column *column;
	char buf[256];
	unsigned int c;
	size_t i;

	if (model->frame > 1)
		putchar('\n');
	for (c = 0; c < batch->nr_columns; c++) {
		if (c)
			putchar(' ');
		print_title(batch->columns[c], f);
	}
	putchar('\n');
	for (i = 0; i < nr; i++) {
		for (c = 0; c < batch->nr_columns; c++) {
			column = batch->columns[c];
			out_format(column->get(column, f, batch->shown[i]), buf, sizeof(buf));
			printf("%s%*s", c ? " " : "", column->width, buf);
		}
		putchar('\n');
	}
	if (model_lower_bounds(model))
		puts("Some events are in no number: all counters are lower bounds.");
	return fflush(stdout) ? -errno : 0;
}
