/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one list of the fields of a frame: name, kind, unit and help. Columns, CSV, JSON, the replay,
 * the screen, metrics, the completion and the table in the man page are made from it;
 * contrib/gmemtop.schema.json is tested against it. The counters are in bpf/abi/trace.h.
 */
#ifndef GMEM_FIELDS_H
#define GMEM_FIELDS_H

#include <stdint.h>

#include "../../bpf/abi/ledger.h"

/* Of JSON: it changes when a name, a unit or a meaning does, not when a field is added. */
#define JSON_VERSION 2

/* X(name, what it is) */
#define GMEM_FIELD_KINDS(X)                                                     \
	X(text, "a name, for people or to tell things apart")                   \
	X(number, "a number that identifies something or has a fixed meaning")  \
	X(flag, "true or false")                                                \
	X(gauge, "how much there is now")                                       \
	X(counter, "how much there was since gmemtop started; never decreases") \
	X(rate, "a counter's increase per second during the last interval")     \
	X(quantile, "a percentile or the maximum of a distribution")            \
	X(part, "an object or a list with fields of its own")

enum field_kind {
#define X(name, ...) KIND_##name,
	GMEM_FIELD_KINDS(X)
#undef X
		NR_KINDS
};

/* X(name, as printed, what it is) */
#define GMEM_FIELD_UNITS(X)                            \
	X(PLAIN, "-", "no quantity, or no single one") \
	X(COUNT, "1", "things or operations")          \
	X(PAGES, "pages", "pages of 4 KiB")            \
	X(BYTES, "bytes", "bytes")                     \
	X(NS, "ns", "nanoseconds")

enum unit {
#define X(name, ...) UNIT_##name,
	GMEM_FIELD_UNITS(X)
#undef X
		NR_UNITS
};

/* Shared backing by kind, of a VM and of a binding. */
#define GMEM_VM_BACKING(X, name, call, what)                                                       \
	X(backing_##name##_pages, gauge, PAGES, FACT(bindings) | FACT(attributes) | FACT(backing), \
	  WANT_WASTE, 9, "pages of the shared backing in memory: " what)
#define GMEM_VM_WASTE(X, name, call, what)                                                       \
	X(waste_##name##_pages, gauge, PAGES, FACT(bindings) | FACT(attributes) | FACT(backing), \
	  WANT_WASTE, 9, "those of them that are private: " what)
#define GMEM_BINDING_BACKING(X, name, call, what)        \
	X(binding, backing_##name##_pages, gauge, PAGES, \
	  "pages of the shared backing in memory (--waste): " what)
#define GMEM_BINDING_WASTE(X, name, call, what)        \
	X(binding, waste_##name##_pages, gauge, PAGES, \
	  "those of them that are private (--waste): " what)

/*
 * Fields of a VM, members of its object in JSON and columns everywhere else.
 * X(name, kind, unit, facts that are needed, enum want, width, help)
 */
