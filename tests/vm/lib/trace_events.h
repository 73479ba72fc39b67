/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest_memfd events of a kernel through tracefs, and the workload's log of operations, both as
 * records of the same form, so that they can be compared.
 */
#ifndef TRACE_EVENTS_H
#define TRACE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_FIELDS 10
#define TEXT_LEN   200

enum event_id {
	EV_CREATE,
	EV_RELEASE,
	EV_BIND,
	EV_UNBIND,
	EV_ALLOCATE,
	EV_INVALIDATE,
	EV_GUEST_FAULT,
	EV_HOST_FAULT,
	EV_MMAP,
	EV_CONVERT,
	NR_EVENTS,
};

/* Values that both sides have; numbers, or the word in @word. */
struct record {
	enum event_id id;
	int vm; /* index; in a trace first the group, see trace_read() */
	int pid;
	uint64_t key; /* which VM: the kernel's word for it */
	int64_t inst; /* which instance of the VM, in the order of creation; -1: none */
	uint64_t field[MAX_FIELDS];
	char word[16];
	char text[TEXT_LEN]; /* canonical form, made by record_text() */
};

struct records {
	struct record *r;
	size_t nr, room;
};

/* Fields of each event in this order; see event_descs. */
enum {
	CREATE_SIZE = 0,
	CREATE_FLAGS,
	CREATE_RET,
	RELEASE_NRPAGES = 0,
	BIND_SLOT = 0,
	BIND_GPA,
	BIND_SIZE,
	BIND_OFFSET,
	BIND_RET,
	ALLOCATE_MODE = 0,
	ALLOCATE_OFFSET,
	ALLOCATE_LEN,
	ALLOCATE_NR_PAGES,
	ALLOCATE_RET,
	INVALIDATE_START = 0,
	INVALIDATE_END,
	GUEST_FAULT_SLOT = 0,
	GUEST_FAULT_GFN,
	GUEST_FAULT_PGOFF,
	GUEST_FAULT_ZEROED,
	GUEST_FAULT_RET,
	HOST_FAULT_PGOFF = 0,
	MMAP_SIZE = 0,
	MMAP_PGOFF,
	MMAP_RET,
	CONVERT_GPA = 0,
	CONVERT_SIZE,
	CONVERT_ATTRIBUTES,
	CONVERT_CHANGED,
	CONVERT_RET,
};

int trace_open(unsigned int buffer_kb);
int trace_start(void);
int trace_stop(void);
void trace_close(void);
int trace_read(struct records *records);
int log_read(const char *path, struct records *records);
void record_text(struct record *record);
void records_sort(struct records *records);
void records_free(struct records *records);

#endif /* TRACE_EVENTS_H */
