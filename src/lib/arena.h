/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that is given back all at once: many small pieces that live as long as each other. */
#ifndef GMEM_ARENA_H
#define GMEM_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
};

/* @size zeroed bytes, aligned for anything; NULL when there is no memory. */
void *arena_alloc(struct arena *arena, size_t size);

/* The @len bytes and a NUL behind them; NULL when there is no memory. */
char *arena_text(struct arena *arena, const char *text, size_t len);

/* The arena is empty then, and can be used again. */
void arena_free(struct arena *arena);

#endif /* GMEM_ARENA_H */
