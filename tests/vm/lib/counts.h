/* SPDX-License-Identifier: GPL-2.0-only */
/* Count by count: the workload's account of a VM against what gmemtop shows of it. */
#ifndef VM_COUNTS_H
#define VM_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

struct verdict {
	size_t compared, failed, not_offered;
	bool quiet;
	bool redundant; /* gmemtop runs with --redundant */
	/*
	 * Runs of programs that the kernel left out, by gmemtop's report (0: every count must be
	 * equal), and the operations that the counts lack, of which none may be without such a run.
	 */
	uint64_t missed, lacks;
	/* VMs and instances of which gmemtop reports that it did not see the end. */
	uint64_t unseen_ends;
	uint64_t operation_lacks; /* of the operation that is being compared */
};

/*
 * What a count is of. A run of a program that the kernel left out lowers the operation that it
 * would have counted, and with it the operation's other numbers.
 */
enum count_kind {
	OPERATION, /* the first count of its operation */
	PART,	   /* of the operation before: some of its events */
	PAGES,	   /* of the operation before */
};

/* More than so many runs that the kernel leaves out in one case are an error. */
#define MISSED_MAX 20

/* What is at a path of names with dots between, NULL if there is nothing. */
struct json_object *member(struct json_object *obj, const char *path);
int64_t number(struct json_object *obj, const char *path);

/* Is that the state of a VM? */
bool vm_is(struct json_object *vm, const char *state);

/* Count a difference, and print it if there were not too many. */
void differs(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * compare_count - one count
 * @what: its name, in the message
 * @lower: @wanted is a lower bound
 *
 * The counts of an operation come one after the other, the one of kind OPERATION first. A number
 * that is too small is left to check_missed() if @v->missed says that it can be.
 */
void compare_count(struct verdict *v, enum count_kind kind, const char *what, int64_t wanted,
		   int64_t shown, bool lower);

/**
 * compare_vm - every count of a VM
 * @told: the VM in the workload's report
 * @shown: the VM as gmemtop showed it last
 * @middle: gmemtop started after the VMs were set up: its counts begin there
 *
 * Which counts gmemtop must show follows from offers.h.
 */
void compare_vm(struct verdict *v, struct json_object *told, struct json_object *shown,
		bool middle);

/**
 * check_missed - after all VMs: is what the counts lack explained?
 *
 * The kernel leaves out the run of a program that would interrupt another run of the same program
 * on its CPU, and counts it. So seen <= true <= seen + left out must hold, for all VMs together.
 */
void check_missed(struct verdict *v);

/* Change each count that gmemtop showed by one, up and down: compare_vm() must notice each. */
void falsify_each(struct verdict *v, struct json_object *told, struct json_object *shown,
		  bool middle);

#endif /* VM_COUNTS_H */
