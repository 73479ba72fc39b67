// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames from the output of gmemtop -b --json: every line becomes records as the kernel would have
 * given them, so that the model and the views do the same with both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json.h>

#include "../lib/log.h"
#include "columns.h"
#include "source_replay.h"

#define MAX_ERRNO 133

struct replay {
	struct frames frames; /* first: it is what the caller holds */
	struct features features;
	FILE *file;
	char *line;
	size_t room;
	uint64_t clock_ns; /* the sum of the recorded intervals */
};

static const char *const direction_names[GMEM_DIRECTIONS] = { "to_private", "to_shared" };

static const char *const loss_names[GMEM_LOST_MAX] = {
#define X(name, ...) #name,
	GMEM_LOSSES(X)
#undef X
};

/* --- values; what is absent is NULL, and NULL has no members --- */

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

static uint64_t number(struct json_object *object, const char *name)
{
	return json_object_get_uint64(member(object, name));
}

static void text(struct json_object *object, const char *name, char *buf, size_t size)
{
	struct json_object *value = member(object, name);

	snprintf(buf, size, "%s", value ? json_object_get_string(value) : "");
}

static size_t length(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

/* --- from JSON to records --- */

static uint32_t type_of(struct json_object *object)
{
	struct json_object *value = member(object, "type");
	uint32_t type;

	for (type = 0; value && strcmp(vm_type_name(type), "unknown"); type++) {
		if (!strcmp(vm_type_name(type), json_object_get_string(value)))
			return type;
	}
	return value ? UINT32_MAX : 0;
}

static uint32_t errno_of(const char *name)
{
	const char *known;
	uint32_t err;

	for (err = 1; err <= MAX_ERRNO; err++) {
		known = strerrorname_np((int)err);
		if (known && !strcmp(known, name))
			return err;
	}
	return (uint32_t)strtoul(name, NULL, 10);
}

static void read_errors(struct json_object *errors, struct gmem_vm *vm)
{
	struct json_object *op;
	int i, n;

	for (i = 0; i < GMEM_OP_MAX; i++) {
		op = member(errors, op_names[i]);
		if (!op || !json_object_is_type(op, json_type_object))
			continue;
		n = 0;
		json_object_object_foreach(op, name, count)
		{
			if (!strcmp(name, "other") || n == GMEM_ERRNOS) {
				vm->err_other[i] += json_object_get_uint64(count);
				continue;
			}
			vm->err[i][n].err = errno_of(name);
			vm->err[i][n++].count = (__u32)json_object_get_uint64(count);
		}
	}
}

static void read_latency(struct json_object *latency, struct gmem_vm *vm)
{
	struct json_object *one, *hist;
	size_t i;
	int d;

	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		one = member(latency, direction_names[d]);
		hist = member(one, "histogram");
		vm->latency[d].max_ns = number(one, "max_ns");
		for (i = 0; i < GMEM_HIST_SLOTS && i < length(hist); i++)
			vm->latency[d].hist[i] =
				json_object_get_uint64(json_object_array_get_idx(hist, i));
	}
}

static int add_instance(struct model *model, struct json_object *object, struct gmem_vm *vm)
{
	struct json_object *counters = member(object, "counters");
	struct gmem_inst inst = { .vm_id = vm->id, .id = number(object, "id") };
	unsigned int major = 0, minor = 0;
	char dev[32];
	int c;

	text(object, "dev", dev, sizeof(dev));
	sscanf(dev, "%u:%u", &major, &minor);
	inst.dev = major << 20 | minor;
	inst.ino = number(object, "ino");
	inst.size = number(object, "size_pages") << 12;
	inst.resident = number(object, "resident_pages");
	inst.flags = number(object, "flags");
	inst.born = !json_object_get_boolean(member(object, "existed"));
	for (c = 0; c < GMEM_INST_MAX; c++) {
		inst.c[c] = number(counters, inst_counter_names[c]);
		/* What the VM counted and its instances did not is of instances that ended. */
		vm->folded[c] -= inst.c[c] < vm->folded[c] ? inst.c[c] : vm->folded[c];
	}
	return model_add_instance(model, &inst, false);
}

