// SPDX-License-Identifier: GPL-2.0-only
/* What --json writes, --replay reads: written again, it is the same. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../bpf/trace/buckets.h"
#include "../../src/top/model_phases.h"
#include "../../src/top/out.h"
#include "../../src/top/source_replay.h"
#include "../../src/top/store.h"
#include "step.h"

#define S      1000000000ULL
#define FRAMES 7
#define WANT   (WANT_BINDINGS | WANT_HOLDERS | WANT_WASTE | WANT_HEAT | WANT_LATENCY)

static void add_instance(uint64_t id, uint64_t vm_id, uint64_t frame)
{
	struct sample_inst inst = { .id = id, .vm_id = vm_id, .ino = 4000 + id };
	int c;

	inst.size = 1 << 21;
	inst.resident = 5 + frame;
	inst.dev = 3;
	inst.flags = 1;
	inst.born = id & 1;
	for (c = 0; c < GMEM_INST_MAX; c++)
		inst.c[c] = id * 100 + (uint64_t)c * frame;
	put_inst(inst, false);
}

static void add_lists(uint64_t vm_id, uint64_t inst_id)
{
	struct sample_binding binding = { .vm_id = vm_id,
					  .ino = 4000 + inst_id,
					  .dev = 3,
					  .gfn = 1 << 20,
					  .pages = 512,
					  .slot = 2,
					  .userspace = 0x7f0000000000,
					  .private = 100,
					  .resident = 4,
					  .waste_instance = 3,
					  .backing = GMEM_UNKNOWN,
					  .waste_backing = GMEM_UNKNOWN };
	struct sample_holder holder = { .ino = 4000 + inst_id, .dev = 3, .tgid = 77 };

	memset(binding.by_kind, 0xff, sizeof(binding.by_kind)); /* GMEM_UNKNOWN */
	memset(binding.twice, 0xff, sizeof(binding.twice));
	binding.by_kind[GMEM_BACKING_shmem] = 7;
	binding.twice[GMEM_BACKING_shmem] = 2;
	assert_int_equal(sample_add_binding(&step_sample, &binding), 0);
	strcpy(holder.comm, "qemu");
	holder.fds = 1;
	holder.mappings = 5000;
	assert_int_equal(sample_add_holder(&step_sample, &holder), 0);
}

static void add_vm(uint64_t id, uint64_t frame, bool ended)
{
	struct whole_vm whole = { 0 };
	struct sample_vm vm = { .id = id, .kvm = id, .first_ns = 1, .tgid = 100, .type = 1 };
	uint64_t ns = 900 * id << frame;
	int c, d;

	vm.key = id;
	vm.cgroup = 9;
	vm.private_pages = id == 3 ? GMEM_UNKNOWN : 17 * frame;
	vm.vmm_gone = id == 3;
	for (c = 0; c < GMEM_VM_MAX; c++)
		vm.c[c] = id * 1000 + (uint64_t)c * frame;
	for (d = 0; d < GMEM_DIRECTIONS; d++) {
		vm.latency[d].hist[40] = (uint32_t)(5 * frame);
		vm.latency[d].hist[gmem_bucket(ns)] += (uint32_t)frame;
		vm.latency[d].max_ns = ns;
		vm.latency[d].judged = vm.c[GMEM_VM_to_private + d * GMEM_PER_DIRECTION];
		vm.folded[d] = 5 * frame;
	}
	if (id >= 2) {
		whole.errors.err[GMEM_OP_bind][0] = (struct gmem_errno){ 17, (__u32)frame };
		whole.errors.err[GMEM_OP_create][0] = (struct gmem_errno){ (__u32)(20 + id), 1 };
		whole.errors.other[GMEM_OP_mmap] = 3;
		vm.error = 17;
		vm.error_op = GMEM_OP_bind;
		vm.error_ns = frame * S - 5;
	}
	whole.heat.shift = 9;
	whole.heat.pages[3] = 8 * frame;
	vm.ended_by = vm.tgid;
	vm.ended_ns = frame * S - 3;
	vm.bound_private = vm.waste_instance = vm.waste_backing = GMEM_UNKNOWN;
	whole.vm = vm;
	put_whole_vm(&whole, ended);
}

