/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gmem-workload: a small VMM on the raw KVM API that knows exactly what it did to guest_memfd.
 *
 * The truth (counts and the shadow of every page) lies in memory shared with the parent, so it
 * survives the SIGKILL of a VMM; the parent adds what the kernel does on the VMM's behalf at its
 * end.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "kvm_compat.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define PAGE_SHIFT    12
#define PAGE_SIZE     4096UL
#define ERRNO_MAX     134 /* the largest errno of Linux is 133 */
#define MAX_VCPUS     64
#define MAX_INSTANCES 8
#define MAX_SLOTS     32
#define NAME_LEN      16

#define MEMORY_BASE (4ULL << 30) /* guest physical address of instance memory */
#define PLAIN_BASE  (1ULL << 30) /* an ordinary memslot, never guest_memfd */
#define PLAIN_SIZE  (2ULL << 20)
#define PLAIN_SLOT  1
#define MODEL_PAGES (1UL << 23) /* guest physical pages that the shadow knows: 32 GiB */
#define INST_PAGES  (1UL << 22) /* pages of one instance that the shadow knows: 16 GiB */

enum exit_code { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NO_KERNEL = 4 };

/* What is counted; the names in JSON are in report.c. */
enum cell_id {
	CELL_CREATE,
	CELL_RELEASE,
	CELL_BIND,
	CELL_UNBIND,
	CELL_CONVERT, /* 3 origins x 3 directions, see convert_cell() */
	CELL_ALLOCATE = CELL_CONVERT + 9,
	CELL_PUNCH,
	CELL_GUEST_FAULT,
	CELL_HOST_FAULT,
	CELL_MMAP,
	CELL_RECEIVE,
	CELL_POISON,
	CELL_HYPERCALL,
	CELL_MEMORY_FAULT,
	NR_CELLS,
};

enum origin { BY_HOST, BY_HYPERCALL, BY_FAULT, NR_ORIGINS };
enum direction { TO_PRIVATE, TO_SHARED, TO_INVALID, NR_DIRECTIONS };

struct cell {
	u64 ok;			  /* operations that succeeded */
	u64 pages;		  /* pages that they asked for */
	u64 changed;		  /* pages that they really changed */
	u64 redundant;		  /* operations that changed nothing */
	u32 failed[ERRNO_MAX];	  /* failures, by errno */
	u32 unreached[ERRNO_MAX]; /* refused before guest_memfd or KVM's handler saw them */
};

struct counts {
	struct cell cell[NR_CELLS];
};

/* Shadow of a guest physical page. */
#define GPA_PRIVATE 1
#define GPA_MAPPED  2 /* guest_memfd page mapped in the nested page table */

/* Shadow of a page of an instance. */
#define PG_PRESENT  1
#define PG_ZEROED   2 /* up to date: a fault has cleared it */
#define PG_HOSTPTE  4 /* mapped in the VMM's own page table */
#define PG_POISONED 8

struct instance {
	char name[NAME_LEN];
	bool used;
	u32 number; /* how many were created in this VM before */
	int fd;	    /* -1: closed by the VMM */
	u64 size;
	u64 flags;
	u32 refs; /* open file, mappings, other processes */
	u64 resident;
	u8 *pages;
	u8 *map; /* the VMM's mapping, of the whole instance from map_offset on */
	u64 map_offset;
	u64 map_size;
	bool held; /* another process was handed the fd and keeps it */
};

struct slot {
	bool used;
	u32 id;
	u64 gpa;
	u64 size;
	u64 offset;
	int inst;     /* index, -1: instance was closed */
	void *shared; /* the shared half's backing */
};

/* A conversion that a guest asked for, by CLOCK_MONOTONIC; 0: not yet, or not at all. */
struct trip {
	const char *exit; /* NULL: the guest asked for nothing */
	u64 gpa, size, attributes;
	u64 before, out; /* the KVM_RUN that the guest left: called, and returned */
	u64 set, set_end, memory, memory_end;
	u64 held_ns; /* for so long it waited for slots_lock, at least */
};

struct vcpu {
	struct vm *vm;
	u32 index;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int (*job)(struct vcpu *vcpu, void *arg);
	void *arg;
	int ret;
	bool busy;
	bool quit;
	struct trip trip;
	u32 nr_trips;
};

enum vm_end { END_RUNNING, END_CLOSED, END_EXITED, END_KILLED };

