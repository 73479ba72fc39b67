// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/log.h"
#include "../../lib/namespaces.h"
#include "../../lib/vm_name.h"
#include "holders.h"
#include "live.h"
#include "who.h"

struct live {
	event_fn fn;
	void *data;
	struct live_counts *counts;
	struct who_process *who;
	char vm[128];
};

static struct gmem_request request_of(const struct held_instance *instance, enum gmem_operation op)
{
	return (struct gmem_request){
		.op = op,
		.flags = instance->flags == GMEM_UNKNOWN ? GMEM_FLAGS_unknown
							 : GMEM_FLAGS_OF(instance->flags),
		.type = held_type(instance),
		.direction = GMEM_DIR_other,
		.size = instance->size ?: POLICY_VALUE_UNKNOWN,
		.start = POLICY_VALUE_UNKNOWN,
		.end = POLICY_VALUE_UNKNOWN,
		.offset = POLICY_VALUE_UNKNOWN,
		.offset_end = POLICY_VALUE_UNKNOWN,
	};
}

static int tell(struct live *live, const struct holder *holder, const struct gmem_request *request)
{
	struct event event = { .request = *request,
			       .who = live->who->who,
			       .outcome = EVENT_DONE,
			       .vm = *live->vm ? live->vm : NULL,
			       .pid = holder->places->tgid };

	return live->fn(&event, live->data);
}

/* A mapping with its protection, and the faults on it. */
static int tell_mapping(struct live *live, const struct held_instance *instance,
			const struct holder *holder, const struct gmem_found *place)
{
	struct gmem_request request = request_of(instance, GMEM_DO_mmap);
	__u32 bit;
	int ret;

	live->counts->mappings++;
	request.prot = place->prot & (GMEM_PROT_MAX - 1);
	ret = tell(live, holder, &request);
	request.op = GMEM_DO_fault;
	/* A fault reads or writes. */
	for (bit = 1; bit <= 2 && !ret; bit <<= 1) {
		request.prot = place->prot & bit;
		if (request.prot)
			ret = tell(live, holder, &request);
	}
	return ret;
}

static int tell_binding(struct live *live, const struct held_instance *instance,
			const struct holder *holder, const struct gmem_found *place)
{
	struct gmem_request request = request_of(instance, GMEM_DO_bind);

	live->counts->bindings++;
	request.start = place->at;
	request.end = place->end;
	request.offset = place->offset;
	request.offset_end = place->offset + (place->end - place->at);
	return tell(live, holder, &request);
}

static int tell_holder(struct live *live, const struct held_instance *instance,
		       const struct holder *holder)
{
	bool owner = instance->kvm ? instance->vm_pid == holder->places->tgid || holder->runs
				   : instance->nr == 1;
	struct gmem_request request;
	size_t i;
	int ret;

	/* It ended meanwhile. */
	if (who_of_process(holder->places->tgid, live->who))
		return 0;
	vm_name_of(holder->places->tgid, live->vm, sizeof(live->vm));
	request = request_of(instance, owner ? GMEM_DO_create : GMEM_DO_receive);
	ret = tell(live, holder, &request);
	for (i = 0; i < holder->nr && !ret; i++) {
		if (holder->places[i].how == GMEM_HELD_BY_mapping)
			ret = tell_mapping(live, instance, holder, &holder->places[i]);
		/* Only the process of the VM can bind. */
		else if (holder->places[i].how == GMEM_HELD_BY_binding && owner)
			ret = tell_binding(live, instance, holder, &holder->places[i]);
	}
	return ret;
}

/* Processes are counted once, however many instances they hold. */
static size_t count_processes(const struct held *held)
{
	size_t i, j, nr = 0;

	for (i = 0; i < held->nr; i++) {
		const struct held_instance *instance = &held->instances[i];

		for (j = 0; j < instance->nr; j++) {
			__u32 pid = instance->holders[j].places->tgid;
			size_t a, b;
			bool before = false;

			for (a = 0; a < i && !before; a++) {
				for (b = 0; b < held->instances[a].nr && !before; b++)
					before = held->instances[a].holders[b].places->tgid == pid;
			}
			nr += !before;
		}
	}
	return nr;
}

static int tell_all(struct live *live, const struct found_holders *found)
{
	struct held held;
	size_t i, j;
	int ret;

	ret = holders_group(found, &held);
	if (ret)
		return ret;
	live->counts->processes = count_processes(&held);
	live->counts->instances = held.nr;
	live->counts->knows_kvm = found->knows_kvm;
	live->counts->unread = found->unread;
	for (i = 0; i < held.nr && !ret; i++) {
		for (j = 0; j < held.instances[i].nr && !ret; j++)
			ret = tell_holder(live, &held.instances[i], &held.instances[i].holders[j]);
	}
	held_free(&held);
	return ret;
}

int live_read(event_fn fn, void *data, struct live_counts *counts)
{
	struct live live = { .fn = fn, .data = data, .counts = counts };
	struct found_holders found;
	struct finder finder;
	int ret;

	memset(counts, 0, sizeof(*counts));
	ret = namespaces_check("simulate a policy on what runs");
	if (ret)
		return ret;
	live.who = calloc(1, sizeof(*live.who));
	if (!live.who)
		return log_error(-ENOMEM, NULL, NULL, "simulate");
	finder_open(&finder, NULL);
	ret = find_holders(&finder, &found);
	finder_close(&finder);
	if (!ret) {
		ret = tell_all(&live, &found);
		if (ret)
			ret = log_error(ret, NULL, NULL, "simulate");
		holders_free(&found);
	}
	free(live.who);
	return ret;
}
