/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bypass suite: every way around a policy that is known, tried for real. A case is a path, what
 * is expected of it in each lane, and a function that goes it; areas are tables of cases, one file
 * each. A path must work without the policy, or else it proves nothing that it does not work with
 * it.
 *
 * Who goes a path is a process of its own: a copy of this program under another name, since the
 * file is what makes the identity. A may all, by the policy that cases have unless they bring one;
 * X may nothing; B is like X, another file.
 */
#ifndef BYPASS_H
#define BYPASS_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#include "../../../bpf/abi/policy.h"

/*
 * X(name, as LANE has it): debug is patched here. Lane patched-6.12 has no column: where 6.12
 * differs from 7.3 for its age it is as stock-6.12, and else as patched. Nor has stock-arm64, which
 * is as stock-7 but for what cases have in .arm64.
 */
#define BYPASS_LANES(X)       \
	X(patched, "patched") \
	X(vanilla, "vanilla") \
	X(stock_7, "stock-7") \
	X(stock_612, "stock-6.12")

enum bypass_lane {
#define X(name, text) LANE_##name,
	BYPASS_LANES(X)
#undef X
		LANE_MAX
};

/* X(name, as it is shown): what becomes of a path */
#define BYPASS_OUTCOMES(X)                                                                  \
	X(broken, "broken")	       /* the case itself does not work */                  \
	X(stopped, "stopped")	       /* by the policy: counted and told as well */        \
	X(refused, "refused")	       /* by the kernel, with and without a policy */       \
	X(possible, "possible")	       /* a limit, which the manual must name */            \
	X(allowed, "allowed")	       /* and that is right */                              \
	X(unloadable, "load refused")  /* the policy that would stop it needs more hooks */ \
	X(absent, "no such operation") /* in this kernel */

enum bypass_outcome {
#define X(name, text) BYPASS_##name,
	BYPASS_OUTCOMES(X)
#undef X
		BYPASS_MAX
};

struct bypass_expected {
	enum bypass_outcome outcome;
	int code;	 /* stopped, refused: an errno or a BYPASS_CODES */
	const char *why; /* possible: the sentence of the manual */
};

/* clang-format off */
#define STOPPED(with)	  { .outcome = BYPASS_stopped, .code = (with) }
#define REFUSED(with)	  { .outcome = BYPASS_refused, .code = (with) }
#define POSSIBLE(because) { .outcome = BYPASS_possible, .why = (because) }
#define ALLOWED		  { .outcome = BYPASS_allowed }
#define UNLOADABLE	  { .outcome = BYPASS_unloadable }
#define ABSENT		  { .outcome = BYPASS_absent }
/* clang-format on */

/* Expectations by lane, in the order of BYPASS_LANES. */
#define LANES(...)	.expected = { __VA_ARGS__ }
#define EVERYWHERE(...) LANES(__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__)
/* Instances cannot be mapped in the last lane. */
#define WITH_MMAP(...) LANES(__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, ABSENT)
/* The same of VMs that bind: in 6.12 only those with private memory do. */
#define WITH_BINDING(...) WITH_MMAP(__VA_ARGS__), .by_config = true
/* Only the first two have VMs with private memory. */
#define WITH_PRIVATE(...) LANES(__VA_ARGS__, __VA_ARGS__, ABSENT, ABSENT)

/*
 * X(name, value, as it is shown): how an attempt ends beside 0 (it worked) and an errno, and what a
 * player's exit status is
 */
#define BYPASS_CODES(X)                                               \
	X(SIGBUS, 200, "SIGBUS") /* the fault was refused */          \
	X(SIGSEGV, 201, "SIGSEGV")                                    \
	X(CUT, 202, "cut")	   /* the fd did not arrive */        \
	X(NOTHING, 203, "nothing") /* it ran, and came to nothing */  \
	X(ABSENT, 204, "absent")   /* the kernel has not got it */    \
	X(UNTAKEN, 205, "no load") /* the policy was not taken */     \
	X(KILLED, 206, "killed")   /* by a signal, or for its time */ \
	X(BROKEN, 207, "broken")   /* a step before it failed */

enum bypass_code {
#define X(name, value, text) ENDED_##name = value,
	BYPASS_CODES(X)
#undef X
};

#define BYPASS_NO_OP (-1)
#define BYPASS_SOME  (-1) /* denials: one at least */
#define BYPASS_NONE  (-2) /* denials: none, it came to nothing otherwise */

enum who { WHO_a, WHO_x, WHO_b, WHO_MAX };

