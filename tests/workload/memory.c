// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations on the instance's file: fallocate, punch, mmap, host faults, memory failure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ops.h"
#include "workload.h"

#ifndef __NR_cachestat
#define __NR_cachestat 451
#endif
#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif

struct cachestat_range {
	u64 off, len;
};

struct cachestat_answer {
	u64 cached, dirty, writeback, evicted, recently_evicted;
};

static __thread sigjmp_buf on_sigbus;
static __thread volatile sig_atomic_t expecting_sigbus;

static void sigbus_handler(int sig)
{
	if (expecting_sigbus)
		siglongjmp(on_sigbus, 1);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void alarm_handler(int sig)
{
	(void)sig;
}

/* Install the handlers of SIGBUS (refused host faults) and SIGUSR1 (interrupted fallocate). */
int catch_sigbus(void)
{
	struct sigaction bus = { .sa_handler = sigbus_handler };
	struct sigaction usr = { .sa_handler = alarm_handler };

	if (sigaction(SIGBUS, &bus, NULL) || sigaction(SIGUSR1, &usr, NULL))
		return -errno;
	return 0;
}

/* Does vfs_fallocate() let this through to guest_memfd? */
static bool fallocate_reaches(u64 offset, u64 len, int mode)
{
	if ((s64)offset < 0 || (s64)len <= 0 || (s64)(offset + len) < 0)
		return false;
	return !(mode & FALLOC_FL_PUNCH_HOLE) || mode & FALLOC_FL_KEEP_SIZE;
}

static int fallocate_failed(struct ctx *ctx, enum cell_id id, struct instance *inst, u64 offset,
			    u64 len, int mode, s64 present, int err)
{
	struct cell *cell = &ctx->counts->cell[id];

	if (!fallocate_reaches(offset, len, mode)) {
		cell->unreached[err]++;
		return -err;
	}
	count_failed(cell, err);
	log_op(ctx->vm, "allocate mode=%#x offset=%#llx len=%#llx nr_pages=%lld ret=%d inst=%u",
	       mode, (unsigned long long)offset, (unsigned long long)len, (long long)present, -err,
	       inst->number);
	return -err;
}

static void mmap_done(struct ctx *ctx, struct instance *inst, u64 size, u64 offset, int err)
{
	struct cell *cell = &ctx->counts->cell[CELL_MMAP];

	/* The mount is noexec: such a mapping never reaches guest_memfd. */
	if (err == EPERM || err == EACCES || err == ENOMEM || err == EOVERFLOW) {
		cell->unreached[err]++;
		return;
	}
	if (err) {
		count_failed(cell, err);
	} else {
		count_ok(cell, size >> PAGE_SHIFT, 0);
		__atomic_fetch_add(&inst->refs, 1, __ATOMIC_RELAXED);
	}
	log_op(ctx->vm, "mmap size=%#llx pgoff=%#llx ret=%d inst=%u", (unsigned long long)size,
	       (unsigned long long)offset >> PAGE_SHIFT, -err, inst->number);
}

static u8 *map_instance(struct ctx *ctx, struct instance *inst, u64 offset, u64 size, bool private)
{
	u8 *map = mmap(NULL, size, PROT_READ | PROT_WRITE, private ? MAP_PRIVATE : MAP_SHARED,
		       inst->fd, (off_t)offset);

	int err = map == MAP_FAILED ? errno : 0;

	mmap_done(ctx, inst, (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1), offset, err);
	errno = err;
	return map;
}

static void unmap_instance(struct ctx *ctx, struct instance *inst, u8 *map, u64 size)
{
	munmap(map, size);
	shadow_put(ctx->vm, ctx->counts, inst);
}

/* How many pages of the range are resident, where the kernel has cachestat; mincore sees no such
 * page. */
static s64 resident_pages(struct instance *inst, u64 offset, u64 len)
{
	struct cachestat_range range = { .off = offset, .len = len };
	struct cachestat_answer answer;

	if (syscall(__NR_cachestat, inst->fd, &range, &answer, 0))
		return -errno;
	return (s64)answer.cached;
}

/*
 * The allocation of an empty range was interrupted: what is there now is how far it came. Where that
 * cannot be seen the range is punched, so that what follows is known again, and the log says -1.
 */
static int interrupted(struct ctx *ctx, struct instance *inst, u64 offset, u64 len, int mode)
{
	s64 present = resident_pages(inst, offset, len);

	fallocate_failed(ctx, CELL_ALLOCATE, inst, offset, len, mode, present < 0 ? -1 : present,
			 EINTR);
	if (present < 0)
		do_punch(ctx, inst, offset, len, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE);
	else
		ctx->counts->cell[CELL_ALLOCATE].changed +=
			shadow_allocate(inst, offset, (u64)present << PAGE_SHIFT);
	return -EINTR;
}

/**
 * do_allocate - fallocate, counted
 * @ctx: who does it
 * @inst: the instance
 * @offset: from where
 * @len: how much
 * @mode: mode of fallocate
 */
int do_allocate(struct ctx *ctx, struct instance *inst, u64 offset, u64 len, int mode)
{
	if (fallocate(inst->fd, mode, (off_t)offset, (off_t)len)) {
		if (errno == EINTR)
			return interrupted(ctx, inst, offset, len, mode);
		return fallocate_failed(ctx, CELL_ALLOCATE, inst, offset, len, mode, 0, errno);
	}
	count_ok(&ctx->counts->cell[CELL_ALLOCATE], len >> PAGE_SHIFT,
		 shadow_allocate(inst, offset, len));
	log_op(ctx->vm, "allocate mode=%#x offset=%#llx len=%#llx nr_pages=%llu ret=0 inst=%u",
	       mode, (unsigned long long)offset, (unsigned long long)len,
	       (unsigned long long)len >> PAGE_SHIFT, inst->number);
	return 0;
}

/**
 * do_punch - punch a hole, counted
 * @ctx: who does it
 * @inst: the instance
 * @offset: from where
 * @len: how much
 * @mode: mode of fallocate
 */
int do_punch(struct ctx *ctx, struct instance *inst, u64 offset, u64 len, int mode)
{
	u64 freed;

	if (fallocate(inst->fd, mode, (off_t)offset, (off_t)len))
		return fallocate_failed(ctx, CELL_PUNCH, inst, offset, len, mode, 0, errno);
	freed = shadow_punch(ctx->vm, inst, offset, len);
	count_ok(&ctx->counts->cell[CELL_PUNCH], len >> PAGE_SHIFT, freed);
	log_op(ctx->vm, "invalidate start=%#llx end=%#llx nr_pages=%llu reason=punch inst=%u",
	       (unsigned long long)offset >> PAGE_SHIFT,
	       (unsigned long long)(offset + len) >> PAGE_SHIFT, (unsigned long long)freed,
	       inst->number);
	return 0;
}

/* A timer that fires again and again, so that no moment is missed, at this thread only. */
static int start_alarm(timer_t *timer, u64 us)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct itimerspec when = {
		.it_value = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 },
		.it_interval = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 },
	};

	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, timer))
		return -errno;
	if (timer_settime(*timer, 0, &when, NULL)) {
		timer_delete(*timer);
		return -errno;
	}
	return 0;
}

