// SPDX-License-Identifier: GPL-2.0-only
/*
 * The random mix: every vCPU works in its own slice of a bound range, drawing from its own
 * generator, so that the same seed gives the same counts however the threads are scheduled.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ops.h"
#include "workload.h"

#define NS 1000000000ULL

enum kind {
	KIND_CONVERT,
	KIND_HYPERCALL,
	KIND_REDUNDANT,
	KIND_TOUCH,
	KIND_PREFAULT,
	KIND_ALLOCATE,
	KIND_PUNCH,
	KIND_HOST_TOUCH,
	KIND_INVALID,
	NR_KINDS,
};

static const char *const kind_names[NR_KINDS] = {
	"convert",  "hypercall", "redundant",  "touch",	  "prefault",
	"allocate", "punch",	 "host-touch", "invalid",
};

struct mix {
	const struct op *op;
	struct slot *slot;
	u32 weight[NR_KINDS], weights;
	u64 ops;	/* per vCPU; 0: until the time is over */
	u64 start, end; /* ns */
	u64 gap;	/* ns between two conversions of one vCPU */
};

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS + t.tv_nsec;
}

static void sleep_until(u64 when)
{
	struct timespec t = { .tv_sec = when / NS, .tv_nsec = when % NS };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* splitmix64 */
static u64 draw(u64 *state, u64 below)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31) % below;
}

static int parse_kinds(struct mix *mix, const char *text)
{
	char *copy = strdup(text), *save, *word, *value, *end;
	int i, ret = 0;

	if (!copy)
		return -ENOMEM;
	for (word = strtok_r(copy, ",", &save); word && !ret; word = strtok_r(NULL, ",", &save)) {
		value = strchr(word, ':');
		if (value)
			*value++ = 0;
		for (i = 0; i < NR_KINDS && strcmp(word, kind_names[i]); i++)
			;
		if (i == NR_KINDS) {
			say("line %d: unknown kind of operation '%s' in the mix", mix->op->line,
			    word);
			ret = -EINVAL;
			break;
		}
		mix->weight[i] = value ? strtoul(value, &end, 10) : 1;
		if (value && (!*value || *end)) {
			say("line %d: bad weight '%s' in the mix", mix->op->line, value);
			ret = -EINVAL;
		}
		mix->weights += mix->weight[i];
	}
	free(copy);
	return ret || mix->weights ? ret : -EINVAL;
}

static enum kind draw_kind(const struct mix *mix, u64 *state)
{
	u64 n = draw(state, mix->weights);
	int i;

	for (i = 0; n >= mix->weight[i]; i++)
		n -= mix->weight[i];
	return i;
}

/* One random operation within pages [from, from + pages) of the slot. */
static int mix_once(struct ctx *ctx, const struct mix *mix, enum kind kind, u64 *state, u64 from,
		    u64 pages)
{
	u64 max = mix->op->pages < pages ? mix->op->pages : pages;
	u64 count = 1 + draw(state, max), at = from + draw(state, pages - count + 1);
	struct op op = *mix->op;
	u64 to = draw(state, 2);

	if (kind == KIND_REDUNDANT) {
		count = 1;
		to = ctx->vm->gpa[(mix->slot->gpa >> PAGE_SHIFT) + at] & GPA_PRIVATE;
	}
	op.has_size = true;
	op.size = count << PAGE_SHIFT;
	op.gpa = mix->slot->gpa + (at << PAGE_SHIFT);
	op.offset = mix->slot->offset + (at << PAGE_SHIFT);
	op.attributes = to ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
	op.by = BY_HOST;
	op.flags = 0;
	memcpy(op.inst, ctx->vm->inst[mix->slot->inst].name, NAME_LEN);
	switch (kind) {
	case KIND_HYPERCALL:
		op.by = BY_HYPERCALL;
		/* fall through */
	case KIND_CONVERT:
	case KIND_REDUNDANT: op.id = OP_CONVERT; break;
	case KIND_INVALID:
		op.id = OP_CONVERT;
		op.gpa++;
		break;
	case KIND_TOUCH: op.id = OP_TOUCH; break;
	case KIND_PREFAULT: op.id = OP_PREFAULT; break;
	case KIND_ALLOCATE: op.id = OP_ALLOCATE; break;
	case KIND_PUNCH: op.id = OP_PUNCH; break;
	default: op.id = OP_HOST_TOUCH; break;
	}
	return op_once(ctx, &op);
}

