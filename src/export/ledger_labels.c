// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "../lib/utf8.h"
#include "../top/key.h"
#include "ledger_labels.h"
#include "ledger_tally.h"

static int by_label(const void *a, const void *b)
{
	return strcmp(((const struct series *)a)->label, ((const struct series *)b)->label);
}

/* Label number @n of the VM: there is one that no VM has. */
static void make_label(const struct model_vm *vm, unsigned int n, char *label)
{
	char name[NAME_LEN], key[KEY_LEN];

	utf8_copy(name, sizeof(name), vm->name[0] ? vm->name : "-");
	if (!n)
		snprintf(label, LABEL_LEN, "%s", name);
	else if (n == 1 && key_text(vm->key, key))
		snprintf(label, LABEL_LEN, "%s@%s", name, key);
	else
		snprintf(label, LABEL_LEN, "%s@%u", name, n);
}

static struct series *add(struct labels *labels, const struct series *like)
{
	struct series *entry;

	if (grow(&labels->entries, &labels->room, labels->nr + 1, sizeof(*labels->entries)))
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	memcpy(entry->label, like->label, sizeof(entry->label));
	entry->row.label = entry->label;
	if (!tsearch(entry, &labels->tree, by_label)) {
		free(entry);
		return NULL;
	}
	labels->entries[labels->nr++] = entry;
	return entry;
}

struct series *labels_claim(struct labels *labels, const struct model_vm *vm)
{
	struct series *found, wanted;
	unsigned int n;
	void **node;

	for (n = 0;; n++) {
		make_label(vm, n, wanted.label);
		if (!strcmp(wanted.label, OTHER_LABEL))
			continue;
		node = tfind(&wanted, &labels->tree, by_label);
		if (!node)
			return add(labels, &wanted);
		found = *node;
		if (!found->id)
			return found;
	}
}

/* The one that ended first, of those that are not exported any more. @nr: how many there are */
static size_t oldest(const struct labels *labels, size_t *nr)
{
	const struct series *entry;
	size_t i, first = 0;

	for (i = *nr = 0; i < labels->nr; i++) {
		entry = labels->entries[i];
		if (entry->id || entry->listed)
			continue;
		if (!(*nr)++ || entry->ended_ns < labels->entries[first]->ended_ns)
			first = i;
	}
	return first;
}

void labels_forget(struct labels *labels, size_t max, struct tally *sum)
{
	struct series *entry;
	size_t nr, at;

	for (at = oldest(labels, &nr); nr > max; at = oldest(labels, &nr)) {
		entry = labels->entries[at];
		tally_add(sum, &entry->row.now);
		tdelete(entry, &labels->tree, by_label);
		free(entry);
		labels->entries[at] = labels->entries[--labels->nr];
	}
}

void labels_free(struct labels *labels)
{
	size_t i;

	for (i = 0; i < labels->nr; i++) {
		tdelete(labels->entries[i], &labels->tree, by_label);
		free(labels->entries[i]);
	}
	free(labels->entries);
	memset(labels, 0, sizeof(*labels));
}
