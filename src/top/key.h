/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keys of VMs and instances: the same in frames, events and recordings, for every gmemtop on this
 * host until it boots anew, and different on every other host.
 */
#ifndef GMEM_KEY_H
#define GMEM_KEY_H

#include <stddef.h>
#include <stdint.h>

#define KEY_LEN 17 /* bytes of its text */

/**
 * key_of_vm - the key of a VM
 * @kind: enum gmem_key
 * @number: what tells the VM from others of that kind
 *
 * Return: 0 for GMEM_KEY_NONE, else never 0.
 */
uint64_t key_of_vm(uint32_t kind, uint64_t number);

/* The key of an instance. @vm: that of its VM. Return: 0 if that is 0. */
uint64_t key_of_instance(uint64_t vm, uint32_t dev, uint64_t ino);

/* 16 hexadecimal digits. Return: NULL for 0. */
const char *key_text(uint64_t key, char *buf);

#endif /* GMEM_KEY_H */