/* What a player does; @peer is a socket (-1: none). Return: its exit status. */
typedef int (*player_fn)(int peer);

struct bypass_player {
	enum who who;
	player_fn fn;
};

struct bypass_case {
	const char
		*id; /* as in docs/threat-model.md: a number, F and a number for false positives */
	const char *path;
	struct bypass_expected expected[LANE_MAX];
	/*
	 * Go the path, once: without a policy, and under it. The frame loads the policy, counts,
	 * reads the events and judges. Return: 0: it worked, an errno, a code. Mostly that is what
	 * a player does, or two that a socket connects: PLAYER(), PLAYERS().
	 */
	int (*attempt)(void);
	struct bypass_player act, react;
	/* Before each attempt: what it needs. Return: 0, or else there is none, as if it ended so. */
	int (*prepare)(void);
	/* What a stop must have counted and told: an operation, or GMEM_DO_MAX + a guard. */
	int op;
	int denials;	    /* how many of it; 0: one if it is stopped, else none */
	const char *x_may;  /* operations that X is allowed, in the usual policy */
	const char *rules;  /* more rules, before those */
	const char *policy; /* subjects and rules instead of all that */
	const char *head;   /* more of the head: guards... */
	bool strict;	    /* load with --strict-ioctl where the hook is missing */
	bool by_config;	    /* stock-6.12 differs for its configuration, and not for its age */
	/* What is expected on arm64, if not the same as in stock-7, and why. */
	const struct bypass_expected *arm64;
	const char *arm64_why;
	/* Why the case is left out on arm64; NULL: it is not. */
	const char *no_arm64;
	/*
	 * Or do all of that itself: policies, counters, judgement. Called once, with what it may
	 * expect. Return: what the outcome's code is; the outcome by bypass_is().
	 */
	int (*whole)(const struct bypass_case *c);
	/*
	 * It begins with a first load of its own, which takes seconds: --first-load. Who calls
	 * stage_unload() without it is not let.
	 */
	bool first_load;
	/* In the process that all cases are children of, before the attempt without a policy. */
	int (*share)(void);
	/* The id of a case without which a stop of this one proves nothing: it is run as well. */
	const char *control;
	/* Why `bypass --falsify` leaves this case out, though it should be stopped; NULL: it does
	 * not. */
	const char *not_falsified;
	unsigned int limit; /* seconds, 0: BYPASS_LIMIT */
};

#define BYPASS_LIMIT 120

/* Who goes the path: x, a or b, and what it does; two: the second one's socket is the other's. */
#define PLAYER(who, fn)		    .act = { WHO_##who, fn }
#define PLAYERS(who, fn, who2, fn2) .act = { WHO_##who, fn }, .react = { WHO_##who2, fn2 }

/* A false positive: what has to be allowed. */
#define FINE(number, what, ...) .id = number, .path = what, .op = BYPASS_NO_OP, __VA_ARGS__

/* The tables end with an entry without id. */
#define BYPASS_AREAS(X)   \
	X(creation)       \
	X(entry32)        \
	X(mapping)        \
	X(dumps)          \
	X(descriptors)    \
	X(requests)       \
	X(binder)         \
	X(rings)          \
	X(faults)         \
	X(races)          \
	X(races_loads)    \
	X(races_guards)   \
	X(first_load)     \
	X(unlabelled)     \
	X(permitted)      \
	X(plain)          \
	X(identity)       \
	X(identity_files) \
	X(identity_disks) \
	X(identity_fuse)  \
	X(identity_roots) \
	X(supervised)     \
	X(guards)         \
	X(control)        \
	X(near_entry)     \
	X(near_ranges)    \
	X(near_requests)  \
	X(near_rings)     \
	X(tags)           \
	X(roll_out)       \
	X(perf)           \
	X(harmless)       \
	X(limits)         \
	X(lock_early)     \
	X(lock_objects)   \
	X(lock_programs)  \
	X(lock_manager)   \
	X(lock_deputy)    \
	X(lock_mounts)

#define X(name) extern const struct bypass_case bypass_##name[];
BYPASS_AREAS(X)
#undef X

/* In the environment of players, if the run is to tell more. */
#define BYPASS_VERBOSE "BYPASS_VERBOSE"

