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
	uint64_t key; /* which VM: its number in the kernel */
	int64_t inst; /* which instance of the VM, in the order of creation; -1: none */
	uint64_t field[MAX_FIELDS];
	char word[16];
	char text[TEXT_LEN]; /* canonical form, made by record_text() */
};

struct records {
	struct record *r;
	size_t nr, room;
};

/* The instances that were created so far. */
struct creations {
	struct creation *c;
	size_t nr;
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
	INVALIDATE_NR_PAGES,
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
/* A new one at the end, NULL without memory. */
struct record *records_append(struct records *records);

/* An event by its name, which ends with a blank, a colon or the text; or -EINVAL. */
int event_id_of(const char *name);

/* Which instance of its VM it is, by its inode's number (0: none). Return: 0 or -ENOMEM. */
int number_instance(struct creations *creations, struct record *r, uint64_t ino);

void record_text(struct record *record);
void records_sort(struct records *records);
void records_free(struct records *records);

#endif /* TRACE_EVENTS_H */