#define GMEM_VM_FIELDS(X)                                                                          \
	X(id, number, PLAIN, 0, 0, 6, "number that gmemtop gave to the VM")                        \
	X(key, text, PLAIN, 0, 0, -16, "key of the VM, the same in events and for every gmemtop")  \
	X(pid, number, PLAIN, 0, 0, 7, "process of the VMM, if it still exists")                   \
	X(name, text, PLAIN, 0, 0, -20, "name of the VM")                                          \
	X(type, text, PLAIN, 0, 0, -18, "type of the VM")                                          \
	X(cgroup, text, PLAIN, 0, 0, -30, "cgroup of the VMM")                                     \
	X(state, text, PLAIN, 0, 0, -8, "live, VMM gone, or gone since the frame before")          \
	X(private_pages, gauge, PAGES, FACT(private_pages), 0, 9, "pages that are private")        \
	X(size_pages, gauge, PAGES, 0, 0, 9, "size of all instances in pages")                     \
	X(resident_pages, gauge, PAGES, 0, 0, 9, "pages of instances that are in memory")          \
	X(instances, gauge, COUNT, 0, 0, 5, "instances")                                           \
	X(mappable, gauge, COUNT, 0, 0, 5,                                                         \
	  "instances that the host can map (GUEST_MEMFD_FLAG_MMAP)")                               \
	X(bound_now_pages, gauge, PAGES, FACT(bindings), WANT_BINDINGS, 9,                         \
	  "pages that are bound now")                                                              \
	X(holders, gauge, COUNT, 0, WANT_HOLDERS, 7, "processes that hold an instance")            \
	X(bound_private_pages, gauge, PAGES, FACT(bindings) | FACT(attributes), WANT_WASTE, 9,     \
	  "bound pages that are private, looked up one by one")                                    \
	X(waste_instance_pages, gauge, PAGES, FACT(bindings) | FACT(attributes), WANT_WASTE, 9,    \
	  "pages of instances in memory that are not private")                                     \
	X(waste_backing_pages, gauge, PAGES, FACT(bindings) | FACT(attributes) | FACT(backing),    \
	  WANT_WASTE, 9, "pages of the shared backing in memory that are private")                 \
	GMEM_BACKINGS(GMEM_VM_BACKING, X)                                                          \
	GMEM_BACKINGS(GMEM_VM_WASTE, X)                                                            \
	X(errors, counter, COUNT, 0, 0, 7, "operations that failed, refused host faults included") \
	X(denials, counter, COUNT, FACT(deny), 0, 7,                                               \
	  "operations and host faults that a security module refused")

/* Columns that JSON has elsewhere, or as an object: the same form. */
#define GMEM_VM_DERIVED(X)                                                                        \
	X(private_from, text, PLAIN, FACT(private_pages), 0, -12,                                 \
	  "source of private_pages: KVM's statistic, or counted in its attributes")               \
	X(errors_rate, rate, COUNT, 0, 0, 7, "operations that failed per second")                 \
	X(denials_rate, rate, COUNT, FACT(deny), 0, 7, "refusals of security modules per second") \
	X(last_error, text, PLAIN, 0, 0, -24, "the last operation that failed, and its error")

/*
 * Durations of conversions; in JSON for each direction, as columns of both together.
 * X(name, percent, enum span, help)
 */
#define GMEM_DURATIONS(X)                                                                    \
	X(p50_ns, 50, SINCE_START, "50 % of all conversions took at most this long (+25 %)") \
	X(p90_ns, 90, SINCE_START, "90 % of all conversions took at most this long (+25 %)") \
	X(p99_ns, 99, SINCE_START, "99 % of all conversions took at most this long (+25 %)") \
	X(max_ns, 100, SINCE_START, "the longest of all conversions")                        \
	X(interval_p50_ns, 50, LAST_INTERVAL, "p50_ns of the last interval")                 \
	X(interval_p90_ns, 90, LAST_INTERVAL, "p90_ns of the last interval")                 \
	X(interval_p99_ns, 99, LAST_INTERVAL, "p99_ns of the last interval")                 \
	X(interval_max_ns, 100, LAST_INTERVAL, "max_ns of the last interval (+25 %)")

#define GMEM_DIRECTION_NAMES(X) X(to_private) X(to_shared)

