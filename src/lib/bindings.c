// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "bindings.h"

static int ask(const struct bindings_place *place)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts);
	int ret;

	ret = bpf_prog_test_run_opts(place->program, &opts);
	if (ret)
		return ret;
	return place->question->answered ? 0 : -EAGAIN;
}

static int keep(const struct bindings_place *place, size_t nr, struct gmem_binding **found,
		size_t *room)
{
	size_t more = *place->nr_answer;
	struct gmem_binding *larger;

	if (nr + more > *room) {
		larger = reallocarray(*found, 2 * (nr + more), sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		*found = larger;
		*room = 2 * (nr + more);
	}
	if (more)
		memcpy(*found + nr, place->answer, more * sizeof(**found));
	return 0;
}

long bindings_of(const struct bindings_place *place, uint64_t kvm, uint64_t mm,
		 struct gmem_binding **found, size_t *room)
{
	struct gmem_question *question = place->question;
	size_t nr = 0;
	int ret;

	memset(question, 0, sizeof(*question));
	question->kvm = kvm;
	question->mm = mm;
	do {
		question->bucket = 0;
		do {
			ret = ask(place);
			if (!ret)
				ret = keep(place, nr, found, room);
			if (ret)
				return ret;
			nr += *place->nr_answer;
		} while (question->bucket < GMEM_BUCKETS);
	} while (++question->space < question->spaces);
	return (long)nr;
}
