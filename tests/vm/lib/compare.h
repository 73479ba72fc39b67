/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests share that compare events with the workload's log. */
#ifndef COMPARE_H
#define COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "trace_events.h"

#define MAX_VMS 1024

struct json_object;

/* The comparisons of one case. */
struct verdict {
	size_t compared, failed;
	size_t missed, invented; /* records of one side only */
};

/* The program, and the directory of its scenarios. */
extern const char *workload, *scenarios;

/* Count a difference, and print it if there were not too many. */
void differs(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The two must be equal. @what: is named where they are not. */
void expect_number(struct verdict *v, const char *what, uint64_t is, uint64_t wanted);

/* The number at a path of names with dots between, 0 if there is none. */
int64_t json_number(struct json_object *obj, const char *path);

/* Event by event; @list: the VMs of the workload's report. Both are sorted by that. */
void compare_records(struct verdict *v, struct json_object *list, struct records *log,
		     struct records *trace);

/* Give every event of the kernel the number that its VM has in the workload's report. */
void assign_vms(struct json_object *list, struct records *log, struct records *trace);

/**
 * run_workload - run the workload to its end
 * @args: words; @ at the begin of one is the directory of scenarios
 * @log: file for its log of operations
 *
 * Return: its report, the caller's, or NULL if it failed, which has been said.
 */
struct json_object *run_workload(const char *args, const char *log);

#endif /* COMPARE_H */
