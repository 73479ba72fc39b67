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

#define TRIES	  3 /* when memslots or mappings change while they are read */
#define MAX_PAGES (GMEM_MAX_BLOCKS * 64)

/* --- holders --- */

/* Without a sample: what is visited is only made known to the programs. */
static int take_hold(struct source_bpf *s, struct sample *sample, int kind __attribute__((unused)),
		     void *record)
{
	if (!sample)
		return 0;
	if (grow(&s->holds, &s->room_holds, s->nr_holds + 1, sizeof(*s->holds)))
		return -ENOMEM;
	memcpy(&s->holds[s->nr_holds++], record, sizeof(*s->holds));
	return 0;
}

static int add_holder(void *sample, const struct sample_holder *holder)
{
	return sample_add_holder(sample, holder);
}

static int visit(struct source_bpf *s, struct sample *sample)
{
	int i, ret = 0;

	s->nr_holds = 0;
	for (i = 0; i < NR_VISITS && !ret; i++)
		ret = source_records(s, s->visits[i], sizeof(struct gmem_holder), NULL, take_hold,
				     sample, i);
	return ret || !sample ? ret : holds_sum(s->holds, s->nr_holds, add_holder, sample);
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
static int add_bindings(struct source_bpf *s, struct sample *sample, struct sample_vm *vm)
{
	long nr = -EAGAIN, i;
	int tries, ret = 0;

	for (tries = 0; tries < TRIES && nr == -EAGAIN; tries++)
		nr = list_bindings(s, vm);
	if (nr < 0)
		return nr == -ENOMEM ? -ENOMEM : 0;
	for (i = 0; i < nr && !ret; i++) {
		const struct gmem_binding *b = &s->found[i];
		struct sample_binding binding = {
			.vm_id = vm->id,
			.ino = b->ino,
			.gfn = b->gfn,
			.pages = b->pages,
			.pgoff = b->pgoff,
			.userspace = b->userspace,
			.flags = b->flags,
			.dev = b->dev,
			.slot = b->slot,
			.space = b->space,
			.private = GMEM_UNKNOWN,
			.resident = GMEM_UNKNOWN,
			.backing = GMEM_UNKNOWN,
			.waste_instance = GMEM_UNKNOWN,
			.waste_backing = GMEM_UNKNOWN,
			.private_resident = GMEM_UNKNOWN,
		};

		memset(binding.by_kind, 0xff, sizeof(binding.by_kind)); /* GMEM_UNKNOWN */
		memset(binding.twice, 0xff, sizeof(binding.twice));
		ret = sample_add_binding(sample, &binding);
	}
	vm->bound = 0;
	return ret;
}

/* --- waste --- */

/*
 * The pages of a binding, so many from @at on, and with @backing their shared backing. Return: 0 or
 * as ask().
 */
static int read_pages(struct source_bpf *s, const struct sample_vm *vm,
		      const struct gmem_binding *binding, uint64_t at, uint64_t pages, bool backing)
{
	int ret = -EAGAIN, tries;

	for (tries = 0; tries < TRIES && ret == -EAGAIN; tries++) {
		s->skel->bss->question = (struct gmem_question){
			.kvm = vm->kvm,
			.mm = vm->mm,
			.inode = binding->inode,
			.gfn = binding->gfn + at,
			.pgoff = binding->pgoff + at,
			.pages = pages,
			.userspace = binding->userspace + (at << 12),
			.tgid = backing ? vm->tgid : 0,
		};
		ret = ask(s, s->skel->progs.gmem_read_pages);
	}
	return ret;
}

/* Return: NULL without memory. */
static struct waste_pass *pass_of(struct source_bpf *s, uint64_t vm_id,
				  const struct gmem_binding *binding)
{
	struct waste_pass *pass;
	size_t i;

	for (i = 0; i < s->nr_passes; i++) {
		pass = &s->passes[i];
		if (pass->vm_id == vm_id && !memcmp(&pass->binding, binding, sizeof(*binding)))
			return pass;
	}
	if (grow(&s->passes, &s->room_passes, s->nr_passes + 1, sizeof(*pass)))
		return NULL;
	pass = &s->passes[s->nr_passes++];
	*pass = (struct waste_pass){ .vm_id = vm_id, .binding = *binding };
	return pass;
}

/* Return: 0 or a negative errno. */
static int count_backing(struct source_bpf *s, struct waste *sum, int pagemap, bool both)
{
	const struct gmem_question *told = &s->skel->bss->question;
	const uint64_t *private = (const uint64_t *)s->skel->bss->private_mask;
	uint64_t pages = told->pages;
	bool file = told->kind != GMEM_BACKING_anonymous;
	int ret;

	if (told->kind == GMEM_BACKING_none || told->kind == GMEM_BACKING_instance)
		return 0;
	if (told->kind >= GMEM_BACKING_MAX)
		return -ENOTSUP;
	if (file)
		waste_count_backing(sum, told->kind, private,
				    (const uint64_t *)s->skel->bss->backing_mask, pages, both);
	if (file && !told->copies)
		return 0;
	ret = pagemap_mask(pagemap, told->userspace, pages, file, s->mapped);
	if (ret)
		return ret;
	waste_count_backing(sum, file ? GMEM_BACKING_copies : GMEM_BACKING_anonymous, private,
			    s->mapped, pages, both);
	return 0;
}

/*
 * @pagemap: of the VMM, negative: none. @pages: how many to look at, and how many were. Return: 0
 * or as ask().
 */
static int look_at_slice(struct source_bpf *s, const struct sample_vm *vm, struct waste_pass *pass,
			 uint64_t *pages, int pagemap)
{
	bool both = pass->binding.flags & INSTANCE_MMAP, backed = pagemap >= 0 && !pass->unbacked;
	int ret = read_pages(s, vm, &pass->binding, pass->at, *pages, backed);

	if (ret && backed) {
		backed = false;
		ret = read_pages(s, vm, &pass->binding, pass->at, *pages, false);
	}
	if (ret)
		return ret;
	*pages = s->skel->bss->question.pages;
	if (!*pages)
		return -EIO;
	if (!backed || count_backing(s, &pass->so_far, pagemap, both))
		pass->unbacked = true;
	waste_count(&pass->so_far, (const uint64_t *)s->skel->bss->private_mask,
		    (const uint64_t *)s->skel->bss->resident_mask, *pages, both);
	pass->at += *pages;
	return 0;
}

/*
 * Look at the pages of a binding, at no more than @budget, from where the frame before left off. A
 * binding that was finished waits for the others. What is reported is of the pass that was finished
 * last.
 */
static void count_binding(struct source_bpf *s, const struct sample_vm *vm, struct waste_pass *pass,
			  uint64_t *budget, int pagemap)
{
	uint64_t pages, all = pass->binding.pages;

	if (pass->finished && pass->round == s->round)
		return;
	for (; pass->at < all && *budget; *budget -= pages) {
		pages = all - pass->at < MAX_PAGES ? all - pass->at : MAX_PAGES;
		pages = pages < *budget ? pages : *budget;
		if (look_at_slice(s, vm, pass, &pages, pagemap)) {
			pass->finished = false;
			pass->at = 0;
			pass->so_far = (struct waste){ 0 };
			return;
		}
	}
	if (pass->at < all)
		return;
	pass->last = pass->so_far;
	pass->finished = true;
	pass->backed = !pass->unbacked;
	pass->round = s->round;
	pass->at = 0;
	pass->so_far = (struct waste){ 0 };
	pass->unbacked = false;
}

static void report_pass(struct sample *sample, const struct source_bpf *s,
			const struct waste_pass *pass, struct sample_binding *b)
{
	bool done = pass->finished && pass->round == s->round;

	sample->waste_pages += pass->binding.pages;
	sample->waste_done += done ? pass->binding.pages : pass->at;
	if (!pass->finished)
		return;
	b->private = pass->last.private;
	b->resident = pass->last.resident;
	b->private_resident = pass->last.private_resident;
	b->waste_instance = pass->last.instance;
	if (!pass->backed)
		return;
	memcpy(b->by_kind, pass->last.backing, sizeof(b->by_kind));
	memcpy(b->twice, pass->last.twice, sizeof(b->twice));
	b->backing = waste_sum(b->by_kind);
	b->waste_backing = waste_sum(b->twice);
}

/* A new round when all bindings were looked at; those that are gone are forgotten. */
static void end_round(struct source_bpf *s, const struct sample *sample)
{
	size_t i, kept = 0;

	if (sample->waste_done == sample->waste_pages)
		s->round++;
	for (i = 0; i < s->nr_passes; i++) {
		if (!s->passes[i].seen)
			continue;
		s->passes[kept] = s->passes[i];
		s->passes[kept++].seen = false;
	}
	s->nr_passes = kept;
}

/* @first: the VM's bindings begin there */
static void count_waste(struct source_bpf *s, struct sample *sample, struct sample_vm *vm,
			size_t first, uint64_t *budget, bool sliced)
{
	struct waste_pass *pass, whole;
	int pagemap = -1;
	size_t i;

	if (vm->bound == GMEM_UNKNOWN || !(s->features.facts & FACT(attributes)))
		return;
	if (s->features.facts & FACT(backing))
		pagemap = pagemap_open(vm->tgid);
	for (i = first; i < sample->nr_bindings; i++) {
		whole = (struct waste_pass){ .binding = s->found[i - first] };
		pass = sliced ? pass_of(s, vm->id, &s->found[i - first]) : &whole;
		if (!pass)
			break;
		pass->seen = true;
		count_binding(s, vm, pass, budget, pagemap);
		report_pass(sample, s, pass, &sample->bindings[i]);
	}
	vm->bound_private = vm->waste_instance = 0;
	if (pagemap >= 0) {
		vm->waste_backing = 0;
		close(pagemap);
	}
}

int source_look(struct source_bpf *s, struct sample *sample, uint32_t want, uint64_t only,
		uint64_t slice)
{
	struct sample_vm *vm;
	bool sliced = slice != UINT64_MAX;
	size_t first, i;
	int ret = 0;

	if (want & (WANT_BINDINGS | WANT_WASTE) && s->features.facts & FACT(bindings)) {
		for (i = 0; i < sample->nr_vms && !ret; i++) {
			vm = sample->vms[i];
			if (vm->ended || !vm->kvm)
				continue;
			if (!(want & WANT_BINDINGS) && only && vm->id != only)
				continue;
			first = sample->nr_bindings;
			ret = add_bindings(s, sample, vm);
			if (!ret && want & WANT_WASTE && (!only || vm->id == only))
				count_waste(s, sample, vm, first, &slice, sliced);
		}
		end_round(s, sample);
	}
	if (!ret && want & WANT_HOLDERS)
		ret = visit(s, sample);
	return ret;
}
