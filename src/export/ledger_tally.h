/* SPDX-License-Identifier: GPL-2.0-only */
/* Arithmetic with tallies (ledger.h). */
#ifndef GMEM_LEDGER_TALLY_H
#define GMEM_LEDGER_TALLY_H

#include "ledger.h"

/* What a VM did since the source began to count. */
void tally_of(struct tally *tally, const struct model_vm *vm);

/* What all VMs did. @host: as model_host() has it */
void tally_of_host(struct tally *tally, const struct model_vm *host, const struct model *model);

void tally_add(struct tally *to, const struct tally *what);

/* No counter becomes less than 0. */
void tally_sub(struct tally *from, const struct tally *what);

/* No counter becomes less than it is. */
void tally_raise(struct tally *to, const struct tally *what);

#endif /* GMEM_LEDGER_TALLY_H */