int op_allocate(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);
	int mode = op->has_mode ? (int)op->mode : FALLOC_FL_KEEP_SIZE;
	u64 size = op->has_size ? op->size : (inst ? inst->size : 0);
	timer_t timer;
	u64 i;
	int ret;

	if (!inst)
		return -ENXIO;
	if (!op->interrupt)
		return do_allocate(ctx, inst, op->offset, size, mode);
	for (i = op->offset >> PAGE_SHIFT; i < (op->offset + size) >> PAGE_SHIFT; i++) {
		if (i >= INST_PAGES || inst->pages[i] & PG_PRESENT) {
			say("line %d: interrupt= wants an empty range, punch it first", op->line);
			return -ENXIO;
		}
	}
	ret = start_alarm(&timer, op->interrupt);
	if (ret)
		return ret;
	ret = do_allocate(ctx, inst, op->offset, size, mode);
	timer_delete(timer);
	return ret;
}

int op_punch(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);
	int mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;

	if (!inst)
		return -ENXIO;
	return do_punch(ctx, inst, op->offset, op->has_size ? op->size : inst->size,
			op->has_mode ? (int)op->mode : mode);
}

int op_mmap(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);
	u64 size;
	u8 *map;

	if (!inst)
		return -ENXIO;
	size = op->has_size ? op->size : inst->size;
	map = map_instance(ctx, inst, op->offset, size, op->private);
	if (map == MAP_FAILED)
		return -errno;
	if (inst->map) {
		say("line %d: instance %s is mapped already", op->line, op->inst);
		unmap_instance(ctx, inst, map, size);
		return -ENXIO;
	}
	inst->map = map;
	inst->map_offset = op->offset;
	inst->map_size = size;
	return 0;
}

int op_munmap(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);
	u64 i;
	u8 *map;

	if (!inst || !inst->map) {
		say("line %d: instance %s is not mapped", op->line, op->inst);
		return -ENXIO;
	}
	for (i = 0; i < inst->size >> PAGE_SHIFT; i++) {
		if (inst->pages[i] & PG_HOSTPTE)
			inst->pages[i] &= ~PG_HOSTPTE;
	}
	map = inst->map;
	inst->map = NULL;
	unmap_instance(ctx, inst, map, inst->map_size);
	return 0;
}

