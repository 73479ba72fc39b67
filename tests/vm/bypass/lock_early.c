// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who has something of the policy when the lock comes keeps it: then there must be no lock. And
 * what must hold without a lock: nobody comes at gmemctl, and there is no half of a policy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../../bpf/abi/lock.h"
#include "../../../src/lib/exits.h"
#include "lock.h"
#include "puppet.h"

/* --- 90: held when the lock comes --- */

/* Of gmemctl's refusal: who or what would not be locked out. */
static char holder[128];

static void __attribute__((format(printf, 1, 2))) holder_is(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(holder, sizeof(holder), fmt, args);
	va_end(args);
}

static void program_is_holder(int program, const char *does)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	bpf_obj_get_info_by_fd(program, &info, &len);
	holder_is("lock: the BPF program own, id %u, %s", info.id, does);
}

#define UNSEEN "lock: somebody who cannot be seen holds the map active"

/* After a refusal: the policy is in force without a lock, so that a stranger can open its maps. */
static int check_unlocked(void)
{
	int fd = bpf_obj_get(ACTIVE_PIN);

	if (fd < 0)
		return broken("the policy is locked, although gmemctl refused to: " ACTIVE_PIN);
	close(fd);
	if (lock_policy_is_off() != ENDED_NOTHING)
		return failed("the policy is not in force after gmemctl refused to lock it");
	return 0;
}

/*
 * Lock while something is held, which must be refused with a message that names the @holder. That
 * the same load locks when nothing is held is F86. Where it is not refused, the lock is there, and
 * @use shows what is still possible with what is held.
 */
static int lock_while(int (*use)(void))
{
	int ret;

	if (bypass_run.falsify) {
		ret = use();
		bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
		return ret;
	}
	if (lock_is_on())
		return failed("locked already: this case comes before the lock");
	ret = gmemctl("load --lock %s", LOCK_POLICY);
	if (ret) {
		ret = gmemctl_refused(ret, GMEM_EXIT_FAILURE, holder);
		if (ret != EACCES || check_unlocked())
			return ENDED_BROKEN;
		bypass_is(BYPASS_stopped);
		return EBUSY;
	}
	lock_is_on_now();
	ret = use();
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return ret;
}

static volatile __u64 *held_word;

static int use_word(void)
{
	__u64 word = *held_word;
	int ret;

	*held_word = 0;
	ret = lock_policy_is_off();
	*held_word = word;
	return ret;
}

/* No descriptor is left: only the mapping. */
static int held_mapping(const struct bypass_case *c)
{
	int fd;

	(void)c;
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	fd = bpf_obj_get(ACTIVE_PIN);
	held_word = fd < 0 ? MAP_FAILED
			   : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (held_word == MAP_FAILED)
		return broken("mmap of the map");
	close(fd);
	holder_is("[%d] holds the map active (mapped)", getpid());
	return lock_while(use_word);
}

static int held_fd;

static int use_fd(void)
{
	return lock_switch_off(held_fd);
}

static int held_descriptor(const struct bypass_case *c)
{
	(void)c;
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	held_fd = bpf_obj_get(ACTIVE_PIN);
	holder_is("[%d] holds the map active:", getpid());
	return held_fd < 0 ? broken(ACTIVE_PIN) : lock_while(use_fd);
}

static int held_socket[2];

static int use_socket(void)
{
	held_fd = recv_fd(held_socket[0], 0);
	return held_fd < 0 ? ENDED_NOTHING : use_fd();
}

/* No process has it: it is under way. */
static int held_in_socket(const struct bypass_case *c)
{
	int fd;

	(void)c;
	if (lock_load_unlocked() || socket_pair(held_socket))
		return ENDED_BROKEN;
	fd = bpf_obj_get(ACTIVE_PIN);
	if (fd < 0 || send_fd(held_socket[1], fd))
		return broken(ACTIVE_PIN);
	close(fd);
	holder_is(UNSEEN);
	return lock_while(use_socket);
}

/* A program that stores 0 into the map when it is run. */
static int switching_program(int map)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4 },
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 1 },
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "own", "GPL", code,
			     sizeof(code) / sizeof(code[0]), NULL);
}

