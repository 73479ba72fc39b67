#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# gmemtop report and gmemtop diff with recordings, without KVM: options, forms, exit statuses.
set -u
cd "$(dirname "$0")/.." || exit
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
gmemtop=$PWD/build/gmemtop
checks=0 bad=0

fail()
{
	echo "report-test: $*" >&2
	bad=1
}

# status WANTED ARGUMENT...: the program's exit status; its output is in $tmp/out and $tmp/err
status()
{
	local wanted=$1 got=0

	shift
	checks=$((checks + 1))
	"$gmemtop" "$@" >"$tmp/out" 2>"$tmp/err" || got=$?
	[ "$got" = "$wanted" ] || fail "gmemtop $* ends with $got, not $wanted: $(head -c 300 "$tmp/err")"
	case "$got $*" in
	'0 report --json '*) matches "$tmp/out" ;;
	esac
}

# Each report matches its schema.
matches()
{
	checks=$((checks + 1))
	tests/schema.py contrib/gmemtop-report.schema.json <"$1" || fail "$1: see above"
}

# differs WHAT FILE SED: the report with this change does not match
differs()
{
	checks=$((checks + 1))
	sed "$3" "$2" >"$tmp/changed"
	! cmp -s "$2" "$tmp/changed" || fail "$1: nothing was changed"
	! tests/schema.py contrib/gmemtop-report.schema.json <"$tmp/changed" 2>/dev/null || fail "$1 matches the schema"
}

# has EXPRESSION: true of the JSON object d that was printed
has()
{
	checks=$((checks + 1))
	python3 -c 'import json, sys
d = json.load(open(sys.argv[2]))
sys.exit(not eval(sys.argv[1]))' "$1" "$tmp/out" 2>/dev/null || fail "not $1 in: $(head -c 500 "$tmp/out")"
}

says()
{
	checks=$((checks + 1))
	grep -qF -- "$2" "$tmp/$1" || fail "'$2' is not in: $(head -c 500 "$tmp/$1")"
}

python3 tests/recording.py 3 40 5 >"$tmp/a"
python3 tests/recording.py 3 40 9 >"$tmp/b"
sed 's/"vm-1"/"<script>alert(1)<\/script>\&\\"\\u001b[31m"/' "$tmp/a" >"$tmp/hostile"
"$gmemtop" record --replay "$tmp/a" -o "$tmp/a.gmem" 2>/dev/null || fail "record"

# --- report
status 0 report "$tmp/a"
says out 'to_private_pages '
says out 'DIAGNOSIS'
status 0 report --json "$tmp/a"
has 'd["frames"] == 40 and d["host"]["counters"]["to_private"] == sum(v["counters"]["to_private"] for v in d["vms"])'
has 'd["covered_ns"] == 39 * 10**9 and d["runs"] == 1 and not d["begins_in_the_middle"]'
has 'd["host"]["counters"]["unbinds"] is None and {u["rule"] for u in d["not_checked"]} >= {"instance-held-twice"}'
cp "$tmp/out" "$tmp/whole"
status 0 report --json "$tmp/a.gmem"
checks=$((checks + 1))
diff <(sed 's/"file":"[^"]*"//' "$tmp/whole") <(sed 's/"file":"[^"]*"//' "$tmp/out") >/dev/null ||
	fail "the report of the same frames as lines and as a recording differs"
status 0 report --json - <"$tmp/a"
has 'd["frames"] == 40'
# A part: what was there at its first frame is the base.
status 0 report --json --from +10 --to +20 "$tmp/a.gmem"
has 'd["frames"] == 11 and d["begins_in_the_middle"] and d["host"]["counters"]["to_private"] == 150'
status 0 report --json -n 1 "$tmp/a"
has 'len(d["vms"]) == 1 and d["vms_seen"] == 3 and d["vms"][0]["name"] == "vm-3"'
# Two recorders, one file.
cat "$tmp/a" "$tmp/b" >"$tmp/both"
status 0 report --json "$tmp/both"
has 'd["runs"] == 2 and d["vms_seen"] == 6 and d["host"]["counters"]["to_private"] == 591 + 1059'
# The page needs nothing else, and runs nothing.
for file in a hostile; do
	status 0 report --html "$tmp/$file"
	checks=$((checks + 1))
	xmllint --noout "$tmp/out" || fail "the page of $file is not well-formed"
	checks=$((checks + 1))
	! grep -Eqi '<script|javascript:|[( "]on[a-z]+=|<link|<img|@import|url\(|src=' "$tmp/out" ||
		fail "the page of $file runs or loads something"
	checks=$((checks + 1))
	! grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$tmp/out" || fail "control characters in the page of $file"
