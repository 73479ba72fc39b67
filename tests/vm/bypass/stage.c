// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/arch.h"
#include "../lib/fds.h"
#include "../lib/kvm.h"
#include "bypass.h"

/* Where a player finds its socket. */
#define PEER 3

const char *const who_paths[WHO_MAX] = {
	[WHO_a] = BYPASS_DIR "/a",
	[WHO_x] = BYPASS_DIR "/x",
	[WHO_b] = BYPASS_DIR "/b",
};

/* --- saying what is wrong --- */

int broken_at(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, strerror(errno));
	return ENDED_BROKEN;
}

int failed(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return ENDED_BROKEN;
}

int result_of(long ret)
{
	return ret < 0 ? errno : 0;
}

/* --- players --- */

void stage_setup(void)
{
	char cmd[256];

	/* Who is not root runs the copies too, and VMs. */
	umask(022);
	chmod("/dev/kvm", 0666);
	for (int who = 0; who < WHO_MAX; who++) {
		snprintf(cmd, sizeof(cmd), "mkdir -p " BYPASS_DIR " && cp -f /proc/%d/exe %s",
			 getpid(), who_paths[who]);
		if (system(cmd)) {
			fprintf(stderr, "%s failed\n", cmd);
			exit(1);
		}
	}
}

void stage_remove(void)
{
	for (int who = 0; who < WHO_MAX; who++)
		unlink(who_paths[who]);
	rmdir(BYPASS_DIR);
}

/*
 * A function is named by where it is: every copy is the same program, whatever address it is loaded
 * at.
 */
static void anchor(void)
{
}

void player_role(player_fn fn, char role[PLAYER_ROLE])
{
	snprintf(role, PLAYER_ROLE, "%td", (char *)fn - (char *)anchor);
}

int become_file(const char *path, player_fn fn, int peer)
{
	char offset[PLAYER_ROLE], rounds[32];
	char *argv[] = { (char *)path, "--play", offset, rounds, NULL };

	snprintf(rounds, sizeof(rounds), "%lu", bypass_run.rounds);
	player_role(fn, offset);
	if (peer >= 0 && peer != PEER && dup2(peer, PEER) < 0)
		return broken("dup2");
	if (peer == PEER)
		fcntl(PEER, F_SETFD, 0);
	if (peer < 0)
		close(PEER);
	execv(path, argv);
	return broken(path);
}

int become(enum who who, player_fn fn, int peer)
{
	return become_file(who_paths[who], fn, peer);
}

void player_main(int argc, char **argv)
{
	player_fn fn;

	if (argc < 4 || strcmp(argv[1], "--play"))
		return;
	fn = (player_fn)((char *)anchor + strtol(argv[2], NULL, 10));
	bypass_run.rounds = strtoul(argv[3], NULL, 10);
	bypass_run.verbose = getenv(BYPASS_VERBOSE);
	_exit(fn(fcntl(PEER, F_GETFD) < 0 ? -1 : PEER));
}

pid_t player_start_as(uid_t uid, enum who who, player_fn fn, int peer)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		_exit(broken("setresuid"));
	_exit(become(who, fn, peer));
}

pid_t player_start(enum who who, player_fn fn, int peer)
{
	return player_start_as(0, who, fn, peer);
}

int player_wait(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return broken("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : ENDED_KILLED;
}

int play(enum who who, player_fn fn)
{
	return player_wait(player_start(who, fn, -1));
}

int play_as(uid_t uid, enum who who, player_fn fn)
{
	return player_wait(player_start_as(uid, who, fn, -1));
}

int socket_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return broken("socketpair");
	return 0;
}

int play_two(enum who first, player_fn fn, enum who second, player_fn fn2)
{
	return play_two_as(0, first, fn, second, fn2);
}

int play_two_as(uid_t uid, enum who first, player_fn fn, enum who second, player_fn fn2)
{
	int pair[2], ret, ret2;
	pid_t pid, pid2;

	if (socket_pair(pair))
		return ENDED_BROKEN;
	pid = player_start_as(uid, first, fn, pair[0]);
	pid2 = player_start_as(uid, second, fn2, pair[1]);
	close(pair[0]);
	close(pair[1]);
	ret2 = player_wait(pid2);
	ret = player_wait(pid);
	return ret ?: ret2;
}

int tell(int peer, uint64_t number)
{
	return send(peer, &number, sizeof(number), MSG_NOSIGNAL) == sizeof(number) ? 0
										   : broken("send");
}

int hear(int peer, uint64_t *number)
{
	return recv(peer, number, sizeof(*number), 0) == sizeof(*number) ? 0 : broken("recv");
}

void wait_gone(int peer)
{
	char byte;

	while (recv(peer, &byte, 1, 0) > 0)
		;
}

