// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../lib/grow.h"
#include "columns.h"
#include "diagnose.h"
#include "tui_text.h"

#define MIB_PAGES   256 /* of 4 KiB */
#define RANGE_PAGES 512 /* 2 MiB */
#define FEW_PAGES   4	/* that a conversion of a storm has, in the mean */

static void number(struct evidence *evidence, const char *name, uint64_t value)
{
	if (evidence->nr < EVIDENCE_NUMBERS)
		evidence->numbers[evidence->nr++] = (struct evidence_number){ name, value };
}

static const char *scaled(char *buf, uint64_t value, enum unit unit)
{
	format_number(buf, value * 100, unit, true);
	return buf;
}

static bool enough(const struct rule *rule, uint64_t n, uint64_t of)
{
	return n && n >= rule->least && (double)n * 100 >= (double)of * rule->percent;
}

static unsigned int percent_of(uint64_t part, uint64_t whole)
{
	return whole ? (unsigned int)((double)part * 100 / (double)whole + 0.5) : 0;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* --- the rules --- */

/*
 * Of N pages P became private: between them at most N - P are not, so that they lie in no more
 * than N - P + 1 ranges, which conversions of 2 MiB at most cut once more. That holds only where
 * the same pages were not converted again and again.
 */
static bool single_pages(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	uint64_t n = vm->c[GMEM_VM_to_private], asked = vm->c[GMEM_VM_to_private_pages];
	uint64_t pages = vm->private.peak, size = vm->size.peak, ranges, ns;
	char total[NUMBER_LEN], saved[NUMBER_LEN];

	if (!pages || pages > size || asked < pages / 2 || asked > pages + pages / 2 ||
	    asked > n * FEW_PAGES)
		return false;
	ranges = size - pages + 1 + size / RANGE_PAGES;
	if (ranges >= n || !enough(rule, n - ranges, n))
		return false;
	ns = (uint64_t)((double)vm->c[GMEM_VM_to_private_ns] * (double)(n - ranges) / (double)n);
	snprintf(
		e->text, sizeof(e->text),
		"%llu conversions to private of %.1f pages each made %llu of %llu pages private, in %s; "
		"as ranges of 2 MiB at most they are %llu",
		(unsigned long long)n, (double)asked / (double)n, (unsigned long long)pages,
		(unsigned long long)size, scaled(total, vm->c[GMEM_VM_to_private_ns], UNIT_NS),
		(unsigned long long)ranges);
	snprintf(e->saving, sizeof(e->saving),
		 "%llu calls and exits; up to %s, if a range takes as long as a page",
		 (unsigned long long)(n - ranges), scaled(saved, ns, UNIT_NS));
	number(e, "conversions", n);
	number(e, "asked_pages", asked);
	number(e, "private_pages", pages);
	number(e, "size_pages", size);
	number(e, "ranges", ranges);
	number(e, "saved_ns", ns);
	e->weight = n - ranges;
	return true;
}

static bool redundant(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	uint64_t n = vm->c[GMEM_VM_to_private_redundant] + vm->c[GMEM_VM_to_shared_redundant];
	uint64_t all = digest_conversions(vm), ns = 0;
	char buf[NUMBER_LEN];

	if (!(vm->known_vm >> GMEM_VM_to_private_redundant & 1) ||
	    !(vm->known_vm >> GMEM_VM_to_shared_redundant & 1) || !enough(rule, n, all))
		return false;
	ns = (uint64_t)((double)digest_convert_ns(vm) * (double)n / (double)all);
	snprintf(
		e->text, sizeof(e->text),
		"%llu of %llu conversions (%u %%) changed no page: %llu to private, %llu to shared",
		(unsigned long long)n, (unsigned long long)all, percent_of(n, all),
		(unsigned long long)vm->c[GMEM_VM_to_private_redundant],
		(unsigned long long)vm->c[GMEM_VM_to_shared_redundant]);
	snprintf(e->saving, sizeof(e->saving),
		 "%llu calls, about %s if they took as long as the mean", (unsigned long long)n,
		 scaled(buf, ns, UNIT_NS));
	number(e, "redundant", n);
	number(e, "conversions", all);
	number(e, "redundant_ns", ns);
	e->weight = n;
	return true;
}

static bool waits_for_lock(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	static const unsigned int percents[] = { 99 };
	const struct digest_phase *lock, *total;
	char wait[NUMBER_LEN], all[NUMBER_LEN], longest[NUMBER_LEN];
	__u64 p99 = 0;

	if (!vm->phases)
		return false;
	lock = &vm->phases[GMEM_PHASE_lock];
	total = &vm->phases[GMEM_PHASE_total];
	if (!enough(rule, lock->sum_ns, total->sum_ns))
		return false;
	latency_percentiles(&lock->latency, percents, 1, &p99);
	snprintf(
		e->text, sizeof(e->text),
		"%llu conversions waited %s for slots_lock (99 %% of them at most %s), %u %% of the %s "
		"that they took from the guest's exit to its re-entry",
		(unsigned long long)lock->count, scaled(wait, lock->sum_ns, UNIT_NS),
		scaled(longest, p99, UNIT_NS), percent_of(lock->sum_ns, total->sum_ns),
		scaled(all, total->sum_ns, UNIT_NS));
	snprintf(e->saving, sizeof(e->saving), "%s of vCPU time at most", wait);
	number(e, "lock_ns", lock->sum_ns);
	number(e, "lock_p99_ns", p99);
	number(e, "total_ns", total->sum_ns);
	number(e, "conversions", lock->count);
	e->weight = lock->sum_ns;
	return true;
}

static bool held_twice(const struct rule *rule, const struct digest_vm *vm,
		       const struct digest_gauge *waste, const char *what, struct evidence *e)
{
	char held[NUMBER_LEN], peak[NUMBER_LEN], last[NUMBER_LEN], resident[NUMBER_LEN];

	if (!enough(rule, waste->held, vm->resident.peak))
		return false;
	snprintf(e->text, sizeof(e->text),
		 "%s of %s in at least two frames in a row (at most %s, at the end %s); "
		 "the instances had %s in memory at most",
		 scaled(held, waste->held, UNIT_PAGES), what, scaled(peak, waste->peak, UNIT_PAGES),
		 scaled(last, waste->last, UNIT_PAGES),
		 scaled(resident, vm->resident.peak, UNIT_PAGES));
	snprintf(e->saving, sizeof(e->saving), "%s of memory", held);
	number(e, "held_pages", waste->held);
	number(e, "peak_pages", waste->peak);
	number(e, "last_pages", waste->last);
	number(e, "frames", waste->frames);
	e->weight = waste->held;
	return true;
}

static bool instance_twice(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	return held_twice(rule, vm, &vm->waste_instance,
			  "instance pages were in memory although the guest's pages were shared",
			  e);
}

static bool backing_twice(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	return held_twice(
		rule, vm, &vm->waste_backing,
		"the shared backing was in memory although the guest's pages were private", e);
}

static bool fault_loop(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	const struct digest_loop *loop = &vm->loop;

	if (!enough(rule, loop->faults, vm->inst[GMEM_INST_guest_faults]))
		return false;
	snprintf(e->text, sizeof(e->text),
		 "%llu guest faults on no more than %llu page%s that were in memory already, in "
		 "%llu interval%s; meanwhile %llu conversion%s and %llu punched hole%s",
		 (unsigned long long)loop->faults, (unsigned long long)loop->pages,
		 plural(loop->pages), (unsigned long long)loop->frames, plural(loop->frames),
		 (unsigned long long)loop->conversions, plural(loop->conversions),
		 (unsigned long long)loop->punches, plural(loop->punches));
	snprintf(e->saving, sizeof(e->saving), "%llu exits to KVM",
		 (unsigned long long)(loop->faults - loop->pages));
	number(e, "guest_faults", loop->faults);
	number(e, "pages", loop->pages);
	number(e, "intervals", loop->frames);
	number(e, "conversions", loop->conversions);
	number(e, "punches", loop->punches);
	e->weight = loop->faults;
	return true;
}

/* Calls of an operation that succeeded. */
static uint64_t succeeded(const struct digest_vm *vm, enum gmem_op op)
{
	switch (op) {
	case GMEM_OP_convert_private: return vm->c[GMEM_VM_to_private];
	case GMEM_OP_convert_shared: return vm->c[GMEM_VM_to_shared];
	case GMEM_OP_create: return vm->c[GMEM_VM_creates];
	case GMEM_OP_populate: return vm->c[GMEM_VM_populates];
	case GMEM_OP_bind: return vm->inst[GMEM_INST_binds];
	case GMEM_OP_allocate: return vm->inst[GMEM_INST_allocates];
	case GMEM_OP_punch: return vm->inst[GMEM_INST_punches];
	case GMEM_OP_mmap: return vm->inst[GMEM_INST_mmaps];
	case GMEM_OP_guest_fault: return vm->inst[GMEM_INST_guest_faults];
	default: return 0;
	}
}

static bool retries(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	uint64_t n, done, most = 0;
	enum gmem_op op, worst = GMEM_OP_MAX;

	for (op = 0; op < GMEM_OP_MAX; op++) {
		n = digest_errno(vm, op, EINTR) + digest_errno(vm, op, EAGAIN);
		if (n > most && enough(rule, n, n + succeeded(vm, op))) {
			most = n;
			worst = op;
		}
	}
	if (worst == GMEM_OP_MAX)
		return false;
	done = succeeded(vm, worst);
	snprintf(
		e->text, sizeof(e->text),
		"%s ended with EINTR %llu times and with EAGAIN %llu times, and succeeded %llu times",
		op_names[worst], (unsigned long long)digest_errno(vm, worst, EINTR),
		(unsigned long long)digest_errno(vm, worst, EAGAIN), (unsigned long long)done);
	number(e, "interrupted", digest_errno(vm, worst, EINTR));
	number(e, "try_again", digest_errno(vm, worst, EAGAIN));
	number(e, "succeeded", done);
	e->weight = most;
	return true;
}

static bool no_memory(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	static const enum gmem_op ops[] = { GMEM_OP_allocate,	     GMEM_OP_guest_fault,
					    GMEM_OP_create,	     GMEM_OP_populate,
					    GMEM_OP_convert_private, GMEM_OP_convert_shared };
	size_t i, len = 0;
	uint64_t n, all = 0;
	int added;

	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		n = digest_errno(vm, ops[i], ENOMEM) + digest_errno(vm, ops[i], ENOSPC);
		if (!n)
			continue;
		all += n;
		added = snprintf(e->text + len, sizeof(e->text) - len, "%s%s failed %llu time%s",
				 len ? ", " : "", op_names[ops[i]], (unsigned long long)n,
				 plural(n));
		if (added > 0 && len + (size_t)added < sizeof(e->text))
			len += (size_t)added;
		number(e, op_names[ops[i]], n);
	}
	snprintf(e->text + len, sizeof(e->text) - len, " for lack of memory (ENOMEM, ENOSPC)");
	e->weight = all;
	return enough(rule, all, all);
}