/* Of the first vCPU more conversions than 32 bits count; of the second one fewer than are kept. */
static void add_vcpus(uint64_t vm_id, uint64_t frame)
{
	uint32_t wraps[GMEM_PHASE_MAX * GMEM_HIST_BUCKETS] = { 0 };
	struct sample_vcpu vcpu = { .vm_id = vm_id };
	struct gmem_phase *phase;
	uint64_t ns, slow;
	unsigned int p;

	for (vcpu.id = 0; vcpu.id < 2; vcpu.id++) {
		for (p = 0; p < GMEM_PHASE_MAX; p++) {
			phase = &vcpu.phase[p];
			ns = 1000 * (p + 1) << frame;
			phase->latency.hist[gmem_bucket(ns)] = (uint32_t)(3 + frame);
			phase->latency.max_ns = ns;
			phase->count = 3 + frame;
			phase->sum_ns = ns * (2 + frame);
		}
		if (!vcpu.id) {
			wraps[gmem_bucket(1000 << frame)] = 2;
			vcpu.phase[0].count += 2ULL << 32;
		}
		for (slow = 0; slow < GMEM_SLOWEST - 3 * vcpu.id; slow++) {
			vcpu.slow[slow] = (struct gmem_slow){ .exit_ns = frame * S - slow - 9,
							      .gfn = 1 << 20 | slow,
							      .pages = slow + 1 };
			vcpu.slow[slow].exit = (__u32)slow % GMEM_GUEST_EXIT_MAX;
			vcpu.slow[slow].direction = slow & 1;
			for (p = 0; p < GMEM_PHASE_MAX; p++)
				vcpu.slow[slow].ns[p] = 100 * frame + (slow ^ 5) + vcpu.id;
			vcpu.slow[slow].ns[GMEM_PHASE_memory] = slow & 2 ? GMEM_UNKNOWN : 0;
		}
		put_vcpu(&vcpu, vcpu.id ? NULL : wraps);
		memset(vcpu.slow, 0, sizeof(vcpu.slow));
	}
}

static void name_vms(struct model *model)
{
	struct model_vm *vm;
	size_t i;

	for (i = 0; i < model->nr_vms; i++) {
		vm = model->vms[i];
		snprintf(vm->name, sizeof(vm->name), "web \"%d\"\xc2\x9b", (int)vm->now.id);
		if (!vm->cgroup)
			vm->cgroup = strdup("/machine.slice");
		vm->bound = vm->bound == GMEM_UNKNOWN ? 0 : vm->bound;
	}
}

static char *write_frame(struct batch *batch, const struct frames *frames, struct model *model)
{
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	batch->shown = realloc(batch->shown, (model->nr_vms + 1) * sizeof(*batch->shown));
	for (i = 0; i < model->nr_vms; i++)
		batch->shown[i] = model->vms[i];
	assert_int_equal(out_json(out, batch, frames, model, model->nr_vms), 0);
	fclose(out);
	return text;
}

/* Lines are long: what differs is shown. */
static void assert_same(const char *read, const char *wanted)
{
	size_t at = 0;

	while (read[at] && read[at] == wanted[at])
		at++;
	if (read[at] != wanted[at])
		fail_msg("...%.80s... instead of ...%.80s...", read + (at < 40 ? 0 : at - 40),
			 wanted + (at < 40 ? 0 : at - 40));
}

/* Frames of two VMs, of which one ends in the third frame. */
struct made {
	struct features features;
	struct frames frames;
	struct model model;
};

static void begin_frames(struct made *made)
{
	int i;

	*made = (struct made){ .features.facts = (1U << GMEM_FACT_MAX) - 1,
			       .frames.kernel = "7.3.4" };
	made->frames.features = &made->features;
	for (i = 0; i < GMEM_FACT_MAX; i++)
		made->features.chosen[i] = -1;
}

