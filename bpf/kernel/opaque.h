/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the compiler from turning arithmetic into branches or into operations that BPF lacks.
 *
 * The kernel's verifier follows both ways of a branch on an unknown value, so one branch in a loop
 * of 64 rounds is 2^64 ways. The code that includes this file computes bits without branches, and
 * LLVM recognises what is computed: from version 16 on it makes (x >> 63) << i a select, which BPF
 * can only express as a branch, and a multiplication with a table behind it a count of trailing
 * zeros, which the BPF backend of LLVM 17 and 18 cannot compile. An empty asm statement hides where
 * a value comes from and costs no instruction.
 */
#ifndef GMEM_KERNEL_OPAQUE_H
#define GMEM_KERNEL_OPAQUE_H

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define GMEM_OPAQUE(x) asm volatile("" : "+r"(x))

/*
 * The highest bit of a number, as 0 or 1. Opaque on both sides: the first statement keeps LLVM from
 * comparing the number with 0, the second from branching on a value that is known to be 0 or 1.
 */
static __always_inline __u64 gmem_top_bit(__u64 x)
{
	GMEM_OPAQUE(x);
	x >>= 63;
	GMEM_OPAQUE(x);
	return x;
}

#endif /* GMEM_KERNEL_OPAQUE_H */
