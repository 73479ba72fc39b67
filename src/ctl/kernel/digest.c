// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include <gcrypt.h>

#include "digest.h"

_Static_assert(GMEM_SOURCE_DIGEST == 32, "SHA-256");

int digest_of(const void *text, size_t len, __u8 digest[GMEM_SOURCE_DIGEST])
{
	if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
		/* Nothing here is secret. */
		gcry_check_version(NULL);
		gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
		gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	}
	if (gcry_md_get_algo_dlen(GCRY_MD_SHA256) != GMEM_SOURCE_DIGEST ||
	    gcry_md_test_algo(GCRY_MD_SHA256))
		return -EOPNOTSUPP;
	gcry_md_hash_buffer(GCRY_MD_SHA256, digest, text, len);
	return 0;
}

char *digest_text(const __u8 digest[GMEM_SOURCE_DIGEST], char text[DIGEST_TEXT])
{
	size_t i, len = (size_t)snprintf(text, DIGEST_TEXT, "sha256:");

	for (i = 0; i < GMEM_SOURCE_DIGEST; i++)
		len += (size_t)snprintf(text + len, DIGEST_TEXT - len, "%02x", digest[i]);
	return text;
}
