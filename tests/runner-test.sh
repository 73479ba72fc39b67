#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does the runner know a pass from a failure, a hang, a crash and a skip, in a VM's list of tests too?
# Runs on the host; a script stands in for the lab.
#
# shellcheck disable=SC2016	# what stands in single quotes is for other shells
set -eu
cd "$(dirname "$0")/.."
runner=build/tests/runner
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# check STATUS COMMAND...: its output, without lines of progress, in $tmp/got
check()
{
	local want=$1 status=0

	shift
	"$@" >"$tmp/all" 2>&1 || status=$?
	grep -v '^\[\|s of CPU; the longest:' "$tmp/all" >"$tmp/got" || true
	[ "$status" = "$want" ] || { echo "exit status $status, not $want, of: $*"; cat "$tmp/all"; exit 1; }
}

got()
{
	diff "$tmp/want" "$tmp/got" || { echo "this is not what the runner should print"; exit 1; }
}

last_line_is()
{
	[ "$(tail -n 1 "$tmp/got")" = "$1" ] || { echo "not '$1':"; cat "$tmp/all"; exit 1; }
}

# --- results
cat >"$tmp/table" <<'END'
# a comment
good host 5 echo fine
bad host 5 echo no; exit 3
hang host 1 sleep 100 & sleep 100
skip host 5 echo runs in lane patched only; exit 77
hole host 5 exit 77
crash host 5 kill -SEGV $$
after host:bad 5 echo never
END
cat >"$tmp/want" <<END
FAILED bad (host): exit status 3, log: $tmp/out/bad.log
FAILED hang (host): not finished after 1 s (time limit), log: $tmp/out/hang.log
FAILED hole (host): skipped without saying where it runs, log: $tmp/out/hole.log
FAILED crash (host): killed by signal 11, log: $tmp/out/crash.log
1 passed, 4 failed, 2 skipped
END
check 1 $runner -o "$tmp/out" "$tmp/table"
got
[ "$(cat "$tmp/out/good.log")" = fine ]
grep -q 'skipped after, host, .*: it needs bad, which failed' "$tmp/all"
grep -q '^[0-9]* s of tests, [0-9]* s of CPU; the longest: hang ' "$tmp/all"
check 0 $runner -o "$tmp/out" "$tmp/table" 'g*' skip
last_line_is "1 passed, 0 failed, 1 skipped"
# A test brings what it needs.
check 1 $runner -o "$tmp/out" "$tmp/table" after
last_line_is "0 passed, 1 failed, 1 skipped"

# --- tables that are refused
check 2 $runner -o "$tmp/out" "$tmp/table" nothing
check 2 $runner "$tmp/none"
check 2 $runner -j 0 tests/suite
refused()
{
	printf '%s\n' "$@" >"$tmp/table"
	check 2 $runner "$tmp/table"
}
refused 'name lane-that-is-none 5 true'
refused 'twice host 5 true' 'twice host 5 true'
refused 'name host 5'
refused 'name host:nothing 5 true'
refused 'name + 5 true'
refused 'first patched 5 true' 'second host 5 true' 'third + 5 true'
refused 'name patched/x 5 true'
check 0 $runner -l tests/suite

# --- several at a time: the first two need each other, the third must not see the second at work
cat >"$tmp/table" <<END
first host 5 mkfifo $tmp/fifo; echo 1 >$tmp/fifo
second host 5 until [ -p $tmp/fifo ]; do sleep 0.1; done; read -r x <$tmp/fifo; sleep 0.5; touch $tmp/done
third host:first,second 5 test -e $tmp/done
END
check 0 $runner -j 2 -o "$tmp/out" "$tmp/table"
rm "$tmp/fifo"
check 1 $runner -j 1 -o "$tmp/out" "$tmp/table" first

# --- what takes longest starts first, and what others wait for counts with them
cat >"$tmp/table" <<END
short host 5 echo short >>$tmp/order; sleep 0.5
long host 9 echo long >>$tmp/order; sleep 0.5
middle host 7 echo middle >>$tmp/order
urgent host 2 echo urgent >>$tmp/order
last host:urgent 20 echo last >>$tmp/order
END
check 0 $runner -o "$tmp/out" "$tmp/table"
[ "$(xargs <"$tmp/order")" = "urgent last long middle short" ] ||
	{ echo "the order is wrong:"; cat "$tmp/order"; exit 1; }