/* Members of objects in JSON that are not columns. X(object, name, kind, unit, help) */
#define GMEM_FRAME_FIELDS(X)                                                                     \
	X(frame, version, number, PLAIN,                                                         \
	  "of this form: it changes when a name, a unit or a meaning does")                      \
	X(frame, frame, number, PLAIN, "number of the frame, 1 is the first")                    \
	X(frame, time_ns, number, NS, "when the frame was read, since 1970")                     \
	X(frame, interval_ns, gauge, NS, "time since the frame before; 0 in the first frame")    \
	X(frame, kernel, text, PLAIN, "release of the kernel")                                   \
	X(frame, missing, part, PLAIN, "facts that this kernel cannot tell")                     \
	X(frame, missing_because, part, PLAIN, "why facts are missing")                          \
	X(frame, private_from, text, PLAIN, "source of private_pages: statistic or attributes")  \
	X(frame, lost, part, PLAIN, "events that were not counted where they belong, by reason") \
	X(frame, lower_bounds, flag, PLAIN, "all counters are lower bounds: events were lost")   \
	X(frame, policy, part, PLAIN, "what gmemctl's policy denied; null without a policy")     \
	X(frame, host, part, PLAIN, "all VMs together, those that ended included")               \
	X(frame, ended_last_minute, gauge, COUNT, "VMs that ended in the last 60 seconds")       \
	X(frame, ended, part, PLAIN, "the ten VMs that ended last, newest first")                \
	X(frame, vms, part, PLAIN, "the VMs")

#define GMEM_VM_PARTS(X)                                                                          \
	X(vm, counters, part, PLAIN, "counters since gmemtop started")                            \
	X(vm, rates, part, PLAIN, "their increase per second during the last interval")           \
	X(vm, errors_by_operation, part, PLAIN, "operations that failed, by operation and errno") \
	X(vm, last_error, part, PLAIN, "the last operation that failed; null if none did")        \
	X(vm, latency, part, PLAIN, "durations of conversions, by direction")                     \
	X(vm, heat, part, PLAIN, "where in the guest's memory conversions happen (--heat)")       \
	X(vm, instance_list, part, PLAIN, "the VM's instances (--instances)")                     \
	X(vm, binding_list, part, PLAIN, "memslots with an instance (--bindings)")                \
	X(vm, holder_list, part, PLAIN, "processes that hold instances (--holders)")              \
	X(vm, phases, part, PLAIN, "what guests' conversions spend their time on (--latency)")    \
	X(vm, vcpu_list, part, PLAIN, "the same of each vCPU that converted (--latency)")         \
	X(vm, slowest, part, PLAIN, "conversions that took longest, slowest first (--latency)")

#define GMEM_HOST_FIELDS(X)                                                                     \
	X(host, counters, part, PLAIN, "counters since gmemtop started")                        \
	X(host, rates, part, PLAIN, "their increase per second during the last interval")       \
	X(host, errors, counter, COUNT, "operations that failed, refused host faults included") \
	X(host, denials, counter, COUNT,                                                        \
	  "operations and host faults that a security module refused")                          \
	X(host, errors_by_operation, part, PLAIN,                                               \
	  "operations that failed, by operation and errno")                                     \
	X(host, latency, part, PLAIN, "durations of conversions, by direction")

#define GMEM_DIRECTION_FIELDS(X)             \
	X(direction, histogram, part, PLAIN, \
	  "buckets that are not empty: the longest duration, and how many conversions")

#define GMEM_LAST_ERROR_FIELDS(X)                                          \
	X(last_error, time_ns, number, NS, "when it failed, since 1970")   \
	X(last_error, operation, text, PLAIN, "the operation that failed") \
	X(last_error, error, text, PLAIN, "name of the errno, or its number")

#define GMEM_ENDED_FIELDS(X)                                                   \
	X(ended, id, number, PLAIN, "number that gmemtop gave to the VM")      \
	X(ended, key, text, PLAIN, "key of the VM")                            \
	X(ended, pid, number, PLAIN, "process that was its VMM")               \
	X(ended, name, text, PLAIN, "name of the VM")                          \
	X(ended, time_ns, number, NS, "when it ended, since 1970")             \
	X(ended, why, text, PLAIN, "why it ended: closed, exit N or a signal") \
	X(ended, last_error, part, PLAIN, "the last operation that failed")    \
	X(ended, host_faults_refused, counter, COUNT, "host faults that ended in a signal")

