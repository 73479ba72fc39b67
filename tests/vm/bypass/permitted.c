// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must go on: what A may, in all the forms that a process has, under a policy that denies
 * everything to everybody else.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "../lib/kvm.h"
#include "bypass.h"
#include "ring.h"

#define MACHINES "/sys/fs/cgroup/machine.slice"
#define THREADS	 1000

/* --- A --- */

/* All that a VMM can do here, one after the other. */
static int do_all(int peer)
{
	struct vmm v, p;
	int ret = vmm_make(&v, PLAIN);
	char *mem;

	(void)peer;
	ret = ret ?: punch_hole(v.fd);
	if (ret)
		return ret;
	ret = vmm_bind(&v);
	if (ret && ret != ENDED_ABSENT)
		return ret;
	vmm_close(&v);
	ret = vmm_make(&v, VIEW);
	if (!ret) {
		mem = map_instance(v.fd, PROT_READ);
		if (!mem || mprotect(mem, INSTANCE_SIZE, PROT_READ | PROT_WRITE))
			return errno;
		ret = touch_write(mem, 1) ?: result_of(madvise(mem, KVM_PAGE, MADV_REMOVE));
	}
	if (ret && ret != ENDED_ABSENT)
		return ret;
	ret = vmm_open(&p, PRIVATE);
	if (!ret)
		ret = result_of(kvm_convert(p.vm, KVM_TEST_GPA, KVM_PAGE,
					    KVM_MEMORY_ATTRIBUTE_PRIVATE))
			      ?: result_of(kvm_convert(p.vm, KVM_TEST_GPA, KVM_PAGE, 0));
	return ret == ENDED_ABSENT ? 0 : ret;
}

static void *do_all_in_thread(void *ret)
{
	*(int *)ret = do_all(-1);
	return NULL;
}

static int in_thread(int peer)
{
	int ret = ENDED_BROKEN;
	pthread_t t;

	(void)peer;
	if (pthread_create(&t, NULL, do_all_in_thread, &ret) || pthread_join(t, NULL))
		return broken("pthread_create");
	return ret;
}

static int in_grandchild(int peer)
{
	pid_t pid = fork();

	if (pid)
		return player_wait(pid);
	pid = fork();
	_exit(pid ? player_wait(pid) : in_thread(peer));
}

static int after_exec(int peer)
{
	return become(WHO_a, do_all, peer);
}

static int in_vfork(int peer)
{
	char *argv[] = { "sh", "-c", "exit 7", NULL };
	int status;
	pid_t pid;

	/* A helper runs, and A is still A. */
	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
		return broken("posix_spawn");
	return do_all(peer);
}

static int by_ring(int peer)
{
	struct io_uring_sqe sqe;
	struct vmm v;
	struct ring r;
	int ret = vmm_make(&v, PLAIN);

	(void)peer;
	if (ret)
		return ret;
	if (ring_open(&r, 0))
		return broken("io_uring");
	sqe = ring_punch(v.fd, false);
	ret = -ring_do(&r, &sqe);
	/* By a worker, which is a thread that the kernel starts. */
	sqe.flags |= IOSQE_ASYNC;
	return ret ?: -ring_do(&r, &sqe);
}

static int take_and_punch(int peer)
{
	int fd = recv_fd(peer, 0);

	return fd < 0 ? -fd : punch_hole(fd);
}

static int duplicates(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN), fd;

	(void)peer;
	if (ret)
		return ret;
	fd = fcntl(v.fd, F_DUPFD_CLOEXEC, 100);
	close(v.fd);
	return fd < 0 ? errno : punch_hole(dup2(fd, 101));
}

/* --- 1000 threads --- */

static pthread_barrier_t all_there;
static atomic_int results[2]; /* went well, did not */
static int shared_instance;

static void *one_of_many(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&all_there);
	results[!!punch_hole(shared_instance)]++;
	return NULL;
}

