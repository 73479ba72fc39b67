/* SPDX-License-Identifier: GPL-2.0-only */
/* Basic authentication against a file of names and bcrypt hashes, as htpasswd -B writes it. */
#ifndef GMEM_WEB_AUTH_H
#define GMEM_WEB_AUTH_H

struct web_auth;

enum web_auth_result {
	WEB_AUTH_OK,
	WEB_AUTH_WRONG,
	WEB_AUTH_BUSY, /* too many wrong attempts: not evaluated */
};

/**
 * web_auth_load - read a file
 * @path: a line NAME:HASH for each user; empty lines and lines that begin with # are skipped
 *
 * Return: 0 or a negative errno, explained: -EINVAL if a line is wrong.
 */
int web_auth_load(struct web_auth **auth, const char *path);
void web_auth_free(struct web_auth *auth);

/**
 * web_auth_check - evaluate the header Authorization
 * @header: its value, NULL: there is none
 *
 * It takes the same time whether the user exists or not. Hashes are computed a few times a second
 * at most, and not for credentials that were right before.
 */
enum web_auth_result web_auth_check(struct web_auth *auth, const char *header);

#endif /* GMEM_WEB_AUTH_H */
