// SPDX-License-Identifier: GPL-2.0-only
/* A frame as comma-separated values (RFC 4180), a line for each VM. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "out.h"

static void print_csv_field(const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

int out_csv(struct batch *batch, const struct features *f, size_t nr)
{
	const struct column *column;
	struct timespec now;
	char buf[256];
	unsigned int c;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &now);
	if (!batch->header) {
		fputs("time", stdout);
		for (c = 0; c < batch->nr_columns; c++)
			printf(",%s", batch->columns[c]->name);
		putchar('\n');
		batch->header = true;
	}
	for (i = 0; i < nr; i++) {
		printf("%lld.%03ld", (long long)now.tv_sec, now.tv_nsec / 1000000);
		for (c = 0; c < batch->nr_columns; c++) {
			column = batch->columns[c];
			out_format(column->get(column, f, batch->shown[i]), buf, sizeof(buf));
			putchar(',');
			print_csv_field(buf);
		}
		putchar('\n');
	}
	return fflush(stdout) ? -errno : 0;
}
