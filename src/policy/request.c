// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request.h"
#include "../ctl/kernel/resolve.h"
#include "value.h"

__attribute__((format(printf, 4, 5))) static int
wrong(struct request_error *error, const char *name, const char *value, const char *fmt, ...)
{
	va_list args;

	error->name = name;
	error->value = value;
	va_start(args, fmt);
	vsnprintf(error->why, sizeof(error->why), fmt, args);
	va_end(args);
	return -EINVAL;
}

static int unknown_name(struct request_error *error, enum value_kind kind, const char *name,
			const char *value)
{
	char names[128];

	return wrong(error, name, value, "it can be %s",
		     value_list(kind, VALUE_ALL, ", ", names, sizeof(names)));
}

/* Each reads one attribute. Return: 0 or -EINVAL. */

static int parse_size(const char *text, struct gmem_request *request, struct request_error *error)
{
	if (!value_size(text, &request->size))
		return 0;
	return wrong(error, "size", text, "not a size as 64GiB");
}

static int parse_flags(const char *text, struct gmem_request *request, struct request_error *error)
{
	if (!strcmp(text, "foreign"))
		request->flags = GMEM_FLAGS_foreign;
	else if (value_bits(VALUE_FLAG, text, &request->flags))
		return unknown_name(error, VALUE_FLAG, "flags", text);
	return 0;
}

static int parse_prot(const char *text, struct gmem_request *request, struct request_error *error)
{
	if (!value_bits(VALUE_PROT, text, &request->prot))
		return 0;
	return unknown_name(error, VALUE_PROT, "prot", text);
}

static int parse_direction(const char *text, struct gmem_request *request,
			   struct request_error *error)
{
	int direction = value_number(VALUE_DIRECTION, text);

	if (direction < 0)
		return unknown_name(error, VALUE_DIRECTION, "direction", text);
	request->direction = (__u32)direction;
	return 0;
}

static int parse_limits(const char *text, const char *name, const char *what, __u64 *start,
			__u64 *end, struct request_error *error)
{
	int ret = value_range(text, start, end);

	if (ret == -EXDEV)
		return wrong(error, name, text,
			     "the limits must be multiples of 4KiB, and the end does not belong to "
			     "the range, as in 0x0-0x40000000");
	return ret ? wrong(error, name, text, "not two %s, as 0x0-0x40000000", what) : 0;
}

static int parse_range(const char *text, struct gmem_request *request, struct request_error *error)
{
	return parse_limits(text, "range", "guest addresses", &request->start, &request->end,
			    error);
}

static int parse_offset(const char *text, struct gmem_request *request, struct request_error *error)
{
	return parse_limits(text, "offset", "offsets", &request->offset, &request->offset_end,
			    error);
}

static int parse_vm_type(const char *text, struct gmem_request *request,
			 struct request_error *error)
{
	int type = value_number(VALUE_TYPE, text);

	if (type < 0)
		return unknown_name(error, VALUE_TYPE, "vm-type", text);
	request->type = (__u32)type;
	return 0;
}

static const struct attribute {
	size_t offset;
	int (*parse)(const char *text, struct gmem_request *request, struct request_error *error);
} attributes[POLICY_IF_MAX] = {
#define X(name, ...) [POLICY_IF_##name] = { offsetof(struct request_text, name), parse_##name },
	POLICY_CONDITIONS(X)
#undef X
};

int request_parse(const struct request_text *text, struct gmem_request *request,
		  struct request_error *error)
{
	const char *value, *name;
	int op, i, ret;

