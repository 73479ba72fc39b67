/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of pointers to entries that begin with an id (64 bits), sorted by it. */
#ifndef GMEM_TABLE_H
#define GMEM_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* Where the entry with that id is, or where it must go. */
size_t table_position(void *const *table, size_t nr, uint64_t id);

/* The entry with that id, or NULL. */
void *table_find(void *const *table, size_t nr, uint64_t id);

/**
 * table_get - the entry with that id, a new and empty one if there is none
 * @table: address of the table
 * @nr: entries, updated
 * @room: entries that there is memory for, updated
 * @id: of the entry
 * @size: of a new entry in bytes
 *
 * Return: the entry, which the caller frees when it is taken out, or NULL: no memory.
 */
void *table_get(void ***table, size_t *nr, size_t *room, uint64_t id, size_t size);

#endif /* GMEM_TABLE_H */