static bool refused(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	uint64_t n = vm->inst[GMEM_INST_host_faults_refused], denied;

	if (!enough(rule, n, n))
		return false;
	denied = vm->inst[GMEM_INST_host_faults_denied];
	snprintf(e->text, sizeof(e->text),
		 "%llu host fault%s ended in SIGBUS, %llu were served; a security module denied "
		 "%llu of the refused ones",
		 (unsigned long long)n, plural(n),
		 (unsigned long long)vm->inst[GMEM_INST_host_faults], (unsigned long long)denied);
	number(e, "host_faults_refused", n);
	number(e, "host_faults", vm->inst[GMEM_INST_host_faults]);
	number(e, "host_faults_denied", denied);
	e->weight = n;
	return true;
}

static bool outlived(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	uint64_t pages = vm->orphaned.held ? vm->orphaned.held - 1 : 0;
	char buf[NUMBER_LEN];

	if (!enough(rule, vm->orphaned.held, vm->orphaned.held))
		return false;
	snprintf(e->text, sizeof(e->text),
		 "the VMM (pid %u) had ended, and instances with %s in memory were still held%s%s",
		 vm->pid, scaled(buf, pages, UNIT_PAGES), vm->holders[0] ? " by " : "",
		 vm->holders);
	snprintf(e->saving, sizeof(e->saving), "%s of memory", buf);
	number(e, "resident_pages", pages);
	number(e, "vm_ended", vm->ended);
	e->weight = vm->orphaned.held;
	return true;
}