#define GMEM_HEAT_FIELDS(X)                                                                   \
	X(heat, cell_pages, number, PAGES, "pages of a cell, the first cell is at address 0") \
	X(heat, pages, part, PAGES, "pages asked for by conversions, by cell")                \
	X(heat, elsewhere, counter, PAGES, "pages that are in no cell")

/* Of an instance; its counters are GMEM_INST_COUNTERS. */
#define GMEM_INST_FIELDS(X)                                                        \
	X(instance, id, number, PLAIN, "number that gmemtop gave to the instance") \
	X(instance, key, text, PLAIN,                                              \
	  "key of the instance, the same in events and for every gmemtop")         \
	X(instance, dev, text, PLAIN, "device of the inode, major:minor")          \
	X(instance, ino, number, PLAIN, "number of the inode")                     \
	X(instance, size_pages, gauge, PAGES, "size in pages")                     \
	X(instance, resident_pages, gauge, PAGES, "pages that are in memory")      \
	X(instance, flags, number, PLAIN, "GUEST_MEMFD_FLAG_*")                    \
	X(instance, existed, flag, PLAIN, "older than gmemtop: its counters are not complete")

#define GMEM_BINDING_FIELDS(X)                                                                     \
	X(binding, slot, number, PLAIN, "memslot")                                                 \
	X(binding, address_space, number, PLAIN, "address space of the memslot")                   \
	X(binding, gpa, number, PLAIN, "guest physical address")                                   \
	X(binding, pages, gauge, PAGES, "pages that are bound")                                    \
	X(binding, instance, number, PLAIN, "id of the instance, 0: unknown")                      \
	X(binding, dev, text, PLAIN, "device of its inode, major:minor")                           \
	X(binding, ino, number, PLAIN, "number of its inode")                                      \
	X(binding, offset_pages, number, PAGES,                                                    \
	  "page of the instance at which the binding begins")                                      \
	X(binding, userspace_addr, number, PLAIN, "address of the shared backing in the VMM")      \
	X(binding, private_pages, gauge, PAGES, "pages that are private (--waste)")                \
	X(binding, resident_pages, gauge, PAGES, "pages of the instance in memory (--waste)")      \
	X(binding, backing_pages, gauge, PAGES, "pages of the shared backing in memory (--waste)") \
	X(binding, waste_instance_pages, gauge, PAGES,                                             \
	  "pages of the instance in memory that are not private (--waste)")                        \
	X(binding, waste_backing_pages, gauge, PAGES,                                              \
	  "pages of the shared backing in memory that are private (--waste)")                      \
	GMEM_BACKINGS(GMEM_BINDING_BACKING, X)                                                     \
	GMEM_BACKINGS(GMEM_BINDING_WASTE, X)

#define GMEM_HOLDER_FIELDS(X)                                       \
	X(holder, instance, number, PLAIN, "id of the instance")    \
	X(holder, pid, number, PLAIN, "the process")                \
	X(holder, comm, text, PLAIN, "its name")                    \
	X(holder, fds, gauge, COUNT, "descriptors of the instance") \
	X(holder, mappings, gauge, COUNT, "mappings of the instance")

#define GMEM_POLICY_FIELDS(X)                                                             \
	X(policy, mode, text, PLAIN, "enforce or audit; null: programs without a policy") \
	X(policy, generation, number, PLAIN, "of the policy in force")                    \
	X(policy, denied, part, PLAIN, "requests that were denied, by operation")         \
	X(policy, would_deny, part, PLAIN, "requests that would have been denied, by operation")

#define GMEM_ERRORS_FIELDS(X)                                                        \
	X(errors, host_fault, part, PLAIN, "faults on host mappings, without errno") \
	X(host_fault, refused, counter, COUNT, "those that ended in a signal")       \
	X(operation, other, counter, COUNT, "failures with yet another errno")

