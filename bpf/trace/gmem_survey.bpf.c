// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who pays for the pages of a page cache, on which node they are and how large their folios: a walk
 * through the tree that holds them. What the tree has nothing in is skipped node by node, and a
 * folio is one step however large it is. Loaded by gmemtop memory only; user space writes a
 * question to survey and runs gmem_survey.
 *
 * The neighbours of a folio are as a rule of the same cgroup and node.
 */
#include "../kernel/types.h"

#include "../kernel/kvm.h"
#include "../kernel/opaque.h"
#include "backing.h"
#include "xarray.h"

char LICENSE[] SEC("license") = "GPL";

extern void *bpf_rdonly_cast(const void *obj, __u32 type) __ksym __weak;

struct gmem_survey survey;

static __u64 leaf[64];

/* Of the folio before. */
static __u64 last_payer;
static __u32 last_node, last_tally, node_shift;

#define MEMCG_DATA_BITS 7UL /* flags in the lowest bits of folio->memcg_data */
#define ORDER_BITS	0xff
#define SURVEY_LEVELS	11

struct survey_walk {
	struct xarray *tree;
	__u64 at, end;
};

#define FOLIO(pointer) \
	((struct folio *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(struct folio)))
#define PAGE(type, pointer) \
	((struct type *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(struct type)))

/*
 * The node is in the highest bits of the flags of a page where vmemmap is used, as many of them as
 * the kernel has nodes: a list of zones has room for all zones of all nodes.
 */
static __always_inline __u32 find_node_shift(void)
{
	__u64 nodes, zones = bpf_core_enum_value(enum zone_type, __MAX_NR_ZONES);
	__u32 bits = 0;

	if (!zones)
		return 0;
	nodes = bpf_core_field_size(((struct zonelist *)0)->_zonerefs) /
		bpf_core_type_size(struct zoneref) / zones;
	while (bits < 16 && (1ULL << bits) < nodes)
		bits++;
	return bits ? 64 - bits : 0;
}

static __always_inline __u64 cgroup_of_payer(__u64 payer)
{
	struct obj_cgroup *objcg = (void *)payer;
	struct mem_cgroup *memcg = (void *)payer;

	if (!payer)
		return 0;
	/* Where the root has such an object, folios name it in place of the cgroup. */
	if (bpf_core_field_exists(objcg->is_root))
		memcg = BPF_CORE_READ(objcg, memcg);
	return memcg ? BPF_CORE_READ(memcg, css.cgroup, kn, id) : 0;
}

/* The tally of a payer and node that the folio before did not have. Return: its index. */
__noinline __u32 find_tally(__u64 payer, __u32 node)
{
	struct gmem_tally *tally;
	__u32 i;

	for (i = 0; i < GMEM_MAX_TALLIES; i++) {
		tally = &survey.tallies[i];
		if (i == survey.nr_tallies) {
			tally->payer = payer;
			tally->node = node;
			tally->pages = 0;
			tally->cgroup = cgroup_of_payer(payer);
			survey.nr_tallies++;
			return i;
		}
		if (tally->payer == payer && tally->node == node)
			return i;
	}
	return GMEM_MAX_TALLIES;
}

static __always_inline __u64 flags_of_page(__u64 folio)
{
	if (bpf_core_field_exists(((struct page___struct *)0)->flags.f))
		return PAGE(page___struct, (void *)folio)->flags.f;
	return PAGE(page___word, (void *)folio)->flags;
}

static __always_inline __u64 payer_of(__u64 folio)
{
	if (!bpf_core_field_exists(((struct folio *)0)->memcg_data))
		return 0;
	return FOLIO((void *)folio)->memcg_data;
}

static __always_inline __u64 head_flag(void)
{
	return 1ULL << bpf_core_enum_value(enum pageflags, PG_head);
}

static __always_inline void add_pages(__u64 pages)
{
	__u64 at = last_tally;

	if (at >= GMEM_MAX_TALLIES) {
		survey.unpaid += pages;
		return;
	}
	/* LLVM would drop the mask, which the verifier needs. */
	GMEM_OPAQUE(at);
	at &= GMEM_MAX_TALLIES - 1;
	GMEM_OPAQUE(at);
	survey.tallies[at].pages += pages;
}

/* @pages: of the folio that are asked for. @whole: its first page is among them. */
__noinline int add_folio(__u64 folio, __u64 pages, __u32 whole)
{
	__u64 flags = flags_of_page(folio), payer = payer_of(folio) & ~MEMCG_DATA_BITS;
	__u32 node = node_shift ? flags >> (node_shift & 63) : 0, order = 0;

	if (payer != last_payer || node != last_node || last_tally >= GMEM_MAX_TALLIES) {
		last_tally = find_tally(payer, node);
		last_payer = payer;
		last_node = node;
	}
	add_pages(pages);
	if (!whole)
		return 0;
	if (flags & head_flag())
		order = FOLIO((void *)folio)->_flags_1 & ORDER_BITS;
	if (order < GMEM_ORDERS)
		survey.folios[order]++;
	return 0;
}

static __always_inline bool is_folio(__u64 entry)
{
	return entry > 4096 && !(entry & 3);
}

