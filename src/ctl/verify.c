// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/kvm.h>

#include "../lib/log.h"
#include "store.h"
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

static int ask(void)
{
	struct kvm_create_guest_memfd args = { .size = SIZE };
	int kvm, vm, fd;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return NOTHING_TO_ASK;
	fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);
	if (fd >= 0)
		return 0;
	return errno == EACCES ? EACCES : NOTHING_TO_ASK;
}

static void __attribute__((noreturn)) child(int go)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "gmemctl-verify");
	/* Not before the parent has taken the identity away. */
	if (read(go, &byte, 1) != 1)
		_exit(NOTHING_TO_ASK);
	_exit(ask());
}

static int forget_identity(const struct store *store, pid_t pid)
{
	int pidfd, ret = 0;

	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	if (bpf_map_delete_elem(store->fd[MAP_tags], &pidfd) && errno != ENOENT)
		ret = -errno;
	close(pidfd);
	return ret;
}

/* Runs the child. Return: its exit status, or a negative errno. */
static int run_child(const struct store *store)
{
	int go[2], status = 0, ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go))
		return -errno;
	pid = fork();
	if (pid < 0) {
		ret = -errno;
		close(go[0]);
		close(go[1]);
		return ret;
	}
	if (!pid) {
		close(go[1]);
		child(go[0]);
	}
	close(go[0]);
	ret = forget_identity(store, pid);
	if (!ret && send(go[1], "", 1, MSG_NOSIGNAL) != 1)
		ret = -errno;
	close(go[1]);
	if (ret)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ret)
		return ret;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

/* Denials of creations, real ones or those of audit mode. */
static int denials(const struct store *store, bool enforce, __u64 *n)
{
	struct gmem_hits hits;
	int ret;

	ret = store_hits(store, MAP_op_hits, GMEM_DO_create, 1, &hits);
	*n = hits.n[enforce ? GMEM_VERDICT_denied : GMEM_VERDICT_would_deny];
	return ret;
}

int verify(const struct store *store)
{
	bool enforce = GMEM_ACTIVE_ENFORCES(store_active(store));
	__u64 before, after;
	int ret;

	ret = denials(store, enforce, &before);
	if (!ret)
		ret = run_child(store);
	if (ret < 0)
		return log_error(ret, NULL, NULL, "verify the policy with a child");
	if (ret == NOTHING_TO_ASK)
		return PROOF_untested;
	if (ret != (enforce ? EACCES : 0))
		return PROOF_allowed;
	ret = denials(store, enforce, &after);
	if (ret)
		return log_error(ret, NULL, NULL, "verify the policy with a child");
	/* Without a count of ours it was somebody else who denied. */
	if (after == before)
		return PROOF_allowed;
	return enforce ? PROOF_denied : PROOF_audit;
}
