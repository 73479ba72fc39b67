/* SPDX-License-Identifier: GPL-2.0-only */
/* What the subjects of the policy in force are in the kernel, and what their names stand for now. */
#ifndef GMEM_CTL_KERNEL_RESOLVED_H
#define GMEM_CTL_KERNEL_RESOLVED_H

#include "../../policy/compile.h"
#include "resolve.h"
#include "store.h"
#include "policy_file.h"

/* X(name, in words): what a file's name stands for now */
#define RESOLVED_STATES(X)                                          \
	X(same, "the same file")                                    \
	X(other, "another file has this path now: gmemctl refresh") \
	X(missing, "there is no file now")                          \
	X(made_up, EXE_UNTRUSTED_FS_TEXT)                           \
	X(unknown, "the file that has this path now cannot be identified")

enum resolved_state {
#define X(name, ...) RESOLVED_##name,
	RESOLVED_STATES(X)
#undef X
		RESOLVED_MAX
};

extern const char *const resolved_names[RESOLVED_MAX];
extern const char *const resolved_texts[RESOLVED_MAX];

/* X(name, in words): what a cgroup's path stands for now */
#define CGROUP_STATES(X)                                                                \
	X(same, "the same cgroup")                                                      \
	X(again, "was removed and made again: the policy names the one before it, and " \
		 "has to be loaded again")                                              \
	X(gone, "was removed: when it is made again, the policy has to be loaded again")

enum cgroup_state {
#define X(name, ...) CGROUP_##name,
	CGROUP_STATES(X)
#undef X
		CGROUP_MAX
};

extern const char *const cgroup_names[CGROUP_MAX];
extern const char *const cgroup_texts[CGROUP_MAX];

struct resolved {
	struct gmem_identity exe; /* kind 0: the kernel has none */
	enum resolved_state exe_now;
	struct gmem_identity *was; /* files that it was before, and that still count */
	size_t replaced;	   /* as many */
	__u64 cgroup;		   /* its id, 0: the kernel has none */
	__u32 *uids;
	size_t nr_uids;
};

/**
 * resolved_read - what the kernel goes by, for each subject
 * @file: the policy that is in the slot
 * @list: the result, as many as there are subjects; to be given to resolved_free()
 *
 * Return: 0 or a negative errno.
 */
int resolved_read(const struct store *store, unsigned int slot, const struct policy_file *file,
		  struct resolved **list);
/* The same for the policy in force, whose word is @word; an error has been explained. */
int resolved_in_force(const char *dir, __u64 word, const struct policy_file *file,
		      struct resolved **list);

/* The policy's executables are what the kernel goes by, whatever their paths lead to by now. */
void resolved_apply(const struct resolved *list, struct policy_file *file);

/* @subject: has a cgroup, and was resolved on this host just now */
enum cgroup_state cgroup_now(const struct policy_subject *subject, const struct resolved *resolved);

void resolved_free(struct resolved *list, size_t nr);

#endif /* GMEM_CTL_KERNEL_RESOLVED_H */
