/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that is held twice, page by page. Pure. */
#ifndef GMEM_WASTE_H
#define GMEM_WASTE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../bpf/abi/ledger.h"

/* Pages of a binding. */
struct waste {
	uint64_t private;		    /* private */
	uint64_t resident;		    /* of the instance, in memory */
	uint64_t backing[GMEM_BACKING_MAX]; /* of the shared backing, in memory */
	uint64_t private_resident;	    /* private, and in memory */
	uint64_t instance;		    /* in memory, though the guest's page is shared */
	uint64_t twice[GMEM_BACKING_MAX];   /* of the backing, though the guest's page is private */
};

/**
 * waste_count - add a range of a binding
 * @waste: the sums
 * @private, @resident: a bit for each page of the range
 * @pages: how many there are; bits behind them are not looked at
 * @both: the instance serves what is shared too, so that nothing of it is there in vain
 */
void waste_count(struct waste *waste, const uint64_t *private, const uint64_t *resident,
		 uint64_t pages, bool both);

/**
 * waste_count_backing - add the shared backing of a range, of one kind
 * @backing: a bit for each page of the range that is in memory
 * @both: as in waste_count(): the guest does not use the backing
 */
void waste_count_backing(struct waste *waste, enum gmem_backing kind, const uint64_t *private,
			 const uint64_t *backing, uint64_t pages, bool both);

/* Over all kinds. */
uint64_t waste_sum(const uint64_t pages[GMEM_BACKING_MAX]);

#endif /* GMEM_WASTE_H */
