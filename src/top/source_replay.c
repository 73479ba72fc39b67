// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames from the output of gmemtop -b --json: every line becomes what a source reports of a frame
 * (sample.h), so that the model and the views do the same with both.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json.h>

#include "../lib/grow.h"
#include "../lib/input.h"
#include "../lib/log.h"
#include "../lib/when.h"
#include "columns.h"
#include "recording.h"
#include "replay_phases.h"
#include "replay_values.h"
#include "silence.h"
#include "source_replay.h"
#include "store.h"

#define FRAME_BEGIN 64 /* bytes of a line in which a frame has its number */

/* What a sample points to. */
struct recorded_vm {
	struct sample_identity identity;
	struct sample_recorded recorded;
};

struct replay {
	struct frames frames; /* first: it is what the caller holds */
	struct features features;
	struct recording recording;
	struct json_object *frame; /* of the last sample, which has texts of it */
	struct recorded_vm *vms;   /* of the last sample */
	size_t room_vms;
	struct sample_host host; /* of the first sample */
	uint64_t from_ns, to_ns; /* CLOCK_REALTIME: frames outside are not shown */
	uint64_t clock_ns;	 /* the sum of the recorded intervals */
	uint64_t number;	 /* of the last frame, as its recorder counted; 0: none was read */
	bool sought;		 /* the next line does not follow the last frame */
	uint64_t version;	 /* of the frame */
	uint32_t frames_read;
};

/* --- from JSON to records --- */

static uint32_t type_of(struct json_object *object)
{
	struct json_object *value = member(object, VM_FIELD(type));

	return value ? vm_type_number(json_object_get_string(value)) : GMEM_VM_TYPE_default;
}

/* Version 1 had two flags. */
static enum vm_state state_of(const struct replay *replay, struct json_object *object)
{
	char name[16];
	int state;

	if (replay->version < 2 && json_object_get_boolean(member(object, "gone")))
		return STATE_GONE;
	if (replay->version < 2)
		return json_object_get_boolean(member(object, "vmm_gone")) ? STATE_VMM_GONE
									   : STATE_LIVE;
	text(object, VM_FIELD(state), name, sizeof(name));
	for (state = NR_STATES - 1; state && strcmp(name, state_names[state]); state--)
		;
	return (enum vm_state)state;
}

/* A time of CLOCK_REALTIME by the clock of records. */
static uint64_t record_time(const struct replay *replay, uint64_t time_ns)
{
	return replay->clock_ns - (replay->frames.time_ns - time_ns);
}

static void read_last_error(struct json_object *object, const struct replay *replay,
			    uint32_t *error_op, uint32_t *error, uint64_t *error_ns)
{
	char name[32];
	__u32 op;

	text(object, FIELD(last_error, operation), name, sizeof(name));
	for (op = 0; op < GMEM_OP_MAX && strcmp(name, op_names[op]); op++)
		;
	if (op == GMEM_OP_MAX)
		return;
	text(object, FIELD(last_error, error), name, sizeof(name));
	*error_op = op;
	*error = replay_errno(name);
	*error_ns = record_time(replay, number(object, FIELD(last_error, time_ns)));
}

/* Recordings of older versions have no list: then it is made from the VMs that are gone. */
static void read_ended(struct json_object *frame, const struct replay *replay,
		       struct sample *sample)
{
	struct json_object *list = member(frame, FIELD(frame, ended)), *one;
	struct model_ended *ended;
	size_t i;