/* A leaf, of which @asked has a bit for each page that is asked for. */
static __noinline void survey_leaf(struct xa_node *node, __u64 asked)
{
	__u64 entry, sibling, bit;
	__u32 i;

	if (bpf_probe_read_kernel(leaf, sizeof(leaf), &node->slots[0]))
		return;
	for (i = 0; i < 64; i++) {
		entry = leaf[i];
		bit = asked >> i;
		GMEM_OPAQUE(bit);
		if (!(bit & 1))
			continue;
		/* The pages behind the first one of a folio. */
		sibling = is_sibling(entry);
		if (sibling)
			entry = leaf[entry >> 2 & 63];
		if (is_folio(entry))
			add_folio(entry, 1, !sibling);
	}
}

static __always_inline __u64 bits_below(__u64 n)
{
	return n < 64 ? (1ULL << (n & 63)) - 1 : ~0ULL;
}

/* One leaf, one slot of an inner node, or nothing: as far as one look reaches. */
static long survey_step(__u32 index, struct survey_walk *walk)
{
	/* Not in one expression: the types of this file are not relocated. */
	struct xarray *tree = walk->tree;
	__u64 at = walk->at, entry = (__u64)BPF_CORE_READ(tree, xa_head), last, first;
	struct xa_node *node = as_node(entry);
	__u32 shift, i;
	bool whole;

	if (at >= walk->end)
		return 1;
	walk->at = walk->end;
	if (!node) {
		if (!at && is_folio(entry))
			add_folio(entry, 1, 1);
		return 1;
	}
	shift = BPF_CORE_READ(node, shift);
	if (shift > 58 || at >> shift > 63)
		return 1;
	for (i = 0; i < SURVEY_LEVELS && shift; i++) {
		shift &= 63;
		first = at >> shift << shift;
		last = first + (1ULL << shift);
		if (bpf_probe_read_kernel(&entry, sizeof(entry), &node->slots[at >> shift & 63]))
			return 1;
		whole = !is_sibling(entry);
		if (!whole)
			bpf_probe_read_kernel(&entry, sizeof(entry), &node->slots[entry >> 2 & 63]);
		node = as_node(entry);
		if (!node) {
			if (last < walk->end)
				walk->at = last;
			if (is_folio(entry))
				add_folio(entry, walk->at - at, whole && first == at);
			return 0;
		}
		shift = BPF_CORE_READ(node, shift);
	}
	if (shift)
		return 1;
	first = at & ~63ULL;
	if (first + 64 < walk->end)
		walk->at = first + 64;
	survey_leaf(node, bits_below(walk->at - first) & ~bits_below(at - first));
	return 0;
}

static __always_inline void survey_tree(struct xarray *tree, __u64 at, __u64 end)
{
	struct survey_walk walk = { .tree = tree, .at = at, .end = end };

	bpf_loop(survey.steps, survey_step, &walk, 0);
	survey.at += walk.at - at;
	survey.answered = 1;
}

/* The file of an instance, or nothing if it has ended. */
static __always_inline void survey_instance(void)
{
	struct inode *inode = (struct inode *)survey.inode;
	void *mapping;

	if (!inode_is(inode, survey.ino, survey.dev))
		return;
	mapping = BPF_CORE_READ(inode, i_mapping);
	survey_tree(mapping + bpf_core_field_offset(struct address_space, i_pages), survey.at,
		    survey.end);
}

static __always_inline void survey_backing(struct task_struct *task)
{
	struct backing backing = { .address = survey.userspace + (survey.at << PAGE_SHIFT),
				   .pages = survey.end - survey.at };
	struct bpf_iter_task_vma it;

	if (!bpf_iter_task_vma_new(&it, task, backing.address)) {
		note_backing(&backing, bpf_iter_task_vma_next(&it));
		survey.kind = backing.kind;
		survey.end = survey.at + backing.pages;
		bpf_rcu_read_lock();
		if (backing.tree) {
			survey_tree(backing.tree, backing.pgoff, backing.pgoff + backing.pages);
		} else {
			survey.at = survey.end;
			survey.answered = 1;
		}
		bpf_rcu_read_unlock();
	}
	bpf_iter_task_vma_destroy(&it);
}

static __always_inline __u64 mmu_pages_of(struct kvm *kvm)
{
	struct kvm_arch___mmu *mmu = (void *)kvm + bpf_core_field_offset(struct kvm, arch);
	__u64 pages;

	if (!bpf_core_field_exists(mmu->tdp_mmu_pages))
		return GMEM_UNKNOWN;
	pages = BPF_CORE_READ(mmu, tdp_mmu_pages.counter);
	if (bpf_core_field_exists(mmu->n_used_mmu_pages))
		pages += BPF_CORE_READ(mmu, n_used_mmu_pages);
	return pages;
}

SEC("syscall")
int gmem_survey(void *ctx)
{
	struct kvm *kvm = (struct kvm *)survey.kvm;
	struct task_struct *task;

	survey.answered = 0;
	last_tally = GMEM_MAX_TALLIES;
	node_shift = find_node_shift();
	if (!bpf_rdonly_cast)
		return 0;
	survey.mmu_pages = GMEM_UNKNOWN;
	if (kvm && is_alive(kvm, survey.mm))
		survey.mmu_pages = mmu_pages_of(kvm);
	if (survey.inode) {
		bpf_rcu_read_lock();
		survey_instance();
		bpf_rcu_read_unlock();
		return 0;
	}
	if (!survey.tgid) {
		survey.answered = 1;
		return 0;
	}
	if (!bpf_task_from_pid || !bpf_task_release || !bpf_iter_task_vma_new)
		return 0;
	task = bpf_task_from_pid(survey.tgid);
	if (!task)
		return 0;
	if ((__u64)BPF_CORE_READ(task, mm) == survey.mm)
		survey_backing(task);
	bpf_task_release(task);
	return 0;
}
