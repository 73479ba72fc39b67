// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/grow.h"
#include "events_stack.h"

#define LONGEST_FUNCTION (1U << 18) /* what is farther away has a name that is not known */

struct symbol {
	uint64_t address;
	const char *name; /* with the module behind it */
};

struct symbols {
	struct symbol *list;
	size_t nr, room;
};

struct map {
	uint64_t start, end, offset;
	char *name;
};

struct maps {
	struct map *list;
	size_t nr, room;
};

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

int symbols_read(FILE *file, struct symbols **symbols)
{
	char line[512], name[256], module[128], text[400], type;
	struct symbols *s = calloc(1, sizeof(*s));
	unsigned long long address;
	bool hidden = true;
	int n;

	if (!s)
		return -ENOMEM;
	while (fgets(line, sizeof(line), file)) {
		n = sscanf(line, "%llx %c %255s %127s", &address, &type, name, module);
		if (n < 3 || !strchr("tTwW", type))
			continue;
		hidden = hidden && !address;
		snprintf(text, sizeof(text), "%s%s%s", name, n > 3 ? " " : "", n > 3 ? module : "");
		if (grow(&s->list, &s->room, s->nr + 1, sizeof(*s->list)))
			goto nomem;
		s->list[s->nr].address = address;
		s->list[s->nr].name = strdup(text);
		if (!s->list[s->nr++].name)
			goto nomem;
	}
	if (hidden) {
		symbols_free(s);
		return -EACCES;
	}
	qsort(s->list, s->nr, sizeof(*s->list), by_address);
	*symbols = s;
	return 0;
nomem:
	symbols_free(s);
	return -ENOMEM;
}

void symbols_free(struct symbols *symbols)
{
	size_t i;

	if (!symbols)
		return;
	for (i = 0; i < symbols->nr; i++)
		free((char *)symbols->list[i].name);
	free(symbols->list);
	free(symbols);
}

void symbols_name(const struct symbols *symbols, uint64_t address, char *buf, size_t size)
{
	size_t low = 0, high = symbols ? symbols->nr : 0, middle, len;
	const struct symbol *s;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (symbols->list[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address - symbols->list[low - 1].address > LONGEST_FUNCTION) {
		snprintf(buf, size, "%#llx", (unsigned long long)address);
		return;
	}
	s = &symbols->list[low - 1];
	len = strcspn(s->name, " ");
	snprintf(buf, size, "%.*s+%#llx%s", (int)len, s->name,
		 (unsigned long long)(address - s->address), s->name + len);
}

bool frame_of_tracing(const char *frame)
{
	static const char *const names[] = {
		"bpf_prog_", "bpf_trampoline_", "bpf_trace_run", "__bpf_trace_", "__traceiter_",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strncmp(frame, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

int maps_read(FILE *file, struct maps **maps)
{
	struct maps *m = calloc(1, sizeof(*m));
	unsigned long long start, end, offset;
	char *line = NULL;
	size_t size = 0;
	struct map *map;
	int at, ret = 0;

	if (!m)
		return -ENOMEM;
	while (getline(&line, &size, file) > 0) {
		if (sscanf(line, "%llx-%llx %*s %llx %*s %*s %n", &start, &end, &offset, &at) < 3)
			continue;
		if (grow(&m->list, &m->room, m->nr + 1, sizeof(*m->list))) {
			ret = -ENOMEM;
			break;
		}
		line[strcspn(line, "\n")] = '\0';
		map = &m->list[m->nr];
		*map = (struct map){ start, end, offset, strdup(line[at] ? line + at : "[anon]") };
		if (!map->name) {
			ret = -ENOMEM;
			break;
		}
		m->nr++;
	}
	free(line);
	if (ret)
		maps_free(m);
	else
		*maps = m;
	return ret;
}

void maps_free(struct maps *maps)
{
	size_t i;

	if (!maps)
		return;
	for (i = 0; i < maps->nr; i++)
		free(maps->list[i].name);
	free(maps->list);
	free(maps);
}

bool maps_name(const struct maps *maps, uint64_t address, char *buf, size_t size)
{
	const struct map *map;
	size_t i;

	for (i = 0; maps && i < maps->nr; i++) {
		map = &maps->list[i];
		if (address < map->start || address >= map->end)
			continue;
		snprintf(buf, size, "%s+%#llx", map->name,
			 (unsigned long long)(address - map->start + map->offset));
		return true;
	}
	snprintf(buf, size, "%#llx", (unsigned long long)address);
	return false;
}
