/* SPDX-License-Identifier: GPL-2.0-only */
/* Which VMs have series of their own: the value of `gmemtop export --vms`. */
#ifndef GMEM_VMS_CHOICE_H
#define GMEM_VMS_CHOICE_H

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

enum vms_kind {
	VMS_TOP,   /* the @top busiest VMs */
	VMS_NONE,  /* no VM: totals of the host only */
	VMS_REGEX, /* VMs whose name matches */
};

struct vms_choice {
	enum vms_kind kind;
	uint64_t top;
	regex_t regex;
};

/**
 * vms_choice_parse - read the value of --vms
 * @text: top:N, none or regex:RE (POSIX extended; it must match the whole name)
 * @choice: the result, released by vms_choice_free()
 *
 * Return: 0, -ENOMEM, or -EINVAL, which has been explained to the user.
 */
int vms_choice_parse(const char *text, struct vms_choice *choice);

void vms_choice_free(struct vms_choice *choice);

/* Does the name match? Always, unless the choice is a regular expression. */
bool vms_choice_matches(const struct vms_choice *choice, const char *name);

#endif /* GMEM_VMS_CHOICE_H */
