/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In which bucket of a histogram a duration is counted (bpf/abi/trace.h). Compiled for BPF and for
 * user space.
 */
#ifndef GMEM_TRACE_BUCKETS_H
#define GMEM_TRACE_BUCKETS_H

#include "../abi/trace.h"

#define X2(n)  (n), (n)
#define X4(n)  X2(n), X2(n)
#define X8(n)  X4(n), X4(n)
#define X16(n) X8(n), X8(n)
#define X32(n) X16(n), X16(n)

/* clang-format off */
/* The bucket of a duration that fits a byte. */
static const __u8 gmem_small_bucket[256] = {
	0, 1, 2, 3, 4, 5, 6, 7,
	X2(8), X2(9), X2(10), X2(11),
	X4(12), X4(13), X4(14), X4(15),
	X8(16), X8(17), X8(18), X8(19),
	X16(20), X16(21), X16(22), X16(23),
	X32(24), X32(25), X32(26), X32(27),
};
/* clang-format on */

#undef X2
#undef X4
#undef X8
#undef X16
#undef X32

/*
 * A shift leaves a byte of which the table needs the highest bit and the two below it: without the
 * six bits that are shifted out, a duration is six powers of two, or 24 buckets, lower.
 */
static __attribute__((always_inline)) inline __u32 gmem_bucket(__u64 ns)
{
	if (ns < 1 << 14) {
		if (ns < 1 << 8)
			return gmem_small_bucket[ns];
		return 24 + gmem_small_bucket[ns >> 6 & 255];
	}
	if (ns < 1 << 20)
		return 48 + gmem_small_bucket[ns >> 12 & 255];
	if (ns < 1 << 26)
		return 72 + gmem_small_bucket[ns >> 18 & 255];
	if (ns >> 33)
		return GMEM_HIST_BUCKETS - 1;
	if (ns >> 32)
		return 120 + gmem_small_bucket[ns >> 30 & 255];
	return 96 + gmem_small_bucket[ns >> 24 & 255];
}

#endif /* GMEM_TRACE_BUCKETS_H */
