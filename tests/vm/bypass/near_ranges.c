// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers at the ends of what a rule names: flags, sizes, guest addresses and offsets. Where the
 * kernel refuses a number it does so before anybody is asked, which is as good.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "../lib/kvm.h"
#include "bypass.h"

#define PAGE 4096UL
#define HALF (2 * PAGE)
_Static_assert(INSTANCE_SIZE == 2 * HALF, "as the rules have it");

/* --- flags and sizes of a creation --- */

static int create(enum instance_kind kind, uint64_t size, uint64_t flags)
{
	struct vmm v;

	return vmm_open(&v, kind) ?: result_of(kvm_create_instance(v.vm, size, flags));
}

#define CREATE(name, kind, size, flags)           \
	static int name(int peer)                 \
	{                                         \
		(void)peer;                       \
		return create(kind, size, flags); \
	}

#define BOTH (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

CREATE(shared_alone, VIEW, INSTANCE_SIZE, GUEST_MEMFD_FLAG_INIT_SHARED)
CREATE(both_flags, VIEW, INSTANCE_SIZE, BOTH)
CREATE(flag_4, PLAIN, INSTANCE_SIZE, 4)
CREATE(flag_31, PLAIN, INSTANCE_SIZE, 1UL << 31)
CREATE(flag_32, PLAIN, INSTANCE_SIZE, 1UL << 32)
CREATE(flag_63, PLAIN, INSTANCE_SIZE, 1UL << 63)
CREATE(flags_all, PLAIN, INSTANCE_SIZE, ~0UL)
CREATE(both_and_32, VIEW, INSTANCE_SIZE, BOTH | 1UL << 32)
CREATE(size_0, PLAIN, 0, 0)
CREATE(size_most, PLAIN, -PAGE, 0)
CREATE(size_odd, PLAIN, PAGE + 1, 0)
CREATE(size_signed, PLAIN, 1UL << 63, 0)
CREATE(size_page_more, PLAIN, INSTANCE_SIZE + PAGE, 0)
CREATE(size_huge, PLAIN, (1UL << 63) - PAGE, 0)
CREATE(size_32_bits, PLAIN, (1UL << 32) + PAGE, 0)
CREATE(size_exact, PLAIN, INSTANCE_SIZE, 0)

/* --- ranges and offsets of a binding --- */

static int bind_at(uint64_t gpa, uint64_t size, uint64_t offset)
{
	struct vmm v;
	int ret = vmm_make_bindable(&v);

	return ret ?: result_of(kvm_bind(v.vm, BYPASS_SLOT, v.fd, gpa, size, offset));
}

#define BIND(name, gpa, size, offset)              \
	static int name(int peer)                  \
	{                                          \
		(void)peer;                        \
		return bind_at(gpa, size, offset); \
	}

#define GPA KVM_TEST_GPA

BIND(bind_astride, GPA, HALF, PAGE)
BIND(bind_one_more, GPA, HALF + PAGE, 0)
BIND(bind_last_page, GPA, PAGE, INSTANCE_SIZE - PAGE)
BIND(bind_offset_wraps, GPA, HALF, -PAGE)
BIND(bind_offset_most, GPA, PAGE, -PAGE)
BIND(bind_offset_signed, GPA, PAGE, 1UL << 63)
BIND(bind_offset_odd, GPA, PAGE, 1)
BIND(bind_beyond, GPA, HALF, INSTANCE_SIZE - PAGE)
BIND(bind_size_most, GPA, -PAGE, 0)
BIND(bind_size_odd, GPA, PAGE + 1, 0)
BIND(bind_gpa_wraps, -PAGE, HALF, 0)
BIND(bind_gpa_odd, GPA + 1, PAGE, 0)
BIND(bind_before, GPA - PAGE, HALF, 0)
BIND(bind_over_end, GPA + PAGE, HALF, 0)
BIND(bind_behind, GPA + HALF, HALF, 0)
BIND(bind_inside, GPA, HALF, 0)

/* Bound as allowed, and the other half in another slot. */
static int bind_other_slot(int peer)
{
	struct vmm v;
	int ret = vmm_make_bindable(&v);

	(void)peer;
	ret = ret ?: result_of(kvm_bind(v.vm, BYPASS_SLOT, v.fd, GPA, HALF, 0));
	if (ret)
		return ret;
	return result_of(kvm_bind(v.vm, BYPASS_SLOT + 1, v.fd, GPA + HALF, HALF, HALF));
}

/* The same in the other address space of the VM, which is SMM's. */
static int bind_other_space(int peer)
{
	struct vmm v;
	int ret = vmm_make_bindable(&v);

	(void)peer;
	return ret ?: result_of(kvm_bind(v.vm, BYPASS_SLOT | 1 << 16, v.fd, GPA, HALF, HALF));
}

/* --- ranges of a conversion --- */

