// SPDX-License-Identifier: GPL-2.0-only
/*
 * The workload's own clock on the way of each conversion that its guests ask for: when the guest
 * left, when the calls of the VMM began and ended, and when the guest was entered again. Each
 * moment of the kernel lies between two of these.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static void sleep_us(u64 us)
{
	struct timespec left = { .tv_sec = (time_t)(us / 1000000),
				 .tv_nsec = (long)(us % 1000000 * 1000) };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static void write_line(const char *line, int len)
{
	if (write(cfg.trips_fd, line, (size_t)len) != len)
		say("cannot write %s: %s", cfg.trips, strerror(errno));
}

/**
 * trip_run - KVM_RUN returned
 * @vcpu: whose
 * @run_ns: when it was called
 * @back_ns: and returned
 *
 * A conversion before that is complete now, and a new one may begin.
 */
void trip_run(struct vcpu *vcpu, u64 run_ns, u64 back_ns)
{
	struct trip *trip = &vcpu->trip;
	char line[512];
	int len;

	if (cfg.trips_fd < 0)
		return;
	if (trip->exit && trip->set_end) {
		len = snprintf(line, sizeof(line),
			       "trip vm=%u pid=%d vcpu=%u exit=%s to=%s gpa=%llu pages=%llu "
			       "before=%llu out=%llu set=%llu set_end=%llu memory=%llu "
			       "memory_end=%llu run=%llu back=%llu held=%llu\n",
			       vcpu->vm->index, vcpu->vm->pid, vcpu->index, trip->exit,
			       trip->attributes ? "to_private" : "to_shared",
			       (unsigned long long)trip->gpa,
			       (unsigned long long)trip->size >> PAGE_SHIFT,
			       (unsigned long long)trip->before, (unsigned long long)trip->out,
			       (unsigned long long)trip->set, (unsigned long long)trip->set_end,
			       (unsigned long long)trip->memory,
			       (unsigned long long)trip->memory_end, (unsigned long long)run_ns,
			       (unsigned long long)back_ns, (unsigned long long)trip->held_ns);
		write_line(line, len);
	}
	*trip = (struct trip){ .before = run_ns, .out = back_ns };
}

/**
 * trip_convert - convert what the guest asks for, as a VMM does it that takes its time
 * @ctx: who does it
 * @by: on whose request
 * @gpa: guest physical address
 * @size: bytes
 * @attributes: the attribute to set
 *
 * With --vmm-us there is a pause before, longer from conversion to conversion; with --discard the
 * memory that the range does not use any more is freed.
 */
int trip_convert(struct ctx *ctx, enum origin by, u64 gpa, u64 size, u64 attributes)
{
	struct trip *trip = &ctx->vcpu->trip;
	struct hold *hold = NULL;
	struct slot *slot;
	int ret;

	if (cfg.vmm_us)
		sleep_us(cfg.vmm_us * (1 + ctx->vcpu->nr_trips % 4));
	if (cfg.hold_lock_ms && !ctx->vcpu->index && !ctx->vcpu->nr_trips) {
		hold = hold_begin(ctx->vm);
		if (!hold)
			return -EIO;
	}
	ctx->vcpu->nr_trips++;
	trip->exit = by == BY_FAULT ? "memory_fault" : "hypercall";
	trip->gpa = gpa;
	trip->size = size;
	trip->attributes = attributes;
	trip->set = now_ns();
	ret = convert(ctx, by, gpa, size, attributes);
	if (!ret)
		trip->set_end = now_ns();
	if (hold) {
		trip->held_ns = hold_end(hold);
		if (!trip->held_ns)
			say("VM %u: slots_lock was not held", ctx->vm->index);
	}
	if (ret)
		return ret;
	slot = cfg.discard ? shadow_slot_at(ctx->vm, gpa) : NULL;
	if (!slot || slot->inst < 0 || gpa + size > slot->gpa + slot->size)
		return 0;
	trip->memory = now_ns();
	if (attributes)
		madvise((u8 *)slot->shared + (gpa - slot->gpa), size, MADV_DONTNEED);
	else
		do_punch(ctx, &ctx->vm->inst[slot->inst], gpa - slot->gpa + slot->offset, size,
			 FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE);
	trip->memory_end = now_ns();
	return 0;
}

/* Log when a guest touched memory. @run_ns, @back_ns: of the KVM_RUN in which it did */
void trip_touch(const struct vcpu *vcpu, u64 gpa, u64 size, u64 run_ns, u64 back_ns)
{
	char line[256];
	int len;

	if (cfg.trips_fd < 0)
		return;
	len = snprintf(line, sizeof(line),
		       "touch vm=%u pid=%d vcpu=%u gpa=%llu pages=%llu run=%llu back=%llu\n",
		       vcpu->vm->index, vcpu->vm->pid, vcpu->index, (unsigned long long)gpa,
		       (unsigned long long)size >> PAGE_SHIFT, (unsigned long long)run_ns,
		       (unsigned long long)back_ns);
	write_line(line, len);
}
