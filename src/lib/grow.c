// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include "grow.h"

#define FIRST_ROOM 64

int grow(void *array, size_t *room, size_t need, size_t size)
{
	size_t want = *room ? *room : FIRST_ROOM;
	void *larger;

	if (need <= *room)
		return 0;
	while (want < need)
		want += want / 2;
	larger = reallocarray(*(void **)array, want, size);
	if (!larger)
		return -ENOMEM;
	*(void **)array = larger;
	*room = want;
	return 0;
}
