/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names in type information, without its types: what a kernel has can be told by them in a
 * twentieth of the time that it takes to read the types.
 */
#ifndef GMEM_LIB_BTF_NAMES_H
#define GMEM_LIB_BTF_NAMES_H

#define BTF_OF_KERNEL "/sys/kernel/btf/vmlinux"

/**
 * btf_names - all names in a file of type information
 * @path: raw BTF, as in /sys/kernel/btf
 * @take: called with each name once
 *
 * Whether a name is that of a function, a type or a member is not told, nor whether a type is more
 * than declared: ask for names that stand for one thing only.
 *
 * Return: 0 or a negative errno: -ENOENT where the kernel has none, -EBADMSG if it is no BTF.
 */
int btf_names(const char *path, void (*take)(const char *name, void *data), void *data);

#endif /* GMEM_LIB_BTF_NAMES_H */