static bool poisoned(const struct rule *rule, const struct digest_vm *vm, struct evidence *e)
{
	uint64_t n = vm->inst[GMEM_INST_memory_failures];
	uint64_t faults = digest_errno(vm, GMEM_OP_guest_fault, EHWPOISON);

	if (!enough(rule, n + faults, n + faults))
		return false;
	snprintf(e->text, sizeof(e->text),
		 "%llu memory failure%s; %llu guest faults met a broken page (EHWPOISON)",
		 (unsigned long long)n, plural(n), (unsigned long long)faults);
	number(e, "memory_failures", n);
	number(e, "guest_faults_failed", faults);
	e->weight = n + faults;
	return true;
}

const struct rule rules[] = {
	{ "single-pages", "Single pages that could be one range",
	  "Let the guest ask for whole ranges (KVM_HC_MAP_GPA_RANGE and its likes take a number of "
	  "pages), and the VMM make one KVM_SET_MEMORY_ATTRIBUTES of adjacent requests.",
	  FACT(convert) | FACT(private_pages), 0, NULL, 1000, 90, single_pages },
	{ "redundant-conversions", "Conversions that change nothing",
	  "Have guest or VMM remember the state of a range, and convert only what differs.",
	  FACT(redundant), 0, "--redundant", 100, 10, redundant },
	{ "slots-lock", "Conversions that wait for KVM's slots_lock",
	  "vCPUs that convert at the same time, and changes of memslots, wait for each other: let the "
	  "guest convert larger ranges, and the VMM change memslots before it runs the guest.",
	  FACT(phase_lock), WANT_LATENCY, "--latency", 1000000, 20, waits_for_lock },
	{ "instance-held-twice", "Instance memory that the guest does not use",
	  "After a conversion to shared, the VMM should free the range of the instance: "
	  "fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, ...).",
	  FACT(bindings) | FACT(attributes), WANT_WASTE, "--waste", MIB_PAGES, 5, instance_twice },
	{ "backing-held-twice", "Shared backing that the guest does not use",
	  "After a conversion to private, the VMM should free the range of the shared backing: "
	  "madvise(MADV_DONTNEED) for anonymous memory, fallocate(FALLOC_FL_PUNCH_HOLE) for a file.",
	  FACT(bindings) | FACT(attributes) | FACT(backing), WANT_WASTE, "--waste", MIB_PAGES, 5,
	  backing_twice },
	{ "fault-loop", "Guest faults on the same pages again and again",
	  "Something takes the pages away after each fault: conversions back and forth, holes that "
	  "are punched, memslots that are replaced. `gmemtop events -e guest_fault,convert,punch` "
	  "shows which.",
	  FACT(guest_fault) | FACT(first_touch), 0, NULL, 1000, 10, fault_loop },
	{ "interrupted-calls", "Calls that are interrupted and repeated",
	  "Block or direct the signals of the thread that makes the calls, or make each call for a "
	  "smaller range.",
	  0, 0, NULL, 10, 1, retries },
	{ "allocation-failures", "Allocations that fail",
	  "Compare the limit of the VM's cgroup (memory.max, memory.events) and the free memory of "
	  "its NUMA nodes with the size of the instances.",
	  FACT(allocate), 0, NULL, 1, 0, no_memory },
	{ "memory-failures", "Memory that broke",
	  "Look for the machine's memory errors in the kernel log (EDAC, MCE); the guest lost these "
	  "pages.",
	  FACT(memory_failure), 0, NULL, 1, 0, poisoned },
	{ "host-faults-refused", "Host accesses to private memory",
	  "A process of the host touched memory that is private, or lies behind the end of the "
	  "instance: `gmemtop events -e host_fault --stack` shows which one, and from where.",
	  FACT(host_fault), 0, NULL, 1, 0, refused },
	{ "instances-outlive-vm", "Instances that outlive their VM",
	  "Another process holds a descriptor or a mapping: `gmemtop --json --once --holders` lists "
	  "the holders. Memory is free when the last of them is gone.",
	  FACT(vm_end), 0, NULL, 1, 0, outlived },
};

