// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "memledger.h"

const char *const memledger_kinds[LEDGER_KINDS] = {
#define P(X, name, ...) [GMEM_BACKING_##name] = #name,
	GMEM_BACKINGS(P, )
#undef P
		[LEDGER_INSTANCE] = "guest_memfd",
};

const char *const memledger_calls[LEDGER_KINDS] = {
#define P(X, name, call, ...) [GMEM_BACKING_##name] = call,
	GMEM_BACKINGS(P, )
#undef P
		[LEDGER_INSTANCE] = "a hole punched in the instance",
};

const char *const memledger_line_names[LEDGER_NR_LINES] = {
#define P(X, name, ...) [LINE_##name] = #name,
	LEDGER_LINES(P, )
#undef P
};

const char *const memledger_line_texts[LEDGER_NR_LINES] = {
#define P(X, name, own, text) [LINE_##name] = text,
	LEDGER_LINES(P, )
#undef P
};

const char *const memledger_leak_names[] = {
#define X(name, ...) [LEAK_##name] = #name,
	LEDGER_LEAKS(X)
#undef X
};

const char *const memledger_leak_texts[] = {
#define X(name, text) [LEAK_##name] = text,
	LEDGER_LEAKS(X)
#undef X
};

void memledger_begin(struct memledger *ledger)
{
	size_t i;

	for (i = 0; i < ledger->nr_cgroups; i++)
		free(ledger->cgroups[i].path);
	ledger->nr_charges = ledger->nr_vms = ledger->nr_cgroups = ledger->nr_leaks = 0;
	memset(&ledger->meminfo, 0xff, sizeof(ledger->meminfo)); /* GMEM_UNKNOWN */
	ledger->cpu_lists = ledger->dma_pools = ledger->tracing = GMEM_UNKNOWN;
}

void memledger_free(struct memledger *ledger)
{
	memledger_begin(ledger);
	free(ledger->charges);
	free(ledger->vms);
	free(ledger->cgroups);
	free(ledger->leaks);
	memset(ledger, 0, sizeof(*ledger));
}

int memledger_add_charge(struct memledger *ledger, const struct memledger_charge *charge)
{
	struct memledger_charge *c;
	size_t i;

	/* Those of the same thing were added last. */
	for (i = ledger->nr_charges; i-- > 0;) {
		c = &ledger->charges[i];
		if (c->vm_id != charge->vm_id || c->inst_id != charge->inst_id)
			break;
		if (c->cgroup == charge->cgroup && c->node == charge->node &&
		    c->kind == charge->kind) {
			c->pages += charge->pages;
			return 0;
		}
	}
	if (grow(&ledger->charges, &ledger->room_charges, ledger->nr_charges + 1, sizeof(*c)))
		return -ENOMEM;
	ledger->charges[ledger->nr_charges++] = *charge;
	return 0;
}

struct memledger_vm *memledger_vm(struct memledger *ledger, uint64_t vm_id)
{
	struct memledger_vm *vm;
	size_t i;

	for (i = ledger->nr_vms; i-- > 0;) {
		if (ledger->vms[i].vm_id == vm_id)
			return &ledger->vms[i];
	}
	if (grow(&ledger->vms, &ledger->room_vms, ledger->nr_vms + 1, sizeof(*vm)))
		return NULL;
	vm = &ledger->vms[ledger->nr_vms++];
	*vm = (struct memledger_vm){ .vm_id = vm_id };
	vm->guest_tables = vm->own = GMEM_UNKNOWN;
	return vm;
}

/* --- cgroups --- */

static struct memledger_cgroup *cgroup_of(struct memledger *ledger, uint64_t id)
{
	struct memledger_cgroup *cgroup;
	size_t i;

	for (i = 0; i < ledger->nr_cgroups; i++) {
		if (ledger->cgroups[i].id == id)
			return &ledger->cgroups[i];
	}
	if (grow(&ledger->cgroups, &ledger->room_cgroups, ledger->nr_cgroups + 1, sizeof(*cgroup)))
		return NULL;
	cgroup = &ledger->cgroups[ledger->nr_cgroups++];
	*cgroup = (struct memledger_cgroup){ .id = id, .current = GMEM_UNKNOWN };
	memset(&cgroup->stat, 0xff, sizeof(cgroup->stat)); /* GMEM_UNKNOWN */
	return cgroup;
}

