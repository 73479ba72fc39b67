/* SPDX-License-Identifier: GPL-2.0-only */
/* The drop-ins of a policy: all *.yaml in the directory policy.d beside the file policy.yaml. */
#ifndef GMEM_CTL_KERNEL_DROP_INS_H
#define GMEM_CTL_KERNEL_DROP_INS_H

#include "../../policy/merge.h"

struct drop_ins {
	struct part *parts;
	size_t nr;
	char *directory;
	char *path, *text; /* of the policy itself */
};

/**
 * drop_ins_read - read the drop-ins of a policy
 * @path: of the policy; without the suffix .yaml it has no drop-ins
 * @drop_ins: the result, to be passed to drop_ins_free(), also on error
 *
 * Files whose names begin with '.' are left out.
 *
 * Return: 0, also if there are none, or a negative errno that has been explained.
 */
int drop_ins_read(const char *path, struct drop_ins *drop_ins);
void drop_ins_free(struct drop_ins *drop_ins);

#endif /* GMEM_CTL_KERNEL_DROP_INS_H */
