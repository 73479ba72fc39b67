/* SPDX-License-Identifier: GPL-2.0-only */
/* The certificate and the key of the exporter. */
#ifndef GMEM_TLS_FILES_H
#define GMEM_TLS_FILES_H

/* As text (PEM), each ended by a 0. */
struct tls_files {
	char *cert, *key;
};

/**
 * tls_files_load - read a certificate with its chain and its private key
 *
 * Both are checked: the key belongs to the certificate, which is valid now.
 *
 * Return: 0 or a negative errno, explained.
 */
int tls_files_load(struct tls_files *files, const char *cert, const char *key);
void tls_files_free(struct tls_files *files);

#endif /* GMEM_TLS_FILES_H */