int send_fd(int peer, int fd)
{
	return fd_send(peer, fd) ? broken("sendmsg") : 0;
}

int recv_fd(int peer, int flags)
{
	int fd = fd_take(peer, flags);

	if (fd >= 0)
		return fd;
	return errno == EMSGSIZE ? -ENDED_CUT : -broken("no fd and not cut");
}

int demote(void)
{
	return setegid(OTHER_USER) || seteuid(OTHER_USER) ? broken("seteuid") : 0;
}

int leave_open(int fd, enum left_open as)
{
	return dup2(fd, (int)as) < 0 ? broken("dup2") : 0;
}

/* --- VMs and instances --- */

int vmm_open(struct vmm *v, enum instance_kind kind)
{
	int flags;

	v->kind = kind;
	v->vm = v->fd = -1;
	v->kvm = kvm_open();
	if (v->kvm < 0)
		return broken("/dev/kvm");
	flags = ioctl(v->kvm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS);
	if (kind == VIEW && (flags <= 0 || !(flags & GUEST_MEMFD_FLAG_MMAP)))
		return ENDED_ABSENT;
	v->vm = kvm_create_vm(v->kvm,
			      kind == PRIVATE ? KVM_X86_SW_PROTECTED_VM : KVM_X86_DEFAULT_VM);
	if (v->vm >= 0)
		return 0;
	return kind == PRIVATE && errno == EINVAL ? ENDED_ABSENT : broken("KVM_CREATE_VM");
}

int vmm_create(struct vmm *v)
{
	v->fd = kvm_create_instance(
		v->vm, INSTANCE_SIZE,
		v->kind == VIEW ? GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED : 0);
	return result_of(v->fd);
}

int vmm_make(struct vmm *v, enum instance_kind kind)
{
	return vmm_open(v, kind) ?: vmm_create(v);
}

int vmm_make_bindable(struct vmm *v)
{
	int ret = vmm_make(v, PRIVATE);

	return ret == ENDED_ABSENT ? vmm_make(v, ARCH_BINDS_UNMAPPED ? PLAIN : VIEW) : ret;
}

int vmm_make_any(struct vmm *v)
{
	int ret = vmm_make(v, VIEW);

	return ret == ENDED_ABSENT ? vmm_make(v, PLAIN) : ret;
}

char *vmm_map(struct vmm *v, int prot, int *ret)
{
	char *mem = NULL;

	*ret = vmm_make(v, VIEW);
	if (!*ret) {
		mem = map_instance(v->fd, prot);
		*ret = mem ? 0 : errno;
	}
	return mem;
}

int vmm_leave_to(enum who who, enum instance_kind kind, player_fn fn, int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, kind);

	return ret ?: leave_open(v.fd, LEFT_INSTANCE) ?: become(who, fn, peer);
}

int vmm_give(int peer)
{
	struct vmm v;
	int ret = vmm_make(&v, PLAIN);

	ret = ret ?: send_fd(peer, v.fd);
	if (!ret)
		wait_gone(peer);
	return ret;
}

int vmm_bind(struct vmm *v)
{
	int ret = result_of(kvm_bind(v->vm, BYPASS_SLOT, v->fd, KVM_TEST_GPA, INSTANCE_SIZE, 0));

	/* Without private memory, 6.12 takes no instance. */
	return ret == EINVAL ? ENDED_ABSENT : ret;
}

int vmm_unbind_demoted(struct vmm *v)
{
	int ret = vmm_make_bindable(v) ?: vmm_bind(v) ?: demote();

	return ret ?: result_of(kvm_bind(v->vm, BYPASS_SLOT, v->fd, KVM_TEST_GPA, 0, 0));
}

void vmm_close(struct vmm *v)
{
	if (v->fd >= 0)
		close(v->fd);
	if (v->vm >= 0)
		close(v->vm);
	close(v->kvm);
}

char *map_instance(int fd, int prot)
{
	char *mem = mmap(NULL, INSTANCE_SIZE, prot, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

int punch_hole(int fd)
{
	return result_of(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KVM_PAGE));
}

static sigjmp_buf refused;

static void on_signal(int sig)
{
	siglongjmp(refused, sig);
}

static int touch(volatile char *at, bool write, char value)
{
	struct sigaction act = { .sa_handler = on_signal }, bus, segv;
	int sig;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	sig = sigsetjmp(refused, 1);
	if (!sig && write)
		*at = value;
	else if (!sig)
		(void)*at;
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	if (!sig)
		return 0;
	return sig == SIGBUS ? ENDED_SIGBUS : ENDED_SIGSEGV;
}

int touch_read(volatile char *at)
{
	return touch(at, false, 0);
}

int touch_write(volatile char *at, char value)
{
	return touch(at, true, value);
}
