// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another thread of the VMM holds slots_lock for as long as it should: KVM_GET_DIRTY_LOG copies to
 * user space under the lock, to a page that userfaultfd withholds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define PATIENCE_NS 20000000000ULL

struct hold {
	int vm_fd, uffd;
	pid_t waiting; /* thread that shall wait for the lock */
	void *page;
	sem_t locked;
	pthread_t holder, keeper;
	u64 held_ns; /* the thread waited for so long at least */
	bool failed;
};

static void *get_dirty_log(void *arg)
{
	struct hold *hold = arg;
	struct kvm_dirty_log log = { .slot = PLAIN_SLOT, .dirty_bitmap = hold->page };

	hold->failed |= ioctl(hold->vm_fd, KVM_GET_DIRTY_LOG, &log) != 0;
	return NULL;
}

/* Does the thread sleep and takes no signals, as one does that waits for a mutex? */
static bool is_blocked(pid_t tid)
{
	char path[64], text[512], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	state = strrchr(text, ')');
	return state && !strncmp(state, ") D", 3);
}

/* Keep the page back until the other thread has waited for some time. */
static void *keep_page(void *arg)
{
	const struct timespec while_held = { .tv_nsec = (long)cfg.hold_lock_ms * 1000000 };
	const struct timespec moment = { .tv_nsec = 1000000 };
	struct hold *hold = arg;
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)hold->page, .len = PAGE_SIZE },
	};
	struct uffd_msg msg;
	u64 began;

	hold->failed |= read(hold->uffd, &msg, sizeof(msg)) != sizeof(msg);
	sem_post(&hold->locked);
	began = now_ns();
	while (!is_blocked(hold->waiting) && now_ns() - began < PATIENCE_NS)
		nanosleep(&moment, NULL);
	hold->failed |= now_ns() - began >= PATIENCE_NS;
	began = now_ns();
	nanosleep(&while_held, NULL);
	hold->held_ns = now_ns() - began;
	hold->failed |= ioctl(hold->uffd, UFFDIO_ZEROPAGE, &zero) != 0;
	return NULL;
}

/**
 * hold_begin - have slots_lock held by another thread, until the caller has waited for it
 * @vm: its VM
 *
 * Return: for hold_end(), or NULL with the reason said.
 */
struct hold *hold_begin(struct vm *vm)
{
	struct hold *hold = calloc(1, sizeof(*hold));
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (!hold)
		return NULL;
	hold->vm_fd = vm->fd;
	hold->waiting = (pid_t)syscall(SYS_gettid);
	hold->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	hold->page =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)hold->page;
	reg.range.len = PAGE_SIZE;
	if (hold->uffd < 0 || ioctl(hold->uffd, UFFDIO_API, &api) ||
	    ioctl(hold->uffd, UFFDIO_REGISTER, &reg) || sem_init(&hold->locked, 0, 0) ||
	    pthread_create(&hold->keeper, NULL, keep_page, hold) ||
	    pthread_create(&hold->holder, NULL, get_dirty_log, hold)) {
		say("VM %u: no thread that holds slots_lock: %s", vm->index, strerror(errno));
		free(hold);
		return NULL;
	}
	while (sem_wait(&hold->locked) && errno == EINTR)
		;
	return hold;
}

/* Return: for how long the caller waited for the lock, at least; 0 if something failed. */
u64 hold_end(struct hold *hold)
{
	u64 ns;

	pthread_join(hold->keeper, NULL);
	pthread_join(hold->holder, NULL);
	ns = hold->failed ? 0 : hold->held_ns;
	close(hold->uffd);
	munmap(hold->page, PAGE_SIZE);
	free(hold);
	return ns;
}
