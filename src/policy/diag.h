/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors and warnings of a policy file. They are collected while the file is read, so that one run
 * reports all of them, and printed with the line and a mark below it.
 */
#ifndef GMEM_POLICY_DIAG_H
#define GMEM_POLICY_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json;

/* A position in a file: line and column from 1 (0: no position), and the width in columns. */
struct place {
	unsigned int line, column, width;
};

enum severity {
	SEVERITY_WARNING,
	SEVERITY_ERROR,
};

struct diag {
	enum severity severity;
	struct place place;
	char *message;
	char *hint; /* what to do, or NULL */
};

/* Further ones are counted but not stored. */
#define DIAGS_KEPT 200

struct diags {
	const char *file; /* borrowed */
	const char *text; /* borrowed, for the excerpts */
	size_t len;
	struct diag list[DIAGS_KEPT];
	size_t nr, nr_errors, nr_warnings;
};

/**
 * diag_add - add an error or a warning
 * @hint: what the user can do, or NULL; it is copied
 */
void diag_add(struct diags *diags, enum severity severity, struct place place, const char *hint,
	      const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define diag_error(diags, place, hint, ...) \
	diag_add(diags, SEVERITY_ERROR, place, hint, __VA_ARGS__)
#define diag_warning(diags, place, hint, ...) \
	diag_add(diags, SEVERITY_WARNING, place, hint, __VA_ARGS__)

/* In the order of the file. */
void diags_sort(struct diags *diags);

/* As text: file:line:column: error: message, the line, and a mark below it. */
void diags_print(const struct diags *diags, FILE *out);

/* As an array named "diagnostics". */
void diags_json(const struct diags *diags, struct json *json);

/* On standard error, as text or as one JSON object. */
void diags_report(const struct diags *diags, bool as_json);

void diags_free(struct diags *diags);

#endif /* GMEM_POLICY_DIAG_H */
