/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports as records of the systemd journal. The fields are the members of the JSON report, so that
 * there is one list of them, as report_fields.h names them: with the prefix GMEM, in capitals
 * (GMEM_PID, GMEM_EXE).
 */
#ifndef GMEM_CTL_JOURNAL_H
#define GMEM_CTL_JOURNAL_H

#include <stddef.h>

/* X(report, MESSAGE_ID): what a message is about; systemd.journal-fields(7) */
#define JOURNAL_MESSAGES(X)                           \
	X(denial, "63c9fc0a4eda4d5b993d518e73a81e06") \
	X(lost, "9f63ad5336f84b3b84edef643b043ace")   \
	X(policy, "3a0a7ef628fd456f85d5049e11d9862f") \
	X(summary, "8063fae378da422881eacec3b688f732")

enum journal_message {
#define X(name, id) JOURNAL_##name,
	JOURNAL_MESSAGES(X)
#undef X
};

/* journal_open() and journal_send() take /run/systemd/journal/socket to be the journal. */

/* Is there a journal? Return: 0, or a negative errno, which was explained. */
int journal_open(void);

/**
 * journal_send - write one record
 * @about: decides MESSAGE_ID
 * @priority: as of syslog(3), 0 to 7
 * @message: one line for people
 * @json: the report, one JSON object of @len bytes
 *
 * Waits while the journal is busy, but at most two seconds after stop_asked (stop.h) was set.
 *
 * Return: 0 or a negative errno, which was explained.
 */
int journal_send(enum journal_message about, int priority, const char *message, const char *json,
		 size_t len);

/* Report to systemd that the service has started (sd_notify(3)). */
void journal_ready(void);

#endif /* GMEM_CTL_JOURNAL_H */
