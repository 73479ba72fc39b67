/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef WORKLOAD_OPS_H
#define WORKLOAD_OPS_H

#include "workload.h"

#define ERR_SIGBUS 200 /* beside the errnos: a touch that was refused */

/* The open instance that a line names; says so if there is none. */
struct instance *op_instance(struct ctx *ctx, const struct op *op);

#endif /* WORKLOAD_OPS_H */
