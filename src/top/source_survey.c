// SPDX-License-Identifier: GPL-2.0-only
/* Who pays for the memory of VMs, asked of the program in bpf/trace/survey.h. */
#include <errno.h>
#include <string.h>

#include "memledger.h"
#include "source_inner.h"

/* Behind the types that it uses. */
#include "gmem_survey.skel.h"

#define TRIES 3
/* Nodes of a page cache in one run: each has 64 pages at most. */
#define STEPS 2048

int survey_open(struct source_bpf *s)
{
	s->survey = gmem_survey_bpf__open_and_load();
	return s->survey ? 0 : -errno;
}

void survey_close(struct source_bpf *s)
{
	gmem_survey_bpf__destroy(s->survey);
	s->survey = NULL;
}

/* Return: 0, -EAGAIN if there was no answer, or another negative errno. */
static int ask(struct source_bpf *s)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts);
	int ret = 0, tries;

	for (tries = 0; tries < TRIES; tries++) {
		ret = bpf_prog_test_run_opts(bpf_program__fd(s->survey->progs.gmem_survey), &opts);
		if (ret || s->survey->bss->survey.answered)
			return ret;
	}
	return -EAGAIN;
}

/* What was answered, which is of one kind. */
static int take(struct source_bpf *s, struct memledger *ledger, struct memledger_vm *vm,
		struct memledger_charge *charge)
{
	const struct gmem_survey *told = &s->survey->bss->survey;
	uint64_t pages = 0;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < told->nr_tallies && !ret; i++) {
		charge->cgroup = told->tallies[i].cgroup;
		charge->node = told->tallies[i].node;
		charge->pages = told->tallies[i].pages;
		pages += charge->pages;
		ret = memledger_add_charge(ledger, charge);
	}
	if (!ret && told->unpaid) {
		charge->cgroup = GMEM_UNKNOWN;
		charge->node = 0;
		charge->pages = told->unpaid;
		pages += charge->pages;
		ret = memledger_add_charge(ledger, charge);
	}
	if (charge->kind == LEDGER_INSTANCE)
		vm->resident += pages;
	for (i = 0; i < GMEM_ORDERS; i++)
		vm->folios[i] += told->folios[i];
	return ret;
}

/*
 * A range of pages: of an instance, or behind an address. @of: what is asked, without the range.
 * Return: 0, -EAGAIN if it could not be looked at, -EINTR or -ENOMEM.
 */
static int survey_range(struct source_bpf *s, struct memledger *ledger, struct memledger_vm *vm,
			const struct gmem_survey *of, struct memledger_charge *charge, uint64_t end,
			const volatile sig_atomic_t *stop)
{
	struct gmem_survey *survey = &s->survey->bss->survey;
	uint64_t at = 0;
	int ret;

	while (at < end) {
		if (*stop)
			return -EINTR;
		*survey = *of;
		survey->at = at;
		survey->end = end;
		survey->steps = STEPS;
		ret = ask(s);
		if (ret)
			return ret;
		if (survey->at <= at)
			return -EAGAIN;
		if (!of->inode)
			charge->kind = survey->kind;
		if (charge->kind < LEDGER_KINDS || of->inode) {
			ret = take(s, ledger, vm, charge);
			if (ret)
				return ret;
		}
		at = survey->at;
	}
	return 0;
}

static int survey_instances(struct source_bpf *s, struct model *model, struct memledger *ledger,
			    const struct model_vm *of, struct memledger_vm *vm,
			    const volatile sig_atomic_t *stop)
{
	struct memledger_charge charge = { .vm_id = of->now.id, .kind = LEDGER_INSTANCE };
	struct gmem_survey question = { .kvm = of->now.kvm, .mm = of->now.mm };
	int ret = 0, map = bpf_map__fd(s->skel->maps.gmem_instances);
	struct gmem_inst_key key = { 0 };
	struct gmem_inst entry;
	struct model_inst **inst;
	size_t i, nr;

	inst = model_insts_of(model, of->now.id, &nr);
	for (i = 0; i < nr && !ret; i++) {
		if (inst[i]->ended || !inst[i]->now.ino)
			continue;
		key.ino = question.ino = inst[i]->now.ino;
		key.dev = question.dev = inst[i]->now.dev;
		/* Without an inode it has ended. */
		if (bpf_map_lookup_elem(map, &key, &entry) || !entry.inode) {
			vm->surveyed = false;
			continue;
		}
		question.inode = entry.inode;
		charge.inst_id = inst[i]->now.id;
		ret = survey_range(s, ledger, vm, &question, &charge, inst[i]->now.size >> 12,
				   stop);
		vm->surveyed &= !ret;
		/* It may have ended. */
		if (ret == -EAGAIN)
			ret = 0;
	}
	return ret;
}

static int survey_backing(struct source_bpf *s, const struct model *model, struct memledger *ledger,
			  const struct model_vm *of, struct memledger_vm *vm,
			  const volatile sig_atomic_t *stop)
{
	struct gmem_survey question = { .mm = of->now.mm, .tgid = of->now.tgid };
	struct memledger_charge charge = { .vm_id = of->now.id };
	const struct model_binding *b;
	size_t i, nr;
	int ret = 0;

	b = model_bindings_of(model, of->now.id, &nr);
	for (i = 0; i < nr && !ret; i++) {
		question.userspace = b[i].now.userspace;
		ret = survey_range(s, ledger, vm, &question, &charge, b[i].now.pages, stop);
		vm->surveyed &= !ret;
		if (ret == -EAGAIN)
			ret = 0;
	}
	return ret;
}

/* Bytes. */
static uint64_t guest_tables_of(struct source_bpf *s, const struct model_vm *of)
{
	struct gmem_survey *survey = &s->survey->bss->survey;
	int ret;

	*survey = (struct gmem_survey){ .kvm = of->now.kvm, .mm = of->now.mm };
	ret = ask(s);
	return ret || survey->mmu_pages == GMEM_UNKNOWN ? GMEM_UNKNOWN
							: survey->mmu_pages * PAGE_BYTES;
}

int source_survey(struct source_bpf *s, struct model *model, struct memledger *ledger,
		  const volatile sig_atomic_t *stop)
{
	const struct model_vm *of;
	struct memledger_vm *vm;
	size_t i;
	int ret = 0;

	for (i = 0; i < model->nr_vms && !ret; i++) {
		of = model->vms[i];
		if (of->gone || of->absent || !of->now.kvm)
			continue;
		vm = memledger_vm(ledger, of->now.id);
		if (!vm)
			return -ENOMEM;
		vm->surveyed = true;
		vm->guest_tables = guest_tables_of(s, of);
		ret = survey_instances(s, model, ledger, of, vm, stop);
		if (!ret)
			ret = survey_backing(s, model, ledger, of, vm, stop);
	}
	return ret;
}
