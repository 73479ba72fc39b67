// SPDX-License-Identifier: GPL-2.0-only
/* gmemctl changes: who changed the policy in force, and is the record complete? */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../lib/exits.h"
#include "../../lib/log.h"
#include "../changes.h"
#include "../ctl.h"
#include "../print.h"

static void print_line(const struct changes_line *line, void *data)
{
	time_t seconds = (time_t)(line->time_ns / 1000000000);
	struct rows *rows = data;
	char when[32] = "-";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	row_begin(rows, NULL);
	row_number(rows, line->number);
	row_text(rows, when);
	row_text(rows, line->login_uid);
	row_text(rows, line->uid);
	row_text(rows, line->command);
	row_text(rows, line->arguments);
	row_text(rows, line->outcome);
	row_text(rows, line->policy);
	row_text(rows, line->generation);
	row_text(rows, line->mode);
	row_end(rows);
}

static int print_text(const struct changes_report *report, const char *hash)
{
	if (report->wrong)
		printf("line %llu is wrong: %s\n", (unsigned long long)report->wrong, report->why);
	else
		printf("%llu changes, complete up to %s\n", (unsigned long long)report->entries,
		       *report->last ? report->last : "the beginning");
	if (hash && !report->contains)
		printf("there is no change with the hash %s\n", hash);
	return 0;
}

static void json_line_of(const struct changes_line *line, void *data)
{
	json_raw(data, line->text, strlen(line->text));
}

static int run(const struct ctl_options *opts, const char *path, struct changes_report *report)
{
	static const struct field fields[] = {
		{ "NUMBER", NULL, FIELD_NUMBER },   { "TIME", NULL, FIELD_TEXT },
		{ "LOGIN", NULL, FIELD_TEXT },	    { "UID", NULL, FIELD_TEXT },
		{ "COMMAND", NULL, FIELD_TEXT },    { "ARGUMENTS", NULL, FIELD_TEXT },
		{ "OUTCOME", NULL, FIELD_TEXT },    { "POLICY", NULL, FIELD_TEXT },
		{ "GENERATION", NULL, FIELD_TEXT }, { "MODE", NULL, FIELD_TEXT },
	};
	struct json json = { 0 };
	struct rows rows;
	int ret;

	if (!opts->json) {
		rows_begin(&rows, NULL, NULL, '[', fields, sizeof(fields) / sizeof(fields[0]), 0);
		ret = changes_verify(path, opts->contains, print_line, &rows, report);
		rows_end(&rows);
		return ret ?: print_text(report, opts->contains);
	}
	report_begin(&json, REPORT_changes);
	json_str(&json, "file", path);
	json_open(&json, "changes", '[');
	ret = changes_verify(path, opts->contains, json_line_of, &json, report);
	json_close(&json, ']');
	json_u64(&json, "entries", report->entries);
	json_line(&json, "wrong_line", (unsigned int)report->wrong);
	json_str(&json, "why", report->wrong ? report->why : NULL);
	json_str(&json, "last", *report->last ? report->last : NULL);
	if (opts->contains)
		json_bool(&json, "contains", report->contains);
	else
		json_null(&json, "contains");
	if (!ret)
		return report_end(&json);
	json_free(&json);
	return ret;
}

int ctl_changes(const struct ctl_options *opts)
{
	struct changes_report report;
	int ret;

	ret = run(opts, opts->file ?: CHANGES_DIR "/" CHANGES_NAME, &report);
	if ((!ret || ret == -EPIPE) && (report.wrong || (opts->contains && !report.contains)))
		ret = GMEM_EXIT_FOUND;
	return ret;
}
