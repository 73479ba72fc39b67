// SPDX-License-Identifier: GPL-2.0-only
/* The ledger: who pays, the balance, and instances that no VM needs. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/top/memory.h"
#include "step.h"

#define MIB (1ULL << 20)

static void add_vm(uint64_t id, uint32_t tgid, uint32_t vmm_gone)
{
	struct sample_vm vm = { .id = id, .tgid = tgid, .vmm_gone = vmm_gone, .kvm = id };

	vm.c[GMEM_VM_creates] = 1;
	vm.private_pages = 100;
	put_vm(&vm, false);
}

static void add_instance(uint64_t id, uint64_t vm_id, uint64_t resident)
{
	struct sample_inst inst = {
		.id = id, .vm_id = vm_id, .ino = id, .dev = 1, .resident = resident
	};

	inst.size = resident * PAGE_BYTES;
	put_inst(inst, false);
}

static void bind(uint64_t vm_id, uint64_t inst)
{
	struct sample_binding binding = { .vm_id = vm_id,
					  .ino = inst,
					  .dev = 1,
					  .pages = 512,
					  .private = 300,
					  .resident = 300,
					  .private_resident = 200,
					  .waste_instance = 100 };

	binding.by_kind[GMEM_BACKING_shmem] = 256;
	binding.twice[GMEM_BACKING_shmem] = 56;
	assert_int_equal(sample_add_binding(&step_sample, &binding), 0);
}

static void hold(uint64_t inst, uint32_t tgid)
{
	struct sample_holder holder = { .ino = inst, .dev = 1, .tgid = tgid, .fds = 1 };

	strcpy(holder.comm, "holder");
	assert_int_equal(sample_add_holder(&step_sample, &holder), 0);
}

/* VM 2 has a bound instance and one without a memslot; the VMM of VM 3 has ended. */
static void begin(struct model *model, uint64_t now_ns)
{
	begin_sample(now_ns, WANT_BINDINGS | WANT_HOLDERS | WANT_WASTE);
	add_vm(2, 20, 0);
	add_vm(3, 30, 1);
	add_instance(4, 2, 400);
	add_instance(5, 2, 50);
	add_instance(6, 3, 7);
	bind(2, 4);
	hold(4, 20);
	hold(4, 77);
	hold(5, 20);
	hold(6, 78);
	end_sample(model);
}

static void charge(struct memledger *ledger, uint64_t inst, uint64_t cgroup, uint32_t kind,
		   uint64_t pages)
{
	struct memledger_charge c = {
		.vm_id = 2, .inst_id = inst, .cgroup = cgroup, .kind = kind, .pages = pages
	};

	assert_int_equal(memledger_add_charge(ledger, &c), 0);
}

static void test_parse(void **state __attribute__((unused)))
{
	const char *const names[] = { "Cached", "anon", "Hugetlb", "kernel" };
	uint64_t values[] = { 1, 2, 3, 4 };
	char text[] =
		"SwapCached:  9 kB\nCached:      12 kB\nanon 4096\nanon_thp 7\nHugetlb: 0 kB\n";

	memledger_parse(text, names, values, 4);
	assert_int_equal(values[0], 12 * 1024);
	assert_int_equal(values[1], 4096);
	assert_int_equal(values[2], 0);
	assert_int_equal(values[3], 4);
}

static void test_cgroups(void **state __attribute__((unused)))
{
	struct memledger ledger = { 0 };
	uint64_t pages[LEDGER_KINDS];
	int64_t rest;

	charge(&ledger, 4, 11, LEDGER_INSTANCE, 100);
	charge(&ledger, 4, 11, LEDGER_INSTANCE, 20);
	charge(&ledger, 4, 0, LEDGER_INSTANCE, 5);
	charge(&ledger, 0, 12, GMEM_BACKING_shmem, 30);
	assert_int_equal(ledger.nr_charges, 3);
	assert_int_equal(memledger_sum_cgroups(&ledger), 0);
	assert_int_equal(ledger.nr_cgroups, 2);
	assert_false(memledger_cgroup_unexplained(&ledger, &ledger.cgroups[0], &rest));
	ledger.cgroups[0].path = strdup("/vms");
	ledger.cgroups[1].path = strdup("/vms/web1");
	ledger.cgroups[0].current = 200 * PAGE_BYTES;
	ledger.cgroups[0].stat.anonymous = 20 * PAGE_BYTES;
	ledger.cgroups[0].stat.kernel = 8 * PAGE_BYTES;
	memledger_cgroup_pages(&ledger, &ledger.cgroups[0], pages);
	assert_int_equal(pages[LEDGER_INSTANCE], 120);
	assert_int_equal(pages[GMEM_BACKING_shmem], 30);
	memledger_cgroup_pages(&ledger, &ledger.cgroups[1], pages);
	assert_int_equal(pages[LEDGER_INSTANCE], 0);
	assert_true(memledger_cgroup_unexplained(&ledger, &ledger.cgroups[0], &rest));
	assert_int_equal(rest, (200 - 20 - 8 - 120 - 30) * (int64_t)PAGE_BYTES);
	/* "/vms2" is not below "/vms". */
	free(ledger.cgroups[1].path);
	ledger.cgroups[1].path = strdup("/vms2");
	memledger_cgroup_pages(&ledger, &ledger.cgroups[0], pages);
	assert_int_equal(pages[GMEM_BACKING_shmem], 0);
	memledger_free(&ledger);
}

