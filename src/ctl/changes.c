// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../lib/json.h"
#include "../lib/log.h"
#include "kernel/digest.h"
#include "changes.h"
#include "print.h"

#define JOURNAL	   "/run/systemd/journal/socket"
#define LAST_BYTES 65536 /* more than a line has */

_Static_assert(CHANGE_HASH == DIGEST_TEXT, "both are SHA-256");

/* The hash of a line, without its own member: everything before that is hashed. */
static int hash_of(const char *line, size_t len, char hash[CHANGE_HASH])
{
	__u8 digest[GMEM_SOURCE_DIGEST];
	int ret = digest_of(line, len, digest);

	if (!ret)
		digest_text(digest, hash);
	return ret;
}

/* The last line: what the next one follows. */
struct last {
	uint64_t number;
	char hash[CHANGE_HASH];
	bool cut_off; /* it does not end with a newline */
};

/* Without a number and a hash the next line follows nothing, which shows. */
static void parse_last(char *line, struct last *last)
{
	const char *number = strstr(line, "\"number\":"), *hash = NULL, *at;

	for (at = line; (at = strstr(at, CHANGE_HASH_MEMBER)); at++)
		hash = at + strlen(CHANGE_HASH_MEMBER);
	if (!number || !hash || strlen(hash) < CHANGE_HASH - 1)
		return;
	last->number = strtoull(number + strlen("\"number\":"), NULL, 10);
	snprintf(last->hash, sizeof(last->hash), "%.*s", (int)CHANGE_HASH - 1, hash);
}

static int read_last(int fd, struct last *last)
{
	char *buf, *line, *end;
	ssize_t len;
	off_t size;

	memset(last, 0, sizeof(*last));
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0)
		return size < 0 ? -errno : 0;
	buf = malloc(LAST_BYTES + 1);
	if (!buf)
		return -ENOMEM;
	len = pread(fd, buf, LAST_BYTES, size > LAST_BYTES ? size - LAST_BYTES : 0);
	if (len <= 0) {
		free(buf);
		return len < 0 ? -errno : -EIO;
	}
	buf[len] = '\0';
	end = buf + len - 1;
	last->cut_off = *end != '\n';
	if (!last->cut_off) {
		*end = '\0';
		line = strrchr(buf, '\n');
		parse_last(line ? line + 1 : buf, last);
	}
	free(buf);
	return 0;
}

/* The user who logged in, whatever he became since. */
static void json_login(struct json *json)
{
	unsigned int uid = ~0U;
	FILE *file = fopen("/proc/self/loginuid", "re");

	if (file && fscanf(file, "%u", &uid) != 1)
		uid = ~0U;
	if (file)
		fclose(file);
	if (uid == ~0U)
		json_null(json, "login_uid");
	else
		json_u64(json, "login_uid", uid);
}

static void json_policy(struct json *json, const struct change *change)
{
	if (!change->policy) {
		json_null(json, "policy");
		return;
	}
	json_open(json, "policy", '{');
	json_str(json, "name", change->policy);
	json_u64(json, "generation", change->generation);
	json_str(json, "mode", change->enforce ? "enforce" : "audit");
	json_str(json, "digest", change->digest);
	json_close(json, '}');
}

static const char *outcome_of(const struct change *change)
{
	return change->status < 0 ? "interrupted" : change->status ? "refused" : "done";
}

static void json_change(struct json *json, const struct change *change, const struct last *last)
{
	struct timespec now;
	int i;

	clock_gettime(CLOCK_REALTIME, &now);
	report_begin(json, REPORT_change);
	json_u64(json, "number", last->number + 1);
	json_u64(json, "time_ns", (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	json_str(json, "command", change->command);
	json_open(json, "arguments", '[');
	for (i = 0; i < change->nr_arguments; i++)
		json_str(json, NULL, change->arguments[i]);
	json_close(json, ']');
	json_str(json, "outcome", outcome_of(change));
	json_u64(json, "status", change->status < 0 ? 0 : (uint64_t)change->status);
	json_u64(json, "pid", (uint64_t)getpid());
	json_u64(json, "uid", getuid());
	json_login(json);
	json_policy(json, change);
	json_str(json, "previous", *last->hash ? last->hash : NULL);
}

/* One write, so that a reader sees a whole line or none. */
static int write_line(int fd, const char *line, size_t len)
{
	ssize_t done = write(fd, line, len);

	if (done < 0)
		return -errno;
	if ((size_t)done != len)
		return -ENOSPC;
	return fsync(fd) ? -errno : 0;
}

/*
 * One datagram of fields, systemd.journal-fields(7). Without libsystemd: the manager of a locked
 * policy can map no library that it did not have when the policy was locked.
 */
static int send_to_journal(const struct change *change, const char *hash, const char *line,
			   size_t len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = JOURNAL };
	char *text;
	int fd, n, ret = 0;

	/* Not every host has a journal: the file is the record. */
	if (access(JOURNAL, W_OK))
		return 0;
	n = asprintf(&text,
		     "MESSAGE=gmemctl %s: %s%s%s\nMESSAGE_ID=%s\nPRIORITY=%d\n"
		     "SYSLOG_IDENTIFIER=gmemctl\nGMEM_COMMAND=%s\nGMEM_STATUS=%d\nGMEM_HASH=%s\n"
		     "GMEM_CHANGE=%.*s\n",
		     change->command, outcome_of(change),
		     change->policy ? ", in force: policy " : "", change->policy ?: "",
		     JOURNAL_CHANGE_ID, change->status ? LOG_WARNING : LOG_NOTICE, change->command,
		     change->status, hash, (int)len, line);
	if (n < 0)
		return -ENOMEM;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0)
		ret = -errno;
	if (fd >= 0)
		close(fd);
	free(text);
	return ret;
}

static int append(int fd, const struct change *change)
{
	struct json json = { 0 };
	char hash[CHANGE_HASH], *line = NULL;
	struct last last;
	const char *text;
	size_t len;
	int ret, n;

	if (flock(fd, LOCK_EX))
		return -errno;
	ret = read_last(fd, &last);
	if (ret)
		return ret;
	json_change(&json, change, &last);
	text = json_take(&json, &len);
	ret = text ? hash_of(text, len, hash) : -ENOMEM;
	if (!ret) {
		n = asprintf(&line, "%s%.*s" CHANGE_HASH_MEMBER "%s\"}\n", last.cut_off ? "\n" : "",
			     (int)len, text, hash);
		ret = n < 0 ? -ENOMEM : write_line(fd, line, (size_t)n);
		if (!ret)
			ret = send_to_journal(change, hash, line + last.cut_off,
					      (size_t)n - 1 - last.cut_off);
		if (n >= 0)
			free(line);
	}
	json_free(&json);
	return ret;
}

int changes_append(const char *dir, const struct change *change)
{
	char path[4096];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/" CHANGES_NAME, dir);
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : log_error(-errno, NULL, NULL, "record the change in %s", path);
	ret = append(fd, change);
	close(fd);
	return ret ? log_error(ret, NULL, NULL, "record the change in %s", path) : 0;
}