	sample->ended_listed = list;
	sample->ended_lately = number(frame, FIELD(frame, ended_last_minute));
	sample->nr_ended = 0;
	for (i = 0; i < length(list) && i < MODEL_ENDED; i++) {
		one = json_object_array_get_idx(list, i);
		ended = &sample->ended[sample->nr_ended++];
		*ended = (struct model_ended){ .vm_id = number(one, FIELD(ended, id)),
					       .key = key_in(one) };
		ended->tgid = (uint32_t)number(one, FIELD(ended, pid));
		ended->at_ns = record_time(replay, number(one, FIELD(ended, time_ns)));
		ended->refused = number(one, FIELD(ended, host_faults_refused));
		text(one, FIELD(ended, name), ended->name, sizeof(ended->name));
		text(one, FIELD(ended, why), ended->why, sizeof(ended->why));
		read_last_error(member(one, FIELD(ended, last_error)), replay, &ended->error_op,
				&ended->error, &ended->error_ns);
	}
}

static uint32_t dev_of(struct json_object *object)
{
	unsigned int major = 0, minor = 0;
	char dev[32];

	text(object, FIELD(instance, dev), dev, sizeof(dev));
	sscanf(dev, "%u:%u", &major, &minor);
	return major << 20 | minor;
}

static int add_instance(struct sample *sample, struct json_object *object, struct sample_vm *vm)
{
	struct json_object *counters = member(object, FIELD(vm, counters));
	struct sample_inst inst = { .vm_id = vm->id, .id = number(object, FIELD(instance, id)) };
	int c;

	inst.dev = dev_of(object);
	inst.ino = number(object, FIELD(instance, ino));
	inst.size = number(object, FIELD(instance, size_pages)) << 12;
	inst.resident = number(object, FIELD(instance, resident_pages));
	inst.flags = number(object, FIELD(instance, flags));
	inst.born = !json_object_get_boolean(member(object, FIELD(instance, existed)));
	for (c = 0; c < GMEM_INST_MAX; c++) {
		inst.c[c] = number(counters, inst_counter_names[c]);
		/* What the VM counted and its instances did not is of instances that ended. */
		vm->folded[c] -= inst.c[c] < vm->folded[c] ? inst.c[c] : vm->folded[c];
	}
	return sample_add_instance(sample, &inst);
}

