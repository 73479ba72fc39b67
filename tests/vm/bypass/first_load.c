// SPDX-License-Identifier: GPL-2.0-only
/* Ways around a policy that begin before the first policy is in force, or in a load that fails. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "../lib/policies.h"
#include "bypass.h"

/* --- 210: decisions of a policy whose load failed --- */

/* Creates an instance each time it is asked to, and reports how that ended. */
static int create_when_asked(int peer)
{
	uint64_t go;
	struct vmm v;
	int ret = vmm_open(&v, PLAIN);

	while (!ret && recv(peer, &go, sizeof(go), 0) == sizeof(go)) {
		ret = vmm_create(&v);
		if (!ret)
			close(v.fd);
		ret = tell(peer, (uint64_t)ret);
	}
	return ret;
}

static int ask(int peer, int *answer)
{
	uint64_t number = 0;
	int ret = tell(peer, 0) ?: hear(peer, &number);

	*answer = (int)number;
	return ret;
}

/* Newer architectures have the younger calls only. */
static bool is_fork(long number)
{
#ifdef SYS_fork
	if (number == SYS_fork || number == SYS_vfork)
		return true;
#endif
	return number == SYS_clone || number == SYS_clone3;
}

static bool is_rename(long number)
{
#ifdef SYS_rename
	if (number == SYS_rename)
		return true;
#endif
	return number == SYS_renameat || number == SYS_renameat2;
}

/* One system call of the loader, at its entry. Return: 0, ENDED_BROKEN; 1: end it here. */
static int at_entry(pid_t loader, int peer, bool *failed_fork)
{
	struct loader_status status;
	struct counts counts;
	arch_regs regs;
	int answer, ret;

	if (arch_get_regs(loader, &regs))
		return broken("PTRACE_GETREGSET");
	if (*failed_fork)
		return is_rename(arch_call_number(&regs));
	if (!is_fork(arch_call_number(&regs)))
		return 0;
	policy_status(&status);
	if (!status.word)
		return 0;
	/* The policy is in force, and its proof is about to begin. */
	ret = ask(peer, &answer);
	counts_read(&counts);
	if (ret || answer || !counts.allowed[GMEM_DO_create])
		return failed("under the first policy: %d", answer);
	*failed_fork = true;
	return arch_cancel_call(loader, &regs) ? broken("PTRACE_SETREGSET") : 0;
}

/*
 * Load a policy by which X may create. Its proof fails, since the loader cannot fork, and the
 * loader is killed before it removes the pins.
 */
static int fail_to_load(const char *text, int peer)
{
	bool failed_fork = false, entry = false;
	int status, ret = 0;
	pid_t loader = fork();

	if (!loader) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP))
			_exit(ENDED_BROKEN);
		_exit(policy_load(text, true, 0) ? 1 : 0);
	}
	while (!ret && waitpid(loader, &status, 0) == loader && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			entry = !entry;
			ret = entry ? at_entry(loader, peer, &failed_fork) : 0;
		} else {
			ptrace(PTRACE_SETOPTIONS, loader, NULL,
			       (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
		}
		if (!ret && ptrace(PTRACE_SYSCALL, loader, NULL, NULL))
			ret = broken("PTRACE_SYSCALL");
	}
	if (!ret)
		return failed("the loader ended with %#x", (unsigned int)status);
	/* It has a copy of the socket, too. */
	kill(loader, SIGKILL);
	waitpid(loader, &status, 0);
	return ret == 1 ? 0 : ret;
}

#define X_MAY                                          \
	"subjects: { x: { exe: " BYPASS_DIR "/x } }\n" \
	"rules: [ { name: x, allow: all, subjects: [x] } ]\n"

static int after_failed_load(const struct bypass_case *c)
{
	struct bypass_case first = { .policy = X_MAY, .op = c->op };
	char *allows = stage_policy(&first), *denies = stage_policy(c);
	struct counts before;
	int pair[2], ret, answer = ENDED_BROKEN;
	pid_t x;

	stage_unload();
	ret = socket_pair(pair);
	x = player_start(WHO_x, create_when_asked, pair[1]);
	close(pair[1]);
	if (bypass_run.falsify)
		ret = ret ?: ask(pair[0], &answer);
	else
		ret = ret ?: fail_to_load(allows, pair[0]);
	ret = ret ?: stage_load_flags(denies, true, 0) ? ENDED_BROKEN : 0;
	drop_events();
	counts_read(&before);
	ret = ret ?: ask(pair[0], &answer);
	close(pair[0]);
	ret = player_wait(x) ?: ret;
	free(allows);
	free(denies);
	if (ret)
		return ret;
	bypass_is(answer ? BYPASS_stopped : BYPASS_allowed);
	if (answer && check_ledger(&before, GMEM_DO_create, 1))
		return ENDED_BROKEN;
	return answer;
}

/* --- F114: the policy comes before KVM --- */

#define ANY_MAY "rules: []\n"
#define BY_FLAGS                                        \
	"subjects: { a: { exe: " BYPASS_DIR "/a } }\n"  \
	"rules:\n"                                      \
	"  - { name: a, allow: [mmap], subjects: [a], " \
	"when: { flags: [mmap, init-shared] } }\n"      \
	"  - { name: others, allow: [create, bind, punch, receive], subjects: any }\n"

static int map_new(int peer)
{
	struct vmm v;
	int ret;

	(void)peer;
	return vmm_map(&v, PROT_READ, &ret) ? 0 : ret;
}

/* What reads KVM's objects was loaded when their types were unknown. */
static int policy_before_kvm(const struct bypass_case *c)
{
	char *any = policy_text(0, ANY_MAY), *flags = policy_text(1U << GMEM_DO_mmap, BY_FLAGS);
	int ret;

	(void)c;
	stage_unload();
	if (system("rmmod kvm_amd && rmmod kvm && rm -f /dev/kvm"))
		return failed("KVM could not be unloaded");
	ret = stage_load_flags(any, true, 0);
	if (system("modprobe kvm-amd && chmod 666 /dev/kvm"))
		return failed("KVM could not be loaded");
	ret = ret ?: stage_load_flags(flags, true, 0);
	free(any);
	free(flags);
	if (ret)
		return failed("load");
	ret = play(WHO_a, map_new);
	stage_unload();
	bypass_is(ret == ENDED_ABSENT ? BYPASS_absent : ret ? BYPASS_stopped : BYPASS_allowed);
	return ret;
}

const struct bypass_case bypass_first_load[] = {
	{ .id = "210",
	  .path = "X creates as a policy allowed whose load failed, under the next policy",
	  .op = GMEM_DO_create,
	  .whole = after_failed_load,
	  .first_load = true,
	  EVERYWHERE(STOPPED(EACCES)) },
	{ FINE("F114", "A maps by a rule about flags, where the first policy came before KVM",
	       .whole = policy_before_kvm, .first_load = true, .no_arm64 = KVM_BUILT_IN,
	       WITH_MMAP(ALLOWED)) },
	{ 0 },
};
