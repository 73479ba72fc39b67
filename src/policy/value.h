/* SPDX-License-Identifier: GPL-2.0-only */
/* The values of the policy language as text: names, sizes, comparisons, guest addresses. */
#ifndef GMEM_POLICY_VALUE_H
#define GMEM_POLICY_VALUE_H

#include <stddef.h>

#include "../../bpf/abi/policy.h"

enum value_kind {
	VALUE_OPERATION, /* enum gmem_operation */
	VALUE_FLAG,	 /* bits of GMEM_CREATE_FLAGS */
	VALUE_PROT,	 /* bits of GMEM_PROTS */
	VALUE_DIRECTION, /* to-private, to-shared: enum gmem_direction */
	VALUE_TYPE,	 /* types of VMs, and other: enum gmem_vm_type */
	VALUE_CONDITION, /* enum policy_condition */
	VALUE_GUARD,	 /* that a policy switches: enum gmem_guard */
	VALUE_KINDS
};

/**
 * value_names - all names of a kind, by number, as they are written ('-' for '_')
 *
 * Return: @nr names that live forever.
 */
const char *const *value_names(enum value_kind kind, size_t *nr);

/* The name of a number; "?" if there is none. */
const char *value_name(enum value_kind kind, unsigned int number);

/* The number of a name, or -ENOENT. */
int value_number(enum value_kind kind, const char *name);

/*
 * One word as bits: a name; for VALUE_FLAG also a number, as 0x4, with any bits but none.
 * Return: 0, -ENOENT, or what value_integer() returns.
 */
int value_word(enum value_kind kind, const char *word, __u32 *bits);

/*
 * A list of such words with commas between as bits; "none" or nothing: 0.
 * Return: 0 or a negative errno.
 */
int value_bits(enum value_kind kind, const char *text, __u32 *bits);

#define VALUE_ALL (~0U) /* of value_list(): all names of the kind */

/*
 * The bits as words with @separator between, cut off where @size bytes end. Flags without a name
 * are written as one number. Returns @text.
 */
char *value_list(enum value_kind kind, __u32 bits, const char *separator, char *text, size_t size);

/*
 * A number, decimal or with 0x. Leading zeros are refused: 010 is 8 to some readers and 10 to
 * others. Return: 0, -EINVAL, -ERANGE.
 */
int value_integer(const char *text, __u64 *number);

/* The number of a user: decimal, at most 4294967294. Return: 0, -EINVAL, -ERANGE. */
int value_uid(const char *text, __u32 *uid);

/* A size: a number with B, KiB, MiB, GiB, TiB or no unit. Return: 0, -EINVAL, -ERANGE. */
int value_size(const char *text, __u64 *bytes);

/*
 * A comparison with a size: <=, <, >=, > or == and a size. What is outside of it is cut off
 * @min to @max, both included; -EDOM if nothing is left then. Return: 0, -EINVAL, -ERANGE, -EDOM.
 */
int value_comparison(const char *text, __u64 *min, __u64 *max);

/* Limits of ranges are multiples of this, which is the smallest page that KVM binds or converts. */
#define VALUE_PAGE 4096

/*
 * A range: START-END or START+SIZE. END does not belong to the range.
 * Return: 0, -EINVAL, -ERANGE, -EDOM (the range is empty), -EXDEV (a limit is no multiple of
 * VALUE_PAGE; @start and @end are set).
 */
int value_range(const char *text, __u64 *start, __u64 *end);

/* A digest: sha256: or sha512: and hexadecimal digits. Return: 0 or -EINVAL. */
int value_digest(const char *text, struct gmem_identity *identity);

#define VALUE_DIGEST_TEXT (8 + 2 * GMEM_DIGEST_SIZE)
/* A digest as value_digest() reads it. Returns @text. */
char *value_digest_text(const struct gmem_identity *identity, char text[VALUE_DIGEST_TEXT]);

#define VALUE_SIZE_TEXT 32
/* A size with the largest unit that leaves no rest. Returns @text. */
char *value_size_text(__u64 bytes, char text[VALUE_SIZE_TEXT]);

#endif /* GMEM_POLICY_VALUE_H */
