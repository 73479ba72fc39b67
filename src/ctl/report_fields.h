/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A JSON report as flat fields, for records of the journal and of the audit system. A member M
 * becomes PREFIX_M, a member M of an object O becomes PREFIX_O_M, and a list becomes one field for
 * each item. The object "who" adds nothing to the names, a member that is null has no field.
 */
#ifndef GMEM_CTL_REPORT_FIELDS_H
#define GMEM_CTL_REPORT_FIELDS_H

#include <stddef.h>

#define REPORT_FIELD_NAME 64 /* bytes of a name; the journal refuses longer ones */

/**
 * report_each_field - call a function for each field
 * @json: the report, one JSON object of @len bytes
 * @prefix: what names begin with
 * @field: @string: the value is a string and not a number or a truth value
 *
 * Return: 0 or -ENOMEM.
 */
int report_each_field(const char *json, size_t len, const char *prefix,
		      void (*field)(void *data, const char *name, const char *value, int string),
		      void *data);

#endif /* GMEM_CTL_REPORT_FIELDS_H */