	op = text->op ? value_number(VALUE_OPERATION, text->op) : -1;
	if (op < 0)
		return unknown_name(error, VALUE_OPERATION, "op", text->op ? text->op : "");
	memset(request, 0, sizeof(*request));
	request->op = (__u32)op;
	request->flags = GMEM_FLAGS_unknown;
	request->type = GMEM_TYPE_unknown;
	request->direction = GMEM_DIR_other;
	request->size = request->start = request->end = POLICY_VALUE_UNKNOWN;
	request->offset = request->offset_end = POLICY_VALUE_UNKNOWN;
	for (i = 0; i < POLICY_IF_MAX; i++) {
		value = *(const char *const *)((const char *)text + attributes[i].offset);
		name = value_name(VALUE_CONDITION, (unsigned int)i);
		if (value && !(condition_ops[i] >> op & 1))
			return wrong(error, name, value, "it means nothing for %s", text->op);
		if (!value && i == POLICY_IF_prot && condition_ops[i] >> op & 1)
			return wrong(error, name, "", "it is needed for %s", text->op);
		ret = value ? attributes[i].parse(value, request, error) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

const char *const root_names[] = {
	[GMEM_ROOT_host] = "host",
	[GMEM_ROOT_other] = "other",
};

/* The digest that the kernel measured for a file, if it has one. */
static void measure_verity(const char *path, struct who *who)
{
	union {
		struct fsverity_digest head;
		__u8 all[sizeof(struct fsverity_digest) + GMEM_DIGEST_SIZE];
	} measured = { .head.digest_size = GMEM_DIGEST_SIZE };
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (!ioctl(fd, FS_IOC_MEASURE_VERITY, &measured)) {
		memset(&who->verity, 0, sizeof(who->verity));
		who->verity.kind = GMEM_BY_VERITY;
		who->verity.algorithm = measured.head.digest_algorithm;
		who->verity.size = measured.head.digest_size;
		memcpy(who->verity.digest, measured.all + sizeof(measured.head),
		       measured.head.digest_size);
		who->has_verity = true;
	}
	close(fd);
}

static void look_at_exe(const char *path, struct who *who)
{
	int ret = resolve_exe(path, &who->exe_identity);

	who->has_exe_identity = !ret;
	who->exe_untrusted_fs = ret == EXE_MADE_UP;
	if (!ret)
		measure_verity(path, who);
}

int who_parse(const struct who_text *text, struct who *who, struct request_error *error)
{
	memset(who, 0, sizeof(*who));
	if (text->exe) {
		who->exe = text->exe;
		look_at_exe(text->exe, who);
	}
	if (text->verity) {
		if (value_digest(text->verity, &who->verity))
			return wrong(error, "verity", text->verity,
				     "not sha256: and 64 digits, or sha512: and 128");
		who->has_verity = true;
	}
	if (text->root && strcmp(text->root, root_names[GMEM_ROOT_host])) {
		if (strcmp(text->root, root_names[GMEM_ROOT_other]))
			return wrong(error, "root", text->root, "it is host or other");
		who->root = GMEM_ROOT_other;
	}
	if (text->uid && isdigit((unsigned char)*text->uid)) {
		if (value_uid(text->uid, &who->uid))
			return wrong(
				error, "uid", text->uid,
				"not the number of a user: 0 to 4294967294, without leading zeros");
		who->has_uid = true;
	} else if (text->uid) {
		who->user = text->uid;
		who->has_uid = !resolve_user(text->uid, &who->uid);
	}
	if (text->cgroup && *text->cgroup != '/')
		return wrong(error, "cgroup", text->cgroup, "it must begin with '/'");
	who->cgroup = text->cgroup;
	return 0;
}

static int read_uid(unsigned int pid, char *uid, size_t size)
{
	char path[64], line[256];
	unsigned int effective;
	int ret = -ESRCH;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	status = fopen(path, "re");
	if (!status)
		return errno == ENOENT ? -ESRCH : -errno;
	while (ret && fgets(line, sizeof(line), status)) {
		/* Real, effective: the policy goes by the second. */
		if (sscanf(line, "Uid: %*u %u", &effective) == 1) {
			snprintf(uid, size, "%u", effective);
			ret = 0;
		}
	}
	fclose(status);
	return ret;
}

static int read_cgroup(unsigned int pid, char *cgroup, size_t size)
{
	char path[64], line[4096 + 8];
	int ret = -ENOENT;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (ret && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::", 3) && strlen(line + 3) < size) {
			memcpy(cgroup, line + 3, strlen(line + 3) + 1);
			ret = 0;
		}
	}
	fclose(file);
	return ret;
}

/* As has_host_root() in bpf/policy/identity.h, as far as user space can see it, and as it is now. */
static enum gmem_root root_of(unsigned int pid)
{
	struct stat own, host;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/root", pid);
	/* Without rights over process 1 its root is taken to be gmemctl's. */
	if (stat(path, &own) || (stat("/proc/1/root", &host) && stat("/", &host)) ||
	    own.st_dev != host.st_dev || own.st_ino != host.st_ino)
		return GMEM_ROOT_other;
	return GMEM_ROOT_host;
}

int who_of_process(unsigned int pid, struct who_process *process)
{
	struct request_error error;
	struct who *who = &process->who;
	struct who_text text = { 0 };
	char link[64];
	ssize_t len;
	int ret;

	memset(process, 0, sizeof(*process));
	ret = read_uid(pid, process->uid, sizeof(process->uid));
	if (ret)
		return ret;
	text.uid = process->uid;
	/* Without cgroup2 it is in none. */
	if (!read_cgroup(pid, process->cgroup, sizeof(process->cgroup)))
		text.cgroup = process->cgroup;
	ret = who_parse(&text, who, &error);
	if (ret)
		return ret;
	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	len = readlink(link, process->exe, sizeof(process->exe) - 1);
	if (len < 0)
		return -errno;
	who->exe = process->exe;
	who->root = root_of(pid);
	/* By the link itself: the path may have another file by now. */
	look_at_exe(link, who);
	return 0;
}

static void range_text(__u64 start, __u64 end, char *text, size_t size)
{
	if (start == POLICY_VALUE_UNKNOWN || end == POLICY_VALUE_UNKNOWN)
		snprintf(text, size, "unknown");
	else
		snprintf(text, size, "0x%llx-0x%llx", start, end);
}

static void names_text(enum value_kind kind, __u32 bits, char *text, size_t size)
{
	if (!bits)
		snprintf(text, size, "none");
	else
		value_list(kind, bits, ",", text, size);
}

char *request_value(const struct gmem_request *request, enum policy_condition condition,
		    char text[REQUEST_TEXT])
{
	char size[VALUE_SIZE_TEXT];

	snprintf(text, REQUEST_TEXT, "unknown");
	switch (condition) {
	case POLICY_IF_size:
		if (request->size != POLICY_VALUE_UNKNOWN)
			snprintf(text, REQUEST_TEXT, "%s", value_size_text(request->size, size));
		break;
	case POLICY_IF_flags:
		if (request->flags < GMEM_FLAGS_foreign)
			names_text(VALUE_FLAG, request->flags, text, REQUEST_TEXT);
		else if (request->flags == GMEM_FLAGS_foreign)
			snprintf(text, REQUEST_TEXT, "foreign");
		break;
	case POLICY_IF_prot: names_text(VALUE_PROT, request->prot, text, REQUEST_TEXT); break;
	case POLICY_IF_direction:
		if (request->direction != GMEM_DIR_other)
			snprintf(text, REQUEST_TEXT, "%s",
				 value_name(VALUE_DIRECTION, request->direction));
		break;
	case POLICY_IF_range: range_text(request->start, request->end, text, REQUEST_TEXT); break;
	case POLICY_IF_offset:
		range_text(request->offset, request->offset_end, text, REQUEST_TEXT);
		break;
	case POLICY_IF_vm_type:
		if (request->type != GMEM_TYPE_unknown)
			snprintf(text, REQUEST_TEXT, "%s", value_name(VALUE_TYPE, request->type));
		break;
	case POLICY_IF_MAX: break;
	}
	return text;
}

char *condition_value(const struct policy_rule *rule, enum policy_condition condition,
		      char text[REQUEST_TEXT])
{
	char min[VALUE_SIZE_TEXT], max[VALUE_SIZE_TEXT];
	size_t len;

	switch (condition) {
	case POLICY_IF_size:
		value_size_text(rule->size_min, min);
		value_size_text(rule->size_max, max);
		if (rule->size_min == rule->size_max)
			snprintf(text, REQUEST_TEXT, "== %s", min);
		else if (rule->size_max == ~0ULL)
			snprintf(text, REQUEST_TEXT, ">= %s", min);
		else if (!rule->size_min)
			snprintf(text, REQUEST_TEXT, "<= %s", max);
		else
			snprintf(text, REQUEST_TEXT, ">= %s, <= %s", min, max);
		break;
	case POLICY_IF_flags:
		len = (size_t)snprintf(text, REQUEST_TEXT, "%s",
				       rule->flags_exact ? "exactly "
				       : rule->deny	 ? "one of "
							 : "only ");
		names_text(VALUE_FLAG, rule->flags, text + len, REQUEST_TEXT - len);
		break;
	case POLICY_IF_prot:
		len = (size_t)snprintf(text, REQUEST_TEXT, rule->deny ? "one of " : "only ");
		names_text(VALUE_PROT, rule->prot, text + len, REQUEST_TEXT - len);
		break;
	case POLICY_IF_direction:
		names_text(VALUE_DIRECTION, rule->directions, text, REQUEST_TEXT);
		break;
	case POLICY_IF_range:
		len = (size_t)snprintf(text, REQUEST_TEXT, rule->deny ? "touches " : "inside ");
		range_text(rule->start, rule->end, text + len, REQUEST_TEXT - len);
		break;
	case POLICY_IF_offset:
		len = (size_t)snprintf(text, REQUEST_TEXT, rule->deny ? "touches " : "inside ");
		range_text(rule->offset, rule->offset_end, text + len, REQUEST_TEXT - len);
		break;
	case POLICY_IF_vm_type: names_text(VALUE_TYPE, rule->types, text, REQUEST_TEXT); break;
	case POLICY_IF_MAX: *text = '\0'; break;
	}
	return text;
}
