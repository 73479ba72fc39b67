// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>

#include "../../lib/log.h"
#include "store.h"
#include "running.h"
#include "traced.h"
#include "verify.h"

#ifndef KVM_CREATE_GUEST_MEMFD
struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};

#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif

#define SIZE 4096

const char *const proof_names[PROOF_MAX] = {
#define X(name, text) [PROOF_##name] = #name,
	GMEM_PROOFS(X)
#undef X
};

const char *const proof_texts[PROOF_MAX] = {
#define X(name, text) [PROOF_##name] = text,
	GMEM_PROOFS(X)
#undef X
};

/* What the child saw: 0: it got an instance, an errno, or that there was nothing to ask. */
#define NOTHING_TO_ASK 200

/* What a child knows: it has no descriptor of this process, and none of its mappings of maps. */
struct audit_rule {
	const char *dir; /* of the pins */
	__u32 ids[MAP_MAX];
};

static int ask(const struct audit_rule *audit_rule)
{
	struct kvm_create_guest_memfd args = { .size = SIZE };
	int kvm, vm, fd;

	(void)audit_rule;
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return NOTHING_TO_ASK;
	fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);
	if (fd >= 0)
		return 0;
	return errno == EACCES ? EACCES : NOTHING_TO_ASK;
}

/*
 * Nobody is kept from a process without identity: before it has none it has nothing that is worth
 * it. Standard input is the other end of @go then.
 */
__attribute__((noreturn)) static void child(int go, const struct audit_rule *audit_rule,
					    int (*try)(const struct audit_rule *))
{
	char byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "gmemctl-verify");
	if (dup2(go, 0) || syscall(SYS_close_range, 1, ~0U, 0) ||
	    send(0, &byte, 1, MSG_NOSIGNAL) != 1)
		_exit(NOTHING_TO_ASK);
	/* Not before the parent has taken the identity away. */
	if (read(0, &byte, 1) != 1)
		_exit(NOTHING_TO_ASK);
	_exit(try(audit_rule));
}

/*
 * The child loses its identity, and so many of its denials are recorded for the proof; 0: all are
 * counted and reported as those of anybody else.
 */
static int prepare(const struct store *store, int pidfd, unsigned int denials)
{
	static const struct gmem_tag nobody = { .flags = GMEM_TAG_TRACED };
	struct gmem_proof proof = { .left = denials };

	/* Without memory it has no tag, which is no identity either. */
	if (bpf_map_update_elem(store->fd[MAP_tags], &pidfd, &nobody, BPF_ANY) &&
	    bpf_map_delete_elem(store->fd[MAP_tags], &pidfd) && errno != ENOENT)
		return -errno;
	if (!denials)
		return 0;
	return bpf_map_update_elem(store->fd[MAP_proofs], &pidfd, &proof, BPF_ANY) ? -errno : 0;
}

static int know(const struct store *store, struct audit_rule *audit_rule)
{
	struct bpf_map_info info;
	unsigned int map;
	__u32 len;

	audit_rule->dir = store->pins->dir;
	for (map = 0; map < MAP_MAX; map++) {
		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (bpf_obj_get_info_by_fd(store->fd[map], &info, &len))
			return -errno;
		audit_rule->ids[map] = info.id;
	}
	return 0;
}

/*
 * Wait for the child, and read what the policy recorded of it: the record lasts until the child has
 * been reaped. Return: the exit status, or a negative errno.
 */
static int wait_for_child(const struct store *store, pid_t pid, int pidfd, struct gmem_proof *proof)
{
	siginfo_t info = { 0 };
	int ret = 0, status = 0;

	while ((ret = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT)) && errno == EINTR)
		;
	if (!ret && proof && bpf_map_lookup_elem(store->fd[MAP_proofs], &pidfd, proof))
		ret = -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ret)
		return ret;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/**
 * run_child - have a child without identity try what must be denied
 * @denials: at most so many of its denials belong to the proof
 * @proof: what the policy recorded of the child, NULL where it records nothing
 *
 * Return: what @try returned in the child, or a negative errno.
 */
static int run_child(const struct store *store, int (*try)(const struct audit_rule *),
		     unsigned int denials, struct gmem_proof *proof)
{
	struct audit_rule audit_rule;
	int go[2], pidfd, ret, ended;
	char byte;
	pid_t pid;

	ret = know(store, &audit_rule);
	if (ret)
		return ret;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go))
		return -errno;
	pid = fork();
	if (pid < 0) {
		ret = -errno;
		close(go[0]);
		close(go[1]);
		return ret;
	}
	if (!pid)
		child(go[0], &audit_rule, try);
	close(go[0]);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ret = pidfd < 0 ? -errno : 0;
	if (!ret && recv(go[1], &byte, 1, 0) != 1)
		ret = -EIO;
	ret = ret ?: prepare(store, pidfd, denials);
	if (!ret && send(go[1], "", 1, MSG_NOSIGNAL) != 1)
		ret = -errno;
	close(go[1]);
	if (ret)
		kill(pid, SIGKILL);
	ended = wait_for_child(store, pid, pidfd, proof);
	if (pidfd >= 0)
		close(pidfd);
	return ret ?: ended;
}

