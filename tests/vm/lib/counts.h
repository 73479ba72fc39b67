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
};

/* Expect one too many of something. */
extern bool falsify;

/* What is at a path of names with dots between, NULL if there is nothing. */
struct json_object *member(struct json_object *obj, const char *path);
int64_t number(struct json_object *obj, const char *path);

/* Count a difference, and print it if there were not too many. */
void differs(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * compare_vm - every count that this kernel offers
 * @told: the VM in the workload's report
 * @shown: as gmemtop showed it last
 * @middle: gmemtop came when the VMs were set up: what was before is not in its counts
 */
void compare_vm(struct verdict *v, struct json_object *told, struct json_object *shown,
		bool middle);

#endif /* VM_COUNTS_H */
