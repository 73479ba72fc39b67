/* SPDX-License-Identifier: GPL-2.0-only */
/* Arrays that grow. */
#ifndef GMEM_LIB_GROW_H
#define GMEM_LIB_GROW_H

#include <stddef.h>

/**
 * grow - make an array large enough
 * @array: address of the pointer to the array; the pointer may be NULL
 * @room: entries that it has memory for, updated
 * @need: entries that it must have memory for
 * @size: of an entry in bytes
 *
 * The new entries are not initialized. The caller frees the array. Return: 0 or -ENOMEM, and the
 * array is as it was then.
 */
int grow(void *array, size_t *room, size_t need, size_t size);

#endif /* GMEM_LIB_GROW_H */
