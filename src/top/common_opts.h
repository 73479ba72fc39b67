/* SPDX-License-Identifier: GPL-2.0-only */
/* Options that several commands of gmemtop have. AT() is the including file's. */
#ifndef GMEM_COMMON_OPTS_H
#define GMEM_COMMON_OPTS_H

#include "../lib/opts.h"

/* clang-format off */
#define OPTS_OF_FILTERS \
	{ "pid", "PID", "only VMs of this process", AT(pid), OPT_NUMBER, 'p' }, \
	{ "vm", "NAME", "only VMs of this name (a pattern with *, ? and [...])", AT(vm), OPT_STRING, \
	  0 }, \
	{ "cgroup", "PATH", "only VMs in this cgroup or below", AT(cgroup), OPT_STRING, 0 }

/* @in: where that is shown */
#define OPTS_OF_LOOKS(in) \
	{ "instances", NULL, "list the instances too" in, AT(instances), OPT_FLAG, 'i' }, \
	{ "bindings", NULL, "list what is bound where" in, AT(bindings), OPT_FLAG, 0 }, \
	{ "holders", NULL, "list the processes that hold instances" in, AT(holders), OPT_FLAG, \
	  0 }, \
	{ "waste", NULL, "look page by page for what is private and what is held twice" in, \
	  AT(waste), OPT_FLAG, 'w' }, \
	{ "heat", NULL, "say where in the guests' memory conversions happen" in, AT(heat), \
	  OPT_FLAG, 0 }, \
	{ "latency", NULL, "time the phases of guests' conversions, from exit to KVM_RUN", \
	  AT(latency), OPT_FLAG, 0 }

/* What they make a frame tell: enum want. */
#define WANTED(opts) 	(((opts).bindings ? WANT_BINDINGS : 0) | ((opts).holders ? WANT_HOLDERS : 0) | 	 ((opts).waste ? WANT_WASTE : 0) | ((opts).heat ? WANT_HEAT : 0) | \
	 ((opts).latency ? WANT_LATENCY : 0))

#define OPTS_OF_SOURCES \
	{ "max-vms", "N", "room for N VMs (10000)", AT(max_vms), OPT_NUMBER, 0 }, \
	{ "max-instances", "N", "room for N instances (10000)", AT(max_instances), OPT_NUMBER, 0 }, \
	{ "redundant", NULL, "count redundant conversions, also where each one then takes longer", \
	  AT(redundant), OPT_FLAG, 'r' }, \
	{ "no-wait", NULL, "fail if KVM is not loaded, instead of waiting", AT(no_wait), OPT_FLAG, 0 }

#define OPTS_OF_MESSAGES \
	{ "verbose", NULL, "libbpf's messages too (twice: all of them)", AT(verbose), OPT_COUNT, \
	  'v' }, \
	{ "help", NULL, "this text", AT(help), OPT_FLAG, 'h' }
/* clang-format on */

#endif /* GMEM_COMMON_OPTS_H */