/* Headers of distributions may be older. */
#ifndef SECCOMP_SET_MODE_FILTER
#define SECCOMP_SET_MODE_FILTER 1
#endif

/*
 * Who has a filter on its system calls is no manager (bpf/lock/lock.h). That is certain in the
 * kernel, whatever maps there are in the directory that was asked for.
 */
static int be_no_manager(void)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { .len = 1, .filter = &code };

	if (!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) || errno == ENOSYS)
		return 0;
	return -errno;
}

static int try_maps(const struct audit_rule *audit_rule)
{
	unsigned int map;
	int fd;

	if (be_no_manager())
		return 1;
	for (map = 0; map < MAP_MAX; map++) {
		fd = bpf_map_get_fd_by_id(audit_rule->ids[map]);
		if (fd < 0)
			return 1;
		close(fd);
	}
	return 0;
}

int verify_is_open(const struct store *store)
{
	/* No map can be trusted to record anything here: the kernel's answer alone counts. */
	int ret = run_child(store, try_maps, 0, NULL);

	return ret < 0 ? ret : !ret;
}

/*
 * What a stranger tries of a locked policy: a map by its pin and by its number, to take a pin away
 * and to make one. Return: how many of these were denied, as bits.
 */
#define LOCK_TRIES 4

static int try_lock(const struct audit_rule *audit_rule)
{
	char path[PATH_MAX];
	int denied = 0, fd;

	if (be_no_manager())
		return 0;
	snprintf(path, sizeof(path), "%s/maps/%s", audit_rule->dir, map_names[MAP_active]);
	fd = bpf_obj_get(path);
	denied |= (fd < 0 && errno == EACCES) << 0;
	fd = bpf_map_get_fd_by_id(audit_rule->ids[MAP_active]);
	denied |= (fd < 0 && errno == EACCES) << 1;
	snprintf(path, sizeof(path), "%s/" PINS_PROOF, audit_rule->dir);
	denied |= (unlink(path) && errno == EACCES) << 2;
	snprintf(path, sizeof(path), "%s/maps/" PINS_PROOF, audit_rule->dir);
	denied |= (mkdir(path, 0700) && errno == EACCES) << 3;
	return denied;
}

int verify_lock(const struct store *store)
{
	struct gmem_proof proof = { 0 };
	int denied = 0, ret;

	ret = pins_add_proof(store->pins, store->fd[MAP_active]);
	if (!ret) {
		denied = run_child(store, try_lock, LOCK_TRIES, &proof);
		ret = denied < 0 ? denied : 0;
		pins_remove_proof(store->pins);
	}
	if (ret)
		return log_error(ret, NULL, NULL, "verify the lock with a child");
	if (denied != (1 << LOCK_TRIES) - 1 || proof.denied != LOCK_TRIES)
		return log_error(-EPROTO, "a child that is not the manager was not denied", NULL,
				 "verify the lock");
	return 0;
}

int verify(const struct store *store, __u32 *serial)
{
	__u64 word = store_active(store);
	bool enforce = GMEM_ACTIVE_ENFORCES(word);
	struct gmem_proof proof = { 0 };
	int ret;

	ret = run_child(store, ask, 1, &proof);
	if (ret < 0)
		return log_error(ret, NULL, NULL, "verify the policy with a child");
	if (ret == NOTHING_TO_ASK)
		return PROOF_untested;
	if (serial)
		*serial = proof.serial;
	/* The child must have been denied by this policy: another program or LSM can deny too. */
	if (!proof.denied || proof.generation != GMEM_ACTIVE_GENERATION(word))
		return ret ? PROOF_other : PROOF_allowed;
	if (ret != (enforce ? EACCES : 0))
		return enforce ? PROOF_allowed : PROOF_other;
	return enforce ? PROOF_denied : PROOF_audit;
}

/* Processes that began before the policy enforced its guards. */
static int check_running(struct store *store, bool trust)
{
	__u64 word = store_active(store);
	unsigned int changed;
	int ret;

	if (!GMEM_ACTIVE_ENFORCES(word))
		return 0;
	if (!trust)
		return running_report(store);
	ret = running_trust(store, GMEM_ACTIVE_SLOT(word), true, &changed);
	/* What was decided for these meanwhile is void. */
	if (changed)
		store_activate(store, GMEM_ACTIVE_SLOT(word), store_next_generation(store), true);
	return ret;
}

int prove(struct store *store, bool trust_running, enum proof *proof)
{
	int ret = traced_forget(store) ?: check_running(store, trust_running) ?: verify(store, NULL);

	if (ret < 0)
		return ret;
	*proof = (enum proof)ret;
	if (*proof == PROOF_other)
		return log_error(-EPROTO,
				 "a child without identity was denied, but not by this policy",
				 "end what else denies it: gmemctl status lists policies, bpftool "
				 "prog other programs",
				 "verify the policy");
	if (*proof == PROOF_allowed)
		return log_error(-EPROTO, "a child without identity was not denied",
				 "is bpf among the LSMs (lsm= at boot)?", "verify the policy");
	return 0;
}