/* The lines and unexplained are what is used, also where the ledger counts more than the kernel. */
static void test_balance(void **state __attribute__((unused)))
{
	struct memledger ledger = { 0 };
	struct model model = { 0 };
	int64_t sum;
	size_t i, round;

	begin(&model, 1);
	for (round = 0; round < 2; round++) {
		memledger_begin(&ledger);
		ledger.meminfo.total = 1000 * MIB;
		ledger.meminfo.free = 900 * MIB;
		ledger.meminfo.cached = round ? 0 : 50 * MIB;
		ledger.meminfo.shmem = round ? 0 : 2 * MIB;
		ledger.meminfo.anonymous = 10 * MIB;
		ledger.tracing = MIB;
		if (!round)
			ledger.dma_pools = 2 * MIB;
		memledger_vm(&ledger, 2)->own = 3 * MIB;
		memledger_balance(&ledger, &model);
		assert_int_equal(ledger.used, 100 * MIB);
		assert_int_equal(ledger.lines[LINE_guest_memfd], 457 * PAGE_BYTES);
		assert_int_equal(ledger.lines[LINE_backing_shmem], MIB);
		assert_int_equal(ledger.lines[LINE_tracing], MIB);
		assert_int_equal(ledger.lines[LINE_dma_pools], round ? 0 : 2 * MIB);
		assert_int_equal(ledger.lines[LINE_other_anonymous], 7 * MIB);
		assert_int_equal(ledger.lines[LINE_other_shmem], round ? 0 : MIB);
		assert_int_equal(ledger.lines[LINE_other_cache],
				 round ? 0 : 48 * MIB - 457 * PAGE_BYTES);
		for (sum = (int64_t)ledger.unexplained, i = 0; i < LEDGER_NR_LINES; i++)
			sum += (int64_t)ledger.lines[i];
		assert_int_equal(sum, 100 * MIB);
	}
	memledger_free(&ledger);
	model_free(&model);
}

static const struct memledger_leak *leak_of(const struct memledger *ledger, uint64_t inst,
					    uint32_t pid)
{
	size_t i;

	for (i = 0; i < ledger->nr_leaks; i++) {
		if (ledger->leaks[i].inst_id == inst && ledger->leaks[i].pid == pid)
			return &ledger->leaks[i];
	}
	return NULL;
}

static void test_leaks(void **state __attribute__((unused)))
{
	struct memledger ledger = { 0 };
	struct model model = { 0 };

	begin(&model, 5000000000);
	assert_int_equal(memledger_find_leaks(&ledger, &model, 10000000000), 0);
	assert_non_null(leak_of(&ledger, 4, 77));
	assert_int_equal(leak_of(&ledger, 4, 77)->why, LEAK_stranger);
	assert_null(leak_of(&ledger, 4, 20));
	/* Not yet. */
	assert_null(leak_of(&ledger, 5, 20));
	assert_int_equal(leak_of(&ledger, 6, 78)->why, LEAK_vmm_gone);
	begin(&model, 16000000000);
	memledger_begin(&ledger);
	assert_int_equal(memledger_find_leaks(&ledger, &model, 10000000000), 0);
	assert_int_equal(leak_of(&ledger, 5, 20)->why, LEAK_unbound);
	assert_int_equal(leak_of(&ledger, 5, 20)->age_ns, 11000000000);
	memledger_free(&ledger);
	model_free(&model);
}

static void test_output(void **state __attribute__((unused)))
{
	struct memledger ledger = { 0 };
	struct model model = { 0 };
	struct frames frames = { .kernel = "7.3.4" };
	struct batch batch = { 0 };
	struct memory_view view = { &frames, &model, &ledger, &batch };
	char *text = NULL;
	size_t size;
	FILE *out;

	begin(&model, 5000000000);
	memledger_begin(&ledger);
	charge(&ledger, 4, 11, LEDGER_INSTANCE, 400);
	assert_int_equal(memledger_sum_cgroups(&ledger), 0);
	memledger_balance(&ledger, &model);
	assert_int_equal(memledger_find_leaks(&ledger, &model, 0), 0);
	out = open_memstream(&text, &size);
	assert_int_equal(memory_json(out, &view), 0);
	fclose(out);
	/* More is used than is there: the ledger is ahead. */
	assert_non_null(strstr(text, "\"unexplained_bytes\":-"));
	assert_non_null(strstr(text, "\"private_bytes\":819200,\"shared_bytes\":409600,"
				     "\"unbound_bytes\":614400,"));
	assert_non_null(strstr(text, "\"vmm_bytes\":null"));
	free(text);
	out = open_memstream(&text, &size);
	assert_int_equal(memory_text(out, &view), 0);
	fclose(out);
	assert_non_null(strstr(text, "private 800K, shared 400K, unbound 600K"));
	assert_non_null(strstr(text, "in shmem: free with MADV_REMOVE"));
	assert_non_null(strstr(text, "held by 77 (holder)"));
	free(text);
	batch_free(&batch);
	memledger_free(&ledger);
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_balance), cmocka_unit_test(test_leaks),
		cmocka_unit_test(test_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