static int convert_at(uint64_t gpa, uint64_t size, uint64_t attributes)
{
	struct vmm v;
	int ret = vmm_make(&v, PRIVATE) ?: vmm_bind(&v);

	return ret ?: result_of(kvm_convert(v.vm, gpa, size, attributes));
}

#define CONVERT(name, gpa, size, attributes)              \
	static int name(int peer)                         \
	{                                                 \
		(void)peer;                               \
		return convert_at(gpa, size, attributes); \
	}

#define TO_PRIVATE KVM_MEMORY_ATTRIBUTE_PRIVATE

CONVERT(convert_astride, GPA + PAGE, HALF, TO_PRIVATE)
CONVERT(convert_before, GPA - PAGE, HALF, TO_PRIVATE)
CONVERT(convert_behind, GPA + HALF, PAGE, TO_PRIVATE)
CONVERT(convert_inside, GPA, HALF, TO_PRIVATE)
CONVERT(convert_none, GPA, 0, TO_PRIVATE)
CONVERT(convert_wraps, -PAGE, HALF, TO_PRIVATE)
CONVERT(convert_odd, GPA + 1, PAGE, TO_PRIVATE)
CONVERT(convert_size_odd, GPA, PAGE + 1, TO_PRIVATE)
CONVERT(convert_unknown, GPA, PAGE, 1UL << 63)
CONVERT(convert_more, GPA, PAGE, TO_PRIVATE | 1)

#define FOR_A "subjects: { a: { exe: " BYPASS_DIR "/a } }\nrules:\n"
#define DENY_SHARED                                                                            \
	FOR_A "  - { name: b, deny: create, subjects: any, when: { flags: [init-shared] } }\n" \
	      "  - { name: a, allow: all, subjects: [a] }\n"
#define ONLY_MMAP FOR_A "  - { name: a, allow: create, subjects: [a], when: { flags: [mmap] } }\n"
#define ONLY_RAW  FOR_A "  - { name: a, allow: create, subjects: [a], when: { flags: [0x4] } }\n"
#define ONLY_SIZE FOR_A "  - { name: a, allow: create, subjects: [a], when: { size: <= 16KiB } }\n"
#define LOWER                                                                             \
	FOR_A "  - { name: low, allow: bind, subjects: [a], when: { offset: 0-8KiB } }\n" \
	      "  - { name: a, allow: [create, mmap], subjects: [a] }\n"                   \
	      "  - { name: b, deny: bind, subjects: any }\n"
#define IN_RANGE(op)                                            \
	FOR_A "  - { name: low, allow: " op ", subjects: [a], " \
	      "when: { range: 0x100000000+8KiB } }\n"           \
	      "  - { name: b, deny: " op ", subjects: any }\n"  \
	      "  - { name: a, allow: all, subjects: [a] }\n"
_Static_assert(KVM_TEST_GPA == 0x100000000, "as the rule has it");

/*
 * By conditions that only the hooks of kernel-patches/ know. Which of the other kernels can load
 * the rule does not matter where there is nothing to be asked for: flags in 6.12, conversions in
 * both of Debian's.
 */
/* clang-format off */
#define CASE(number, what, on, text, does) \
	.id = number, .path = what, .op = on, .policy = (text), PLAYER(a, does)