/* Sums over instances, bindings and holders that the file may not list. */
static void read_recorded(struct json_object *object, struct sample_recorded *recorded)
{
	struct json_object *counters = member(object, FIELD(vm, counters));

	recorded->size = number(object, VM_FIELD(size_pages));
	recorded->resident = number(object, VM_FIELD(resident_pages));
	recorded->nr_instances = number(object, VM_FIELD(instances));
	recorded->mappable = known(object, VM_FIELD(mappable));
	recorded->bound = known(object, VM_FIELD(bound_now_pages));
	recorded->holders = known(object, VM_FIELD(holders));
	recorded->bound_private = known(object, VM_FIELD(bound_private_pages));
	recorded->waste_instance = known(object, VM_FIELD(waste_instance_pages));
	recorded->waste_backing = known(object, VM_FIELD(waste_backing_pages));
#define P(known, name, ...)                                                                       \
	recorded->backing[GMEM_BACKING_##name] = known(object, VM_FIELD(backing_##name##_pages)); \
	recorded->twice[GMEM_BACKING_##name] = known(object, VM_FIELD(waste_##name##_pages));
	GMEM_BACKINGS(P, known)
#undef P
	recorded->unbinds_unknown = has(counters, VM_FIELD(unbinds)) &&
				    !member(counters, VM_FIELD(unbinds));
}

static void read_identity(const struct replay *replay, struct json_object *object,
			  struct sample_identity *identity)
{
	struct json_object *cgroup = member(object, VM_FIELD(cgroup));

	/* Texts of each frame are others. */
	identity->version = replay->frames_read;
	text(object, VM_FIELD(name), identity->name, sizeof(identity->name));
	identity->cgroup = cgroup ? json_object_get_string(cgroup) : NULL;
}

static int add_vm(const struct replay *replay, struct sample *sample, struct json_object *object,
		  struct recorded_vm *recorded)
{
	struct json_object *counters = member(object, FIELD(vm, counters)), *list;
	struct sample_vm *added, vm = { .id = number(object, VM_FIELD(id)) };
	enum vm_state state = state_of(replay, object);
	struct sample_errors errors = { 0 };
	int c, d, ret = 0;
	size_t i;

	memset(recorded, 0, sizeof(*recorded));
	read_identity(replay, object, &recorded->identity);
	read_recorded(object, &recorded->recorded);
	vm.identity = &recorded->identity;
	vm.recorded = &recorded->recorded;
	vm.key = key_in(object);
	vm.tgid = (uint32_t)number(object, VM_FIELD(pid));
	vm.vmm_gone = state == STATE_VMM_GONE;
	vm.ended = state == STATE_GONE;
	vm.type = type_of(object);
	vm.private_pages = known(object, VM_FIELD(private_pages));
	for (c = 0; c < GMEM_VM_MAX; c++)
		vm.c[c] = number(counters, vm_counter_names[c]);
	for (c = 0; c < GMEM_INST_MAX; c++)
		vm.folded[c] = number(counters, inst_counter_names[c]);
	replay_errors(member(object, replay->version < 2 ? VM_FIELD(errors)
							 : FIELD(vm, errors_by_operation)),
		      &errors, &vm.error_op, &vm.error);
	read_last_error(member(object, FIELD(vm, last_error)), replay, &vm.error_op, &vm.error,
			&vm.error_ns);
	replay_latency(member(object, FIELD(vm, latency)), &vm, recorded->recorded.wraps);
	/* A number of redundant conversions that was null: not all of them were judged. */
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		c = GMEM_VM_to_private_redundant + d * GMEM_PER_DIRECTION;
		vm.latency[d].judged = member(counters, vm_counter_names[c])
					       ? vm.c[GMEM_VM_to_private + d * GMEM_PER_DIRECTION]
					       : GMEM_UNKNOWN;
	}
	list = member(object, FIELD(vm, instance_list));
	for (i = 0; i < length(list) && !ret; i++)
		ret = add_instance(sample, json_object_array_get_idx(list, i), &vm);
	vm.parts = (vm.error ? GMEM_PART_ERRORS : 0) |
		   (sample->looked & WANT_HEAT ? GMEM_PART_HEAT : 0);
	added = ret ? NULL : sample_add_vm(sample, vm.parts);
	if (!added)
		return -ENOMEM;
	*added = vm;
	if (sample_errors_of(added))
		*sample_errors_of(added) = errors;
	if (sample_heat_of(added)) {
		memset(sample_heat_of(added), 0, sizeof(struct gmem_heat));
		replay_heat(member(object, FIELD(vm, heat)), sample_heat_of(added));
	}
	return replay_phases(sample, object, vm.id, replay->frames.time_ns);
}

/* What a recording has lists or numbers of. */
static uint32_t looked_at(struct json_object *vms)
{
	struct json_object *vm;
	uint32_t looked = WANT_RATES;
	size_t i;

	for (i = 0; i < length(vms); i++) {
		vm = json_object_array_get_idx(vms, i);
		looked |= has(vm, FIELD(vm, binding_list)) ? WANT_BINDINGS : 0;
		looked |= has(vm, FIELD(vm, holder_list)) ? WANT_HOLDERS : 0;
		looked |= has(vm, VM_FIELD(waste_instance_pages)) ? WANT_WASTE : 0;
		looked |= has(vm, FIELD(vm, heat)) ? WANT_HEAT : 0;
		looked |= has(vm, FIELD(vm, phases)) ? WANT_LATENCY : 0;
	}
	return looked;
}

static int add_binding(struct sample *sample, uint64_t vm_id, struct json_object *object)
{
	struct sample_binding binding = {
		.vm_id = vm_id,
		.slot = (uint16_t)number(object, FIELD(binding, slot)),
		.space = (uint16_t)number(object, FIELD(binding, address_space)),
		.gfn = number(object, FIELD(binding, gpa)) >> 12,
		.pages = number(object, FIELD(binding, pages)),
		.dev = dev_of(object),
		.ino = number(object, FIELD(binding, ino)),
		.pgoff = number(object, FIELD(binding, offset_pages)),
		.userspace = number(object, FIELD(binding, userspace_addr)),
		.private = known(object, FIELD(binding, private_pages)),
		.resident = known(object, FIELD(binding, resident_pages)),
		.backing = known(object, FIELD(binding, backing_pages)),
		.waste_instance = known(object, FIELD(binding, waste_instance_pages)),
		.waste_backing = known(object, FIELD(binding, waste_backing_pages)),
		.private_resident = GMEM_UNKNOWN,
	};

#define P(known, name, ...)                                            \
	binding.by_kind[GMEM_BACKING_##name] =                         \
		known(object, FIELD(binding, backing_##name##_pages)); \
	binding.twice[GMEM_BACKING_##name] = known(object, FIELD(binding, waste_##name##_pages));
	GMEM_BACKINGS(P, known)
#undef P
	return sample_add_binding(sample, &binding);
}

static int add_holder(struct sample *sample, struct json_object *object)
{
	struct sample_holder holder = { .tgid = (uint32_t)number(object, FIELD(holder, pid)) };
	uint64_t id = number(object, FIELD(holder, instance));
	size_t i;

	for (i = 0; i < sample->nr_insts && sample->insts[i].id != id; i++)
		;
	if (i == sample->nr_insts)
		return 0;
	holder.ino = sample->insts[i].ino;
	holder.dev = sample->insts[i].dev;
	holder.fds = (uint32_t)number(object, FIELD(holder, fds));
	holder.mappings = (uint32_t)number(object, FIELD(holder, mappings));
	text(object, FIELD(holder, comm), holder.comm, sizeof(holder.comm));
	return sample_add_holder(sample, &holder);
}

static int add_lists(struct sample *sample, struct json_object *object)
{
	struct json_object *list = member(object, FIELD(vm, binding_list));
	uint64_t id = number(object, VM_FIELD(id));
	int ret = 0;
	size_t i;

	for (i = 0; i < length(list) && !ret; i++)
		ret = add_binding(sample, id, json_object_array_get_idx(list, i));
	list = member(object, FIELD(vm, holder_list));
	for (i = 0; i < length(list) && !ret; i++)
		ret = add_holder(sample, json_object_array_get_idx(list, i));
	return ret;
}

static void read_features(struct replay *replay, struct json_object *frame)
{
	struct json_object *missing = member(frame, FIELD(frame, missing));
	struct features *features = &replay->features;
	char from[16] = "";
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
	features->silenced = false;
	missing = member(frame, FIELD(frame, missing_because));
	for (i = 0; i < length(missing); i++) {
		name = json_object_get_string(json_object_array_get_idx(missing, i));
		features->silenced |= name && strstr(name, SILENCE_SYSCTL);
	}
	text(frame, FIELD(frame, private_from), from, sizeof(from));
	features->private_counted = !strcmp(from, "attributes");
	for (fact = 0; fact < GMEM_FACT_MAX; fact++)
		features->chosen[fact] = -1;
}

/* VMs that ended before the first frame are in the sums over all VMs alone. */
static void read_host(struct json_object *object, struct replay *replay, struct sample *sample)
{
	struct json_object *counters = member(object, FIELD(host, counters));
	struct json_object *errors = member(object, FIELD(host, errors_by_operation));
	struct sample_host *host = &replay->host;
	uint32_t last;
	int c, d;

	if (!counters)
		return;
	for (c = 0; c < GMEM_VM_MAX; c++)
		host->c[c] = number(counters, vm_counter_names[c]);
	for (c = 0; c < GMEM_INST_MAX; c++)
		host->inst[c] = number(counters, inst_counter_names[c]);
	host->adopted = has(counters, inst_counter_names[GMEM_INST_unbinds]) &&
			!member(counters, inst_counter_names[GMEM_INST_unbinds]);
	memset(&host->errors, 0, sizeof(host->errors));
	replay_errors(errors, &host->errors, &last, &last);
	for (d = 0; d < GMEM_DIRECTIONS; d++)
		replay_durations(member(member(object, FIELD(host, latency)), direction_names[d]),
				 &host->latency[d]);
	sample->host = host;
}

/*
 * Frames keep the numbers of their recorder. A lower number is of another run of a recorder, which
 * counts and numbers VMs from the start again: nothing follows from the frames before.
 */
static void begin_frame(struct replay *replay, struct sample *sample, uint32_t looked)
{
	uint64_t nr = number(replay->frame, FIELD(frame, frame));

	sample_begin(sample, replay->clock_ns, looked);
	sample->restart = replay->sought || (nr && nr <= replay->number);
	replay->sought = false;
	if (sample->restart)
		replay->number = 0;
	if (!replay->number)
		read_host(member(replay->frame, FIELD(frame, host)), replay, sample);
	replay->number = nr ? nr : replay->number + 1;
	sample->number = replay->number;
	/* Of this run: what was lost is a sum already. */
	sample->silenced =
		json_object_get_boolean(member(replay->frame, FIELD(frame, lower_bounds)));
	sample->complete = true;
}

static int read_frame(struct replay *replay, struct sample *sample)
{
	struct json_object *frame = replay->frame, *vms = member(frame, FIELD(frame, vms)),
			   *lost = member(frame, FIELD(frame, lost));
	size_t i;
	int n, ret;

	if (!json_object_is_type(vms, json_type_array))
		return -EBADMSG;
	replay->frames_read++;
	replay->version = number(frame, FIELD(frame, version));
	read_features(replay, frame);
	text(frame, FIELD(frame, kernel), replay->frames.kernel, sizeof(replay->frames.kernel));
	replay->frames.time_ns = number(frame, FIELD(frame, time_ns));
	replay->clock_ns += number(frame, FIELD(frame, interval_ns));
	begin_frame(replay, sample, looked_at(vms));
	replay_policy(&sample->policy, member(frame, FIELD(frame, policy)));
	for (n = 0; n < GMEM_LOST_MAX; n++)
		sample->lost[n] = number(lost, loss_names[n]);
	sample->missed = number(lost, FIELD(lost, missed));
	ret = grow(&replay->vms, &replay->room_vms, length(vms), sizeof(*replay->vms));
	for (i = 0; i < length(vms) && !ret; i++)
		ret = add_vm(replay, sample, json_object_array_get_idx(vms, i), &replay->vms[i]);
	for (i = 0; i < length(vms) && !ret; i++)
		ret = add_lists(sample, json_object_array_get_idx(vms, i));
	read_ended(frame, replay, sample);
	return ret;
}

static int next(struct frames *frames, struct sample *sample)
{
	struct replay *replay = (struct replay *)frames;
	struct json_tokener *tokener;
	bool complete, is_frame;
	const char *line;
	size_t len;
	int ret;

	do {
		ret = recording_next(&replay->recording, !frames->no_wait, &line, &len, &complete);
		if (ret)
			return ret;
		json_object_put(replay->frame);
		tokener = json_tokener_new();
		replay->frame = tokener ? json_tokener_parse_ex(tokener, line, (int)len) : NULL;
		if (tokener)
			json_tokener_free(tokener);
		if (!replay->frame) {
			/* The recorder was killed, its disk was full, or it is still writing. */
			frames->cut = !complete;
			return frames->cut ? -ENODATA : -EBADMSG;
		}
		/* Events, and what was lost of them, lie between frames. */
		is_frame = !member(replay->frame, FIELD(line, lost)) ||
			   member(replay->frame, FIELD(frame, vms));
		is_frame &= !member(replay->frame, FIELD(event, event));
	} while (!is_frame);
	ret = read_frame(replay, sample);
	/* Those before @from_ns count: without the last of them the first had no rates. */
	frames->early = frames->time_ns < replay->from_ns;
	return !ret && frames->time_ns > replay->to_ns ? -ENODATA : ret;
}

static int seek(struct frames *frames, uint64_t time_ns)
{
	struct replay *replay = (struct replay *)frames;

	replay->from_ns = time_ns;
	replay->sought = true;
	recording_seek(&replay->recording, time_ns);
	return 0;
}

/* The block that begins before the frame has the frame before it, or the block before has. */
static int back(struct frames *frames)
{
	struct replay *replay = (struct replay *)frames;
	uint64_t now_ns = frames->time_ns, found = 0, ns;
	const char *line;
	bool complete;
	size_t len;
	int ret;

	recording_seek(&replay->recording, now_ns);
	while (!(ret = recording_next(&replay->recording, false, &line, &len, &complete))) {
		ns = store_time(line, len);
		/* Events lie between frames. */
		if (!memmem(line, len < FRAME_BEGIN ? len : FRAME_BEGIN, "\"frame\":", 8))
			continue;
		if (ns >= now_ns)
			break;
		found = ns > found ? ns : found;
	}
	if (ret && ret != -ENODATA)
		return ret;
	/* With nothing before it, it is the next one again. */
	seek(frames, found ? found : now_ns);
	return found ? 0 : -ENODATA;
}

static void end(struct frames *frames)
{
	struct replay *replay = (struct replay *)frames;

	sample_free(&frames->sample);
	json_object_put(replay->frame);
	recording_close(&replay->recording);
	free(replay->vms);
	free(replay);
}

int replay_open(struct frames **frames, const char *path)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int ret;

	if (!replay)
		return log_error(-ENOMEM, NULL, NULL, "replay %s", path);
	ret = recording_open(&replay->recording, path);
	if (ret) {
		free(replay);
		return log_error(ret, NULL, NULL, "open %s", input_name(path));
	}
	replay->to_ns = UINT64_MAX;
	replay->frames.next = next;
	replay->frames.close = end;
	replay->frames.fd = replay->recording.fd;
	replay->frames.features = &replay->features;
	replay->frames.recorded = true;
	if (recording_span(&replay->recording, &replay->frames.begin_ns, &replay->frames.end_ns)) {
		replay->frames.seek = seek;
		replay->frames.back = back;
	}
	*frames = &replay->frames;
	return 0;
}

static int choose(const struct replay *replay, const char *path, const char *text, uint64_t *ns)
{
	uint64_t begin = 0, end = 0;
	bool known = recording_span(&replay->recording, &begin, &end);
	int ret;

	if (!text)
		return 0;
	ret = when_parse(text, known, begin, end, ns);
	if (ret == -ESPIPE)
		return log_error(-EINVAL,
				 "it is no file of gmemtop record, which says when it begins",
				 "write the whole time: 2026-11-30T16:05", "moment '%s' of %s",
				 text, path);
	return ret ? log_error(ret, "it is not a moment",
			       "2026-11-30T16:05, 16:05, +60 and -60 are", "'%s'", text)
		   : 0;
}

int replay_choose(struct frames *frames, const char *path, const char *from, const char *to)
{
	struct replay *replay = (struct replay *)frames;
	int ret;

	ret = choose(replay, path, from, &replay->from_ns);
	if (!ret)
		ret = choose(replay, path, to, &replay->to_ns);
	if (!ret && replay->from_ns > replay->to_ns)
		ret = log_error(-EINVAL, "the end is before the beginning", NULL,
				"--from %s --to %s", from ? from : "", to);
	if (!ret && from)
		recording_seek(&replay->recording, replay->from_ns);
	return ret;
}

void replay_explain(const struct frames *frames, const char *path)
{
	const struct replay *replay = (const struct replay *)frames;

	if (frames->cut)
		log_note("%s ends in the middle of a frame, which is not shown", path);
	recording_explain(&replay->recording, path);
}