static void make_frame(struct made *made, uint64_t frame)
{
	made->frames.time_ns = 1700000000 * S + frame * S;
	begin_sample(frame * S, WANT | WANT_RATES);
	add_instance(21, 2, frame);
	add_instance(31, 3, frame);
	/* It ends before its VM does. */
	if (frame <= 4)
		add_instance(22, 2, frame);
	if (frame == 4)
		sample_end_instance(&step_sample, 22);
	add_vm(2, frame, false);
	if (frame <= 3)
		add_vm(3, frame, frame == 3);
	if (frame > 1)
		add_vcpus(2, frame);
	if (frame == 3)
		add_vcpus(3, frame);
	add_lists(2, 21);
	end_sample(&made->model);
	name_vms(&made->model);
}

/* The first frame has no rates, in the recording and when it is read; a VM ends in the third. */
static void test_again(void **state)
{
	struct batch batch = { .format = BATCH_JSON, .list_instances = true };
	char *lines[FRAMES], *again, path[] = "/tmp/replay_test.XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct model read = { 0 };
	struct frames *replay;
	struct made made;
	int i;

	(void)state;
	assert_non_null(file);
	begin_frames(&made);
	for (i = 0; i < FRAMES; i++) {
		make_frame(&made, (uint64_t)i + 1);
		lines[i] = write_frame(&batch, &made.frames, &made.model);
		fputs(lines[i], file);
	}
	fclose(file);
	assert_int_equal(replay_open(&replay, path), 0);
	for (i = 0; i < FRAMES; i++) {
		assert_int_equal(frames_next(replay, &read), 0);
		again = write_frame(&batch, replay, &read);
		assert_same(again, lines[i]);
		free(again);
		free(lines[i]);
	}
	assert_int_not_equal(frames_next(replay, &read), 0);
	replay->close(replay);
	unlink(path);
	model_free(&made.model);
	model_free(&read);
	batch_free(&batch);
}

/* Append the frame in the form in which it is recorded. Return: the line that --json writes. */
static char *record_frame(struct store_writer *store, struct made *made, struct batch *batch)
{
	struct batch raw = { .format = BATCH_JSON, .list_instances = true, .raw = true };
	char *full = write_frame(batch, &made->frames, &made->model);
	const char *line;
	size_t len;

	assert_int_equal(out_json_line(batch, &made->frames, &made->model, made->model.nr_vms,
				       &line, &len),
			 0);
	assert_int_equal(len, strlen(full));
	raw.shown = batch->shown;
	assert_int_equal(out_json_line(&raw, &made->frames, &made->model, made->model.nr_vms, &line,
				       &len),
			 0);
	assert_true(len < strlen(full));
	assert_int_equal(store_add(store, made->frames.time_ns, line, len), 0);
	json_free(&raw.json);
	return full;
}

/* Without the number of the frame. */
static const char *of_frame(const char *line)
{
	line = strstr(line, "\"time_ns\"");
	assert_non_null(line);
	return line;
}

/*
 * What is not recorded follows from what is, from any moment on: rates, durations of the interval,
 * and what VMs did that had ended by then, of whose blocks none is read.
 */
static void test_recorded(void **state)
{
	static const struct store_options each = { .block_ns = 1, .block_text = 1 };
	struct batch batch = { .format = BATCH_JSON, .list_instances = true };
	char *lines[FRAMES], *again, path[] = "/tmp/replay_test.XXXXXX", text[16];
	struct store_writer *store;
	struct frames *replay;
	struct model read;
	struct made made;
	int i, from;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(store_create(&store, path, &each, NULL), 0);
	begin_frames(&made);
	for (i = 0; i < FRAMES; i++) {
		make_frame(&made, (uint64_t)i + 1);
		lines[i] = record_frame(store, &made, &batch);
	}
	assert_int_equal(store_finish(store), 0);
	for (from = 0; from < FRAMES; from++) {
		memset(&read, 0, sizeof(read));
		snprintf(text, sizeof(text), "+%d", from);
		assert_int_equal(replay_open(&replay, path), 0);
		assert_int_equal(replay_choose(replay, path, text, NULL), 0);
		for (i = from; i < FRAMES; i++) {
			assert_int_equal(frames_next(replay, &read), 0);
			again = write_frame(&batch, replay, &read);
			assert_same(of_frame(again), of_frame(lines[i]));
			free(again);
		}
		assert_int_not_equal(frames_next(replay, &read), 0);
		replay->close(replay);
		model_free(&read);
	}
	for (i = 0; i < FRAMES; i++)
		free(lines[i]);
	unlink(path);
	model_free(&made.model);
	batch_free(&batch);
}