/* What this run is: set before the first case. */
extern struct bypass_run {
	enum bypass_lane lane;
	const char *lane_name;
	unsigned long rounds; /* of races; a flood has that many denials */
	bool slow;	      /* a kernel that looks after itself: debug */
	bool falsify;	      /* policies are not loaded */
	bool verbose;
	unsigned int
		carried; /* operations that this kernel can deny, without --strict-ioctl: bits */
	const struct bypass_case *now;
	int bare; /* what the case's attempt returned without a policy, if it has one */
} bypass_run;

/* Reasons. */
#define NO_ENTRY32   "64-bit programs have no entry for 32-bit calls there"
#define KVM_BUILT_IN "KVM is built in there, and no module that is loaded"

/* --- players (stage.c) --- */

/* Where the copies are: for policies and for exec. */
#define BYPASS_DIR "/tmp/bypass"
extern const char *const who_paths[WHO_MAX];

/* Make the copies. Gives up if that fails. */
void stage_setup(void);
void stage_remove(void);

/**
 * play - be somebody else
 * @who: the program that plays
 * @fn: what it does
 *
 * Return: what @fn returned, ENDED_KILLED.
 */
int play(enum who who, player_fn fn);
/* The same as another user, who can open /dev/kvm as well. */
int play_as(uid_t uid, enum who who, player_fn fn);

/**
 * play_two - two players, connected by a socket
 *
 * Return: what the first one returned if that is not 0, otherwise what the second one returned.
 */
int play_two(enum who first, player_fn fn, enum who second, player_fn fn2);
int play_two_as(uid_t uid, enum who first, player_fn fn, enum who second, player_fn fn2);

/* Start a player; its end of the socket is @peer (-1: none), which stays open here. */
pid_t player_start(enum who who, player_fn fn, int peer);
pid_t player_start_as(uid_t uid, enum who who, player_fn fn, int peer);
int player_wait(pid_t pid);

/* Become another program with @fn to do, in this process, with the fds that are open. */
int become(enum who who, player_fn fn, int peer);
/* The same with any copy of this program. */
int become_file(const char *path, player_fn fn, int peer);
/* What a player's arguments say that it does, after "--play"; then comes a number, 0 is one. */
#define PLAYER_ROLE 32
void player_role(player_fn fn, char role[PLAYER_ROLE]);

/* For main(): is this process a player? Does not return then. */
void player_main(int argc, char **argv);

/* A connected pair of sockets that keep messages apart. */
int socket_pair(int pair[2]);

/* A message of a number. Return: 0 or ENDED_BROKEN. */
int tell(int peer, uint64_t number);
int hear(int peer, uint64_t *number);
/* Wait until the other side is gone. */
void wait_gone(int peer);

/* SCM_RIGHTS. recv_fd() returns the fd or -ENDED_CUT, -ENDED_BROKEN; @flags: of recvmsg(). */
int send_fd(int peer, int fd);
int recv_fd(int peer, int flags);

/* Say what did not work, with errno. Return: ENDED_BROKEN. */
#define broken(what) broken_at(__FILE__, __LINE__, what)
int broken_at(const char *file, int line, const char *what);
/* The same for a whole case's judgement, whatever errno is. */
int failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* 0 or errno, of what returns -1 with errno. */
int result_of(long ret);

/* --- VMs and instances --- */

enum instance_kind {
	PLAIN,	 /* of a default VM, without flags */
	VIEW,	 /* that the host may map and touch */
	PRIVATE, /* of a VM with private memory */
};

struct vmm {
	int kvm, vm, fd;
	enum instance_kind kind;
};

#define INSTANCE_SIZE (4UL * 4096)

/* The user that policies do not name. */
#define OTHER_USER 1002

/* Become that user, in the effective ids. Return: 0 or ENDED_BROKEN. */
int demote(void);

/*
 * What players that become others leave open for them: an instance, a VM, a vCPU, a ring and what
 * belongs to it.
 */
enum left_open { LEFT_INSTANCE = 10, LEFT_VM, LEFT_VCPU, LEFT_RING, LEFT_PARAMS };

/* Return: 0 or ENDED_BROKEN. */
int leave_open(int fd, enum left_open as);

/* A VM without an instance. Return: 0, ENDED_ABSENT, ENDED_BROKEN. */
int vmm_open(struct vmm *v, enum instance_kind kind);
/* Its instance, asked for as a VMM does. Return: 0, the errno, ENDED_ABSENT. */
int vmm_create(struct vmm *v);
/* Both. */
int vmm_make(struct vmm *v, enum instance_kind kind);
/* With private memory where there is such a thing. */
int vmm_make_bindable(struct vmm *v);
void vmm_close(struct vmm *v);