static int add_vm(struct model *model, struct json_object *object)
{
	struct json_object *counters = member(object, "counters"), *list;
	struct gmem_vm vm = { .id = number(object, "id") };
	int c, d, ret = 0;
	size_t i;

	vm.tgid = (__u32)number(object, "pid");
	vm.type = type_of(object);
	vm.private_pages = member(object, "private_pages") ? number(object, "private_pages")
							   : GMEM_UNKNOWN;
	for (c = 0; c < GMEM_VM_MAX; c++)
		vm.c[c] = number(counters, vm_counter_names[c]);
	for (c = 0; c < GMEM_INST_MAX; c++)
		vm.folded[c] = number(counters, inst_counter_names[c]);
	read_errors(member(object, "errors"), &vm);
	read_latency(member(object, "latency"), &vm);
	/* A number of redundant conversions that was null: not all of them were judged. */
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		c = GMEM_VM_to_private_redundant + d * GMEM_PER_DIRECTION;
		vm.latency[d].judged = member(counters, vm_counter_names[c])
					       ? vm.c[GMEM_VM_to_private + d * GMEM_PER_DIRECTION]
					       : GMEM_UNKNOWN;
	}
	list = member(object, "instance_list");
	for (i = 0; i < length(list) && !ret; i++)
		ret = add_instance(model, json_object_array_get_idx(list, i), &vm);
	if (!ret)
		ret = model_add_vm(model, &vm, json_object_get_boolean(member(object, "gone")));
	return ret;
}

static struct model_vm *find(struct model *model, uint64_t id)
{
	size_t low = 0, high = model->nr_vms, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (model->vms[mid]->now.id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < model->nr_vms && model->vms[low]->now.id == id ? model->vms[low] : NULL;
}

/* What the model would look up, or sum over instances that the file may not list. */
static void complete_vm(struct model *model, struct json_object *object)
{
	struct model_vm *vm = find(model, number(object, "id"));
	struct json_object *cgroup = member(object, "cgroup");

	if (!vm)
		return;
	vm->size = number(object, "size_pages");
	vm->resident = number(object, "resident_pages");
	vm->nr_instances = (uint32_t)number(object, "instances");
	if (vm->named)
		return;
	vm->named = true;
	text(object, "name", vm->name, sizeof(vm->name));
	if (cgroup)
		vm->cgroup = strdup(json_object_get_string(cgroup));
}

static void read_features(struct replay *replay, struct json_object *missing)
{
	struct features *features = &replay->features;
	unsigned int source;
	const char *name;
	size_t i;
	int fact;

	features->facts = (1U << GMEM_FACT_MAX) - 1;
	for (i = 0; i < length(missing); i++) {
		name = json_object_get_string(json_object_array_get_idx(missing, i));
		for (fact = 0; name && fact < GMEM_FACT_MAX; fact++) {
			if (!strcmp(fact_names[fact], name))
				features->facts &= ~(1U << fact);
		}
	}
	for (fact = 0; fact < GMEM_FACT_MAX; fact++)
		features->chosen[fact] = -1;
	/* The last one is that which does not judge every conversion. */
	for (source = 0; source < nr_sources; source++) {
		if (sources[source].facts & FACT(redundant))
			features->chosen[GMEM_FACT_redundant] = (int)source;
	}
}

static int read_frame(struct replay *replay, struct model *model, struct json_object *frame)
{
	struct json_object *vms = member(frame, "vms"), *lost = member(frame, "lost");
	__u64 losses[GMEM_LOST_MAX];
	size_t i;
	int n, ret = 0;

	if (!json_object_is_type(vms, json_type_array))
		return -EBADMSG;
	read_features(replay, member(frame, "missing"));
	text(frame, "kernel", replay->frames.kernel, sizeof(replay->frames.kernel));
	replay->frames.time_ns = number(frame, "time_ns");
	replay->clock_ns += number(frame, "interval_ns");
	model_begin(model, replay->clock_ns);
	for (i = 0; i < length(vms) && !ret; i++)
		ret = add_vm(model, json_object_array_get_idx(vms, i));
	for (n = 0; n < GMEM_LOST_MAX; n++)
		losses[n] = number(lost, loss_names[n]);
	model_set_lost(model, losses, number(lost, "missed"));
	model_end(model);
	for (i = 0; i < length(vms); i++)
		complete_vm(model, json_object_array_get_idx(vms, i));
	return ret;
}

static int next(struct frames *frames, struct model *model)
{
	struct replay *replay = (struct replay *)frames;
	struct json_object *frame;
	int ret;

	errno = 0;
	if (getline(&replay->line, &replay->room, replay->file) < 0)
		return errno ? -errno : -ENODATA;
	frame = json_tokener_parse(replay->line);
	if (!frame)
		return -EBADMSG;
	ret = read_frame(replay, model, frame);
	json_object_put(frame);
	return ret;
}

int replay_open(struct frames **frames, const char *path)
{
	struct replay *replay = calloc(1, sizeof(*replay));

	if (!replay)
		return log_error(-ENOMEM, NULL, NULL, "replay %s", path);
	replay->file = fopen(path, "re");
	if (!replay->file) {
		free(replay);
		return log_error(-errno, NULL, NULL, "open %s", path);
	}
	replay->frames.next = next;
	replay->frames.features = &replay->features;
	replay->frames.recorded = true;
	*frames = &replay->frames;
	return 0;
}

void replay_close(struct frames *frames)
{
	struct replay *replay = (struct replay *)frames;

	if (!replay)
		return;
	fclose(replay->file);
	free(replay->line);
	free(replay);
}
