// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "../lib/vm_name.h"
#include "model.h"
#include "proc.h"

#define CMDLINE_MAX 16384

void proc_identify(struct model_vm *vm)
{
	char buf[CMDLINE_MAX], *path, *end;
	ssize_t n;

	if (vm->named)
		return;
	vm->named = true;
	snprintf(vm->name, sizeof(vm->name), "%.16s", vm->now.comm);
	if (vm->now.id == GMEM_ID_OTHER)
		snprintf(vm->name, sizeof(vm->name), "other");
	if (!vm->now.tgid)
		return;
	if (!vm->now.comm[0] && vm_read_proc(vm->now.tgid, "comm", buf, 32) > 0)
		snprintf(vm->name, sizeof(vm->name), "%.*s", (int)strcspn(buf, "\n"), buf);
	if (vm_read_proc(vm->now.tgid, "cgroup", buf, sizeof(buf)) > 0) {
		path = strstr(buf, "0::");
		if (path) {
			end = strchr(path, '\n');
			if (end)
				*end = '\0';
			vm->cgroup = strdup(path + 3);
		}
	}
	n = vm_read_proc(vm->now.tgid, "cmdline", buf, sizeof(buf));
	if (n > 0 && !name_from_cmdline(buf, (size_t)n, vm->name, sizeof(vm->name)))
		return;
	if (vm->cgroup)
		name_from_cgroup(vm->cgroup, vm->name, sizeof(vm->name));
}
