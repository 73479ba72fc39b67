/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The metrics of gmemtop export. `gmemtop export --metrics` prints this list; the writer
 * (metrics.c), the man page and the checks of rules and dashboards use it.
 *
 * A family of scope VMS exists twice: gmem_NAME with the label vm, for each listed VM and for all
 * other VMs together (vm="other"); and gmem_node_NAME without that label, for all VMs of the host,
 * those that ended included. Counters of VMs and instances that have no labels of their own are not
 * repeated here: they come from GMEM_VM_COUNTERS and GMEM_INST_COUNTERS, with the same names.
 */
#ifndef GMEM_METRICS_LIST_H
#define GMEM_METRICS_LIST_H

/* Values of labels, from the lists that name them: */
#define DIRECTION "direction" /* to_private, to_shared */
#define OPERATION "operation" /* of GMEM_OPS, or of GMEM_OPERATIONS for a policy */

/* clang-format off */

/*
 * X(name, type, unit, scope, writer, argument, labels, what it is)
 * Counters get the suffix _total, information gets _info.
 */
#define GMEM_METRICS_BEFORE(X)                                                                           \
	X(up, GAUGE, "", HOST, UP, 0, "reason",                                                          \
	  "1 if the last frame could be read; 0 with the reason if not")                                 \
	X(build, INFO, "", HOST, BUILD, 0, "version,commit", "Version of gmemtop")                       \
	X(fact_available, GAUGE, "", HOST, FACTS, 0, "fact",                                             \
	  "1 if this kernel provides the fact; metrics of other facts are absent")                       \
	X(lower_bounds, GAUGE, "", HOST, LOWER_BOUNDS, 0, "",                                            \
	  "1 if an unknown number of events was lost, so that counters are lower bounds")                \
	X(lost_events, COUNTER, "", HOST, LOST, 0, "reason", "Events that could not be counted")         \
	X(frame_duration_seconds, GAUGE, "seconds", HOST, FRAME, 0, "",                                  \
	  "Time that reading the last frame took")                                                       \
	X(vms, GAUGE, "", HOST, VMS, 0, "", "VMs that use guest_memfd")                                  \
	X(vms_without_vmm, GAUGE, "", HOST, VMS_WITHOUT_VMM, 0, "",                                      \
	  "VMs whose VMM has ended but whose memory is still held by a process")                         \
	X(vms_ended, COUNTER, "", HOST, VMS_ENDED, 0, "", "VMs that used guest_memfd and ended")         \
	X(policy, INFO, "", HOST, POLICY, 0, "mode",                                                     \
	  "Mode of the policy: enforce, audit, or none if its programs are attached without one")        \
	X(policy_generation, GAUGE, "", HOST, POLICY_GENERATION, 0, "",                                  \
	  "Generation of the policy, which each load increases")                                         \
	X(policy_denials, COUNTER, "", HOST, DENIALS, 0, OPERATION ",mode",                              \
	  "Requests that the policy denied (enforce) or would have denied (audit)")                      \
	X(vm, INFO, "", VM, VM_INFO, 0, "key,type,cgroup,vmm",                                           \
	  "Identity of the VM: gmemtop's key, KVM's type, cgroup and program of the VMM")                \
	X(vmm_gone, GAUGE, "", VM, GAUGE, ROW_VMM_GONE, "",                                              \
	  "1 if the VMM has ended but a process still holds the VM's memory")                            \
	X(instances, GAUGE, "", VMS, GAUGE, ROW_INSTANCES, "", "Instances that exist")                   \
	X(size_bytes, GAUGE, "bytes", VMS, GAUGE, ROW_SIZE, "", "Size of the instances")                 \
	X(resident_bytes, GAUGE, "bytes", VMS, GAUGE, ROW_RESIDENT, "",                                  \
	  "Memory of the instances that is allocated")                                                   \
	X(private_bytes, GAUGE, "bytes", VMS, GAUGE, ROW_PRIVATE, "",                                    \
	  "Guest memory that is private, whether it is bound or not")                                    \
	X(wasted_bytes, GAUGE, "bytes", VMS, WASTED, 0, "where",                                         \
	  "Memory held twice: shared pages in instances (instance), private pages in the VMM (backing)") \
	X(unbound_bytes, GAUGE, "bytes", VMS, GAUGE, ROW_UNBOUND, "",                                    \
	  "Memory of instances that no memslot has")                                                     \
	X(conversions, COUNTER, "", VMS, DIRECTIONS, GMEM_VM_to_private, DIRECTION, "Conversions")       \
	X(conversion_pages, COUNTER, "pages", VMS, DIRECTIONS, GMEM_VM_to_private_pages, DIRECTION,           \
	  "Pages that conversions asked for")                                                            \
	X(conversion_changed_pages, COUNTER, "pages", VMS, DIRECTIONS,                                        \
	  GMEM_VM_to_private_changed_pages, DIRECTION, "Pages that conversions changed")                 \
	X(redundant_conversions, COUNTER, "", VMS, DIRECTIONS, GMEM_VM_to_private_redundant,             \
	  DIRECTION, "Conversions that changed no page")                                                 \
	X(conversion_duration_seconds, HISTOGRAM, "seconds", VMS, DURATIONS, 0, DIRECTION,               \
	  "Duration of conversions")                                                                     \
	X(errors, COUNTER, "", VMS, ERRORS, 0, OPERATION, "Operations that failed")

/* After the counters of VMs and instances. */
#define GMEM_METRICS_AFTER(X) \
	X(http_requests, COUNTER, "", HOST, REQUESTS, 0, "code", "Answers to HTTP requests")

/* clang-format on */

/* X(name): why gmem_up is 0 */
#define GMEM_DOWN_REASONS(X)                                          \
	X(kvm_not_loaded) /* the exporter waits for it */             \
	X(read_failed)	  /* the kernel's answer to the last frame */ \
	X(out_of_memory)                                              \
	X(kernel_refused) /* to load the programs, when KVM came later */

#endif /* GMEM_METRICS_LIST_H */
