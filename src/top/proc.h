/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a VM is: from the command line and the cgroup of its VMM. */
#ifndef GMEM_PROC_H
#define GMEM_PROC_H

#include <stddef.h>

struct model_vm;

/**
 * name_from_cmdline - the name that the VMM was given: -name guest=NAME,... or -name NAME, as of
 * QEMU
 * @cmdline: arguments, each ended by a 0
 * @len: bytes of all
 *
 * Return: 0, or -ENOENT if there is none.
 */
int name_from_cmdline(const char *cmdline, size_t len, char *name, size_t size);

/**
 * name_from_cgroup - the name that the manager gave to the cgroup
 * @path: as libvirt (machine-qemu\x2d1\x2dNAME.scope) or Kubernetes (kubepods, pod...) make it
 *
 * Return: 0, or -ENOENT if it is none of these.
 */
int name_from_cgroup(const char *path, char *name, size_t size);

/* Fill in name and cgroup, once: the first that there is of command line, cgroup, comm. */
void proc_identify(struct model_vm *vm);

#endif /* GMEM_PROC_H */
