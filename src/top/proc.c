// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/cgroup.h"
#include "../lib/vm_name.h"
#include "proc.h"

#define CMDLINE_MAX 16384

/* Is there a process that can be asked? */
static bool can_ask(const struct sample_vm *vm)
{
	return vm->tgid && !vm->vmm_gone && !vm->ended;
}

/* By its number, which the kernel recorded; where that does not help, of the process. */
static void find_cgroup(struct identity *who, const struct sample_vm *vm, int cgroups)
{
	char buf[PATH_MAX], *path = NULL;

	who->named_cgroup = vm->cgroup;
	if (vm->cgroup && cgroups >= 0 && !cgroup_path(cgroups, vm->cgroup, buf, sizeof(buf))) {
		path = buf;
	} else if (can_ask(vm) && vm_read_proc(vm->tgid, "cgroup", buf, sizeof(buf)) > 0) {
		path = strstr(buf, "0::");
		if (path) {
			path += 3;
			path[strcspn(path, "\n")] = '\0';
		}
	}
	if (!path)
		return;
	free(who->cgroup);
	who->is.cgroup = who->cgroup = strdup(path);
}

/* Return: true if the command line has a name. */
static bool name_by_option(struct identity *who, const struct sample_vm *vm,
			   const struct gmem_birth *birth)
{
	char buf[CMDLINE_MAX];
	ssize_t n;

	if (birth &&
	    !name_from_cmdline(birth->args, birth->len, who->is.name, sizeof(who->is.name)))
		return true;
	if ((birth && birth->len && !birth->cut) || !can_ask(vm))
		return false;
	n = vm_read_proc(vm->tgid, "cmdline", buf, sizeof(buf));
	return n > 0 && !name_from_cmdline(buf, (size_t)n, who->is.name, sizeof(who->is.name));
}

static void name_by_comm(struct identity *who, const struct sample_vm *vm)
{
	char buf[32];

	if (vm->comm[0])
		snprintf(who->is.name, sizeof(who->is.name), "%.16s", vm->comm);
	else if (can_ask(vm) && vm_read_proc(vm->tgid, "comm", buf, sizeof(buf)) > 0)
		snprintf(who->is.name, sizeof(who->is.name), "%.*s", (int)strcspn(buf, "\n"), buf);
	else
		snprintf(who->is.name, sizeof(who->is.name), "%s", vm->vmm_gone ? "VMM gone" : "-");
}

void proc_identify(struct identity *who, const struct sample_vm *vm, const struct gmem_birth *birth,
		   int cgroups)
{
	if (who->named && (!vm->cgroup || vm->cgroup == who->named_cgroup))
		return;
	who->is.version++;
	if (vm->id == GMEM_ID_OTHER) {
		snprintf(who->is.name, sizeof(who->is.name), "other");
		who->named = true;
		return;
	}
	find_cgroup(who, vm, cgroups);
	if (!who->named)
		who->named_by_option = name_by_option(who, vm, birth);
	who->named = true;
	if (who->named_by_option)
		return;
	if (!who->cgroup || name_from_cgroup(who->cgroup, who->is.name, sizeof(who->is.name)))
		name_by_comm(who, vm);
}