#define PLAIN_LANES(...)   LANES(__VA_ARGS__, UNLOADABLE, UNLOADABLE, UNLOADABLE), .by_config = true
#define VIEW_LANES(...)	   LANES(__VA_ARGS__, UNLOADABLE, UNLOADABLE, ABSENT)
#define CONVERT_LANES(...) LANES(__VA_ARGS__, UNLOADABLE, ABSENT, ABSENT), .by_config = true
#define STOPS(number, what, op, text, does)                                                \
	{                                                                                  \
		CASE(number, what, GMEM_DO_##op, text, does), PLAIN_LANES(STOPPED(EACCES)) \
	}
#define REFUSES(number, what, text, does)                                                  \
	{                                                                                  \
		CASE(number, what, BYPASS_NO_OP, text, does), PLAIN_LANES(REFUSED(EINVAL)) \
	}
#define MAY(number, what, text, does)                                              \
	{                                                                          \
		CASE(number, what, BYPASS_NO_OP, text, does), PLAIN_LANES(ALLOWED) \
	}
#define STOPS_VIEW(number, what, text, does)                                                \
	{                                                                                   \
		CASE(number, what, GMEM_DO_create, text, does), VIEW_LANES(STOPPED(EACCES)) \
	}
#define STOPS_CONVERT(number, what, does)                              \
	{                                                              \
		CASE(number, what, GMEM_DO_convert, CONVERSION, does), \
			CONVERT_LANES(STOPPED(EACCES))                 \
	}
#define REFUSES_CONVERT(number, what, does)                                                        \
	{                                                                                          \
		CASE(number, what, BYPASS_NO_OP, CONVERSION, does), CONVERT_LANES(REFUSED(EINVAL)) \
	}
/* clang-format on */

#define RANGE	   IN_RANGE("bind")
#define CONVERSION IN_RANGE("convert")

/* clang-format off */
const struct bypass_case bypass_near_ranges[] = {
	STOPS_VIEW("300", "a rule denies init-shared: that flag alone", DENY_SHARED, shared_alone),
	STOPS_VIEW("300b", "a rule allows the flag mmap: both flags", ONLY_MMAP, both_flags),
	STOPS_VIEW("300c", "a rule allows the raw flag 4: none of it, and both others", ONLY_RAW, both_flags),
	REFUSES("300d", "a rule denies init-shared: the unknown flag 4", DENY_SHARED, flag_4),
	REFUSES("300e", "a rule allows the raw flag 4: that", ONLY_RAW, flag_4),
	REFUSES("300f", "a rule denies init-shared: bit 31", DENY_SHARED, flag_31),
	REFUSES("300g", "the same: bit 32, which 32 bits do not hold", DENY_SHARED, flag_32),
	REFUSES("300h", "the same: bit 63", DENY_SHARED, flag_63),
	REFUSES("300i", "the same: all bits", DENY_SHARED, flags_all),
	{ CASE("300j", "a rule allows the flag mmap: both flags and bit 32", BYPASS_NO_OP, ONLY_MMAP, both_and_32), VIEW_LANES(REFUSED(EINVAL)) },
	REFUSES("301", "a rule limits the size: 0", ONLY_SIZE, size_0),
	REFUSES("301b", "the same: one page below 2^64", ONLY_SIZE, size_most),
	REFUSES("301c", "the same: a page and a byte", ONLY_SIZE, size_odd),
	REFUSES("301d", "the same: 2^63, a negative number to the kernel", ONLY_SIZE, size_signed),
	STOPS("301e", "the same: a page more", create, ONLY_SIZE, size_page_more),
	STOPS("301f", "the same: one page below 2^63", create, ONLY_SIZE, size_huge),
	STOPS("301g", "the same: 2^32 and a page, which is little in 32 bits", create, ONLY_SIZE, size_32_bits),
	MAY("F130", "a rule limits the size: exactly that", ONLY_SIZE, size_exact),
	STOPS("302", "A may bind the lower half: from its second page on", bind, LOWER, bind_astride),
	STOPS("302b", "the same: and a page more", bind, LOWER, bind_one_more),
	STOPS("302c", "the same: the last page", bind, LOWER, bind_last_page),
	STOPS("302d", "the same: the lower half, and the other one in another slot", bind, LOWER, bind_other_slot),
	REFUSES("302e", "the same: the upper half in the address space of SMM", LOWER, bind_other_space),
	REFUSES("302f", "the same: offset and size beyond 2^64", LOWER, bind_offset_wraps),
	REFUSES("302g", "the same: the last offset that there is", LOWER, bind_offset_most),
	REFUSES("302h", "the same: offset 2^63", LOWER, bind_offset_signed),
	REFUSES("302i", "the same: offset 1", LOWER, bind_offset_odd),
	REFUSES("302j", "the same: beyond the end of the instance", LOWER, bind_beyond),
	REFUSES("302k", "the same: one page less than 2^64", LOWER, bind_size_most),
	REFUSES("302l", "the same: a page and a byte", LOWER, bind_size_odd),
	STOPS("303", "A may bind guest addresses: from a page before them on", bind, RANGE, bind_before),
	STOPS("303b", "the same: a page over their end", bind, RANGE, bind_over_end),
	STOPS("303c", "the same: behind them", bind, RANGE, bind_behind),
	REFUSES("303d", "the same: over 2^64", RANGE, bind_gpa_wraps),
	REFUSES("303e", "the same: an address that begins no page", RANGE, bind_gpa_odd),
	MAY("F131", "A may bind guest addresses: exactly these", RANGE, bind_inside),
	STOPS_CONVERT("304", "A may convert guest addresses: a page over their end", convert_astride),
	STOPS_CONVERT("304b", "the same: from a page before them on", convert_before),
	STOPS_CONVERT("304c", "the same: behind them", convert_behind),
	REFUSES_CONVERT("304d", "the same: nothing", convert_none),
	REFUSES_CONVERT("304e", "the same: over 2^64", convert_wraps),
	REFUSES_CONVERT("304f", "the same: an address that begins no page", convert_odd),
	REFUSES_CONVERT("304g", "the same: a page and a byte", convert_size_odd),
	REFUSES_CONVERT("304h", "the same: an unknown attribute", convert_unknown),
	REFUSES_CONVERT("304i", "the same: private, and the bit of another attribute", convert_more),
	{ CASE("F132", "A may convert guest addresses: exactly these", BYPASS_NO_OP, CONVERSION, convert_inside), CONVERT_LANES(ALLOWED) },
	{ 0 },
};
/* clang-format on */
