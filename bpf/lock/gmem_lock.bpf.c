// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lock: what belongs to the policy in force is changed by its manager only, a subject that the
 * policy names. Loaded by `gmemctl load --lock` only, on the maps of gmem_policy.bpf.c. Attached
 * programs deny nothing until gmemctl sets `on` in the map `locked`, so a load that is killed
 * before that leaves no lock.
 */
#include "lock.h"
#include "mounts.h"

char LICENSE[] SEC("license") = "GPL";
