// SPDX-License-Identifier: GPL-2.0-only
/* What --json writes, --replay reads: written again, it is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../bpf/trace/buckets.h"
#include "../../src/top/out.h"
#include "../../src/top/source_replay.h"

#define S      1000000000ULL
#define FRAMES 4
#define WANT   (WANT_BINDINGS | WANT_HOLDERS | WANT_WASTE | WANT_HEAT)

static void add_instance(struct model *model, uint64_t id, uint64_t vm_id, uint64_t frame)
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
	assert_int_equal(model_add_instance(model, &inst, false), 0);
}

static void add_lists(struct model *model, uint64_t vm_id, uint64_t inst_id)
{
	struct sample_binding binding = { .ino = 4000 + inst_id, .dev = 3, .gfn = 1 << 20 };
	struct sample_holder holder = { .ino = 4000 + inst_id, .dev = 3, .tgid = 77 };
	struct model_binding *b;

	binding.pages = 512;
	binding.slot = 2;
	binding.userspace = 0x7f0000000000;
	b = model_add_binding(model, vm_id, &binding);
	assert_non_null(b);
	b->private = 100;
	b->resident = 4;
	b->waste_instance = 3;
	strcpy(holder.comm, "qemu");
	holder.fds = 1;
	holder.mappings = 5000;
	assert_int_equal(model_add_holder(model, &holder), 0);
}

static void add_vm(struct model *model, uint64_t id, uint64_t frame, bool ended)
{
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
	if (id == 2) {
		vm.err[GMEM_OP_bind][0] = (struct gmem_errno){ 17, (__u32)frame };
		vm.err[GMEM_OP_create][0] = (struct gmem_errno){ 22, 1 };
		vm.err_other[GMEM_OP_mmap] = 3;
		vm.error = 17;
		vm.error_op = GMEM_OP_bind;
		vm.error_ns = frame * S - 5;
	}
	vm.heat.shift = 9;
	vm.heat.pages[3] = 8 * frame;
	vm.ended_by = vm.tgid;
	vm.ended_ns = frame * S - 3;
	assert_int_equal(model_add_vm(model, &vm, ended), 0);
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

/* The first frame has no rates, in the recording and when it is read; a VM ends in the third. */
static void test_again(void **state)
{
	struct features features = { .facts = (1U << GMEM_FACT_MAX) - 1 };
	struct batch batch = { .format = BATCH_JSON, .list_instances = true };
	struct frames frames = { .features = &features, .kernel = "7.3.4" }, *replay;
	char *lines[FRAMES], *again, path[] = "/tmp/replay_test.XXXXXX";
	struct model model = { 0 }, read = { 0 };
	FILE *file = fdopen(mkstemp(path), "w");
	uint64_t frame;
	int i;

	(void)state;
	assert_non_null(file);
	for (i = 0; i < GMEM_FACT_MAX; i++)
		features.chosen[i] = -1;
	for (frame = 1; frame <= FRAMES; frame++) {
		frames.time_ns = 1700000000 * S + frame * S;
		model_begin(&model, frame * S, WANT | WANT_RATES);
		add_instance(&model, 21, 2, frame);
		add_instance(&model, 31, 3, frame);
		add_vm(&model, 2, frame, false);
		if (frame <= 3)
			add_vm(&model, 3, frame, frame == 3);
		add_lists(&model, 2, 21);
		assert_int_equal(model_end(&model), 0);
		name_vms(&model);
		model_note_ends(&model);
		lines[frame - 1] = write_frame(&batch, &frames, &model);
		fputs(lines[frame - 1], file);
	}
	fclose(file);
	assert_int_equal(replay_open(&replay, path), 0);
	for (i = 0; i < FRAMES; i++) {
		assert_int_equal(replay->next(replay, &read), 0);
		again = write_frame(&batch, replay, &read);
		assert_same(again, lines[i]);
		free(again);
		free(lines[i]);
	}
	assert_int_not_equal(replay->next(replay, &read), 0);
	replay_close(replay);
	unlink(path);
	model_free(&model);
	model_free(&read);
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
	assert_int_equal(replay->next(replay, &model), 0);
	text = write_frame(&batch, replay, &model);
	replay_close(replay);
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
		cmocka_unit_test(test_version_1),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
