// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "holders.h"

#define PAGE 4096ULL

#define COMPARE(x, y)                              \
	do {                                       \
		if ((x) != (y))                    \
			return (x) < (y) ? -1 : 1; \
	} while (0)

static int by_place(const void *a, const void *b)
{
	const struct gmem_found *x = a, *y = b;

	COMPARE(x->dev, y->dev);
	COMPARE(x->ino, y->ino);
	COMPARE(x->tgid, y->tgid);
	COMPARE(x->how, y->how);
	COMPARE(x->at, y->at);
	COMPARE(x->end, y->end);
	COMPARE(x->offset, y->offset);
	return 0;
}

static bool same_instance(const struct gmem_found *x, const struct gmem_found *y)
{
	return x->dev == y->dev && x->ino == y->ino;
}

static struct gmem_found as_binding(const struct gmem_found *vm, const struct gmem_binding *binding)
{
	struct gmem_found place = *vm;

	place.how = GMEM_HELD_BY_binding;
	place.ino = binding->ino;
	place.inode = binding->inode;
	place.dev = binding->dev;
	place.flags = binding->flags;
	place.at = binding->gfn * PAGE;
	place.end = (binding->gfn + binding->pages) * PAGE;
	place.offset = binding->pgoff * PAGE;
	return place;
}

static int by_vm(const void *a, const void *b)
{
	const struct found_binding *x = a, *y = b;

	COMPARE(x->kvm, y->kvm);
	return 0;
}

/* The bindings of a VM, which stand in a row: how many, from @first on. */
static size_t bindings_of_vm(const struct found_holders *found, __u64 kvm, size_t *first)
{
	size_t low = 0, high = found->nr_bindings, mid, end;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (found->bindings[mid].kvm < kvm)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < found->nr_bindings && found->bindings[end].kvm == kvm; end++)
		;
	*first = low;
	return end - low;
}

/* Every place at an instance; a process with many fds of a VM has each binding once. */
static size_t expand(const struct found_holders *found, struct gmem_found *places)
{
	const struct gmem_found *list = found->found.list;
	size_t i, j, nr = 0, all = 0, first, bound;

	for (i = 0; i < found->found.nr; i++) {
		if (list[i].how != GMEM_HELD_BY_vm) {
			if (places)
				places[all] = list[i];
			all++;
			continue;
		}
		/* They are sorted, so that a process's fds of a VM follow each other. */
		if (i && list[i - 1].how == GMEM_HELD_BY_vm && list[i - 1].kvm == list[i].kvm &&
		    list[i - 1].tgid == list[i].tgid)
			continue;
		bound = bindings_of_vm(found, list[i].kvm, &first);
		for (j = 0; j < bound; j++) {
			if (places)
				places[all] =
					as_binding(&list[i], &found->bindings[first + j].binding);
			all++;
		}
	}
	if (!places)
		return all;
	qsort(places, all, sizeof(*places), by_place);
	for (i = 0; i < all; i++) {
		if (!nr || by_place(&places[nr - 1], &places[i]))
			places[nr++] = places[i];
	}
	return nr;
}

/* What one place knows of the instance, and another does not. */
static void learn(struct held_instance *instance, const struct gmem_found *place)
{
	instance->dev = place->dev;
	instance->ino = place->ino;
	if (place->how != GMEM_HELD_BY_binding)
		instance->size = place->size;
	if (instance->flags == GMEM_UNKNOWN)
		instance->flags = place->flags;
	if (!instance->kvm) {
		instance->kvm = place->kvm;
		instance->vm_pid = place->vm_pid;
		instance->type = place->type;
	}
}

int holders_group(const struct found_holders *found, struct held *held)
{
	struct held_instance *instance = NULL;
	struct holder *holder = NULL;
	size_t i, nr;

	memset(held, 0, sizeof(*held));
	if (found->nr_bindings)
		qsort(found->bindings, found->nr_bindings, sizeof(*found->bindings), by_vm);
	nr = expand(found, NULL);
	held->places = calloc(nr + 1, sizeof(*held->places));
	held->holders = calloc(nr + 1, sizeof(*held->holders));
	held->instances = calloc(nr + 1, sizeof(*held->instances));
	if (!held->places || !held->holders || !held->instances) {
		held_free(held);
		return -ENOMEM;
	}
	nr = expand(found, held->places);
	for (i = 0; i < nr; i++) {
		const struct gmem_found *place = &held->places[i];

		if (!i || !same_instance(place, place - 1)) {
			instance = &held->instances[held->nr++];
			instance->flags = GMEM_UNKNOWN;
			instance->holders = holder ? holder + 1 : held->holders;
		}
		if (!instance->nr || place->tgid != place[-1].tgid) {
			holder = &instance->holders[instance->nr++];
			holder->places = place;
		}
		holder->nr++;
		holder->runs |= place->how == GMEM_HELD_BY_binding && place->same_mm;
		learn(instance, place);
	}
	return 0;
}

void held_free(struct held *held)
{
	free(held->instances);
	free(held->holders);
	free(held->places);
	memset(held, 0, sizeof(*held));
}

__u32 held_type(const struct held_instance *instance)
{
	if (!instance->kvm)
		return GMEM_TYPE_unknown;
	switch (instance->type) {
#define X(name, number) \
	case number: return GMEM_TYPE_##name;
		GMEM_VM_TYPES(X)
#undef X
	}
	return GMEM_TYPE_other;
}