static int use_program(void)
{
	char packet[64] = "";
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));

	return bpf_prog_test_run_opts(held_fd, &run) ? broken("running it") : lock_policy_is_off();
}

static int held_by_program(const struct bypass_case *c)
{
	int map;

	(void)c;
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	map = bpf_obj_get(ACTIVE_PIN);
	held_fd = map < 0 ? -1 : switching_program(map);
	if (held_fd < 0)
		return broken("a program with the map");
	close(map);
	program_is_holder(held_fd, "uses the map active");
	return lock_while(use_program);
}

static int use_outer(void)
{
	__u32 zero = 0, id;

	if (bpf_map_lookup_elem(held_fd, &zero, &id))
		return broken("the outer map");
	/* Only its number: what a program finds in it is the map itself. */
	return 0;
}

static int held_in_map(const struct bypass_case *c)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	__u32 zero = 0;
	int map;

	(void)c;
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	map = bpf_obj_get(ACTIVE_PIN);
	opts.inner_map_fd = (__u32)map;
	held_fd = map < 0 ? -1
			  : bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "outer", 4, 4, 1, &opts);
	if (held_fd < 0 || bpf_map_update_elem(held_fd, &zero, &map, BPF_ANY))
		return broken("a map with the map in it");
	close(map);
	holder_is(UNSEEN);
	return lock_while(use_outer);
}

/* --- 90f, 90g: by what has no descriptor of the map: a link, and a program that has no use for it
 * --- */

static int use_iterator(void)
{
	return lock_iterate(held_fd);
}

static int held_by_iterator(const struct bypass_case *c)
{
	int map;

	(void)c;
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	map = bpf_obj_get(ACTIVE_PIN);
	held_fd = map < 0 ? -1 : lock_iterator(map);
	if (held_fd < 0)
		return broken("an iterator");
	close(map);
	holder_is(UNSEEN);
	return lock_while(use_iterator);
}

/* It can only be asked for the number. */
static int use_bound(void)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(held_fd, &info, &len) || !info.nr_map_ids
		       ? broken("the program's maps")
		       : 0;
}

static int held_by_binding(const struct bypass_case *c)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int map;

	(void)c;
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	map = bpf_obj_get(ACTIVE_PIN);
	held_fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "own", "GPL", code, 2, NULL);
	if (map < 0 || held_fd < 0 || bpf_prog_bind_map(held_fd, map, NULL))
		return broken("BPF_PROG_BIND_MAP");
	close(map);
	program_is_holder(held_fd, "uses the map active");
	return lock_while(use_bound);
}

/* --- 98: gmemctl is killed as soon as there is a lock, before it has looked who is inside --- */

/*
 * Return: 0: it was killed when it had locked, and the lock is on still; ENDED_BROKEN: it has come
 * to an end by itself, or took the lock back before.
 */
static int kill_when_locked(const volatile struct gmem_lock *lock)
{
	bool seen = false;
	int status = 0;
	pid_t pid = fork(), ended = 0;

	if (!pid) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
		dup2(1, 2);
		execl(GMEMCTL, GMEMCTL, "load", "--lock", LOCK_POLICY, NULL);
		_exit(ENDED_BROKEN);
	}
	while (!seen && !ended) {
		seen = lock->on;
		ended = seen ? 0 : waitpid(pid, &status, WNOHANG);
	}
	if (!ended) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	if (!seen)
		return failed("gmemctl has not locked: status %#x", (unsigned int)status);
	if (!WIFSIGNALED(status) || !lock->on)
		return failed("gmemctl was killed too late: status %#x, lock %s",
			      (unsigned int)status, lock->on ? "on" : "off");
	return 0;
}

static int killed_locking(const struct bypass_case *c)
{
	const volatile struct gmem_lock *lock;
	int fd, ret;

	(void)c;
	if (lock_is_on())
		return failed("locked already: this case comes before the lock");
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	fd = bpf_obj_get(PINS "/maps/locked");
	lock = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (lock == MAP_FAILED)
		return broken("mmap of the map");
	close(fd);
	if (kill_when_locked(lock))
		return ENDED_BROKEN;
	/* Under the lock that holds: the next load must find who is inside, and not be content. */
	ret = gmemctl("load --lock %s", LOCK_POLICY);
	lock_is_on_now();
	holder_is("[%d] holds the map locked (mapped)", getpid());
	ret = gmemctl_refused(ret, GMEM_EXIT_FAILURE, holder);
	if (ret == ENDED_BROKEN)
		return ret;
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	return ret ? EBUSY : 0;
}

