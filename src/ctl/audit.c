// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libaudit.h>

#include "../lib/log.h"
#include "audit.h"
#include "report_fields.h"

#define LIBRARY "libaudit.so.1"
#define NO_UID	((uid_t)UINT_MAX)
#define DOING	"write an audit record"

/* As with the journal: loaded when it is asked for, as a host without the audit system has none. */
static struct {
	typeof(audit_open) *open;
	typeof(audit_log_user_avc_message) *log;
	typeof(audit_encode_nv_string) *encode;
	int fd;
} library = { .fd = -1 };

struct text {
	FILE *out;
	bool failed;
};

static int load_library(void)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (handle) {
		library.open = (typeof(library.open))dlsym(handle, "audit_open");
		library.log = (typeof(library.log))dlsym(handle, "audit_log_user_avc_message");
		library.encode = (typeof(library.encode))dlsym(handle, "audit_encode_nv_string");
	}
	if (library.open && library.log && library.encode)
		return 0;
	return log_error(-ENOENT, dlerror(), "install libaudit (Debian's package libaudit1)",
			 DOING);
}

/* Without the capability the library sends a record to syslog instead, and returns success. */
static bool may_write(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return !syscall(SYS_capget, &header, data) &&
	       (data[CAP_TO_INDEX(CAP_AUDIT_WRITE)].effective & CAP_TO_MASK(CAP_AUDIT_WRITE));
}

int audit_begin(void)
{
	int ret = load_library();

	if (ret)
		return ret;
	if (!may_write())
		return log_error(-EPERM, "the process does not have CAP_AUDIT_WRITE",
				 "give it the capability, or leave out --audit", DOING);
	library.fd = library.open();
	if (library.fd >= 0)
		return 0;
	return log_error(-errno,
			 errno == EPROTONOSUPPORT ? "this kernel has no audit system" : NULL,
			 "leave out --audit", DOING);
}

/* Strings are in quotes, or in hexadecimal where a quote, a space or a control is in them. */
static void add(void *data, const char *name, const char *value, int string)
{
	struct text *text = data;
	char lower[REPORT_FIELD_NAME], *encoded;
	size_t i;

	for (i = 0; name[i] && i < sizeof(lower) - 1; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	lower[i] = '\0';
	if (!string) {
		fprintf(text->out, " %s=%s", lower, value);
		return;
	}
	encoded = library.encode(lower, value, 0);
	text->failed |= !encoded;
	fprintf(text->out, " %s", encoded ?: "");
	free(encoded);
}

int audit_send_report(const char *what, const char *json, size_t len)
{
	struct text text = { 0 };
	char *message = NULL;
	size_t size = 0;
	int ret = -ENOMEM;

	text.out = open_memstream(&message, &size);
	if (text.out) {
		fprintf(text.out, "gmem: %s", what);
		ret = report_each_field(json, len, "gmem", add, &text);
		if (fclose(text.out) || text.failed)
			ret = -ENOMEM;
	}
	/* The result is the number of the record. */
	if (!ret)
		ret = library.log(library.fd, AUDIT_USER_AVC, message, NULL, NULL, NULL, NO_UID);
	free(message);
	if (ret >= 0)
		return 0;
	return log_error(ret, NULL, NULL, DOING);
}
