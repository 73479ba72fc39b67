// SPDX-License-Identifier: GPL-2.0-only
/* A frame as comma-separated values (RFC 4180), a line for each VM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/utf8.h"
#include "out.h"

#define NS_PER_MS 1000000ULL
#define MS_PER_S  1000ULL

/* A spreadsheet takes text that begins so for a formula; a quote before it makes it text. */
#define FORMULA "=+-@"

static int put_text(FILE *out, const char *text)
{
	size_t size = strlen(text) + 1;
	char *clean = malloc(size), *at;

	if (!clean)
		return -ENOMEM;
	utf8_copy(clean, size, text);
	if (!strpbrk(clean, ",\"") && !strchr(FORMULA, *clean)) {
		fputs(clean, out);
		goto out;
	}
	putc('"', out);
	if (*clean && strchr(FORMULA, *clean))
		putc('\'', out);
	for (at = clean; *at; at++) {
		if (*at == '"')
			putc('"', out);
		putc(*at, out);
	}
	putc('"', out);
out:
	free(clean);
	return 0;
}

/* What is not known is an empty field. */
static int put_value(FILE *out, struct value value)
{
	char rate[32];

	switch (value.kind) {
	case VALUE_NONE: break;
	case VALUE_NUMBER: fprintf(out, "%llu", (unsigned long long)value.number); break;
	case VALUE_FIXED: fputs(rate_text(value.number, rate, sizeof(rate)), out); break;
	case VALUE_TEXT: return put_text(out, value_text(&value));
	}
	return 0;
}

static uint64_t lost(const struct model *model)
{
	uint64_t sum = model->missed;
	unsigned int i;

	for (i = 0; i < GMEM_LOST_MAX; i++)
		sum += model->lost[i];
	return sum;
}

int out_csv(FILE *out, struct batch *batch, const struct frames *frames, const struct model *model,
	    size_t nr)
{
	uint64_t ms = frames->time_ns / NS_PER_MS;
	const struct column *column;
	unsigned int c;
	size_t i;
	int ret = 0;

	if (!batch->header) {
		fputs("time,frame", out);
		for (c = 0; c < batch->nr_columns; c++)
			fprintf(out, ",%s", batch->columns[c]->name);
		fputs(",lost,lower_bounds\n", out);
		batch->header = true;
	}
	for (i = 0; i < nr && !ret; i++) {
		fprintf(out, "%llu.%03llu,%llu", (unsigned long long)(ms / MS_PER_S),
			(unsigned long long)(ms % MS_PER_S), (unsigned long long)model->frame);
		for (c = 0; c < batch->nr_columns && !ret; c++) {
			column = batch->columns[c];
			putc(',', out);
			ret = put_value(out,
					column->get(column, frames->features, batch->shown[i]));
		}
		fprintf(out, ",%llu,%d\n", (unsigned long long)lost(model),
			model_lower_bounds(model));
	}
	return ret ?: fflush(out) ? -errno : 0;
}
