/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Denials as records of the audit system, of type USER_AVC: a sentence, and then the fields of the
 * JSON report as report_fields.h names them, with the prefix "gmem". The kernel adds who sends them.
 */
#ifndef GMEM_CTL_AUDIT_H
#define GMEM_CTL_AUDIT_H

#include <stddef.h>

/* Can records be sent? Return: 0, or a negative errno, which was explained. */
int audit_begin(void);

/**
 * audit_send_report - send one record, and wait until the kernel has taken it
 * @what: what it is about, a word or more
 * @json: the report, one JSON object of @len bytes
 *
 * Return: 0 or a negative errno, which was explained.
 */
int audit_send_report(const char *what, const char *json, size_t len);

#endif /* GMEM_CTL_AUDIT_H */
