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

/* --- command lines --- */

/* Arguments, each of which ends with a 0. */
struct args {
	const char *at, *end;
};

/* Return: NULL behind the last one, and for one that is cut off, without its 0. */
static const char *next_arg(struct args *args)
{
	const char *arg = args->at;
	size_t n = strnlen(arg, (size_t)(args->end - arg));

	if (arg + n >= args->end)
		return NULL;
	args->at = arg + n + 1;
	return arg;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int take_plain(const char *value, char *name, size_t size)
{
	if (!*value || *value == '-')
		return -ENOENT;
	snprintf(name, size, "%s", value);
	return 0;
}

/* NAME, or guest=NAME among other things. */
static int take_qemu(const char *value, char *name, size_t size)
{
	const char *guest = strncmp(value, "guest=", 6) ? strstr(value, ",guest=") : value - 1;

	return copy_option(guest ? guest + 7 : value, name, size);
}

/* Names of sockets and directories that VMs have in common. */
static bool is_common(const char *name, size_t len)
{
	static const char *const common[] = {
		"",
		"api",
		"clh",
		"clh-api",
		"ch",
		"crosvm",
		"vmm",
		"run",
		"tmp",
		"var",
		"cloud-hypervisor",
		"firecracker",
		"control",
		"socket",
		"root",
		"vm",
		"hypervisor",
		"user",
		"lib",
		"srv",
		"state",
	};
	size_t i;

	for (i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		if (strlen(common[i]) == len && !strncmp(common[i], name, len))
			return true;
	}
	/* /run/user/1000 */
	return strspn(name, "0123456789") >= len;
}

/*
 * VMMs without an option for a name are named after their control socket, which differs for each:
 * /run/ch/web.sock, /run/vc/vm/web/clh-api.sock
 */
static int take_socket(const char *value, char *name, size_t size)
{
	size_t len, end;

	if (!strncmp(value, "path=", 5))
		value += 5;
	else if (!strncmp(value, "fd=", 3))
		return -ENOENT;
	len = strcspn(value, ",");
	while (len) {
		for (end = len; len && value[len - 1] != '/'; len--)
			;
		value += len;
		end -= len;
		if (end > 5 && !strncmp(value + end - 5, ".sock", 5))
			end -= 5;
		else if (end > 7 && !strncmp(value + end - 7, ".socket", 7))
			end -= 7;
		if (!is_common(value, end)) {
			snprintf(name, size, "%.*s", (int)end, value);
			return 0;
		}
		value -= len;
		len -= len > 0;
	}
	return -ENOENT;
}

/*
 * Options that name a VM, the best one of a VMM first. The value is the next argument, or follows
 * a '='. QEMU has many names.
 */
static const struct {
	const char *program; /* its file name begins so; NULL: any */
	const char *option;
	int (*take)(const char *value, char *name, size_t size);
} options[] = {
	{ "firecracker", "--id", take_plain },
	{ "firecracker", "--api-sock", take_socket },
	{ "cloud-hypervisor", "--api-socket", take_socket },
	{ "crosvm", "--name", take_plain },
	{ "crosvm", "--socket", take_socket },
	{ "crosvm", "-s", take_socket },
	/* The VMM is a part of the shim where Kata uses Dragonball. */
	{ "containerd-shim-kata", "-id", take_plain },
	{ "containerd-shim-kata", "--id", take_plain },
	/* krunvm start NAME */
	{ "krunvm", "start", take_plain },
	{ NULL, "-name", take_qemu },
	{ NULL, "--name", take_qemu },
};

static int find_option(struct args args, const char *option,
		       int (*take)(const char *value, char *name, size_t size), char *name,
		       size_t size)
{
	size_t len = strlen(option);
	const char *arg;

	while ((arg = next_arg(&args))) {
		if (strncmp(arg, option, len) || (arg[len] && arg[len] != '='))
			continue;
		arg = arg[len] ? arg + len + 1 : next_arg(&args);
		return arg ? take(arg, name, size) : -ENOENT;
	}
	return -ENOENT;
}

int name_from_cmdline(const char *cmdline, size_t len, char *name, size_t size)
{
	struct args args = { cmdline, cmdline + len };
	const char *program = len ? next_arg(&args) : NULL;
	size_t i;

	if (!program)
		return -ENOENT;
	program = base_of(program);
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (options[i].program &&
		    strncmp(program, options[i].program, strlen(options[i].program)))
			continue;
		if (!find_option(args, options[i].option, options[i].take, name, size))
			return 0;
	}
	return -ENOENT;
}

/* --- cgroups --- */

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

static int libvirt_name(const char *path, const char *begin, char *name, size_t size)
{
	char unit[256], *part = NULL;
	const char *at, *end;

	at = strstr(path, begin);
	end = at ? strstr(at, ".scope") : NULL;
	if (!end)
		return -ENOENT;
	unescape(at, (size_t)(end - at), unit, sizeof(unit));
	/* machine-DRIVER-ID-NAME */
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

/*
 * Where others put a VM: the component of the path that begins so names it, whole or behind the
 * beginning, without its end.
 */
static const struct {
	const char *begin, *end;
	bool whole;
	int max; /* characters that tell containers apart, 0: all */
} places[] = {
	/* The jailer's parent is named after the executable. */
	{ "/firecracker/", "", false, 0 },
	{ "/kata_overhead/", "", false, 0 },
	{ "/kata_", "", false, 0 },
	/* libkrun runs in the process of the container. */
	{ "/libpod-", ".scope", true, 19 },
	{ "/crun-", ".scope", true, 17 },
	{ "/docker-", ".scope", true, 19 },
};

static int place_name(const char *path, char *name, size_t size)
{
	const char *at, *from;
	size_t i, n, end;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		at = strstr(path, places[i].begin);
		if (!at)
			continue;
		from = at + strlen(places[i].begin);
		end = strlen(places[i].end);
		n = strcspn(from, "/");
		if (n <= end || strncmp(from + n - end, places[i].end, end))
			continue;
		n -= end;
		if (places[i].whole) {
			n += (size_t)(from - at) - 1;
			from = at + 1;
		}
		if (places[i].max && n > (size_t)places[i].max)
			n = (size_t)places[i].max;
		snprintf(name, size, "%.*s", (int)n, from);
		return 0;
	}
	return -ENOENT;
}

int name_from_cgroup(const char *path, char *name, size_t size)
{
	if (!libvirt_name(path, "machine-qemu", name, size) ||
	    !libvirt_name(path, "machine-ch", name, size))
		return 0;
	if (strstr(path, "/kubepods"))
		return kubernetes_name(path, name, size);
	return place_name(path, name, size);
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