static bool may_fail(enum kind kind)
{
	if (kind == KIND_INVALID || kind == KIND_HOST_TOUCH)
		return true;
	return cfg.type == KVM_X86_DEFAULT_VM && kind <= KIND_REDUNDANT;
}

static int mix_job(struct vcpu *vcpu, void *arg)
{
	const struct mix *mix = arg;
	struct vm *vm = vcpu->vm;
	struct ctx ctx = { .vm = vm, .vcpu = vcpu, .counts = &vm->counts[vcpu->index] };
	u64 state = cfg.seed * 0x100000001b3ULL + vm->index * 8191 + vcpu->index;
	u64 pages = (mix->slot->size >> PAGE_SHIFT) / vm->nr_vcpus, from = pages * vcpu->index;
	u64 done, conversions = 0;
	enum kind kind;
	int ret;

	for (done = 0; !mix->ops || done < mix->ops; done++) {
		if (mix->end && now() >= mix->end)
			break;
		kind = draw_kind(mix, &state);
		ret = mix_once(&ctx, mix, kind, &state, from, pages);
		if (ret && !may_fail(kind)) {
			say("VM %u: %s in the mix failed: %s", vm->index, kind_names[kind],
			    strerror(-ret));
			return ret;
		}
		if (mix->gap && (kind <= KIND_REDUNDANT || kind == KIND_INVALID))
			sleep_until(mix->start + ++conversions * mix->gap);
		if (mix->op->pause_us)
			sleep_until(now() + mix->op->pause_us * 1000);
	}
	return 0;
}

/* mix: all vCPUs at once, each in its slice. */
int op_mix(struct ctx *ctx, const struct op *op)
{
	struct vm *vm = ctx->vm;
	struct mix mix = { .op = op, .ops = op->ops, .start = now() };
	const char *kinds = op->kinds;
	size_t i;
	int ret = 0, r;
	u32 v;

	for (i = 0; i < MAX_SLOTS && !mix.slot; i++) {
		if (vm->slot[i].used && vm->slot[i].inst >= 0 &&
		    (!op->slot || vm->slot[i].id == op->slot))
			mix.slot = &vm->slot[i];
	}
	if (!mix.slot || mix.slot->size >> PAGE_SHIFT < vm->nr_vcpus) {
		say("line %d: mix wants a bound instance with at least a page for each vCPU",
		    op->line);
		return -ENXIO;
	}
	if (!kinds)
		kinds = cfg.mix;
	if (!kinds)
		kinds = cfg.type == KVM_X86_DEFAULT_VM
				? "touch:50,allocate:20,punch:20,invalid:2"
				: "convert:40,hypercall:20,redundant:10,touch:20,allocate:4,punch:4,invalid:2";
	ret = parse_kinds(&mix, kinds);
	if (ret)
		return ret;
	if (op->duration_ms)
		mix.end = mix.start + op->duration_ms * 1000000;
	if (op->rate)
		mix.gap = NS * vm->nr_vcpus / op->rate;
	if (vm->nr_vcpus > 1 && !cfg.serial)
		vm->inexact = true;
	for (v = 0; v < vm->nr_vcpus; v++)
		vcpu_submit(&vm->vcpu[v], mix_job, &mix);
	for (v = 0; v < vm->nr_vcpus; v++) {
		r = vcpu_wait(&vm->vcpu[v]);
		ret = ret ? ret : r;
	}
	return ret;
}