struct vm {
	u32 index;
	pid_t pid;
	enum vm_end end;
	bool created;
	bool error;
	bool inexact; /* guest faults are a lower bound only */
	u32 next_number;
	u32 resets; /* vCPUs that the emulator lost, see arch_vcpu_restart() */
	u64 private_pages;
	s64 stat_private; /* KVM's own stat, -1: none */
	u8 *gpa;
	struct instance inst[MAX_INSTANCES];
	struct slot slot[MAX_SLOTS];
	struct counts counts[MAX_VCPUS + 1]; /* one per vCPU and one for the control thread */
	struct counts setup;		     /* what was done before the start */

	/* From here on only the VMM's own process uses it. */
	int fd;
	u8 *system;
	void *plain;
	u32 nr_vcpus;
	struct vcpu vcpu[MAX_VCPUS];
	pthread_mutex_t lock;
	pthread_t control;
	int helper; /* socket to the process to which fds are handed, -1: none */
	pid_t helper_pid;
};

struct config {
	u32 vms, vcpus, vms_per_process;
	u32 type;
	u64 flags, size;
	const char *script, *commands, *mix, *log, *teardown, *trips;
	u64 ops, rate, duration_ms, pause_us, seed, stagger_ms;
	u64 vmm_us, hold_lock_ms;
	bool serial, wait_start, hold, json_lines, discard;
	int log_fd, trips_fd;
	struct scenario *scenario;
};

/* One line of a scenario. */
enum op_id {
	OP_CREATE,
	OP_CLOSE,
	OP_BIND,
	OP_UNBIND,
	OP_CONVERT,
	OP_TOUCH,
	OP_PREFAULT,
	OP_ALLOCATE,
	OP_PUNCH,
	OP_MMAP,
	OP_MUNMAP,
	OP_HOST_TOUCH,
	OP_PASS,
	OP_DROP,
	OP_POISON,
	OP_MIX,
	OP_REPEAT,
	OP_IF,
	OP_END,
	OP_START,
	OP_SLEEP,
	OP_EXIT,
	OP_KILL,
	NR_OPS,
};

#define VCPU_NONE  (-1)
#define VCPU_ALL   (-2)
#define EXPECT_ANY (-1)

struct op {
	enum op_id id;
	int line;
	char inst[NAME_LEN];
	char to[NAME_LEN];
	char doing[NAME_LEN];
	char *kinds;
	u64 gpa, size, offset, flags, attributes, mode;
	u64 slot, times, step, interrupt, ops, rate, duration_ms, pause_us, pages;
	s64 fd;
	int by, vcpu, expect, or_expect; /* or_expect: an older kernel's outcome */
	bool has_size, has_flags, has_attributes, has_fd, has_mode, read, private, hold;
	size_t jump; /* IF: its END, END: its REPEAT or IF */
};

struct scenario {
	struct op *op;
	size_t nr;
};

/* Who executes an operation: the VM, and the counts to which it goes. */
struct ctx {
	struct vm *vm;
	struct vcpu *vcpu; /* NULL: control thread */
	struct counts *counts;
	const struct op *op;
};

extern struct config cfg;

/* main.c */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int wait_for_start(struct vm *vm);
int wait_for_end(struct vm *vm);

/* options.c */
int parse_options(int argc, char **argv);
int parse_size(const char *text, u64 *value);
int parse_flags(const char *text, u64 *flags);

/* scenario.c */
int scenario_load(struct scenario *scenario);
void scenario_free(struct scenario *scenario);
void scenario_help(FILE *out);

/* vm.c */
int kvm_check(void);
int vm_create(struct vm *vm);
void *backing_map(u64 size);
void backing_unmap(void *memory, u64 size);
void vm_close(struct vm *vm);
int vcpu_run(struct ctx *ctx);
int vcpu_submit(struct vcpu *vcpu, int (*job)(struct vcpu *vcpu, void *arg), void *arg);
int vcpu_wait(struct vcpu *vcpu);
s64 vm_stat(struct vm *vm, const char *name);

/* guest.c */
enum guest_op { GUEST_WRITE = 1, GUEST_READ = 2, GUEST_HYPERCALL = 3 };

void guest_request(u8 *system, u32 vcpu, enum guest_op op, u64 gpa, u64 count, u64 arg);
s64 guest_result(u8 *system, u32 vcpu);
void guest_set_result(u8 *system, u32 vcpu, s64 result);
u64 guest_params(u32 vcpu);
#define SYSTEM_SIZE (1UL << 20)

