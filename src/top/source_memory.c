// SPDX-License-Identifier: GPL-2.0-only
/* What is bound where, who holds it, and what is held twice: looked at only when it is wanted. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/bindings.h"
#include "../lib/grow.h"
#include "holds.h"
#include "pagemap.h"
#include "source_inner.h"
#include "waste.h"

#define TRIES		3 /* when memslots change while they are read */
#define PAGES_PER_BLOCK 64
#define MAX_PAGES	(GMEM_MAX_BLOCKS * PAGES_PER_BLOCK)

/* --- holders --- */

/* Without a model: what is visited is only made known to the programs. */
static int take_hold(struct source_bpf *s, struct model *model, int kind __attribute__((unused)),
		     void *record)
{
	if (!model)
		return 0;
	if (grow(&s->holds, &s->room_holds, s->nr_holds + 1, sizeof(*s->holds)))
		return -ENOMEM;
	memcpy(&s->holds[s->nr_holds++], record, sizeof(*s->holds));
	return 0;
}

static int add_holder(void *model, const struct sample_holder *holder)
{
	return model_add_holder(model, holder);
}

static int visit(struct source_bpf *s, struct model *model)
{
	int i, ret = 0;

	s->nr_holds = 0;
	for (i = 0; i < NR_VISITS && !ret; i++)
		ret = source_records(s, s->visits[i], sizeof(struct gmem_holder), NULL, take_hold,
				     model, i);
	return ret || !model ? ret : holds_sum(s->holds, s->nr_holds, add_holder, model);
}

int source_visit(struct source_bpf *s)
{
	s->visits[GMEM_HOLD_FD] = bpf_program__attach_iter(s->skel->progs.gmem_visit_fds, NULL);
	if (!s->visits[GMEM_HOLD_FD])
		return -errno;
	s->visits[GMEM_HOLD_MAPPING] =
		bpf_program__attach_iter(s->skel->progs.gmem_visit_maps, NULL);
	if (!s->visits[GMEM_HOLD_MAPPING])
		return -errno;
	return visit(s, NULL);
}

/* --- bindings --- */

/* Return: 0, -EAGAIN if there was no answer, or another negative errno. */
static int ask(struct source_bpf *s, struct bpf_program *program)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts);
	int ret;

	ret = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	if (ret)
		return ret;
	return s->skel->bss->question.answered ? 0 : -EAGAIN;
}

/* Into s->found. Return: how many, -EAGAIN if there was no answer, or another negative errno. */
static long list_bindings(struct source_bpf *s, const struct sample_vm *vm)
{
	struct bindings_place place = {
		.program = bpf_program__fd(s->skel->progs.gmem_bindings),
		.question = &s->skel->bss->question,
		.answer = s->skel->bss->bindings,
		.nr_answer = &s->skel->bss->nr_bindings,
	};

	return bindings_of(&place, vm->kvm, vm->mm, &s->found, &s->room_found);
}

/* Return: 0, also when it could not be told, or -ENOMEM. */
static int add_bindings(struct source_bpf *s, struct model *model, struct model_vm *vm)
{
	long nr = -EAGAIN, i;
	int tries;

	for (tries = 0; tries < TRIES && nr == -EAGAIN; tries++)
		nr = list_bindings(s, &vm->now);
	if (nr < 0)
		return nr == -ENOMEM ? -ENOMEM : 0;
	for (i = 0; i < nr; i++) {
		const struct gmem_binding *b = &s->found[i];
		struct sample_binding binding = {
			.ino = b->ino,
			.gfn = b->gfn,
			.pages = b->pages,
			.pgoff = b->pgoff,
			.userspace = b->userspace,
			.flags = b->flags,
			.dev = b->dev,
			.slot = b->slot,
			.space = b->space,
		};

		if (!model_add_binding(model, vm->now.id, &binding))
			return -ENOMEM;
	}
	vm->bound = 0;
	return 0;
}

/* --- waste --- */

/* The pages of a binding, so many from @at on. Return: 0 or as ask(). */
static int read_pages(struct source_bpf *s, const struct sample_vm *vm,
		      const struct gmem_binding *binding, uint64_t at, uint64_t pages)
{
	s->skel->bss->question = (struct gmem_question){
		.kvm = vm->kvm,
		.mm = vm->mm,
		.inode = binding->inode,
		.gfn = binding->gfn + at,
		.pgoff = binding->pgoff + at,
		.blocks = (uint32_t)((pages + PAGES_PER_BLOCK - 1) / PAGES_PER_BLOCK),
	};
	return ask(s, s->skel->progs.gmem_read_pages);
}

/* @found: the same binding as the kernel listed it. @pagemap: of the VMM, negative: none */
static void count_binding(struct source_bpf *s, const struct sample_vm *vm,
			  const struct gmem_binding *found, struct model_binding *b, int pagemap)
{
	struct waste waste = { 0 };
	uint64_t at, pages;

	for (at = 0; at < b->now.pages; at += pages) {
		pages = b->now.pages - at < MAX_PAGES ? b->now.pages - at : MAX_PAGES;
		if (read_pages(s, vm, found, at, pages))
			return;
		memset(s->backing, 0, sizeof(s->backing));
		if (pagemap >= 0 &&
		    pagemap_mask(pagemap, b->now.userspace + (at << 12), pages, s->backing))
			pagemap = -1;
		waste_count(&waste, (const uint64_t *)s->skel->bss->private_mask,
			    (const uint64_t *)s->skel->bss->resident_mask, s->backing, pages,
			    b->now.flags & INSTANCE_MMAP);
	}
	b->private = waste.private;
	b->resident = waste.resident;
	b->waste_instance = waste.instance;
	if (pagemap < 0)
		return;
	b->backing = waste.backing;
	b->waste_backing = waste.shared;
}

static void count_waste(struct source_bpf *s, struct model *model, struct model_vm *vm,
			size_t first)
{
	int pagemap = -1;
	size_t i;

	if (vm->bound == GMEM_UNKNOWN || !(s->features.facts & FACT(attributes)))
		return;
	if (s->features.facts & FACT(backing))
		pagemap = pagemap_open(vm->now.tgid);
	for (i = first; i < model->nr_bindings; i++)
		count_binding(s, &vm->now, &s->found[i - first], &model->bindings[i], pagemap);
	vm->bound_private = vm->waste_instance = 0;
	if (pagemap >= 0) {
		vm->waste_backing = 0;
		close(pagemap);
	}
}

int source_look(struct source_bpf *s, struct model *model, uint32_t want, uint64_t only)
{
	struct model_vm *vm;
	size_t i, first;
	int ret = 0;

	if (want & (WANT_BINDINGS | WANT_WASTE) && s->features.facts & FACT(bindings)) {
		for (i = 0; i < model->nr_vms && !ret; i++) {
			vm = model->vms[i];
			if (vm->gone || !vm->now.kvm || vm->absent)
				continue;
			if (!(want & WANT_BINDINGS) && only && vm->now.id != only)
				continue;
			first = model->nr_bindings;
			ret = add_bindings(s, model, vm);
			if (!ret && want & WANT_WASTE && (!only || vm->now.id == only))
				count_waste(s, model, vm, first);
		}
	}
	if (!ret && want & WANT_HOLDERS)
		ret = visit(s, model);
	return ret;
}
