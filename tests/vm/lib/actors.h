/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies of a test's own program under names that a policy has or has not, told what to do by their
 * arguments: FILE --do WORD PID. What the words are is the test's.
 */
#ifndef VM_ACTORS_H
#define VM_ACTORS_H

#include <stdbool.h>
#include <sys/types.h>

#define PLAIN "/tmp/guard-plain" /* named by no policy */
#define VMM   "/tmp/guard-vmm"
#define AGENT "/tmp/guard-agent" /* named too */

/* Make the copies. Gives up if that fails. */
void actors_make(void);
/* Put the policy in force by which VMM and AGENT may create; @guards: more of its head. */
void actors_load(bool enforce, const char *guards);

/* What an actor becomes before it begins its program. Return: 0, else it does not begin. */
typedef int (*before_exec)(void);

/**
 * actor_start - start one
 * @exe: the copy
 * @act: the word
 * @target: the process that it is to do something with, 0: none
 * @before: what it becomes before, or NULL
 * @in: its standard input, -1: that of the test
 *
 * Return: its pid; it ends with ASKED_NOT if it cannot begin.
 */
pid_t actor_start(const char *exe, const char *act, pid_t target, before_exec before, int in);
/* Return: its exit status, ASKED_NOT. */
int actor_wait(pid_t pid);

/* Start one and wait for it. Return: its exit status. */
int act(const char *exe, const char *what, pid_t target);
int act_after(const char *exe, const char *what, before_exec before);

/* A process that waits (act_wait()), to be reached into. */
struct target {
	pid_t pid;
	int out; /* its end of the pipe */
};

struct target target_start(const char *exe, before_exec before);
/* Return: what it could create. */
int target_end(struct target *target);

/* Words that tests share, "create" and "wait": until standard input ends, which is a pipe, then
 * create. */
int act_create(pid_t pid);
int act_wait(pid_t pid);

#endif
