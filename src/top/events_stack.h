/* SPDX-License-Identifier: GPL-2.0-only */
/* Names for the addresses in a stack: functions of the kernel, files of a process. */
#ifndef GMEM_EVENTS_STACK_H
#define GMEM_EVENTS_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FRAME_LEN 192

struct symbols;
struct maps;

/**
 * symbols_read - the functions of a kernel
 * @file: as /proc/kallsyms
 * @symbols: the result; none of them has an address where the kernel hides them
 *
 * Return: 0, -EACCES if the addresses are hidden, or another negative errno.
 */
int symbols_read(FILE *file, struct symbols **symbols);
void symbols_free(struct symbols *symbols);

/* "function+0x12 [module]"; the address where there is no name, also with no @symbols. */
void symbols_name(const struct symbols *symbols, uint64_t address, char *buf, size_t size);

/* Does the frame belong to tracing itself, not to what was traced? */
bool frame_of_tracing(const char *frame);

/**
 * maps_read - the files that a process has mapped
 * @file: as /proc/PID/maps
 *
 * Return: 0 or a negative errno.
 */
int maps_read(FILE *file, struct maps **maps);
void maps_free(struct maps *maps);

/* "file+0x12", with the offset in the file. Return: false, and the address, if nothing is there. */
bool maps_name(const struct maps *maps, uint64_t address, char *buf, size_t size);

#endif /* GMEM_EVENTS_STACK_H */
