// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm_name.h"

#define CMDLINE_MAX 16384

/* Up to the first comma; ",," is a comma of the name itself. */
static int copy_option(const char *from, char *name, size_t size)
{
	size_t n = 0;

	if (!*from || (*from == ',' && from[1] != ','))
		return -ENOENT;
	for (; *from && n + 1 < size; from++) {
		if (*from == ',' && *++from != ',')
			break;
		name[n++] = *from;
	}
	name[n] = '\0';
	return 0;
}

int name_from_cmdline(const char *cmdline, size_t len, char *name, size_t size)
{
	const char *arg = cmdline, *end = cmdline + len, *guest;
	bool next = false;

	for (; arg < end; arg += strnlen(arg, (size_t)(end - arg)) + 1) {
		/* The last one may be cut off, without its 0. */
		if (arg + strnlen(arg, (size_t)(end - arg)) == end)
			break;
		if (next) {
			guest = strncmp(arg, "guest=", 6) ? strstr(arg, ",guest=") : arg - 1;
			return copy_option(guest ? guest + 7 : arg, name, size);
		}
		next = !strcmp(arg, "-name") || !strcmp(arg, "--name");
	}
	return -ENOENT;
}

/* systemd writes a byte that must not be in a unit's name as \xHH. */
static void unescape(const char *from, size_t len, char *to, size_t size)
{
	unsigned int byte;
	size_t i, n = 0;
	char hex[3];

	for (i = 0; i < len && n + 1 < size; i++) {
		if (i + 3 < len && from[i] == '\\' && from[i + 1] == 'x' &&
		    isxdigit((unsigned char)from[i + 2]) && isxdigit((unsigned char)from[i + 3])) {
			snprintf(hex, sizeof(hex), "%.2s", from + i + 2);
			sscanf(hex, "%x", &byte);
			to[n++] = (char)byte;
			i += 3;
			continue;
		}
		to[n++] = from[i];
	}
	to[n] = '\0';
}

static int libvirt_name(const char *path, char *name, size_t size)
{
	static const char begin[] = "machine-qemu";
	char unit[256], *part = NULL;
	const char *at, *end;

	at = strstr(path, begin);
	end = at ? strstr(at, ".scope") : NULL;
	if (!end)
		return -ENOENT;
	unescape(at, (size_t)(end - at), unit, sizeof(unit));
	/* machine-qemu-ID-NAME */
	if (unit[strlen(begin)] == '-')
		part = strchr(unit + strlen(begin) + 1, '-');
	if (!part || !part[1])
		return -ENOENT;
	snprintf(name, size, "%s", part + 1);
	return 0;
}

/* The pod: .../kubepods-burstable-podUID.slice/... or .../kubepods/burstable/podUID/... */
static int kubernetes_name(const char *path, char *name, size_t size)
{
	const char *pod = path + 1, *slash;
	size_t n;

	while ((pod = strstr(pod, "pod"))) {
		if ((pod[-1] == '-' || pod[-1] == '/') && isxdigit((unsigned char)pod[3]))
			break;
		pod++;
	}
	if (!pod)
		return -ENOENT;
	slash = strchr(pod, '/');
	n = slash ? (size_t)(slash - pod) : strlen(pod);
	if (n > 6 && !strncmp(pod + n - 6, ".slice", 6))
		n -= 6;
	snprintf(name, size, "%.*s", (int)n, pod);
	return 0;
}

int name_from_cgroup(const char *path, char *name, size_t size)
{
	if (!libvirt_name(path, name, size))
		return 0;
	return strstr(path, "/kubepods") ? kubernetes_name(path, name, size) : -ENOENT;
}

ssize_t vm_read_proc(uint32_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

void vm_name_of(uint32_t pid, char *name, size_t size)
{
	char buf[CMDLINE_MAX], *path;
	ssize_t n;

	*name = '\0';
	n = vm_read_proc(pid, "cmdline", buf, sizeof(buf));
	if (n > 0 && !name_from_cmdline(buf, (size_t)n, name, size))
		return;
	if (vm_read_proc(pid, "cgroup", buf, sizeof(buf)) <= 0)
		return;
	path = strstr(buf, "0::");
	if (!path)
		return;
	path[strcspn(path, "\n")] = '\0';
	name_from_cgroup(path + 3, name, size);
}