done
says out '&lt;script&gt;alert(1)&lt;/script&gt;&amp;'
status 0 report "$tmp/hostile"
checks=$((checks + 1))
! grep -qP '\x1b' "$tmp/out" || fail "the report steers the terminal"
status 0 report "$tmp/a" --html -o "$tmp/page.html"
checks=$((checks + 1))
xmllint --noout "$tmp/page.html" || fail "-o"
status 1 report "$tmp/a" -o /dev/full
status 1 report "$tmp/missing"
status 1 report /dev/null
says err 'it has no frame'
status 2 report
status 2 report --json --html "$tmp/a"
status 2 report --colour "$tmp/a"
status 2 report "$tmp/a" "$tmp/b"
status 0 report --help

# No label of the axis ends beyond the chart, however many buckets it has.
for last in 114687 1048575 2621439 31457279; do
	sed "s/\"histogram\": \[\[[0-9]*, \([0-9]*\)\]\]/\"histogram\": [[1023, 1], [$last, \1]]/g" "$tmp/a" >"$tmp/wide"
	status 0 report --html "$tmp/wide"
	checks=$((checks + 1))
	python3 - "$tmp/out" <<'END' || fail "a label is cut: durations up to $last ns"
import re, sys
page = open(sys.argv[1]).read()
chart = page[page.index("<title>How long conversions took"):]
labels = re.findall(r'<text x="([\d.]+)" y="180"(?: text-anchor="(\w+)")?>([^<]+)', chart[:chart.index("</svg>")])
# A character of 11 px is no wider than 7.
ends = [float(x) + (0 if anchor == "end" else 7 * len(text)) for x, anchor, text in labels]
sys.exit(len(labels) < 5 or max(ends) > 1000)
END
done

# --- the trace: with phases, which recording.py has not got
python3 - "$tmp/a" >"$tmp/phases" <<'END'
import json, sys
names = ["vmm", "lock", "set", "memory", "total", "fault"]
for line in open(sys.argv[1]):
    frame = json.loads(line)
    frame["missing"] = [m for m in frame["missing"] if not m.startswith("phase")]
    n = frame["frame"]
    for vm in frame["vms"]:
        ns = {"vmm": 5000 * n, "lock": 300000 * n, "set": 1000, "memory": None, "total": 305000 * n + 1000, "fault": 7000}
        phases = {p: {"count": n if ns[p] else 0, "sum_ns": n * (ns[p] or 0), "max_ns": ns[p] or 0,
                      "histogram": [[ns[p], n]] if ns[p] else []} for p in names}
        vm["vcpu_list"] = [{"id": 3, "phases": phases}]
        vm["phases"] = phases
        # The clocks are read one after the other: the same conversion is never at quite the same time.
        vm["slowest"] = [{"time_ns": frame["time_ns"] - 10**9 * (n - k) - 5 * 10**8 - 17 * n, "vcpu": 3, "exit": "hypercall",
                          "direction": "to_private", "gpa": k << 12, "pages": 1,
                          "phases_ns": dict(ns, vmm=5000 * k, lock=300000 * k, total=305000 * k + 1000)}
                         for k in range(n, max(n - 8, 1), -1)]
    print(json.dumps(frame))