/* --- F86: the control of all that are refused --- */

static int lock_comes(const struct bypass_case *c)
{
	int fd;

	(void)c;
	if (bypass_run.falsify) {
		bypass_is(BYPASS_allowed);
		return 0;
	}
	/* #98 has left a lock that its gmemctl did not live to use. */
	if (!lock_is_on() && lock_load_unlocked())
		return ENDED_BROKEN;
	if (gmemctl("load --lock %s", LOCK_POLICY))
		return failed("gmemctl load --lock, with nothing held: %s", gmemctl_output);
	lock_is_on_now();
	fd = bpf_obj_get(ACTIVE_PIN);
	if (fd >= 0 || errno != EACCES)
		return failed("a stranger is not denied the map: %s",
			      fd < 0 ? strerror(errno) : "it opens");
	bypass_is(BYPASS_allowed);
	return 0;
}

/* --- 43: gmemctl itself --- */

/* Waits for its standard input, which does not come. */
static pid_t start_gmemctl(int *input)
{
	int pipe_fds[2];
	pid_t pid;

	if (gmemctl("--help") || pipe2(pipe_fds, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		/* It does not like what it reads in the end. */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
		dup2(pipe_fds[0], 0);
		execl(GMEMCTL, GMEMCTL, "check", "-", NULL);
		_exit(ENDED_BROKEN);
	}
	close(pipe_fds[0]);
	*input = pipe_fds[1];
	return pid;
}

/* Has it become gmemctl yet? */
static int wait_for_exec(pid_t pid)
{
	char path[64], exe[256];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	for (int i = 0; i < 1000; i++) {
		len = readlink(path, exe, sizeof(exe) - 1);
		exe[len < 0 ? 0 : len] = '\0';
		if (!strcmp(exe, GMEMCTL))
			return 0;
		usleep(10000);
	}
	return failed("gmemctl does not start");
}

static int attach_to_one(int peer)
{
	struct puppet p;
	int ret;

	ret = puppet_meet(peer, &p) ?: puppet_attach(&p);
	return ret ?: puppet_detach(&p);
}

static int attach_to_gmemctl(void)
{
	struct puppet p = { 0 };
	int input = -1, pair[2], ret;
	pid_t pid, x;

	pid = start_gmemctl(&input);
	if (pid < 0 || wait_for_exec(pid) || socket_pair(pair))
		return broken(GMEMCTL);
	p.pid = (uint64_t)pid;
	x = player_start(WHO_x, attach_to_one, pair[0]);
	ret = puppet_introduce(pair[1], &p) ?: player_wait(x);
	close(input);
	waitpid(pid, NULL, 0);
	return ret;
}

/* --- 53: it cannot be attached --- */

/* As many as the kernel calls at one place. */
#define ENOUGH 38

static int crowd(int *links, int *program)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_LSM_MAC);
	int n;

	opts.attach_btf_id = (__u32)libbpf_find_vmlinux_btf_id("file_receive", BPF_LSM_MAC);
	for (n = 0; n < ENOUGH; n++) {
		program[n] = bpf_prog_load(BPF_PROG_TYPE_LSM, "own", "GPL", code, 2, &opts);
		links[n] = program[n] < 0 ? -1 : bpf_raw_tracepoint_open(NULL, program[n]);
		if (links[n] < 0)
			break;
	}
	return n;
}