/* Only the frames up to a moment. */
static void test_between(void **state)
{
	static const struct store_options two = { .block_ns = 2 * S, .block_text = 1 << 20 };
	struct batch batch = { .format = BATCH_JSON };
	char path[] = "/tmp/replay_test.XXXXXX";
	struct store_writer *store;
	struct model read = { 0 };
	struct frames *replay;
	struct made made;
	uint64_t frame;

	(void)state;
	close(mkstemp(path));
	assert_int_equal(store_create(&store, path, &two, NULL), 0);
	begin_frames(&made);
	for (frame = 1; frame <= FRAMES; frame++) {
		make_frame(&made, frame);
		free(record_frame(store, &made, &batch));
	}
	assert_int_equal(store_finish(store), 0);
	assert_int_equal(replay_open(&replay, path), 0);
	assert_int_equal(replay_choose(replay, path, "+2", "-2"), 0);
	for (frame = 3; frame <= FRAMES - 2; frame++) {
		assert_int_equal(frames_next(replay, &read), 0);
		assert_int_equal(replay->time_ns, 1700000000 * S + frame * S);
	}
	assert_int_equal(frames_next(replay, &read), -ENODATA);
	replay->close(replay);
	unlink(path);
	model_free(&read);
	model_free(&made.model);
	batch_free(&batch);
}

/* A frame of a VM, written in version 1 or in the one of today. */
static char *read_again(const char *line)
{
	char path[] = "/tmp/replay_test.XXXXXX", *text;
	struct batch batch = { .format = BATCH_JSON };
	FILE *file = fdopen(mkstemp(path), "w");
	struct model model = { 0 };
	struct frames *replay;

	assert_non_null(file);
	fputs(line, file);
	fclose(file);
	assert_int_equal(replay_open(&replay, path), 0);
	assert_int_equal(frames_next(replay, &model), 0);
	text = write_frame(&batch, replay, &model);
	replay->close(replay);
	unlink(path);
	model_free(&model);
	batch_free(&batch);
	return text;
}

/* Version 1 had the flags "gone" and "vmm_gone", and called the failures by operation "errors". */
static void test_version_1(void **state)
{
	static const char *const flags[] = { "\"gone\":false,\"vmm_gone\":false",
					     "\"gone\":true,\"vmm_gone\":false",
					     "\"gone\":false,\"vmm_gone\":true" };
	char line[512], *old, *new;
	int i;

	(void)state;
	for (i = 0; i < NR_STATES; i++) {
		snprintf(
			line, sizeof(line),
			"{\"version\":1,\"frame\":1,\"time_ns\":5,\"vms\":[{\"id\":2,\"name\":\"a\",%s,"
			"\"errors\":{\"bind\":{\"EEXIST\":2}}}]}\n",
			flags[i]);
		old = read_again(line);
		snprintf(
			line, sizeof(line),
			"{\"version\":2,\"frame\":1,\"time_ns\":5,\"vms\":[{\"id\":2,\"name\":\"a\","
			"\"state\":\"%s\",\"errors\":2,"
			"\"errors_by_operation\":{\"bind\":{\"EEXIST\":2}}}]}\n",
			state_names[i]);
		new = read_again(line);
		assert_same(old, new);
		snprintf(line, sizeof(line), "\"state\":\"%s\"", state_names[i]);
		assert_non_null(strstr(old, line));
		assert_non_null(strstr(old, "\"errors\":2"));
		assert_non_null(strstr(old, "\"bind\":{\"EEXIST\":2}"));
		free(old);
		free(new);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_between),
		cmocka_unit_test(test_version_1),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