/* One touch; -ERR_SIGBUS when the kernel refused it. */
static int touch(volatile u8 *at, bool read)
{
	int ret = 0;

	expecting_sigbus = 1;
	if (sigsetjmp(on_sigbus, 1))
		ret = -ERR_SIGBUS;
	else if (read)
		(void)*at;
	else
		*at = 1;
	expecting_sigbus = 0;
	return ret;
}

static int host_touch(struct ctx *ctx, struct instance *inst, u8 *at, u64 pgoff, bool read,
		      bool kept)
{
	u8 *page = pgoff < inst->size >> PAGE_SHIFT ? &inst->pages[pgoff] : NULL;
	int ret;

	if (kept && page && *page & PG_HOSTPTE)
		return touch(at, read);
	/* A poisoned page of a mapping that was there is refused without asking guest_memfd. */
	if (kept && page && *page & PG_POISONED)
		return touch(at, read);
	ret = touch(at, read);
	if (!ret) {
		shadow_host_fault(ctx, inst, pgoff);
		if (kept)
			inst->pages[pgoff] |= PG_HOSTPTE;
		return 0;
	}
	ctx->counts->cell[CELL_HOST_FAULT].redundant++;
	log_op(ctx->vm, "host_fault pgoff=%#llx result=SIGBUS inst=%u", (unsigned long long)pgoff,
	       inst->number);
	return ret;
}

int op_host_touch(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);
	u64 size, i;
	bool kept;
	u8 *map;
	int ret = 0, r;

	if (!inst)
		return -ENXIO;
	size = op->has_size ? op->size : inst->size;
	kept = inst->map && op->offset >= inst->map_offset &&
	       op->offset + size <= inst->map_offset + inst->map_size;
	if (kept) {
		map = inst->map + (op->offset - inst->map_offset);
	} else {
		map = map_instance(ctx, inst, op->offset, size, false);
		if (map == MAP_FAILED)
			return -errno;
	}
	for (i = 0; i < size >> PAGE_SHIFT; i++) {
		r = host_touch(ctx, inst, map + (i << PAGE_SHIFT), (op->offset >> PAGE_SHIFT) + i,
			       op->read, kept);
		if (r && !ret)
			ret = r;
	}
	if (!kept)
		unmap_instance(ctx, inst, map, size);
	return ret;
}

/*
 * The kernel may tell the VMM by SIGBUS at once; and it says EBUSY because the instance keeps the
 * page. Both mean that it has happened.
 */
static int poison_page(u8 *at)
{
	int ret = 0;

	expecting_sigbus = 1;
	if (!sigsetjmp(on_sigbus, 1) && madvise(at, PAGE_SIZE, MADV_HWPOISON) && errno != EBUSY)
		ret = -errno;
	expecting_sigbus = 0;
	return ret;
}

/* Memory failure of one page that the VMM has mapped (a mapping is needed: op mmap). */
int op_poison(struct ctx *ctx, const struct op *op)
{
	struct instance *inst = op_instance(ctx, op);
	u64 pgoff = op->offset >> PAGE_SHIFT;
	struct slot *slot;
	size_t i;
	int ret;

	if (!inst || !inst->map || op->offset < inst->map_offset ||
	    op->offset >= inst->map_offset + inst->map_size) {
		say("line %d: poison wants a page that is mapped (mmap)", op->line);
		return -ENXIO;
	}
	ret = host_touch(ctx, inst, inst->map + op->offset - inst->map_offset, pgoff, true, true);
	if (ret)
		return ret;
	ret = poison_page(inst->map + op->offset - inst->map_offset);
	if (ret) {
		count_failed(&ctx->counts->cell[CELL_POISON], -ret);
		return ret;
	}
	inst->pages[pgoff] = (inst->pages[pgoff] & ~PG_HOSTPTE) | PG_POISONED;
	for (i = 0; i < MAX_SLOTS; i++) {
		slot = &ctx->vm->slot[i];
		if (slot->used && slot->inst == inst - ctx->vm->inst &&
		    op->offset >= slot->offset && op->offset - slot->offset < slot->size)
			shadow_unmap(ctx->vm, slot->gpa + op->offset - slot->offset, PAGE_SIZE);
	}
	count_ok(&ctx->counts->cell[CELL_POISON], 1, 0);
	log_op(ctx->vm, "invalidate start=%#llx end=%#llx nr_pages=1 reason=error inst=%u",
	       (unsigned long long)pgoff, (unsigned long long)pgoff + 1, inst->number);
	return 0;
}