const unsigned int nr_rules = sizeof(rules) / sizeof(*rules);

_Static_assert(sizeof(rules) / sizeof(*rules) <= MAX_RULES, "unchecked rules");

static int by_weight(const void *a, const void *b)
{
	const struct finding *first = a, *second = b;

	if (first->rule != second->rule)
		return first->rule < second->rule ? -1 : 1;
	if (first->evidence.weight != second->evidence.weight)
		return first->evidence.weight < second->evidence.weight ? 1 : -1;
	if (first->vm->run != second->vm->run)
		return first->vm->run < second->vm->run ? -1 : 1;
	return first->vm->id < second->vm->id ? -1 : first->vm->id > second->vm->id;
}

static int check_vms(struct diagnosis *diagnosis, const struct digest *digest,
		     const struct rule *rule)
{
	struct finding *finding;
	size_t i;

	for (i = 0; i < digest->nr_vms; i++) {
		if (grow(&diagnosis->findings, &diagnosis->room, diagnosis->nr + 1,
			 sizeof(*finding)))
			return -ENOMEM;
		finding = &diagnosis->findings[diagnosis->nr];
		*finding = (struct finding){ .rule = rule, .vm = digest->vms[i] };
		diagnosis->nr += rule->check(rule, finding->vm, &finding->evidence);
	}
	return 0;
}

int diagnose(struct diagnosis *diagnosis, const struct digest *digest)
{
	const struct rule *rule;
	uint32_t missing;
	int ret = 0;

	*diagnosis = (struct diagnosis){ 0 };
	for (rule = rules; rule < rules + nr_rules && !ret; rule++) {
		missing = rule->facts & ~digest->facts;
		if (missing || rule->wants & ~digest->looked) {
			diagnosis->unchecked[diagnosis->nr_unchecked++] =
				(struct unchecked){ rule, missing };
			continue;
		}
		ret = check_vms(diagnosis, digest, rule);
	}
	if (diagnosis->nr)
		qsort(diagnosis->findings, diagnosis->nr, sizeof(*diagnosis->findings), by_weight);
	return ret;
}

void diagnosis_free(struct diagnosis *diagnosis)
{
	free(diagnosis->findings);
	*diagnosis = (struct diagnosis){ 0 };
}
