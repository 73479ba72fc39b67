/* SPDX-License-Identifier: GPL-2.0-only */
/* The digest of a policy's text, by which a report names the policy that decided. */
#ifndef GMEM_CTL_KERNEL_DIGEST_H
#define GMEM_CTL_KERNEL_DIGEST_H

#include <stddef.h>

#include "../../../bpf/abi/policy_maps.h"

#define DIGEST_TEXT (sizeof("sha256:") + 2 * GMEM_SOURCE_DIGEST)

/* SHA-256. Return: 0 or -EOPNOTSUPP: the library does not provide it. */
int digest_of(const void *text, size_t len, __u8 digest[GMEM_SOURCE_DIGEST]);

/* "sha256:" and 64 digits, as sha256sum(1) prints them. Returns @text. */
char *digest_text(const __u8 digest[GMEM_SOURCE_DIGEST], char text[DIGEST_TEXT]);

#endif /* GMEM_CTL_KERNEL_DIGEST_H */