int memledger_sum_cgroups(struct memledger *ledger)
{
	const struct memledger_charge *charge;
	struct memledger_cgroup *cgroup;
	size_t i;

	for (i = 0; i < ledger->nr_charges; i++) {
		charge = &ledger->charges[i];
		if (!charge->cgroup || charge->cgroup == GMEM_UNKNOWN)
			continue;
		cgroup = cgroup_of(ledger, charge->cgroup);
		if (!cgroup)
			return -ENOMEM;
		cgroup->pages[charge->kind] += charge->pages;
	}
	return 0;
}

static bool is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return !strncmp(path, top, n) && (!path[n] || path[n] == '/' || (n && top[n - 1] == '/'));
}

void memledger_cgroup_pages(const struct memledger *ledger, const struct memledger_cgroup *cgroup,
			    uint64_t pages[LEDGER_KINDS])
{
	const struct memledger_cgroup *other;
	size_t i;
	int kind;

	memset(pages, 0, LEDGER_KINDS * sizeof(*pages));
	for (i = 0; i < ledger->nr_cgroups; i++) {
		other = &ledger->cgroups[i];
		if (other != cgroup &&
		    (!other->path || !cgroup->path || !is_below(other->path, cgroup->path)))
			continue;
		for (kind = 0; kind < LEDGER_KINDS; kind++)
			pages[kind] += other->pages[kind];
	}
}

bool memledger_cgroup_unexplained(const struct memledger *ledger,
				  const struct memledger_cgroup *cgroup, int64_t *bytes)
{
	const struct memledger_memstat *stat = &cgroup->stat;
	uint64_t pages[LEDGER_KINDS];

	if (cgroup->current == GMEM_UNKNOWN || stat->anonymous == GMEM_UNKNOWN ||
	    stat->kernel == GMEM_UNKNOWN)
		return false;
	memledger_cgroup_pages(ledger, cgroup, pages);
	*bytes = (int64_t)(cgroup->current - stat->anonymous - stat->kernel -
			   (pages[LEDGER_INSTANCE] + pages[GMEM_BACKING_shmem] +
			    pages[GMEM_BACKING_file]) *
				   PAGE_BYTES);
	return true;
}

/* --- the host --- */

static void add_pages(uint64_t *bytes, uint64_t pages)
{
	if (pages != GMEM_UNKNOWN)
		*bytes += pages * PAGE_BYTES;
}

/* What the kernel counts beyond the ledger. A ledger that counts more shows in unexplained. */
static uint64_t beyond(uint64_t kernels, uint64_t ours)
{
	return kernels != GMEM_UNKNOWN && kernels > ours ? kernels - ours : 0;
}

static uint64_t known_or_0(uint64_t n)
{
	return n == GMEM_UNKNOWN ? 0 : n;
}

void memledger_balance(struct memledger *ledger, const struct model *model)
{
	const struct memledger_meminfo *m = &ledger->meminfo;
	uint64_t *lines = ledger->lines, sum = 0;
	const struct model_vm *vm;
	size_t i, kind;

	memset(lines, 0, sizeof(ledger->lines));
	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		if (vm->gone)
			continue;
		add_pages(&lines[LINE_guest_memfd], vm->resident);
		for (kind = 0; kind < GMEM_BACKING_MAX; kind++)
			add_pages(&lines[LINE_backing_anonymous + kind], vm->backing[kind]);
	}
	for (i = 0; i < ledger->nr_vms; i++)
		lines[LINE_vmm] += known_or_0(ledger->vms[i].own);
	lines[LINE_other_anonymous] =
		beyond(m->anonymous, lines[LINE_backing_anonymous] + lines[LINE_backing_copies] +
					     lines[LINE_vmm]);
	lines[LINE_other_shmem] = beyond(m->shmem, lines[LINE_backing_shmem]);
	lines[LINE_other_cache] =
		beyond(known_or_0(m->cached) + known_or_0(m->buffers) + known_or_0(m->swap_cached),
		       known_or_0(m->shmem) + lines[LINE_guest_memfd] + lines[LINE_backing_file]);
	lines[LINE_other_hugetlb] = beyond(m->hugetlb, lines[LINE_backing_hugetlb]);
	lines[LINE_guest_tables] = known_or_0(m->guest_tables);
	lines[LINE_page_tables] = known_or_0(m->page_tables);
	lines[LINE_slab] = known_or_0(m->slab);
	lines[LINE_vmalloc] = known_or_0(m->vmalloc);
	lines[LINE_percpu] = known_or_0(m->percpu);
	lines[LINE_cpu_lists] = known_or_0(ledger->cpu_lists);
	lines[LINE_dma_pools] = known_or_0(ledger->dma_pools);
	lines[LINE_tracing] = known_or_0(ledger->tracing);
	for (i = 0; i < LEDGER_NR_LINES; i++)
		sum += lines[i];
	ledger->used = known_or_0(m->total) - known_or_0(m->free);
	ledger->unexplained = (int64_t)(ledger->used - sum);
}

