/* SPDX-License-Identifier: GPL-2.0-only */
/* The name of a VM: from the command line and the cgroup of its VMM. */
#ifndef GMEM_VM_NAME_H
#define GMEM_VM_NAME_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * name_from_cmdline - the name that the VMM was given
 * @cmdline: arguments, each ended by a 0
 * @len: bytes of all
 *
 * QEMU (-name), Firecracker (--id), cloud-hypervisor (--api-socket), crosvm (--name, --socket),
 * krunvm (start NAME), Kata's shim (-id).
 *
 * Return: 0, or -ENOENT if it has none of these options.
 */
int name_from_cmdline(const char *cmdline, size_t len, char *name, size_t size);

/**
 * name_from_cgroup - the name that the manager gave to the cgroup
 * @path: as libvirt (machine-qemu\x2d1\x2dNAME.scope), Kubernetes (kubepods, pod...), Firecracker's
 *	jailer, Kata, podman or Docker create it
 *
 * Return: 0, or -ENOENT if no manager of these created it.
 */
int name_from_cgroup(const char *path, char *name, size_t size);

/* Read a file of /proc/PID. Return: bytes, 0 behind them; or a negative errno. */
ssize_t vm_read_proc(uint32_t pid, const char *file, char *buf, size_t size);

/* The name of a process's VM, of the first of these that has one. @name: "": it has none */
void vm_name_of(uint32_t pid, char *name, size_t size);

#endif /* GMEM_VM_NAME_H */
