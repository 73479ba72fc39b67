/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a VM is: from the command line and the cgroup of its VMM. */
#ifndef GMEM_PROC_H
#define GMEM_PROC_H

#include "../lib/vm_name.h"

struct model_vm;

/* Fill in name and cgroup, once: the first that there is of command line, cgroup, comm. */
void proc_identify(struct model_vm *vm);

#endif /* GMEM_PROC_H */