static int many_threads(int peer)
{
	pthread_attr_t small;
	pthread_t threads[THREADS];
	struct vmm v;
	int ret = vmm_make(&v, PLAIN), n;

	(void)peer;
	if (ret)
		return ret;
	shared_instance = v.fd;
	pthread_barrier_init(&all_there, NULL, THREADS + 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	for (n = 0; n < THREADS; n++) {
		if (pthread_create(&threads[n], &small, one_of_many, NULL))
			return broken("pthread_create");
	}
	pthread_barrier_wait(&all_there);
	for (n = 0; n < THREADS; n++)
		pthread_join(threads[n], NULL);
	if (results[1])
		return failed("%d of %d threads were denied", results[1], THREADS), EACCES;
	return results[0] == THREADS ? 0 : broken("threads");
}

#define SHORT	    "/sys/fs/cgroup/bypass-short"
#define SHORT_BYTES (64 << 20)

/* Read what is in the directory, for the cache, until *@sum bytes are SHORT_BYTES. */
static int read_files(const char *name, long *sum)
{
	static char buf[256 << 10];
	DIR *dir = opendir(name);
	struct dirent *entry;
	ssize_t n;
	int fd;

	if (!dir)
		return broken(name);
	while (*sum < SHORT_BYTES && (entry = readdir(dir))) {
		fd = entry->d_type == DT_REG ? openat(dirfd(dir), entry->d_name, O_RDONLY) : -1;
		while (fd >= 0 && *sum < SHORT_BYTES && (n = read(fd, buf, sizeof(buf))) > 0)
			*sum += n;
		close(fd);
	}
	closedir(dir);
	return 0;
}

/* Read until the cache of what was read has taken all that there is. */
static int fill_with_cache(void)
{
	long sum = 0;
	int ret = read_files("/usr" ARCH_LIBRARIES, &sum) ?: read_files("/usr/bin", &sum);

	if (ret)
		return ret;
	return sum < SHORT_BYTES ? failed("%ld bytes of files are too few", sum) : 0;
}

/*
 * The threads need two thirds of the memory that the cgroup has, and the cache has all of it: for
 * each thread something must be found that can go.
 */
static int short_of_memory(int peer)
{
	int ret = enter_cgroup(SHORT) ?: fill_with_cache();
	char events[256] = "", *max;
	ssize_t n;
	int fd;

	ret = ret ?: many_threads(peer);
	fd = open(SHORT "/memory.events", O_RDONLY | O_CLOEXEC);
	n = read(fd, events, sizeof(events) - 1);
	max = strstr(events, "\nmax ");
	close(fd);
	if (n < 0 || !max || !strtol(max + 5, NULL, 10))
		return failed("memory was never short");
	return ret;
}

static int many_threads_without_memory(void)
{
	char max[32];

	snprintf(max, sizeof(max), "%d", SHORT_BYTES);
	if (mkdir(SHORT, 0755) && errno != EEXIST)
		return broken(SHORT);
	return put_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory", 0) ?:
	       put_text(SHORT "/memory.max", max, 0) ?:
	       play(WHO_a, short_of_memory);
}

/* --- after a demotion: what gives something back is never denied --- */

static int give_back(int peer)
{
	struct vmm v;
	int ret = vmm_unbind_demoted(&v);

	(void)peer;
	if (!ret)
		vmm_close(&v);
	return ret;
}

static int unmap_demoted(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, VIEW);
	char *mem = ret ? NULL : map_instance(v.fd, PROT_READ | PROT_WRITE);

	(void)peer;
	if (!mem)
		return ret ?: errno;
	ret = touch_write(mem, 1) ?: demote();
	return ret ?: result_of(munmap(mem, INSTANCE_SIZE)) ?: result_of(close(v.fd));
}

/* A selftest that lives of guest_memfd, which a policy names. */
#define SELFTEST BYPASS_DIR "/selftest"

static int selftest(void)
{
	const char *kernel = getenv("LAB_KERNEL");
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "%s/selftests/guest_memfd_test", kernel ?: "");
	if (!kernel || access(cmd, X_OK))
		return ENDED_ABSENT;
	/* Before the policy is loaded, which names the file. */
	if (access(SELFTEST, X_OK)) {
		snprintf(cmd, sizeof(cmd), "cp %s/selftests/guest_memfd_test " SELFTEST, kernel);
		if (system(cmd))
			return broken("cp");
	}
	return run_program(SELFTEST);
}

/* --- the example of a host --- */

