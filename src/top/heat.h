/* SPDX-License-Identifier: GPL-2.0-only */
/* The heat map of a VM: which parts of the guest's address space are converted. Pure. */
#ifndef GMEM_HEAT_TOP_H
#define GMEM_HEAT_TOP_H

#include "../../bpf/abi/trace.h"

/* Add a map to another one; their cells may have different sizes. */
void heat_add(struct gmem_heat *to, const struct gmem_heat *from);

/* What came since @before. Cells only grow: where @before has larger ones, nothing is known. */
struct gmem_heat heat_since(const struct gmem_heat *now, const struct gmem_heat *before);

/* Cells up to the last one that is not empty. */
unsigned int heat_cells(const struct gmem_heat *heat);

#endif /* GMEM_HEAT_TOP_H */