END
for file in a both phases; do
	status 0 report --json -n 99 "$tmp/$file"
	cp "$tmp/out" "$tmp/report"
	status 0 report --trace "$tmp/$file"
	checks=$((checks + 1))
	tests/trace-check.py "$tmp/out" "$tmp/report" || fail "the trace of $file"
done
has 'sum(e["name"] == "lock" for e in d["traceEvents"]) == 3 * 39'
for change in 's/"dur":[0-9.]*/"dur":1000305/2' 's/"ph":"C"/"ph":"c"/2' 's/"ts":/"time":/2' 's/"process_name"/"process"/2' \
	's/"conversions":\([0-9]\)/"conversions":1\1/'; do
	checks=$((checks + 1))
	tr '\n' ' ' <"$tmp/out" | sed "$change" >"$tmp/changed"
	! tests/trace-check.py "$tmp/changed" "$tmp/report" >/dev/null || fail "$change is not noticed"
done
status 0 report --json "$tmp/phases"
has 'd["host"]["phases"] and d["slowest"] and d["findings"] and d["not_checked"]'
cp "$tmp/out" "$tmp/report"
differs 'a report without a member' "$tmp/report" 's/"covered_ns":[0-9]*,//'
differs 'a report with one more' "$tmp/report" 's/"kernel"/"more":1,"kernel"/'
differs 'a report of another version' "$tmp/report" 's/"version":1/"version":2/'
differs 'a VM without a member' "$tmp/report" 's/"first_seen_ns":[0-9]*,//'
differs 'a VM with a renamed member' "$tmp/report" 's/"last_seen_ns"/"last_ns_seen"/'
differs 'a counter less' "$tmp/report" 's/"to_private_pages":[0-9]*,//'
differs 'a counter that is a text' "$tmp/report" 's/"to_private_pages":[0-9]*/"to_private_pages":"1"/'
differs 'an interval without a member' "$tmp/report" 's/"converted_pages":[0-9]*,//'
differs 'a phase by another name' "$tmp/report" 's/"lock":{/"locks":{/'
differs 'a conversion with one more' "$tmp/report" 's/"gpa":/"more":1,"gpa":/'
differs 'an unknown rule' "$tmp/report" 's/"rule":"/"rule":"un/'
differs 'a finding without a member' "$tmp/report" 's/"saving":null,//; s/"saving":"[^"]*",//'
status 0 report "$tmp/phases"
says out 'slots-lock'
says out 'PHASES OF CONVERSIONS'
status 0 report --html "$tmp/phases"
checks=$((checks + 1))
xmllint --noout "$tmp/out" || fail "the page with phases is not well-formed"
cp "$tmp/out" "${PAGE:-/dev/null}"
status 2 report --trace --json "$tmp/a"

# --- events between frames
python3 - "$tmp/b" >"$tmp/with-events" <<'END'
import json, sys
for n, line in enumerate(open(sys.argv[1])):
    print(json.dumps({"seq": 2 * n, "time_ns": (1700000000 + n) * 10**9 + 5, "event": "convert", "vm": None}))
    print(json.dumps({"lost": {"events": 3, "after_seq": 2 * n, "before_seq": 2 * n + 4}}))
    print(line, end="")
END
status 0 report --json "$tmp/b"
cp "$tmp/out" "$tmp/whole"
status 0 report --json "$tmp/with-events"
checks=$((checks + 1))
diff <(sed 's/"file":"[^"]*"//' "$tmp/whole") <(sed 's/"file":"[^"]*"//' "$tmp/out") >/dev/null ||
	fail "events change the report"
status 2 record --replay "$tmp/b" --events all -o "$tmp/no.gmem"