#define BYPASS_SLOT 3

/* Bind all of the instance at KVM_TEST_GPA. Return: 0, the errno; ENDED_ABSENT: never possible. */
int vmm_bind(struct vmm *v);
/* Make and bind one, become another user, and end the binding. Return: 0, the errno, as these. */
int vmm_unbind_demoted(struct vmm *v);

/* ioctl by `int 0x80`; @arg lies below 4 GiB. Return: as the kernel: a negative errno. */
int ioctl32(int fd, unsigned int cmd, void *arg);

/* The whole of an instance; NULL: errno says why. */
char *map_instance(int fd, int prot);
int punch_hole(int fd);

/* Touch a byte: 0, ENDED_SIGBUS, ENDED_SIGSEGV. */
int touch_read(volatile char *at);
int touch_write(volatile char *at, char value);

/* Of VMs that have an instance that may be mapped, or else another one. */
int vmm_make_any(struct vmm *v);
/* A new instance, mapped; NULL: *@ret is why: the errno, ENDED_ABSENT, ENDED_BROKEN. */
char *vmm_map(struct vmm *v, int prot, int *ret);
/* Make an instance, and become @who, which has it as LEFT_INSTANCE. Return: if that fails. */
int vmm_leave_to(enum who who, enum instance_kind kind, player_fn fn, int peer);
/* A player that makes an instance, sends it to its peer, and waits until that is gone. */
int vmm_give(int peer);

/* --- props (props.c) --- */

/* Return: 0, the errno of the write; ENDED_BROKEN: it cannot be opened. */
int put_text(const char *path, const char *text, mode_t mode);
/* Run a command. Return: 0 or ENDED_BROKEN. */
int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int copy_file(const char *from, const char *to);
/* Run a program, whose output is told if it fails. Return: 0, EIO, ENDED_KILLED. */
int run_program(const char *cmd);
/* Move this process to the cgroup that is at @dir. As put_text(). */
int enter_cgroup(const char *dir);
/* Into a user namespace, as root of it, and a mount namespace. Return: 0 or ENDED_BROKEN. */
int own_mounts(void);

/* --- policies and counters --- */

/* A, while it is root. */
#define A_AS_ROOT                                                \
	"subjects: { a: { exe: " BYPASS_DIR "/a, uid: [0] } }\n" \
	"rules: [ { name: a, allow: all, subjects: [a] } ]\n"

/* Something that can be denied: GMEM_DO_*, or GMEM_DO_MAX + a guard. */
#define DENIABLE_MAX 16

struct counts {
	uint64_t denied[DENIABLE_MAX], would_deny[DENIABLE_MAX], allowed[DENIABLE_MAX];
	uint64_t events, lost;
	bool loaded;
};

/* All zero where nothing is loaded. */
void counts_read(struct counts *counts);
/* Denials of all operations and guards together. */
uint64_t counts_denied(const struct counts *before, const struct counts *after);

/**
 * stage_policy - the text of a case's policy
 *
 * What this kernel can deny is denied by default, with the case's own operation where
 * --strict-ioctl carries it. To be freed.
 */
char *stage_policy(const struct bypass_case *c);

/* Put it in force (not again if it is), unless the run is to be falsified. Return: 0 or -errno. */
int stage_load(const char *text, bool strict);
/* Another mode of loading: POLICY_* of tests/vm/lib/policies.h. */
int stage_load_flags(const char *text, bool enforce, unsigned int flags);
void stage_unload(void);
/* The same with one by which the program at @path may all, and nobody else. Return: 0 or
 * ENDED_BROKEN. */
int stage_load_for(const char *path);
/* For whole(): load the case's policy; what is counted and told from then on is the case's. */
int stage_begin(const struct bypass_case *c, struct counts *before);
/* Somebody else may have loaded a policy since. */
void stage_forget(void);

/*
 * Was there, since @before, exactly this: @n denials of @op (BYPASS_SOME: one at least), and as
 * many events, each read here or counted as lost? Return: 0 or -1, which has been explained.
 */
int check_ledger(const struct counts *before, int op, int n);
void drop_events(void);

/* Go a case's path here. Return: how that ended. */
int bypass_attempt(const struct bypass_case *c);

/* Does gmem-policy(5) or gmemctl(8) contain the sentence? Markup and line breaks do not count. */
bool manual_says(const char *sentence);

/* For whole(): the outcome. */
void bypass_is(enum bypass_outcome outcome);

#endif /* BYPASS_H */
