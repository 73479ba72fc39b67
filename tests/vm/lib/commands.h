/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands of a shell as rows of a table: how each must end, and what it must say. */
#ifndef VM_COMMANDS_H
#define VM_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* Policies that each kernel can enforce: creations, allowed or denied by default. */
#define POLICY_HEAD(name, create)                                                                 \
	"version: 1\nname: " name "\nmode: enforce\n"                                             \
	"default: { create: " create ", bind: allow, mmap: allow, fault: allow, convert: allow, " \
	"punch: allow, receive: allow }\n"

/*
 * From here on commands are run in this directory, which is made, and `gmemctl` is the one that was
 * built here. Return: the path of that one.
 */
const char *commands_begin(const char *dir);

/* Gives up if it cannot. */
void write_file(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the last command said, and how it ended: its exit status, 128 and the signal. */
extern struct said {
	char out[1 << 16], err[1 << 16];
	int status;
} said;

/* Run by bash. Return: said.status. */
int command(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

struct row {
	const char *command;
	int status;
	const char *err, *out; /* that it says there, or NULL */
};

/**
 * rows_run - run one after the other
 * @after: what is looked at after each, or NULL
 *
 * Return: how many were not as they must be; each has been told.
 */
int rows_run(const struct row *rows, size_t nr, void (*after)(const char *command));

#define RUN_ROWS(rows, after) rows_run(rows, sizeof(rows) / sizeof((rows)[0]), after)

/* The JSON on its standard output; the caller's to put. NULL: there is none. */
struct json_object *said_json(void);

#endif