/* Of a phase, beside GMEM_DURATIONS and its histogram; and of a single conversion. */
#define GMEM_PHASE_FIELDS(X)                                                                       \
	X(phase, count, counter, COUNT, "conversions that had this phase")                         \
	X(phase, sum_ns, counter, NS, "time of all of them together")                              \
	X(vcpu, id, number, PLAIN, "number of the vCPU")                                           \
	X(vcpu, phases, part, PLAIN, "what the conversions that it asked for spend their time on") \
	X(slow, time_ns, number, NS, "when the guest exited, since 1970")                          \
	X(slow, vcpu, number, PLAIN, "number of the vCPU")                                         \
	X(slow, exit, text, PLAIN, "why the guest exited: hypercall, memory_fault, ...")           \
	X(slow, direction, text, PLAIN, "to_private or to_shared")                                 \
	X(slow, gpa, number, PLAIN, "guest physical address")                                      \
	X(slow, pages, number, PAGES, "pages asked for")                                           \
	X(slow, phases_ns, part, NS, "time in each phase; null: it had none")

/* The other ones are GMEM_LOSSES. */
#define GMEM_LOST_FIELDS(X) \
	X(lost, missed, counter, COUNT, "runs of programs that the kernel left out")

/*
 * The stream of events (gmemtop events --json): what every event has; the fields of each event are
 * in bpf/abi/events.h.
 */
#define GMEM_EVENT_FIELDS(X)                                                            \
	X(event, seq, number, PLAIN, "number of the event; lost events have one too")   \
	X(event, time_ns, number, NS, "when it happened, since 1970")                   \
	X(event, monotonic_ns, number, NS, "the same by CLOCK_MONOTONIC")               \
	X(event, event, text, PLAIN, "which event it is")                               \
	X(event, vm, part, PLAIN, "the VM; null: unknown")                              \
	X(event, who, part, PLAIN, "the process that did it")                           \
	X(event, instance, part, PLAIN, "the instance; null: none, or not yet")         \
	X(event, errno, number, PLAIN, "0 or why it failed; null for a host fault")     \
	X(event, error, text, PLAIN, "name of the error; null for success")             \
	X(event, kernel_stack, part, PLAIN, "functions of the kernel (--stack)")        \
	X(event, user_stack, part, PLAIN, "files and offsets of the process (--stack)") \
	X(convert, direction, text, PLAIN, "to_private, to_shared or other")            \
	X(convert, before, text, PLAIN, "what the range was: private, shared or mixed") \
	X(event_vm, id, number, PLAIN, "number of the VM in this stream")               \
	X(event_vm, key, text, PLAIN, "key of the VM, the same in frames")              \
	X(event_vm, pid, number, PLAIN, "process of the VMM")                           \
	X(event_vm, name, text, PLAIN, "name of the VM")                                \
	X(event_vm, type, text, PLAIN, "type of the VM")                                \
	X(who, pid, number, PLAIN, "process")                                           \
	X(who, tid, number, PLAIN, "thread")                                            \
	X(who, comm, text, PLAIN, "name of the thread")                                 \
	X(who, uid, number, PLAIN, "user")                                              \
	X(who, exe, text, PLAIN, "path of the executable; null: the process is gone")   \
	X(who, exe_inode, part, PLAIN, "the executable as the kernel identifies it")    \
	X(who, cgroup, text, PLAIN, "cgroup")                                           \
	X(exe_inode, dev, text, PLAIN, "device of the inode, major:minor")              \
	X(exe_inode, ino, number, PLAIN, "number of the inode")                         \
	X(exe_inode, generation, number, PLAIN, "generation of the inode")              \
	X(exe_inode, changed, number, PLAIN, "where the file system has no generation") \
	X(exe_inode, subvolume, number, PLAIN, "of btrfs; null: unknown")               \
	X(event_instance, key, text, PLAIN, "key of the instance, the same in frames")  \
	X(event_instance, dev, text, PLAIN, "device of the inode, major:minor")         \
	X(event_instance, ino, number, PLAIN, "number of the inode")                    \
	X(event_instance, size, number, BYTES, "size")                                  \
	X(event_instance, flags, number, PLAIN, "GUEST_MEMFD_FLAG_*")

