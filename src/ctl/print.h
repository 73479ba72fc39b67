/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the commands print, as text and as JSON: one list of fields for both, and one shape for each
 * thing. contrib/gmemctl.schema.json describes the JSON; REPORT_VERSION is increased when a member
 * is removed or changes its meaning, not when one is added.
 */
#ifndef GMEM_CTL_PRINT_H
#define GMEM_CTL_PRINT_H

#include <stdbool.h>
#include <stddef.h>

#include "../../bpf/abi/policy_maps.h"
#include "../lib/json.h"

#define REPORT_VERSION 1

/* X(name): the reports, by the member "report" */
#define REPORTS(X)  \
	X(check)    \
	X(cases)    \
	X(events)   \
	X(explain)  \
	X(diff)     \
	X(who_can)  \
	X(simulate) \
	X(cat)      \
	X(learn)    \
	X(change)   \
	X(changes)  \
	X(probe)    \
	X(load)     \
	X(status)   \
	X(attached) \
	X(show)     \
	X(denial)   \
	X(lost)     \
	X(policy)   \
	X(summary)  \
	X(holders)  \
	X(refresh)  \
	X(done)

enum report {
#define X(name) REPORT_##name,
	REPORTS(X)
#undef X
};

/* Begin the object of a report: its version, and what it is. */
void report_begin(struct json *json, enum report report);

/* Write the report to standard output. Return: 0 or a negative errno. */
int report_end(struct json *json);

/* --- shapes --- */

/* "major:minor" */
#define DEV_TEXT 24
char *dev_text(__u32 dev, char text[DEV_TEXT]);

/* {"dev", "ino"}; null without a number. */
void json_inode(struct json *json, const char *name, __u32 dev, __u64 ino);

/* The same with what else identifies a file; null unless it is identified by its inode. */
void json_identity(struct json *json, const char *name, const struct gmem_identity *identity);

/* The members of an object that counts decisions, the first @nr of them. */
void json_hits(struct json *json, const struct gmem_hits *hits, unsigned int nr);

/* A list of operations. @ops: bits */
void json_operations(struct json *json, const char *name, __u32 ops);

/* A line in the policy; null for 0. */
void json_line(struct json *json, const char *name, unsigned int line);

/* --- facts --- */

/*
 * A report that is sentences in text and members in JSON states each fact once, in one function:
 * members by fact_str() and the like, which write nothing without @json, and the sentence by
 * fact_line(), which prints nothing with it.
 */
void fact_str(struct json *json, const char *name, const char *value);
void fact_u64(struct json *json, const char *name, __u64 value);
void fact_bool(struct json *json, const char *name, bool value);
void fact_list(struct json *json, const char *name);
void fact_list_end(struct json *json);
/* In a list. */
void fact_object(struct json *json);
void fact_object_end(struct json *json);
void fact_line(const struct json *json, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- tables --- */

enum field_kind { FIELD_TEXT, FIELD_NUMBER, FIELD_BOOL };

struct field {
	const char *title; /* of the column; NULL: JSON only */
	const char *name;  /* of the member; NULL: text only */
	enum field_kind kind;
};

/* Rows of fields: lines of a table, or objects in a list. */
struct rows {
	const struct field *fields;
	unsigned int nr;
	unsigned int field, column; /* of the row: the next one */
	char bracket;
	struct json *json; /* NULL: text */
	struct libscols_table *table;
	struct libscols_line *line;
	__u32 hidden; /* fields that are left out: bits */
};

/**
 * rows_begin - begin a table
 * @json: the report that it is in, or NULL: as text
 * @name: of the member
 * @bracket: '[': a list; '{': an object, whose members have the names given to row_begin()
 * @hidden: fields that are left out: bits
 */
void rows_begin(struct rows *rows, struct json *json, const char *name, char bracket,
		const struct field *fields, unsigned int nr, __u32 hidden);
void row_begin(struct rows *rows, const char *name);

/*
 * The fields of a row, in their order. NULL and "" are "-" in text, NULL is null in JSON. A number
 * that is not known is row_text(rows, NULL).
 */
void row_text(struct rows *rows, const char *text);
void row_number(struct rows *rows, __u64 number);
void row_bool(struct rows *rows, bool value);
/* The fields of @nr counters. */
void row_hits(struct rows *rows, const struct gmem_hits *hits, unsigned int nr);

void row_end(struct rows *rows);
/* Print the table, or end the list. */
void rows_end(struct rows *rows);

/* The fields of row_hits() */
#define FIELDS_OF_HITS_3                                                              \
	{ "ALLOWED", "allowed", FIELD_NUMBER }, { "DENIED", "denied", FIELD_NUMBER }, \
	{                                                                             \
		"WOULD DENY", "would_deny", FIELD_NUMBER                              \
	}
#define FIELDS_OF_HITS                                     \
	FIELDS_OF_HITS_3,                                  \
	{                                                  \
		"WOULD ALLOW", "would_allow", FIELD_NUMBER \
	}

#endif /* GMEM_CTL_PRINT_H */