/* --- leaks --- */

static int add_leak(struct memledger *ledger, const struct memledger_leak *leak)
{
	if (grow(&ledger->leaks, &ledger->room_leaks, ledger->nr_leaks + 1, sizeof(*leak)))
		return -ENOMEM;
	ledger->leaks[ledger->nr_leaks++] = *leak;
	return 0;
}

static bool is_bound(const struct model *model, const struct model_inst *inst)
{
	const struct model_binding *b;
	size_t i, nr;

	b = model_bindings_of(model, inst->now.vm_id, &nr);
	for (i = 0; i < nr; i++) {
		if (b[i].inst_id == inst->now.id)
			return true;
	}
	return false;
}

/* One line for each holder of an instance, or one if no holder is known. */
static int leak_of(struct memledger *ledger, const struct model *model, const struct model_vm *vm,
		   const struct model_inst *inst, enum memledger_leak_why why, uint64_t age)
{
	struct memledger_leak leak = { .vm_id = vm->now.id,
				       .inst_id = inst->now.id,
				       .resident = inst->now.resident,
				       .age_ns = age,
				       .why = why };
	const struct model_holder *h;
	size_t i, nr, found = 0;
	int ret = 0;

	h = model_holders_of(model, vm->now.id, &nr);
	for (i = 0; i < nr && !ret; i++) {
		if (h[i].inst_id != inst->now.id ||
		    (why == LEAK_stranger && h[i].now.tgid == vm->now.tgid))
			continue;
		leak.pid = h[i].now.tgid;
		memcpy(leak.comm, h[i].now.comm, sizeof(leak.comm));
		found++;
		ret = add_leak(ledger, &leak);
	}
	if (!found && why != LEAK_stranger)
		ret = add_leak(ledger, &leak);
	return ret;
}

int memledger_find_leaks(struct memledger *ledger, struct model *model, uint64_t after_ns)
{
	const struct model_inst *inst;
	const struct model_vm *vm;
	uint64_t age;
	size_t i;
	int ret = 0;

	for (i = 0; i < model->nr_insts && !ret; i++) {
		inst = model->insts[i];
		vm = model_vm(model, inst->now.vm_id);
		if (!vm || inst->ended || inst->now.id == GMEM_ID_OTHER ||
		    vm->now.id == GMEM_ID_OTHER || vm->bound == GMEM_UNKNOWN)
			continue;
		if (vm->now.vmm_gone) {
			age = model->now_ns - vm->now.first_ns;
			ret = leak_of(ledger, model, vm, inst, LEAK_vmm_gone, age);
			continue;
		}
		age = inst->unbound_ns ? model->now_ns - inst->unbound_ns : 0;
		if (!is_bound(model, inst) && inst->unbound_ns && age >= after_ns)
			ret = leak_of(ledger, model, vm, inst, LEAK_unbound, age);
		else
			ret = leak_of(ledger, model, vm, inst, LEAK_stranger, 0);
	}
	return ret;
}

/* --- files --- */

void memledger_parse(char *text, const char *const *names, uint64_t *values, size_t nr)
{
	char *line, *save = NULL, *end;
	uint64_t value;
	size_t i, len;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		len = strcspn(line, ": ");
		for (i = 0; i < nr; i++) {
			if (strlen(names[i]) != len || strncmp(line, names[i], len))
				continue;
			value = strtoull(line + len + strspn(line + len, ": "), &end, 10);
			values[i] = value * (strstr(end, "kB") ? 1024 : 1);
		}
	}
}