# --- actions of a recorder
with_errors()
{
	python3 -c 'import json, sys
for line in sys.stdin:
    frame = json.loads(line)
    if frame["frame"] >= 30:
        frame["vms"][0]["errors_by_operation"]["bind"] = {"EEXIST": 1}
    print(json.dumps(frame))'
}
with_errors <"$tmp/b" >"$tmp/errors"
status 6 record --replay "$tmp/errors" --on 'errors > 0' exit -o "$tmp/exit.gmem"
says err 'errors > 0'
status 0 report --json "$tmp/exit.gmem"
has 'd["frames"] == 30'
status 0 record --replay "$tmp/errors" --on 'p99 > 5ms, errors > 0' snapshot --snapshot 10 -o "$tmp/snap.gmem"
status 0 report --json "$tmp/snap.gmem.snapshot-1700000030000"
has 'd["frames"] == 11 and d["last_ns"] == 1700000030 * 10**9'
status 0 report --json "$tmp/snap.gmem"
has 'd["frames"] == 40'
# What was last is in renamed files, too.
status 0 record --replay "$tmp/errors" --on 'errors > 0' snapshot --block 1 --rotate-age 3 -o "$tmp/old.gmem"
status 0 report --json "$tmp/old.gmem.snapshot-1700000030000"
has 'd["frames"] == 30'
# shellcheck disable=SC2016	# the command's shell expands this
status 0 record --replay "$tmp/errors" --on 'conversions > 26' 'exec:echo "$GMEM_CONDITION" >>"$GMEM_RECORDING.done"' -o "$tmp/exec.gmem"
for ((i = 0; i < 400; i++)); do
	[ ! -s "$tmp/exec.gmem.done" ] || break
	sleep 0.05
done
checks=$((checks + 1))
[ "$(cat "$tmp/exec.gmem.done")" = 'conversions > 26' ] || fail "exec, once: $(cat "$tmp/exec.gmem.done")"
sleep 1000 &
status 0 record --replay "$tmp/errors" --on 'vms >= 3' "signal:9:$!" -o "$tmp/signal.gmem"
killed=0
wait $! 2>/dev/null || killed=$?
checks=$((checks + 1))
[ "$killed" = 137 ] || fail "signal: $killed"
status 2 record --replay "$tmp/errors" --on 'errors > 0' -o "$tmp/no.gmem"
status 2 record --replay "$tmp/errors" --on 'errors > 1.2x' exit -o "$tmp/no.gmem"
says err 'nothing to compare with'
status 2 record --replay "$tmp/errors" exit -o "$tmp/no.gmem"
status 2 record --replay "$tmp/errors" --on 'errors > 0' signal:9 -o "$tmp/no.gmem"
status 2 record --replay "$tmp/errors" --on 'errors > 0' exec: -o "$tmp/no.gmem"
checks=$((checks + 1))
[ ! -e "$tmp/no.gmem" ] || fail "a file of a recorder that did not begin"

# --- diff
status 0 diff "$tmp/a" "$tmp/b"
says out '1.79x'
status 0 diff "$tmp/a" "$tmp/b" --fail-if 'p99 > 1.2x'
says out 'ok: it does not hold'
status 6 diff "$tmp/a" "$tmp/b" --fail-if 'p99 > 1.2x, conversions > 20%'
says out 'FAILED: it holds'
status 6 diff "$tmp/a" "$tmp/a" --fail-if 'p99 >= 1x'
status 6 diff --json "$tmp/a" "$tmp/b" --fail-if 'conversions > 1.7x'
has 'd["conditions"] == [{"condition": "conversions > 1.7x", "holds": True}]'
has 'd["measures"]["conversions"]["a"] == 591 and abs(d["measures"]["conversions"]["ratio"] - 1059 / 591) < 1e-2'
has 'd["distribution"]["to_private"]["a"]["p99_ns"] == 2000 and d["distribution"]["to_private"]["distance"] == 0'
has 'd["findings"]["instance-held-twice"] == {"a": None, "b": None}'
# What is unknown passes no test.
status 1 diff "$tmp/a" "$tmp/b" --fail-if 'waste > 1.2x'
says err 'do not have that number'
status 2 diff "$tmp/a" "$tmp/b" --fail-if 'p98 > 1.2x'
says err 'no such measure'
status 2 diff "$tmp/a"
status 1 diff "$tmp/a" "$tmp/missing"
status 0 diff --measures
says out 'pages_per_conversion'
echo "report-test: $checks checks, $bad failed"
exit $bad
