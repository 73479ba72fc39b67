/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a VM is: from the command line and the cgroup of its VMM. */
#ifndef GMEM_PROC_H
#define GMEM_PROC_H

#include "../lib/vm_name.h"

#include "sample.h"

struct gmem_birth;

/* A VM's identity, and what is needed to keep it up to date. All 0 at first. */
struct identity {
	struct sample_identity is;
	char *cgroup;		     /* is.cgroup */
	uint64_t named_cgroup;	     /* id of the cgroup at that time */
	bool named, named_by_option; /* by a look at the VMM */
};

/**
 * proc_identify - find out name and cgroup, and follow a VMM that moves to another cgroup
 * @who: the identity, updated; free its cgroup at the end
 * @vm: the VM as it is reported now
 * @birth: what was known when the VM was made, or NULL
 * @cgroups: as of cgroup_root()
 *
 * The name is the first that there is of command line, cgroup, comm. Of a VMM that is gone no
 * process is asked: another one may have its pid.
 */
void proc_identify(struct identity *who, const struct sample_vm *vm, const struct gmem_birth *birth,
		   int cgroups);

#endif /* GMEM_PROC_H */
