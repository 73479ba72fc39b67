#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Does the runner tell a pass from a failure, a hang, a crash and a skip? Runs on the host.
set -eu
cd "$(dirname "$0")/.."
runner=build/tests/runner
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/table" <<'END'
# a comment
good host 5 echo fine
bad host 5 echo no; exit 3
hang host 1 sleep 100 & sleep 100
skip host 5 echo runs in lane patched only; exit 77
hole host 5 exit 77
crash host 5 kill -SEGV $$
END
cat >"$tmp/want" <<END
FAILED bad (host): exit status 3, log: $tmp/out/bad.log
FAILED hang (host): not finished after 1 s, log: $tmp/out/hang.log
FAILED hole (host): skipped without saying where it runs, log: $tmp/out/hole.log
FAILED crash (host): killed by signal 11, log: $tmp/out/crash.log
1 passed, 4 failed, 1 skipped
END

check()
{
	local want=$1 status=0

	shift
	"$@" >"$tmp/got" 2>&1 || status=$?
	[ "$status" = "$want" ] || { echo "exit status $status, not $want, of: $*"; cat "$tmp/got"; exit 1; }
}

check 1 $runner -o "$tmp/out" "$tmp/table"
grep -v '^\[' "$tmp/got" | diff "$tmp/want" - || exit 1
[ "$(cat "$tmp/out/good.log")" = fine ]
check 0 $runner -o "$tmp/out" "$tmp/table" 'g*' skip
[ "$(tail -n 1 "$tmp/got")" = "1 passed, 0 failed, 1 skipped" ]
check 2 $runner -o "$tmp/out" "$tmp/table" nothing
check 2 $runner "$tmp/none"
echo 'name lane-that-is-none 5 true' >"$tmp/table"
check 2 $runner "$tmp/table"
printf 'twice host 5 true\ntwice host 5 true\n' >"$tmp/table"
check 2 $runner "$tmp/table"
check 0 $runner -l tests/suite
check 2 $runner -j 0 tests/suite

# Several at a time: the first two need each other, the third must not see the second at work.
cat >"$tmp/table" <<END
first host 5 mkfifo $tmp/fifo; echo 1 >$tmp/fifo
second host 5 until [ -p $tmp/fifo ]; do sleep 0.1; done; read -r x <$tmp/fifo; sleep 0.5; touch $tmp/done
wait
third host 5 test -e $tmp/done
END
check 0 $runner -j 2 -o "$tmp/out" "$tmp/table"
rm "$tmp/fifo"
check 1 $runner -j 1 -o "$tmp/out" "$tmp/table" first

# What has the longest time is started first, but not before a wait that it stands behind.
cat >"$tmp/table" <<END
short host 5 echo short >>$tmp/order; sleep 0.5
long host 9 echo long >>$tmp/order; sleep 0.5
middle host 7 echo middle >>$tmp/order
wait
last host 20 echo last >>$tmp/order
END
check 0 $runner -j 2 -o "$tmp/out" "$tmp/table"
[ "$(head -n 2 "$tmp/order" | sort | xargs) $(tail -n 2 "$tmp/order" | xargs)" = "long middle short last" ] ||
	{ echo "the order is wrong:"; cat "$tmp/order"; exit 1; }