/* As QEMU under libvirt does it: private memory, bound, converted as the guest asks. */
static int as_vmm(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PRIVATE);

	(void)peer;
	ret = ret ?: vmm_bind(&v);
	if (ret)
		return ret;
	ret = result_of(fallocate(v.fd, FALLOC_FL_KEEP_SIZE, 0, INSTANCE_SIZE));
	for (int n = 0; n < 8 && !ret; n++)
		ret = result_of(kvm_convert(v.vm, KVM_TEST_GPA, KVM_PAGE,
					    n % 2 ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE));
	ret = ret ?: punch_hole(v.fd);
	ret = ret ?: result_of(kvm_bind(v.vm, BYPASS_SLOT, v.fd, KVM_TEST_GPA, 0, 0));
	vmm_close(&v);
	return ret;
}

static int in_slice(int peer)
{
	if (enter_cgroup(MACHINES "/vm1.scope"))
		return broken(MACHINES);
	if (setresgid(OTHER_USER, OTHER_USER, OTHER_USER) ||
	    setresuid(OTHER_USER, OTHER_USER, OTHER_USER))
		return broken("setresuid");
	return become(WHO_a, as_vmm, peer);
}

/* A test before this one in the same VM may have made the slice. */
static int slice_ready(void)
{
	if (mkdir(MACHINES, 0755) && errno != EEXIST)
		return broken(MACHINES);
	return mkdir(MACHINES "/vm1.scope", 0755) && errno != EEXIST ? broken(MACHINES) : 0;
}

/* contrib/policies/cloud-host.yaml, with A for QEMU and an ordinary user for libvirt's. */
#define CLOUD_HOST                                                                            \
	"subjects: { vmm: { exe: " BYPASS_DIR "/a, uid: [1002], cgroup: /machine.slice } }\n" \
	"rules:\n"                                                                            \
	"  - name: private-instances\n"                                                       \
	"    allow: [create, bind, punch]\n"                                                  \
	"    subjects: [vmm]\n"                                                               \
	"    when: { flags: [], size: \"<= 4TiB\" }\n"                                        \
	"  - { name: conversions, allow: convert, subjects: [vmm] }\n"

const struct bypass_case bypass_permitted[] = {
	{ FINE("F1", "A: all that a VMM does", PLAYER(a, do_all)), EVERYWHERE(ALLOWED) },
	{ FINE("F2", "A: the same in a thread", PLAYER(a, in_thread)), EVERYWHERE(ALLOWED) },
	{ FINE("F3", "A: in a thread of a child's child", PLAYER(a, in_grandchild)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F4", "A: after exec of itself", PLAYER(a, after_exec)), EVERYWHERE(ALLOWED) },
	{ FINE("F5", "A: after a helper has run", PLAYER(a, in_vfork)), EVERYWHERE(ALLOWED) },
	{ FINE("F6", "A: by io_uring, and by a worker of it", PLAYER(a, by_ring)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F7", "A: from another A by SCM_RIGHTS", PLAYERS(a, vmm_give, a, take_and_punch)),
	  EVERYWHERE(ALLOWED) },
	{ FINE("F8", "A: by duplicates of the fd", PLAYER(a, duplicates)), EVERYWHERE(ALLOWED) },
	{ FINE("36", "A: 1000 threads while memory is short",
	       .attempt = many_threads_without_memory),
	  .limit = 120, EVERYWHERE(ALLOWED) },
	{ FINE("F10", "A, demoted: ends a binding, closes", PLAYER(a, give_back)),
	  .policy = A_AS_ROOT, WITH_BINDING(ALLOWED) },
	{ FINE("F11", "A, demoted: unmaps, closes", PLAYER(a, unmap_demoted)), .policy = A_AS_ROOT,
	  WITH_MMAP(ALLOWED) },
	{ FINE("F12", "A as QEMU under libvirt, by the example of a cloud host",
	       .prepare = slice_ready, PLAYER(a, in_slice)),
	  .policy = CLOUD_HOST, LANES(ALLOWED, UNLOADABLE, ABSENT, ABSENT) },
	{ FINE("F13", "KVM's guest_memfd_test, named by the policy", .attempt = selftest),
	  .policy = "subjects: { t: { exe: " SELFTEST " } }\n"
		    "rules: [ { name: t, allow: all, subjects: [t] } ]\n",
	  WITH_PRIVATE(ALLOWED) },
	{ 0 },
};