# --- VMs. The lab's part is played by a shell on this machine, the kernel's by nothing.
mkdir -p "$tmp/tree/tests/vm" "$tmp/tree/build/tests"
cat >"$tmp/lab" <<'END'
#!/bin/bash
[ "$LANE" != vanilla ] || { echo "lab: no kernel" >&2; exit 125; }
LAB_OUT=$LAB_DIR bash -c "$CMD" 2>&1 || exit
echo "append $APPEND, cpus $SMP" >"$LAB_DIR/console.log"
if grep -q report "$LAB_DIR/tests"; then echo "lab: the kernel reported: BUG" >&2; exit 125; fi
END
cat >"$tmp/tree/tests/vm/kernel.sh" <<'END'
#!/bin/bash
if [ "$1" = stock-7 ]; then echo "some noise"; echo "kernel: no such package" >&2; exit 4; fi
END
chmod +x "$tmp/lab" "$tmp/tree/tests/vm/kernel.sh"
run_vms()
{
	local want=$1

	shift
	printf '%s\n' "$@" >"$tmp/table"
	rm -rf "$tmp/out"
	# The kernel's script is looked for in the current directory.
	check "$want" env -C "$tmp/tree" "$PWD/$runner" -j 2 -L "$tmp/lab" -o "$tmp/out" "$tmp/table"
}

run_vms 1 'one patched/4+lsm=a,b 5 echo out of one; echo err of one >&2; echo x >$LAB_OUT/file' \
	'two + 5 printf "no newline"; exit 4' \
	'three + 5 echo runs in lane debug; exit 77' \
	'four + 5 exit 77' \
	'five + 5 kill -SEGV $$'
cat >"$tmp/want" <<END
FAILED two (patched): exit status 4, log: $tmp/out/two.log
FAILED four (patched): skipped without saying where it runs, log: $tmp/out/four.log
FAILED five (patched): killed by signal 11, log: $tmp/out/five.log
2 passed, 3 failed, 1 skipped
END
got
[ "$(cat "$tmp/out/one.log")" = $'out of one\nerr of one' ]
[ "$(cat "$tmp/out/two.log")" = "no newline" ]
[ "$(cat "$tmp/out/one.lab/file")" = x ]
[ "$(cat "$tmp/out/one.vm/console.log")" = "append lsm=a,b, cpus 4" ]

# What a test has left running ends with it, also where it became a daemon.
run_vms 0 "one patched 5 setsid sleep 1234.$$ & (setsid sh -c 'sleep 1234.$$; true' &)" \
	"two + 5 ! pgrep -f '[s]leep 1234.$$'"

# A test that hangs ends its VM, and what was to come after it did not pass.
run_vms 1 'one patched 5 true' 'two + 1 echo before; sleep 100' 'three + 5 true'
grep -q '^FAILED two (patched): not finished after 1 s' "$tmp/got"
grep -q '^FAILED three (patched): did not run' "$tmp/got"
last_line_is "2 passed, 2 failed, 0 skipped"
[ "$(cat "$tmp/out/two.log")" = before ]

# A VM that dies, at boot and in the middle, and a report of the kernel after all tests have passed.
run_vms 1 'one vanilla 5 true' 'two + 5 true'
grep -q '^FAILED one (vanilla): did not run, the VM ended: lab: no kernel' "$tmp/got"
last_line_is "1 passed, 2 failed, 0 skipped"
run_vms 1 'one patched 5 true' 'two + 5 kill -KILL $PPID; sleep 100' 'three + 5 true'
last_line_is "2 passed, 2 failed, 0 skipped"
run_vms 1 'one patched 5 true' 'report + 5 true'
grep -q '^FAILED report (patched): the VM: lab: the kernel reported: BUG' "$tmp/got"

# A lane without a kernel: one failure with its reason; the others run.
run_vms 1 'one stock-7 5 true' 'two + 5 true' 'three patched 5 true' 'four host:stock-7 5 true'
cat >"$tmp/want" <<END
FAILED kernel-stock-7 (stock-7): kernel: no such package, log: $tmp/out/kernel-stock-7.log
2 passed, 1 failed, 3 skipped
END
got
grep -q 'skipped one, stock-7, .*: it needs kernel-stock-7, which failed' "$tmp/all"

# A runner that is killed leaves no VM behind.
cat >"$tmp/lab" <<END
#!/bin/bash
trap 'kill \$!; touch $tmp/ended; exit 143' TERM
sleep 60 &
touch $tmp/begun
wait
END
rm -rf "$tmp/out"
echo 'one patched 50 true' >"$tmp/table"
env -C "$tmp/tree" "$PWD/$runner" -L "$tmp/lab" -o "$tmp/out" "$tmp/table" >"$tmp/all" 2>&1 &
pid=$!
appears()
{
	for _ in $(seq 100); do
		[ ! -e "$1" ] || return 0
		sleep 0.1
	done
	echo "$1 does not appear"
	return 1
}
appears "$tmp/begun"
kill -KILL $pid
wait $pid 2>/dev/null || true
appears "$tmp/ended"
