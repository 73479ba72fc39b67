/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a VM is: from the command line and the cgroup of its VMM. */
#ifndef GMEM_PROC_H
#define GMEM_PROC_H

#include "../lib/vm_name.h"

struct gmem_birth;
struct model_vm;

/**
 * proc_identify - fill in name and cgroup, and follow a VMM that moves to another cgroup
 * @birth: what was known when the VM was made, or NULL
 * @cgroups: as of cgroup_root()
 *
 * The name is the first that there is of command line, cgroup, comm. Of a VMM that is gone no
 * process is asked: another one may have its pid.
 */
void proc_identify(struct model_vm *vm, const struct gmem_birth *birth, int cgroups);

#endif /* GMEM_PROC_H */
