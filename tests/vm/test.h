/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests inside the VM share: checks that count, and what must be as before at the end. */
#ifndef VM_TEST_H
#define VM_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int checks;
static int failures;

#define CHECK(cond, fmt, ...)                                                                     \
	do {                                                                                      \
		checks++;                                                                         \
		if (!(cond)) {                                                                    \
			failures++;                                                               \
			printf("%s:%d: %s: " fmt "\n", __func__, __LINE__, #cond, ##__VA_ARGS__); \
		}                                                                                 \
	} while (0)

/* The test cannot go on, with errno for the reason. */
static inline void __attribute__((noreturn)) give_up(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

/* The first number in a file of /proc or /sys. */
static inline long read_long(const char *path)
{
	char buf[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		give_up(path);
	close(fd);
	return strtol(buf, NULL, 10);
}

/*
 * References that VMs and files hold on KVM's modules: as before when nothing is left of them.
 * Always 0 where KVM is built in.
 */
static inline long module_refs(void)
{
	if (access("/sys/module/kvm/refcnt", F_OK))
		return 0;
	return read_long("/sys/module/kvm/refcnt") + read_long("/sys/module/kvm_amd/refcnt");
}

static inline int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

#endif
