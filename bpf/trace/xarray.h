/* SPDX-License-Identifier: GPL-2.0-only */
/* How the kernel's trees mark their entries, include/linux/xarray.h. */
#ifndef GMEM_TRACE_XARRAY_H
#define GMEM_TRACE_XARRAY_H

#include "../kernel/opaque.h"
#include "../kernel/types.h"

/* An inner node, or NULL. */
static __always_inline struct xa_node *as_node(__u64 entry)
{
	return (entry & 3) == 2 && entry > 4096 ? (struct xa_node *)(entry - 2) : NULL;
}

/* 1 if the slot belongs to what is in a slot before it, which is larger than one; else 0. */
static __always_inline __u64 is_sibling(__u64 entry)
{
	__u64 high = entry >> 8;

	return entry >> 1 & ~entry & ~gmem_top_bit(high | -high) & 1;
}

#endif /* GMEM_TRACE_XARRAY_H */