/* What is between the events, before the first and behind the last one. */
#define GMEM_STREAM_FIELDS(X)                                                                   \
	X(line, stream, part, PLAIN, "the first line: where events come from")                  \
	X(line, lost, part, PLAIN, "events were lost here")                                     \
	X(line, summary, part, PLAIN, "the last line: the account")                             \
	X(stream, time_ns, number, NS, "when the stream began, since 1970")                     \
	X(stream, kernel, text, PLAIN, "release of the kernel")                                 \
	X(stream, sources, part, PLAIN, "source of each event; null: this kernel has none")     \
	X(gap, events, number, COUNT, "how many were lost")                                     \
	X(gap, after_seq, number, PLAIN, "seq of the event before")                             \
	X(gap, before_seq, number, PLAIN, "seq of the event behind")                            \
	X(account, emitted, counter, COUNT, "events that passed the filters of the kernel")     \
	X(account, lost, counter, COUNT, "events for which the buffer had no room")             \
	X(account, filtered, counter, COUNT, "events that the filters of the kernel held back") \
	X(summary, shown, counter, COUNT, "events that were printed")                           \
	X(summary, emitted, counter, COUNT, "events that passed the filters of the kernel")     \
	X(summary, lost, counter, COUNT, "events for which the buffer had no room")             \
	X(summary, filtered, counter, COUNT, "events that the filters of the kernel held back") \
	X(summary, filtered_by_vm, counter, COUNT, "events that --vm held back")                \
	X(summary, not_read, counter, COUNT, "events that -n left in the buffer")               \
	X(summary, missed, counter, COUNT, "runs of programs that the kernel left out")         \
	X(summary, requests_unread, counter, COUNT,                                             \
	  "requests that could not be read from the VMM's memory")                              \
	X(summary, requests_untracked, counter, COUNT,                                          \
	  "requests that could not be followed from entry to exit")                             \
	X(summary, events, part, PLAIN, "emitted, lost and filtered by event")

/*
 * Lines of the host's balance, which are what is used: MemTotal without MemFree. Those of the
 * ledger are the sums over all VMs; the others are the kernel's number without the ledger's.
 * P(X, name, is it the ledger's, help); X is whatever P needs.
 */
#define LEDGER_LINES(P, X)                                                                  \
	P(X, guest_memfd, true, "pages of all instances in memory")                         \
	P(X, backing_anonymous, true, "shared backing: anonymous memory of VMMs")           \
	P(X, backing_shmem, true, "shared backing: memfd, tmpfs, shared memory")            \
	P(X, backing_hugetlb, true, "shared backing: files of hugetlbfs")                   \
	P(X, backing_file, true, "shared backing: page cache of other files")               \
	P(X, backing_copies, true, "shared backing: private copies of pages of files")      \
	P(X, vmm, true, "other anonymous memory of VMMs")                                   \
	P(X, other_anonymous, false, "anonymous memory of other processes (AnonPages)")     \
	P(X, other_shmem, false, "other shared memory (Shmem)")                             \
	P(X, other_cache, false, "page cache of other files (Cached, Buffers)")             \
	P(X, other_hugetlb, false, "other huge pages, free ones included (Hugetlb)")        \
	P(X, guest_tables, false, "page tables of guests (SecPageTables)")                  \
	P(X, page_tables, false, "page tables of processes (PageTables)")                   \
	P(X, slab, false, "small objects of the kernel (Slab)")                             \
	P(X, vmalloc, false, "larger objects of the kernel, stacks included (VmallocUsed)") \
	P(X, percpu, false, "objects of the kernel for each CPU (Percpu)")                  \
	P(X, cpu_lists, false, "free pages on lists of CPUs, not in MemFree (zoneinfo)")    \
	P(X, dma_pools, false, "reserve of drivers for DMA (dma_pools in debugfs)")         \
	P(X, tracing, false, "records and buffers of ftrace (tracefs)")

