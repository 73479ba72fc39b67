// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "json.h"
#include "log.h"
#include "utf8.h"

#define LINE 1024

static struct {
	const char *program;
	bool json;
	int verbose;
	bool said; /* an error */
} cfg = { .program = "gmem" };

__attribute__((format(printf, 2, 0))) static int print_libbpf(enum libbpf_print_level level,
							      const char *fmt, va_list args)
{
	if ((level == LIBBPF_DEBUG && cfg.verbose < 2) || !cfg.verbose)
		return 0;
	return vfprintf(stderr, fmt, args);
}

void log_setup(const char *program, bool json, int verbose)
{
	cfg.program = program;
	cfg.json = json;
	cfg.verbose = verbose;
	libbpf_set_print(print_libbpf);
}

int log_error(int ret, const char *why, const char *todo, const char *what, ...)
{
	struct json json = { 0 };
	char line[LINE];
	va_list args;

	va_start(args, what);
	vsnprintf(line, sizeof(line), what, args);
	va_end(args);
	cfg.said = true;
	if (!why) {
		why = strerror(-ret);
		if (ret == -EINVAL)
			ret = -EIO;
	}
	if (!cfg.json) {
		utf8_clean(line);
		fprintf(stderr, "%s: %s: %s%s%s\n", cfg.program, line, why, todo ? "; " : "",
			todo ? todo : "");
		return ret;
	}
	json_open(&json, NULL, '{');
	json_open(&json, "error", '{');
	json_str(&json, "what", line);
	json_str(&json, "why", why);
	json_str(&json, "todo", todo);
	json_close(&json, '}');
	json_close(&json, '}');
	if (json_flush_line(&json, stderr) == -ENOMEM)
		fputs("{\"error\":{\"what\":null,\"why\":\"out of memory\",\"todo\":null}}\n",
		      stderr);
	json_free(&json);
	return ret;
}

bool log_has_said(void)
{
	return cfg.said;
}

void log_note(const char *fmt, ...)
{
	char line[LINE];
	va_list args;

	if (cfg.json)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	utf8_clean(line);
	fprintf(stderr, "%s: %s\n", cfg.program, line);
}