/* arch_*.c: one of them is built. */

/* A guest asks for a conversion. */
struct guest_call {
	u64 gpa, pages;
	bool private;
	__u64 *ret; /* the guest reads its answer here */
};

/* What KVM calls the type of the configured VMs. */
const char *arch_type_name(void);
/* Write page tables and program into the memory at guest physical address 0. */
void arch_guest_load(u8 *system);
/* Before the first vCPU is made. */
void arch_vm_prepare(int vm_fd);
/* A new vCPU stands at the beginning of the guest's program then. 0 or -errno. */
int arch_vcpu_init(struct vcpu *vcpu, int kvm_fd);
/* It stands there once more, after an exit that no guest made. 0 or -errno with the reason said. */
int arch_vcpu_restart(struct vcpu *vcpu);
/* The guest has carried out its request. */
bool arch_exit_done(const struct kvm_run *run);
/* Is it a conversion that the guest asks for? */
bool arch_exit_hypercall(struct kvm_run *run, struct guest_call *call);

/* shadow.c */
struct instance *shadow_instance(struct vm *vm, const char *name);
struct instance *shadow_new_instance(struct vm *vm, const char *name);
struct slot *shadow_slot(struct vm *vm, u32 id);
struct slot *shadow_slot_at(struct vm *vm, u64 gpa);
int shadow_in_model(u64 gpa, u64 size);
u64 shadow_set_private(struct vm *vm, u64 gpa, u64 size, bool private);
void shadow_unmap(struct vm *vm, u64 gpa, u64 size);
void shadow_bound(struct vm *vm, struct slot *slot);
void shadow_unbound(struct vm *vm, struct slot *slot);
u64 shadow_allocate(struct instance *inst, u64 offset, u64 len);
u64 shadow_punch(struct vm *vm, struct instance *inst, u64 offset, u64 len);
void shadow_guest_touch(struct ctx *ctx, u64 gpa, u64 pages, bool prefault);
void shadow_host_fault(struct ctx *ctx, struct instance *inst, u64 pgoff);
void shadow_put(struct vm *vm, struct counts *counts, struct instance *inst);
void shadow_exit(struct vm *vm);

/* ops.c */
int run_scenario(struct vm *vm, const struct scenario *scenario);
int convert(struct ctx *ctx, enum origin by, u64 gpa, u64 size, u64 attributes);
int op_once(struct ctx *ctx, const struct op *op);

/* trips.c */
u64 now_ns(void);
void trip_run(struct vcpu *vcpu, u64 run_ns, u64 back_ns);
int trip_convert(struct ctx *ctx, enum origin by, u64 gpa, u64 size, u64 attributes);
void trip_touch(const struct vcpu *vcpu, u64 gpa, u64 size, u64 run_ns, u64 back_ns);

/* hold.c */
struct hold *hold_begin(struct vm *vm);
u64 hold_end(struct hold *hold);

/* memory.c */
int op_allocate(struct ctx *ctx, const struct op *op);
int op_punch(struct ctx *ctx, const struct op *op);
int op_mmap(struct ctx *ctx, const struct op *op);
int op_munmap(struct ctx *ctx, const struct op *op);
int op_host_touch(struct ctx *ctx, const struct op *op);
int op_poison(struct ctx *ctx, const struct op *op);
int do_punch(struct ctx *ctx, struct instance *inst, u64 offset, u64 len, int mode);
int do_allocate(struct ctx *ctx, struct instance *inst, u64 offset, u64 len, int mode);
int catch_sigbus(void);

/* pass.c */
int pass_prepare(struct vm *vm);
void pass_finish(struct vm *vm);
int op_pass(struct ctx *ctx, const struct op *op);
int op_drop(struct ctx *ctx, const struct op *op);

/* mix.c */
int op_mix(struct ctx *ctx, const struct op *op);

/* report.c */
enum cell_id convert_cell(enum origin by, enum direction to);
enum direction direction_of(u64 attributes);
void count_ok(struct cell *cell, u64 pages, u64 changed);
void count_failed(struct cell *cell, int err);
void counts_sum(struct counts *to, const struct counts *from);
void counts_of_vm(struct counts *to, const struct vm *vm);
void log_op(const struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int report(FILE *out, const struct vm *vms);
void report_progress(FILE *out, const char *what, const struct vm *vms);

#endif /* WORKLOAD_H */
