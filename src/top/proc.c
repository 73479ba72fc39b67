// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/cgroup.h"
#include "../lib/vm_name.h"
#include "model.h"
#include "proc.h"

#define CMDLINE_MAX 16384

/* Is there a process that can be asked? */
static bool can_ask(const struct model_vm *vm)
{
	return vm->now.tgid && !vm->now.vmm_gone && !vm->gone;
}

/* By its number, which the kernel recorded; where that does not help, of the process. */
static void find_cgroup(struct model_vm *vm, int cgroups)
{
	char buf[PATH_MAX], *path = NULL;

	vm->named_cgroup = vm->now.cgroup;
	if (vm->now.cgroup && cgroups >= 0 &&
	    !cgroup_path(cgroups, vm->now.cgroup, buf, sizeof(buf))) {
		path = buf;
	} else if (can_ask(vm) && vm_read_proc(vm->now.tgid, "cgroup", buf, sizeof(buf)) > 0) {
		path = strstr(buf, "0::");
		if (path) {
			path += 3;
			path[strcspn(path, "\n")] = '\0';
		}
	}
	if (!path)
		return;
	free(vm->cgroup);
	vm->cgroup = strdup(path);
}

/* Return: true if the command line has a name. */
static bool name_by_option(struct model_vm *vm, const struct gmem_birth *birth)
{
	char buf[CMDLINE_MAX];
	ssize_t n;

	if (birth && !name_from_cmdline(birth->args, birth->len, vm->name, sizeof(vm->name)))
		return true;
	if ((birth && birth->len && !birth->cut) || !can_ask(vm))
		return false;
	n = vm_read_proc(vm->now.tgid, "cmdline", buf, sizeof(buf));
	return n > 0 && !name_from_cmdline(buf, (size_t)n, vm->name, sizeof(vm->name));
}

static void name_by_comm(struct model_vm *vm)
{
	char buf[32];

	if (vm->now.comm[0])
		snprintf(vm->name, sizeof(vm->name), "%.16s", vm->now.comm);
	else if (can_ask(vm) && vm_read_proc(vm->now.tgid, "comm", buf, sizeof(buf)) > 0)
		snprintf(vm->name, sizeof(vm->name), "%.*s", (int)strcspn(buf, "\n"), buf);
	else
		snprintf(vm->name, sizeof(vm->name), "%s", vm->now.vmm_gone ? "VMM gone" : "-");
}

void proc_identify(struct model_vm *vm, const struct gmem_birth *birth, int cgroups)
{
	if (vm->named && (!vm->now.cgroup || vm->now.cgroup == vm->named_cgroup))
		return;
	if (vm->now.id == GMEM_ID_OTHER) {
		snprintf(vm->name, sizeof(vm->name), "other");
		vm->named = true;
		return;
	}
	find_cgroup(vm, cgroups);
	if (!vm->named)
		vm->named_by_option = name_by_option(vm, birth);
	vm->named = true;
	if (vm->named_by_option)
		return;
	if (!vm->cgroup || name_from_cgroup(vm->cgroup, vm->name, sizeof(vm->name)))
		name_by_comm(vm);
}
