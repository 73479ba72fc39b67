// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "../lib/log.h"
#include "tls_files.h"

#define MAX_FILE  (1 << 20)
#define MAX_CERTS 16

static int read_file(const char *path, char **text)
{
	FILE *file = fopen(path, "re");
	size_t len = 0;
	int ret = 0;

	if (!file)
		return log_error(-errno, NULL, NULL, "read %s", path);
	*text = calloc(1, MAX_FILE + 1);
	if (*text)
		len = fread(*text, 1, MAX_FILE + 1, file);
	if (!*text)
		ret = -ENOMEM;
	else if (ferror(file))
		ret = -errno;
	else if (len > MAX_FILE)
		ret = -EFBIG;
	else
		(*text)[len] = '\0';
	fclose(file);
	return ret ? log_error(ret, NULL, NULL, "read %s", path) : 0;
}

static gnutls_datum_t datum(char *text)
{
	return (gnutls_datum_t){ (unsigned char *)text, (unsigned int)strlen(text) };
}

static int check_time(gnutls_x509_crt_t cert, const char *path)
{
	time_t now = time(NULL), from = gnutls_x509_crt_get_activation_time(cert),
	       to = gnutls_x509_crt_get_expiration_time(cert);
	char why[64], date[32];
	struct tm tm;

	if (now >= from && now <= to)
		return 0;
	gmtime_r(now < from ? &from : &to, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
	snprintf(why, sizeof(why), "%s %s", now < from ? "it is not valid before" : "it expired on",
		 date);
	return log_error(-EKEYEXPIRED, why, "renew it", "use certificate %s", path);
}

static int check_pair(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, const char *key_path)
{
	unsigned char of_cert[64], of_key[64];
	size_t len_cert = sizeof(of_cert), len_key = sizeof(of_key);

	if (gnutls_x509_crt_get_key_id(cert, 0, of_cert, &len_cert) ||
	    gnutls_x509_privkey_get_key_id(key, 0, of_key, &len_key) || len_cert != len_key ||
	    memcmp(of_cert, of_key, len_cert))
		return log_error(-EKEYREJECTED, "it does not belong to the certificate", NULL,
				 "use key %s", key_path);
	return 0;
}

static int check(const struct tls_files *files, const char *cert_path, const char *key_path)
{
	gnutls_datum_t cert_text = datum(files->cert), key_text = datum(files->key);
	gnutls_x509_crt_t certs[MAX_CERTS];
	unsigned int nr = MAX_CERTS, i;
	gnutls_x509_privkey_t key;
	int err, ret;

	err = gnutls_x509_crt_list_import(certs, &nr, &cert_text, GNUTLS_X509_FMT_PEM, 0);
	if (err <= 0)
		return log_error(-EBADMSG, err ? gnutls_strerror(err) : "it is empty", NULL,
				 "use certificate %s", cert_path);
	err = gnutls_x509_privkey_init(&key);
	if (!err) {
		err = gnutls_x509_privkey_import(key, &key_text, GNUTLS_X509_FMT_PEM);
		ret = err ? log_error(-EBADMSG, gnutls_strerror(err), NULL, "use key %s", key_path)
			  : check_pair(certs[0], key, key_path);
		gnutls_x509_privkey_deinit(key);
	} else {
		ret = -ENOMEM;
	}
	if (!ret)
		ret = check_time(certs[0], cert_path);
	for (i = 0; i < nr; i++)
		gnutls_x509_crt_deinit(certs[i]);
	return ret;
}

int tls_files_load(struct tls_files *files, const char *cert, const char *key)
{
	int ret = read_file(cert, &files->cert);

	if (!ret)
		ret = read_file(key, &files->key);
	if (!ret)
		ret = check(files, cert, key);
	if (ret)
		tls_files_free(files);
	return ret;
}

void tls_files_free(struct tls_files *files)
{
	if (files->key)
		explicit_bzero(files->key, strlen(files->key));
	free(files->key);
	free(files->cert);
	files->key = files->cert = NULL;
}
