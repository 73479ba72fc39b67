// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The place of the call says nothing about a denial: no CODE_FILE and CODE_LINE. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "../lib/log.h"
#include "../lib/stop.h"
#include "journal.h"
#include "report_fields.h"

#define SOCKET	     "/run/systemd/journal/socket"
#define LIBRARY	     "libsystemd.so.0"
#define FIELDS	     80
#define STOP_RETRIES 20 /* after stop_asked a call that waits is interrupted every 0.1 s */

static const char *const message_ids[] = {
#define X(name, id) id,
	JOURNAL_MESSAGES(X)
#undef X
};

struct record {
	struct iovec iov[FIELDS];
	int nr;
	int error; /* a negative errno: a field is missing */
};

static void add(struct record *record, const char *name, const char *value)
{
	char *text;
	int len;

	if (record->error)
		return;
	if (record->nr == FIELDS) {
		record->error = -E2BIG;
		return;
	}
	len = asprintf(&text, "%s=%s", name, value);
	if (len < 0) {
		record->error = -ENOMEM;
		return;
	}
	record->iov[record->nr].iov_base = text;
	record->iov[record->nr++].iov_len = (size_t)len;
}

/* The journal allows A-Z, 0-9 and _. */
static void add_field(void *data, const char *name, const char *value, int string)
{
	char upper[REPORT_FIELD_NAME], *c;

	(void)string;
	snprintf(upper, sizeof(upper), "%s", name);
	for (c = upper; *c; c++) {
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
		else if (!(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9'))
			*c = '_';
	}
	add(data, upper, value);
}

/*
 * The library is loaded when it is asked for: it and those that it needs would add a sixth to every
 * start of gmemctl, and a host without systemd has none.
 */
static struct {
	typeof(sd_journal_sendv) *sendv;
	typeof(sd_notify) *notify;
} library;

static int load_library(void)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (handle) {
		library.sendv = (typeof(library.sendv))dlsym(handle, "sd_journal_sendv");
		library.notify = (typeof(library.notify))dlsym(handle, "sd_notify");
	}
	if (library.sendv && library.notify)
		return 0;
	return log_error(-ENOENT, dlerror(), "install libsystemd (Debian's package libsystemd0)",
			 "write to the journal");
}

int journal_open(void)
{
	/* sd_journal_sendv() reports success where no journal runs. */
	if (!access(SOCKET, W_OK))
		return load_library();
	return log_error(-errno,
			 errno == ENOENT ? "no journal runs here: there is no " SOCKET : NULL,
			 "print the denials to standard output: leave out --journal",
			 "write to the journal");
}

static int send_record(const struct record *record)
{
	int ret, retries = 0;

	do {
		ret = library.sendv(record->iov, record->nr);
		/* Where there is no socket the record is dropped, which is reported as success. */
		if (!ret && access(SOCKET, F_OK))
			ret = -errno;
	} while (ret == -EINTR && (!stop_asked || retries++ < STOP_RETRIES));
	return ret;
}

int journal_send(enum journal_message about, int priority, const char *message, const char *json,
		 size_t len)
{
	struct record record = { .nr = 0 };
	char digit[2] = { (char)('0' + priority), '\0' };
	int ret;

	add(&record, "MESSAGE", message);
	add(&record, "MESSAGE_ID", message_ids[about]);
	add(&record, "PRIORITY", digit);
	ret = report_each_field(json, len, "GMEM", add_field, &record);
	if (ret)
		record.error = ret;
	ret = record.error ?: send_record(&record);
	/* EPIPE is no reason to end quietly, as it is on standard output. */
	if (ret)
		ret = log_error(ret, NULL, NULL, "write to the journal");
	if (ret == -EPIPE)
		ret = -EIO;
	while (record.nr)
		free(record.iov[--record.nr].iov_base);
	return ret;
}

void journal_ready(void)
{
	library.notify(0, "READY=1");
}