/*
 * gmemtop memory: the account of each VM, who pays for it, and the balance. Bytes throughout.
 */
#define GMEM_ACCOUNT_BACKING(X, name, call, what) \
	X(ledger_vm, backing_##name##_bytes, gauge, BYTES, "shared backing in memory: " what)
#define GMEM_ACCOUNT_WASTE(X, name, call, what) \
	X(ledger_vm, waste_##name##_bytes, gauge, BYTES, "held twice: " what ", guest page private")
#define GMEM_BALANCE_LINE(X, name, own, help) X(balance, name##_bytes, gauge, BYTES, help)

#define GMEM_LEDGER_FIELDS(X)                                                                     \
	X(ledger, version, number, PLAIN, "of this form, as in a frame")                          \
	X(ledger, time_ns, number, NS, "when the ledger was made, since 1970")                    \
	X(ledger, kernel, text, PLAIN, "release of the running kernel")                           \
	X(ledger, balance, part, PLAIN, "the memory of the host that is used, line by line")      \
	X(ledger, accounts, part, PLAIN, "the account of each VM")                                \
	X(ledger, payers, part, PLAIN, "cgroups that pay for memory of VMs")                      \
	X(ledger, leaks, part, PLAIN, "instances and holders that should not be there")           \
	X(balance, used_bytes, gauge, BYTES, "MemTotal without MemFree")                          \
	X(balance, unexplained_bytes, gauge, BYTES, "used_bytes without all other lines")         \
	LEDGER_LINES(GMEM_BALANCE_LINE, X)                                                        \
	X(ledger_vm, id, number, PLAIN, "number of the VM in this run")                           \
	X(ledger_vm, key, text, PLAIN, "key of the VM, as in frames")                             \
	X(ledger_vm, pid, number, PLAIN, "process of its VMM")                                    \
	X(ledger_vm, name, text, PLAIN, "its name")                                               \
	X(ledger_vm, cgroup, text, PLAIN, "cgroup of its VMM, which need not pay")                \
	X(ledger_vm, size_bytes, gauge, BYTES, "size of its instances")                           \
	X(ledger_vm, resident_bytes, gauge, BYTES, "instances in memory")                         \
	X(ledger_vm, private_bytes, gauge, BYTES, "of resident_bytes: the guest page is private") \
	X(ledger_vm, shared_bytes, gauge, BYTES, "of resident_bytes: the guest page is shared")   \
	X(ledger_vm, unbound_bytes, gauge, BYTES, "of resident_bytes: in no memslot")             \
	GMEM_BACKINGS(GMEM_ACCOUNT_BACKING, X)                                                    \
	X(ledger_vm, waste_instance_bytes, gauge, BYTES,                                          \
	  "held twice: instances in memory, guest page shared or unbound")                        \
	GMEM_BACKINGS(GMEM_ACCOUNT_WASTE, X)                                                      \
	X(ledger_vm, guest_tables_bytes, gauge, BYTES, "page tables of the guest, made by KVM")   \
	X(ledger_vm, vmm_bytes, gauge, BYTES,                                                     \
	  "anonymous memory of the VMM that is no shared backing")                                \
	X(ledger_vm, advice, part, PLAIN, "calls that would free what is held twice")             \
	X(ledger_vm, charges, part, PLAIN, "which cgroup pays, on which node")                    \
	X(ledger_vm, folios, part, COUNT, "folios by order, empty orders at the end left out")    \
	X(advice, kind, text, PLAIN, "kind of memory that is held twice")                         \
	X(advice, bytes, gauge, BYTES, "how much of it")                                          \
	X(advice, call, text, PLAIN, "the call that frees memory of this kind")                   \
	X(charge, kind, text, PLAIN, "kind of memory: guest_memfd or a kind of shared backing")   \
	X(charge, instance, number, PLAIN, "id of the instance that has it, 0: none")             \
	X(charge, cgroup, text, PLAIN, "cgroup that pays; null: none, or it was removed")         \
	X(charge, cgroup_id, number, PLAIN, "number of that cgroup, 0: none")                     \
	X(charge, node, number, PLAIN, "NUMA node that has the pages")                            \
	X(charge, bytes, gauge, BYTES, "memory of this kind, cgroup and node")                    \
	X(payer, cgroup, text, PLAIN, "the cgroup; null: it was removed")                         \
	X(payer, cgroup_id, number, PLAIN, "its number")                                          \
	X(payer, current_bytes, gauge, BYTES, "memory.current: all that it is charged")           \
	X(payer, guest_memfd_bytes, gauge, BYTES, "instances that it and those below it pay")     \
	X(payer, backing_bytes, gauge, BYTES,                                                     \
	  "shared backing in files that it and those below it pay, without hugetlbfs")            \
	X(payer, anonymous_bytes, gauge, BYTES, "anonymous memory, of memory.stat")               \
	X(payer, kernel_bytes, gauge, BYTES, "memory of the kernel, of memory.stat")              \
	X(payer, guest_tables_bytes, gauge, BYTES, "of kernel_bytes: page tables of guests")      \
	X(payer, unexplained_bytes, gauge, BYTES, "current_bytes without these")                  \
	X(leak, vm, number, PLAIN, "id of the VM of the instance")                                \
	X(leak, instance, number, PLAIN, "id of the instance that is kept")                       \
	X(leak, why, text, PLAIN, "vmm_gone, unbound or stranger")                                \
	X(leak, pid, number, PLAIN, "process that holds it; null: none is known")                 \
	X(leak, comm, text, PLAIN, "name of that process")                                        \
	X(leak, resident_bytes, gauge, BYTES, "memory that it keeps")                             \
	X(leak, seconds, gauge, COUNT, "for how long at least, in seconds")

#define GMEM_FIELDS(X)            \
	GMEM_FRAME_FIELDS(X)      \
	GMEM_VM_PARTS(X)          \
	GMEM_HOST_FIELDS(X)       \
	GMEM_DIRECTION_FIELDS(X)  \
	GMEM_LAST_ERROR_FIELDS(X) \
	GMEM_ENDED_FIELDS(X)      \
	GMEM_HEAT_FIELDS(X)       \
	GMEM_INST_FIELDS(X)       \
	GMEM_BINDING_FIELDS(X)    \
	GMEM_HOLDER_FIELDS(X)     \
	GMEM_POLICY_FIELDS(X)     \
	GMEM_ERRORS_FIELDS(X)     \
	GMEM_PHASE_FIELDS(X)      \
	GMEM_LOST_FIELDS(X)       \
	GMEM_EVENT_FIELDS(X)      \
	GMEM_STREAM_FIELDS(X)     \
	GMEM_LEDGER_FIELDS(X)

enum field_id {
#define X(object, name, ...) FIELD_##object##_##name,
	GMEM_FIELDS(X)
#undef X
		NR_FIELDS
};

/* A field that is not a column, see columns.h for those that are. */
struct field {
	const char *object; /* of which it is a member in JSON */
	const char *name;
	const char *help;
	enum field_kind kind;
	enum unit unit;
};

extern const struct field fields[NR_FIELDS];

/* The name of a field, as in FIELD(binding, slot). */
#define FIELD(object, member) (fields[FIELD_##object##_##member].name)

/* X(state, as printed) */
#define GMEM_STATES(X)  \
	X(LIVE, "live") \
	X(GONE, "gone") \
	X(VMM_GONE, "VMM gone")

enum vm_state {
#define X(name, ...) STATE_##name,
	GMEM_STATES(X)
#undef X
		NR_STATES
};

extern const char *const state_names[NR_STATES];
extern const char *const kind_names[NR_KINDS];
extern const char *const unit_names[NR_UNITS];

#endif /* GMEM_FIELDS_H */
