#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# selftests.sh run DIRECTORY RESULTS [NAME...]
#   in the VM: KVM's own selftests of the lane's source, but for those that are named
# selftests.sh plain DIRECTORY RESULTS
#   in the VM: those that use no guest_memfd, a choice that takes a minute: policies must not touch them
# selftests.sh names   which these are; kernel.sh builds them
# selftests.sh denied DIRECTORY [NAME...]
#   in the VM, under a policy that denies every creation: each of them must fail at its first instance,
#   by EACCES, but for those that are named
# selftests.sh compare BEFORE AFTER   what passes in BEFORE must pass in AFTER
# RESULTS has one line per test: NAME pass|fail|skip.
set -eu
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# NAME PROGRAM ARGUMENTS...: what is run; a program that the source does not have is no test of it. A
# round of memory-regions takes two seconds, in which its guest spins: unasked it goes ten of them.
table()
{
	cat <<-'END'
		guest_memfd guest_memfd_test
		conversions private_mem_conversions_test
		conversions-vcpus private_mem_conversions_test -n 3
		conversions-slots private_mem_conversions_test -n 2 -m 2
		conversions-anonymous private_mem_conversions_test -s anonymous_thp
		exits private_mem_kvm_exits_test
		pre-fault pre_fault_memory_test
		trace guest_memfd_trace_test
		memory-regions set_memory_region_test 2
	END
}

# What works in the lab, each time and in few seconds. Left out is what skips (no Intel CPU, no SEV, no
# PMU), what QEMU's SVM does not pass, and what works for seconds to measure or to provoke.
plain_names()
{
	cat <<-'END'
		guest_print_test
		kvm_binary_stats_test
		steal_time
		vm_types_test
		apic_bus_clock_test
		cpuid_test
		cr4_cpuid_sync_test
		exit_on_emulation_failure_test
		feature_msrs_test
		fix_hypercall_test
		hwcr_msr_test
		kvm_clock_test
		monitor_mwait_test
		nested_close_kvm_test
		nested_dirty_log_test
		nested_invalid_cr3_test
		nested_set_state_test
		nested_tdp_fault_test
		nested_tsc_adjust_test
		platform_info_test
		set_boot_cpu_id
		set_sregs_test
		smm_test
		state_test
		svm_int_ctl_test
		svm_nested_clear_efer_svme
		svm_nested_pat_test
		svm_nested_shutdown_test
		svm_nested_vmcb12_gpa
		svm_vmcall_test
		triple_fault_event_test
		tsc_msrs_test
		userspace_io_test
		userspace_msr_exit_test
		xapic_tpr_test
		xcr0_cpuid_test
	END
}

run()
{
	local dir=$1 results=$2 name program args status known bad=0

	shift 2

	[ -d "$dir" ] || die 1 "lane $LANE has no selftests: only the lanes that are built here have"
	: >"$results"
	while read -r name program args; do
		[ -x "$dir/$program" ] || continue
		case " $* " in
		*" $name "*)
			echo "== $name: left out in lane $LANE"
			continue
			;;
		esac
		echo "== $name: $program $args"
		status=0
		# shellcheck disable=SC2086	# words
		"$dir/$program" $args </dev/null 2>&1 || status=$?
		case $status in
		0) echo "$name pass" >>"$results" ;;
		4) echo "$name skip" >>"$results" ;;
		*)
			echo "$name fail" >>"$results"
			say "$program $args: exit status $status"
			bad=1
			;;
		esac
	done < <(table)
	# Without a process for each: under KASAN one takes half a second.
	known=$(table && plain_names)
	for program in "$dir"/*; do
		program=${program##*/}
		case " ${known//$'\n'/ } " in
		*" $program "*) ;;
		*) say "$program is built and not run: add it to the table"; bad=1 ;;
		esac
	done
	cat "$results"
	[ "$(wc -l <"$results")" -ge 5 ] || die 1 "only $(wc -l <"$results") tests ran"
	return $bad
}

plain()
{
	local dir=$1 results=$2 name status bad=0

	[ -d "$dir" ] || die 1 "lane $LANE has no selftests: only the lanes that are built here have"
	: >"$results"
	for name in $(plain_names); do
		status=0
		timeout 30 "$dir/$name" </dev/null >"$results.said" 2>&1 || status=$?
		if [ $status = 0 ]; then
			echo "$name pass" >>"$results"
			continue
		fi
		echo "$name fail" >>"$results"
		say "$name: exit status $status"
		tail -n 5 "$results.said"
		bad=1
	done
	rm -f "$results.said"
	echo "$(grep -c ' pass$' "$results") of $(wc -l <"$results") tests without guest_memfd pass"
	return $bad
}

denied()
{
	local dir=$1 name program args status said n=0 bad=0

	shift
	said=$(mktemp)
	while read -r name program args; do
		[ -x "$dir/$program" ] || continue
		case " $* " in
		*" $name "*) continue ;;
		esac
		status=0
		# shellcheck disable=SC2086	# words
		"$dir/$program" $args </dev/null >"$said" 2>&1 || status=$?
		n=$((n + 1))
		# KVM's tests take EACCES for a missing right of the user, and skip.
		[ $status = 0 ] || ! grep -q 'errno=13 - Permission denied' "$said" || continue
		say "$program $args: exit status $status, wanted is a creation that fails by EACCES"
		tail -n 5 "$said"
		bad=1
	done < <(table)
	rm -f "$said"
	echo "$n tests were denied"
	[ $n -ge 4 ] || die 1 "only $n tests ran"
	return $bad
}

compare()
{
	local name result after bad=0 n=0

	for name in "$1" "$2"; do
		[ -s "$name" ] || die 1 "no results in $name: run the selftests of both lanes first"
	done
	while read -r name result; do
		[ "$result" = pass ] || continue
		n=$((n + 1))
		after=$(awk -v n="$name" '$1 == n { print $2 }' "$2")
		[ "$after" = pass ] || { say "$name passes in $1 and is '${after:-missing}' in $2"; bad=1; }
	done <"$1"
	[ $n -gt 0 ] || die 1 "nothing passes in $1"
	echo "$n tests pass in $1, compared with $2"
	return $bad
}

case ${1:-} in
run) run "${@:2}" ;;
plain) plain "${@:2}" ;;
names) plain_names ;;
denied) denied "${@:2}" ;;
compare) compare "$2" "$3" ;;
*) die 2 "usage: selftests.sh run|plain DIRECTORY RESULTS [NAME...] | names | denied DIRECTORY [NAME...] | compare BEFORE AFTER" ;;
esac
