#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the VM: gmemtop record --events. Each line of the recording matches contrib/gmemtop.schema.json, events of the
# workload are there, as many as it made, and the frames between them can be replayed.
set -u
cd "$(dirname "$0")/../.." || exit
tmp=$(mktemp -d)
bad=0

fail()
{
	echo "record_events: $*" >&2
	bad=1
}

build/gmemtop record -d 0.2 --events all -o "$tmp/gmem" 2>"$tmp/err" &
for ((i = 0; i < 600; i++)); do
	! grep -q 'recording to' "$tmp/err" || break
	sleep 0.1
done
build/tests/gmem-workload -e 'create size=16M; bind; start; convert to=private size=4K step=4K times=500; touch size=64K' >"$tmp/report" ||
	fail "the workload: $(cat "$tmp/report")"
kill $!
wait $! || fail "the recorder ends with $?: $(cat "$tmp/err")"
zstdcat <"$tmp/gmem" >"$tmp/lines"
tests/schema.py contrib/gmemtop.schema.json <"$tmp/lines" || fail "see above"
python3 -c 'import json, sys
d = [json.loads(line) for line in open(sys.argv[1])]
lost = sum(line["lost"]["events"] for line in d if "vms" not in line and "lost" in line)
for event, wanted in ("create", 1), ("bind", 1), ("convert", 500), ("guest_fault", 16):
    seen = sum(line.get("event") == event for line in d)
    if not wanted - lost <= seen <= wanted:
        sys.exit("%u events %s, not %u; %u were lost" % (seen, event, wanted, lost))' "$tmp/lines" || fail "see above"
frames=$(grep -c '"vms":' "$tmp/lines")
[ "$(build/gmemtop replay "$tmp/gmem" --json | wc -l)" = "$frames" ] || fail "of $frames frames not all are replayed"
echo "record_events: $(wc -l <"$tmp/lines") lines, $frames frames"
exit $bad
