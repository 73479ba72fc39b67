// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "gmem_latency.skel.h"
#include "key.h"
#include "source_inner.h"

/* An entry that is read while it changes is read again so often, then with the next frame. */
#define MAX_READS 16

/* How an entry finds its VM. */
struct owner {
	uint64_t key; /* of the VM, or the address of its struct kvm where it has no lasting key */
	const struct live_vm *vm;
};

struct source_latency {
	struct gmem_latency_bpf *skel;
	struct owner *owners;
	size_t nr_owners, room_owners;
	/* Entries of VMs that are over, and those whose VM was not in the frame. */
	uint64_t *ended, *strange, *stranger;
	size_t nr_ended, room_ended, nr_strange, room_strange, nr_stranger, room_stranger;
	uint64_t untimed; /* conversions of VMs that no frame had */
	struct gmem_vcpu entry;
};

static int load(struct source_bpf *s, struct source_latency *l)
{
	int ret;

	l->skel = gmem_latency_bpf__open();
	if (!l->skel)
		return -errno;
	l->skel->rodata->sees_lock = s->features.facts & FACT(phase_lock);
	ret = programs_choose(l->skel->obj, &s->features, s->features.facts & PHASE_FACTS);
	if (!ret)
		ret = gmem_latency_bpf__load(l->skel);
	if (!ret)
		ret = gmem_latency_bpf__attach(l->skel);
	return ret;
}

int latency_open(struct source_bpf *s)
{
	struct source_latency *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	s->latency = l;
	ret = load(s, l);
	if (ret)
		latency_close(s);
	return ret;
}

void latency_close(struct source_bpf *s)
{
	struct source_latency *l = s->latency;

	if (!l)
		return;
	gmem_latency_bpf__destroy(l->skel);
	free(l->owners);
	free(l->ended);
	free(l->strange);
	free(l->stranger);
	free(l);
	s->latency = NULL;
}

void latency_account(const struct source_bpf *s, __u64 *untimed, struct programs_use *use)
{
	struct programs_use own;

	if (!s->latency)
		return;
	programs_count(s->latency->skel->obj, &own);
	use->missed += own.missed;
	use->runs += own.runs;
	use->ns += own.ns;
	*untimed += s->latency->skel->bss->untimed + s->latency->untimed;
}

static int by_key(const void *a, const void *b)
{
	const struct owner *first = a, *second = b;

	return first->key < second->key ? -1 : first->key > second->key;
}

static int add_owner(struct source_latency *l, uint64_t key, const struct live_vm *vm)
{
	if (!key)
		return 0;
	if (grow(&l->owners, &l->room_owners, l->nr_owners + 1, sizeof(*l->owners)))
		return -ENOMEM;
	l->owners[l->nr_owners++] = (struct owner){ .key = key, .vm = vm };
	return 0;
}

static int find_owners(struct source_latency *l, const struct source_bpf *s)
{
	const struct live_vm *vm;
	size_t i;
	int ret = 0;

	l->nr_owners = 0;
	for (i = 0; i < s->nr_vms && !ret; i++) {
		vm = s->vms[i];
		ret = add_owner(l, vm->key, vm);
		if (!ret)
			ret = add_owner(l, vm->kvm, vm);
	}
	if (l->nr_owners)
		qsort(l->owners, l->nr_owners, sizeof(*l->owners), by_key);
	return ret;
}

static const struct live_vm *owner_of(const struct source_latency *l)
{
	const struct gmem_vcpu *entry = &l->entry;
	struct owner wanted = { .key = entry->key_kind == GMEM_KEY_SEEN
					       ? entry->kvm
					       : key_of_vm(entry->key_kind, entry->vm) };
	const struct owner *owner;

	if (!l->nr_owners)
		return NULL;
	owner = bsearch(&wanted, l->owners, l->nr_owners, sizeof(*l->owners), by_key);
	return owner ? owner->vm : NULL;
}

static uint32_t exit_of(uint32_t reason)
{
#define X(name, number, text)   \
	if (reason == (number)) \
		return GMEM_GUEST_EXIT_##name;
	GMEM_GUEST_EXITS(X)
#undef X
	return 0;
}

static int remember(uint64_t **keys, size_t *nr, size_t *room, uint64_t key)
{
	if (grow(keys, room, *nr + 1, sizeof(key)))
		return -ENOMEM;
	(*keys)[(*nr)++] = key;
	return 0;
}

/*
 * The VM of a conversion is in the frame, or in the next one if it is that new. If it is in
 * neither, it is one of those for which there was no room.
 */
static int take_stranger(struct source_latency *l, uint64_t key)
{
	size_t i;

	for (i = 0; i < l->nr_stranger; i++) {
		if (l->stranger[i] != key)
			continue;
		l->untimed += l->entry.phase[GMEM_PHASE_total].count;
		return remember(&l->ended, &l->nr_ended, &l->room_ended, key);
	}
	return remember(&l->strange, &l->nr_strange, &l->room_strange, key);
}

/* Read until nothing was counted meanwhile. Return: false: it is gone, or never still. */
static bool read_entry(struct source_latency *l, int fd, uint64_t key)
{
	int tries;

	for (tries = 0; tries < MAX_READS; tries++) {
		if (bpf_map_lookup_elem(fd, &key, &l->entry))
			return false;
		if (l->entry.ended == l->entry.begun)
			return true;
	}
	return false;
}

static int take(struct source_latency *l, struct sample *sample, uint64_t key)
{
	const struct live_vm *vm = owner_of(l);
	struct sample_vcpu *vcpu;
	unsigned int i;

	if (!vm)
		return take_stranger(l, key);
	vcpu = sample_add_vcpu(sample);
	if (!vcpu)
		return -ENOMEM;
	vcpu->vm_id = vm->id;
	vcpu->id = l->entry.id;
	memcpy(vcpu->phase, l->entry.phase, sizeof(vcpu->phase));
	memcpy(vcpu->slow, l->entry.slow, sizeof(vcpu->slow));
	for (i = 0; i < GMEM_SLOWEST; i++)
		vcpu->slow[i].exit = exit_of(vcpu->slow[i].exit);
	return vm->ended ? remember(&l->ended, &l->nr_ended, &l->room_ended, key) : 0;
}

static void swap_strangers(struct source_latency *l)
{
	uint64_t *keys = l->stranger;
	size_t room = l->room_stranger;

	l->stranger = l->strange;
	l->nr_stranger = l->nr_strange;
	l->room_stranger = l->room_strange;
	l->strange = keys;
	l->nr_strange = 0;
	l->room_strange = room;
}

int latency_read(struct source_bpf *s, struct sample *sample)
{
	struct source_latency *l = s->latency;
	int fd = bpf_map__fd(l->skel->maps.gmem_vcpus), ret;
	uint64_t key, *before = NULL;
	size_t i;

	ret = find_owners(l, s);
	while (!ret && !bpf_map_get_next_key(fd, before, &key)) {
		if (read_entry(l, fd, key))
			ret = take(l, sample, key);
		before = &key;
	}
	/* Not before: the next key is that behind an entry. */
	for (i = 0; i < l->nr_ended; i++)
		bpf_map_delete_elem(fd, &l->ended[i]);
	l->nr_ended = 0;
	swap_strangers(l);
	return ret;
}
