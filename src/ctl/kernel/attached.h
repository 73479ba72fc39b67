/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policies that are attached to the kernel, wherever they are pinned: in this directory, in
 * another one, in the BPF file system of another mount namespace, or held by a process only.
 */
#ifndef GMEM_CTL_KERNEL_ATTACHED_H
#define GMEM_CTL_KERNEL_ATTACHED_H

#include "../../lib/attached.h"

struct pins;

/**
 * attached_read - list the policies that are attached
 * @attached: the result, to be given to attached_free()
 *
 * Nothing is opened that belongs to a policy, so that this is no denial where one is locked.
 *
 * Return: 0 or a negative errno that has been explained.
 */
int attached_read(struct attached *attached);

/**
 * attached_elsewhere - the same, without the policy of a directory
 * @pins: its pins; the programs of a policy that was just unloaded are waited for
 *
 * Return: 0 or a negative errno that has been explained.
 */
int attached_elsewhere(const struct pins *pins, struct attached *attached);

/* Refuse to load where a policy of another directory is attached. Return: 0, -EBUSY; explained. */
int attached_refuse(const struct pins *pins);

#define ATTACHED_TEXT 256

/* A policy in words: name, generation, mode, programs. Returns @text. */
char *attached_text(const struct attached_policy *policy, char text[ATTACHED_TEXT]);

#endif /* GMEM_CTL_KERNEL_ATTACHED_H */
