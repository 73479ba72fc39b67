/* SPDX-License-Identifier: GPL-2.0-only */
/* What runs now, as events: each instance, binding and mapping as if it were made again. */
#ifndef GMEM_CTL_KERNEL_LIVE_H
#define GMEM_CTL_KERNEL_LIVE_H

#include "../../policy/events.h"

struct live_counts {
	size_t processes, instances, bindings, mappings;
	bool knows_kvm; /* if not, VMs and bindings are unknown */
	size_t unread;	/* VMs whose bindings could not be read */
};

/**
 * live_read - what processes hold, as the requests that led there
 * @fn: called with each request and @data, and with the process that would make it
 *
 * The process of a VM creates the instances of this VM and binds them; a process that holds an
 * instance without being that process receives it; a mapping is made and accessed with the
 * protection that it has. Conversions and holes of the past are not visible.
 *
 * Return: 0 or a negative errno that has been explained.
 */
int live_read(event_fn fn, void *data, struct live_counts *counts);

#endif /* GMEM_CTL_KERNEL_LIVE_H */
