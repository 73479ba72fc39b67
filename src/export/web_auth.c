// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "../lib/grow.h"
#include "../lib/log.h"
#include "../top/session.h"
#include "web_auth.h"

/* "$2y$10$", a salt of 22 characters, a hash of 31 */
#define HASH_LEN 60
#define COST_AT	 4
/* A hash of cost 14 takes a second of one CPU. */
#define MIN_COST 4
#define MAX_COST 14

/* One process answers all requests: hashes take a tenth of its time at most, after a few at once. */
#define BURST 4
#define SHARE 10

#define MAX_HEADER 4096
#define KEY_LEN	   32
#define MAC_LEN	   32

struct user {
	char *name;
	char hash[HASH_LEN + 1];
};

struct web_auth {
	struct user *users;
	size_t nr, room;
	struct crypt_data crypt;
	/* MAC of the header that was right last, so that a scrape costs no hash. */
	unsigned char key[KEY_LEN], last[MAC_LEN];
	bool has_last;
	uint64_t tokens_ns, cost_ns, filled_ns;
};

/* --- the file --- */

static bool is_bcrypt(const char *hash)
{
	int cost;

	if (strlen(hash) != HASH_LEN || hash[0] != '$' || hash[1] != '2' ||
	    !strchr("aby", hash[2]) || hash[3] != '$' || hash[6] != '$' ||
	    !isdigit((unsigned char)hash[COST_AT]) || !isdigit((unsigned char)hash[COST_AT + 1]))
		return false;
	cost = atoi(hash + COST_AT);
	return cost >= MIN_COST && cost <= MAX_COST &&
	       strspn(hash + 7,
		      "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
		       HASH_LEN - 7;
}

static int add_user(struct web_auth *auth, char *line)
{
	char *colon = strchr(line, ':');

	if (!colon || colon == line || !is_bcrypt(colon + 1))
		return -EINVAL;
	if (grow(&auth->users, &auth->room, auth->nr + 1, sizeof(*auth->users)))
		return -ENOMEM;
	*colon = '\0';
	auth->users[auth->nr].name = strdup(line);
	if (!auth->users[auth->nr].name)
		return -ENOMEM;
	memcpy(auth->users[auth->nr++].hash, colon + 1, HASH_LEN + 1);
	return 0;
}

static int read_users(struct web_auth *auth, FILE *file, const char *path)
{
	size_t size = 0;
	char *line = NULL;
	unsigned int nr = 0;
	ssize_t len;
	int ret = 0;

	while (!ret && (len = getline(&line, &size, file)) > 0) {
		nr++;
		line[strcspn(line, "\r\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		ret = add_user(auth, line);
	}
	explicit_bzero(line, size);
	free(line);
	if (ret == -EINVAL)
		return log_error(ret, "not NAME:HASH with a bcrypt hash of cost 4 to 14",
				 "htpasswd -B writes such lines", "%s, line %u", path, nr);
	if (!ret && ferror(file))
		ret = -EIO;
	if (!ret && !auth->nr)
		return log_error(-EINVAL, "it names no user", NULL, "--web-auth %s", path);
	return ret ? log_error(ret, NULL, NULL, "read %s", path) : 0;
}

int web_auth_load(struct web_auth **auth, const char *path)
{
	FILE *file = fopen(path, "re");
	struct web_auth *new;
	int ret;

	if (!file)
		return log_error(-errno, NULL, NULL, "read %s", path);
	new = calloc(1, sizeof(*new));
	ret = new ? read_users(new, file, path) : -ENOMEM;
	fclose(file);
	if (!ret && gnutls_rnd(GNUTLS_RND_KEY, new->key, sizeof(new->key)))
		ret = log_error(-EIO, NULL, NULL, "get random bytes");
	if (ret) {
		web_auth_free(new);
		return ret;
	}
	new->tokens_ns = BURST;
	*auth = new;
	return 0;
}

void web_auth_free(struct web_auth *auth)
{
	size_t i;

	for (i = 0; auth && i < auth->nr; i++)
		free(auth->users[i].name);
	if (auth)
		free(auth->users);
	free(auth);
}

/* --- a request --- */

static bool same(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && !gnutls_memcmp(a, b, len);
}

/* An unknown user is compared with the hash of a known one, and is wrong whatever comes out. */
static bool check_password(struct web_auth *auth, const char *name, const char *password)
{
	const struct user *user = &auth->users[0];
	bool found = false;
	const char *hash;
	size_t i;

	for (i = 0; i < auth->nr; i++) {
		if (same(auth->users[i].name, name)) {
			user = &auth->users[i];
			found = true;
		}
	}
	hash = crypt_r(password, user->hash, &auth->crypt);
	return hash && same(hash, user->hash) && found;
}

static bool check_credentials(struct web_auth *auth, const char *base64)
{
	gnutls_datum_t in = { (unsigned char *)(uintptr_t)base64, (unsigned int)strlen(base64) };
	gnutls_datum_t out = { NULL, 0 };
	char *colon, *text;
	bool ok = false;

	if (gnutls_base64_decode2(&in, &out))
		return false;
	text = out.size ? malloc(out.size + 1) : NULL;
	if (text) {
		memcpy(text, out.data, out.size);
		text[out.size] = '\0';
		colon = strchr(text, ':');
		/* crypt_r() would not see what is behind a 0. */
		if (colon && strlen(text) == out.size) {
			*colon = '\0';
			ok = check_password(auth, text, colon + 1);
		}
		explicit_bzero(text, out.size);
	}
	free(text);
	if (out.data)
		explicit_bzero(out.data, out.size);
	gnutls_free(out.data);
	return ok;
}

/* Time for hashes grows at a tenth of the time, as much as BURST hashes take. */
static bool may_hash(struct web_auth *auth)
{
	uint64_t now = now_ns(), most;

	if (!auth->cost_ns)
		return auth->tokens_ns > 0;
	most = BURST * auth->cost_ns;
	auth->tokens_ns += (now - auth->filled_ns) / SHARE;
	auth->filled_ns = now;
	if (auth->tokens_ns > most)
		auth->tokens_ns = most;
	return auth->tokens_ns >= auth->cost_ns;
}

static void note_cost(struct web_auth *auth, uint64_t cost_ns, uint64_t now)
{
	if (!auth->cost_ns) {
		auth->tokens_ns = BURST * cost_ns;
		auth->filled_ns = now;
	}
	/* Of the most expensive one: nonsense, which needs no hash, does not make hashes cheaper. */
	if (cost_ns >= auth->cost_ns)
		auth->cost_ns = cost_ns ? cost_ns : 1;
	auth->tokens_ns -= auth->tokens_ns < cost_ns ? auth->tokens_ns : cost_ns;
}

enum web_auth_result web_auth_check(struct web_auth *auth, const char *header)
{
	unsigned char mac[MAC_LEN];
	uint64_t begun;
	bool ok;

	if (!header || strncasecmp(header, "Basic ", 6) || strlen(header) > MAX_HEADER)
		return WEB_AUTH_WRONG;
	header += 6;
	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, auth->key, sizeof(auth->key), header,
			     strlen(header), mac))
		return WEB_AUTH_BUSY;
	if (auth->has_last && !gnutls_memcmp(mac, auth->last, sizeof(mac)))
		return WEB_AUTH_OK;
	if (!may_hash(auth))
		return WEB_AUTH_BUSY;
	begun = now_ns();
	ok = check_credentials(auth, header);
	note_cost(auth, now_ns() - begun, now_ns());
	if (!ok)
		return WEB_AUTH_WRONG;
	memcpy(auth->last, mac, sizeof(mac));
	auth->has_last = true;
	return WEB_AUTH_OK;
}
