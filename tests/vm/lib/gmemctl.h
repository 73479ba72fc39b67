/* SPDX-License-Identifier: GPL-2.0-only */
/* The program gmemctl as a child, the JSON that it writes, and a policy for it to tell of. */
#ifndef VM_GMEMCTL_H
#define VM_GMEMCTL_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include <json-c/json.h>

#define GMEMCTL "build/gmemctl"
#define BAD	1002
#define OTHER	1003

struct child {
	pid_t pid;
	FILE *out;
	int err;
};

/* With pipes for its output; it is ended after 30 s. @args: ends with NULL. */
struct child start(const char *program, const char *const *args);

#define RUN(...) start(GMEMCTL, (const char *const[]){ __VA_ARGS__, NULL })

/* The next line as JSON; NULL: there is none, or none in time. */
struct json_object *next(struct child *child);

/* Ends it (signal 0: it ends by itself). Return: its exit status, or 1000 and the signal. */
int finish(struct child *child, int sig);

/* What stands at a path, "a.b"; a number that is not there is -1, a string "null". */
struct json_object *get(struct json_object *object, const char *path);
long number(struct json_object *object, const char *path);
const char *string(struct json_object *object, const char *path);
bool is(struct json_object *object, const char *path, const char *wanted_value);

/* Of a list at a path; what is no list has length 0. */
size_t length(struct json_object *object, const char *path);
struct json_object *item(struct json_object *object, const char *path, size_t i);

/*
 * Load a policy: the user BAD may neither create nor map, by the rule of this name; OTHER would be
 * denied creations; everybody else may all. Events that are older are gone.
 */
void load(const char *rule);

void sleep_ms(long ms);

#endif
