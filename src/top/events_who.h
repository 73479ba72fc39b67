/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names for the numbers of an event: the VM, the executable, the cgroup. They are looked up when
 * the event is read, which is later than it happened: what is gone by then has no name, unless it
 * was seen before.
 */
#ifndef GMEM_EVENTS_WHO_H
#define GMEM_EVENTS_WHO_H

#include <stdint.h>

#include "../../bpf/abi/events.h"

struct who;

/* Return: NULL without memory. */
struct who *who_new(void);
void who_free(struct who *who);

/**
 * who_vm - which VM it is
 * @pid: the process of its VMM
 *
 * Return: its name, as gmemtop shows it; NULL if it is not known which VM it is.
 */
const char *who_vm(struct who *who, const struct gmem_event_vm *vm, uint32_t *pid);

/* The path of the executable, NULL: not known. */
const char *who_exe(struct who *who, const struct gmem_event *e);

/* The path of the cgroup, NULL: not known. */
const char *who_cgroup(struct who *who, const struct gmem_event *e);

#endif /* GMEM_EVENTS_WHO_H */