/* A load that cannot attach all says so, and leaves nothing. */
static int crowded_out(const struct bypass_case *c)
{
	int links[ENOUGH], programs[ENOUGH], n, ret;

	(void)c;
	gmemctl("unload");
	if (lock_usual_policy(""))
		return ENDED_BROKEN;
	n = crowd(links, programs);
	if (!n)
		return broken("LSM programs");
	ret = bypass_run.falsify ? 0 : gmemctl("load %s", LOCK_POLICY);
	for (int i = 0; i < n; i++) {
		close(links[i]);
		close(programs[i]);
	}
	ret = gmemctl_refused(ret, GMEM_EXIT_KERNEL, "attach the programs: Argument list too long");
	if (ret == ENDED_BROKEN)
		return ret;
	bypass_is(ret ? BYPASS_stopped : BYPASS_possible);
	if (ret && !access(PINS, F_OK))
		return failed("something is left in " PINS);
	if (ret && lock_policy_is_off())
		return failed("something still denies");
	/* It stays: the next cases need one. */
	if (!bypass_run.falsify && gmemctl("load %s", LOCK_POLICY))
		return failed("it does not load afterwards either: %s", gmemctl_output);
	return ret ? E2BIG : 0;
}

/* --- 142b: by what can change the manager's registers, where it is attached to it later --- */

static int use_registers(void)
{
	/* What it does to the manager is seen in 142. */
	return held_fd < 0;
}

static int held_by_registers(const struct bypass_case *c)
{
	(void)c;
	if (lock_load_unlocked())
		return ENDED_BROKEN;
	held_fd = lock_registers_program();
	if (held_fd < 0)
		return errno == EACCES ? ENDED_ABSENT : broken("a program that changes registers");
	program_is_holder(held_fd, "changes registers of processes");
	return lock_while(use_registers);
}

/* That the same load locks where nothing is held: without it a refusal proves nothing. */
#define CONTROL "F86"

/* clang-format off */
#define EARLY(number, what, fn) \
	{ .id = number, .path = what, .whole = fn, .control = CONTROL, .limit = LOCK_LIMIT, \
	  EVERYWHERE(STOPPED(EBUSY)) }
/* clang-format on */

const struct bypass_case bypass_lock_early[] = {
	{ .id = "43",
	  .path = "PTRACE_ATTACH to gmemctl, which the policy names",
	  .op = GMEM_DO_GUARD(GMEM_GUARD_trace),
	  .policy = "subjects:\n"
		    "  m: { exe: " GMEMCTL " }\n"
		    "rules:\n"
		    "  - { name: m, allow: create, subjects: [m] }\n",
	  .attempt = attach_to_gmemctl,
	  EVERYWHERE(STOPPED(EPERM)) },
	{ .id = "53",
	  .path = "a hook that takes no more programs: no half of a policy",
	  .whole = crowded_out,
	  .limit = LOCK_LIMIT,
	  EVERYWHERE(STOPPED(E2BIG)) },
	EARLY("90", "a map of the policy mapped before the lock, without a descriptor",
	      held_mapping),
	EARLY("90b", "a descriptor of a map, held before the lock", held_descriptor),
	EARLY("90c", "a descriptor of a map, under way in a socket when the lock comes",
	      held_in_socket),
	EARLY("90d", "a program of another that has a map of the policy", held_by_program),
	EARLY("90e", "a map of maps that has one of the policy", held_in_map),
	EARLY("90f", "an iterator over a map of the policy: a link, and no descriptor",
	      held_by_iterator),
	EARLY("90g", "a map of the policy bound to a program (BPF_PROG_BIND_MAP)", held_by_binding),
	{ .id = "142b",
	  .path = "a program that changes registers, from before the lock",
	  .whole = held_by_registers,
	  .control = CONTROL,
	  .limit = LOCK_LIMIT,
	  LANES(STOPPED(EBUSY), STOPPED(EBUSY), STOPPED(EBUSY), ABSENT) },
	{ .id = "98",
	  .path = "a mapping, and gmemctl killed as soon as it has locked",
	  .whole = killed_locking,
	  .control = CONTROL,
	  .not_falsified = "it is about a lock: without one there is nothing to be killed in",
	  .limit = LOCK_LIMIT,
	  EVERYWHERE(STOPPED(EBUSY)) },
	{ .id = CONTROL,
	  .path = "lock: it comes where nothing is held",
	  .whole = lock_comes,
	  .limit = LOCK_LIMIT,
	  EVERYWHERE(ALLOWED) },
	{ 0 },
};
