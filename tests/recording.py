# SPDX-License-Identifier: GPL-2.0-only
"""recording.py VMS FRAMES [STEP]: a recording as of gmemtop -b --json, for tests: VM number i is called
vm-i and has i conversions to private in the first frame and STEP (1) more in each further one."""

import json
import sys

S = 1000000000
START = 1700000000 * S
MISSING = ("unbind", "existing", "bindings", "attributes", "backing")
VM = """to_private to_private_pages to_private_changed_pages to_private_redundant to_private_ns
to_shared to_shared_pages to_shared_changed_pages to_shared_redundant to_shared_ns creates created_pages
releases released_pages populates populated_pages""".split()
INST = """guest_faults first_touches host_faults host_faults_refused allocates allocated_pages punches
punched_pages mmaps mmapped_pages binds bound_pages unbinds unbound_pages memory_failures""".split()
OPS = """convert_private convert_shared convert_other create bind allocate punch mmap guest_fault populate
host_fault""".split()
LOST = "vms_full instances_full ended_full unread untracked untimed ends missed".split()


def vm(number, conversions, name=None, state="live"):
    """A VM whose conversions to private took 2,000 ns each and converted a page each."""
    counters = dict.fromkeys(VM + INST, 0)
    counters.update(to_private=conversions, to_private_pages=conversions,
                    to_private_ns=2000 * conversions, guest_faults=3 * conversions,
                    unbinds=None, unbound_pages=None)
    return {
        "id": number + 1, "key": "%016x" % (0xabc << 52 | number), "pid": 1000 + number,
        "name": name or "vm-%u" % number, "type": "software-protected", "cgroup": "/machine.slice",
        "state": state, "private_pages": number, "size_pages": 1024, "resident_pages": 512,
        "instances": 1, "errors": 0, "counters": counters,
        "errors_by_operation": dict.fromkeys(OPS, {}), "last_error": None,
        "latency": {"to_private": {"max_ns": 2000, "histogram": [[2047, conversions]]
                                   if conversions else []},
                    "to_shared": {"max_ns": 0, "histogram": []}},
    }


def frame(number, vms, policy=None):
    """Frame @number, from 1 on, one second after the one before."""
    return {
        "version": 2, "frame": number, "time_ns": START + number * S,
        "interval_ns": S if number > 1 else 0, "kernel": "7.3.4", "missing": MISSING,
        "missing_because": [], "private_from": "statistic", "lost": dict.fromkeys(LOST, 0),
        "lower_bounds": False, "policy": policy, "ended_last_minute": 0, "ended": [], "vms": vms,
    }


def write(path, frames):
    """A recording of these frames."""
    with open(path, "w", encoding="utf-8") as out:
        for one in frames:
            out.write(json.dumps(one) + "\n")


def main():
    """See above."""
    vms, frames = int(sys.argv[1]), int(sys.argv[2])
    step = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    for number in range(1, frames + 1):
        print(json.dumps(frame(number, [vm(i, i + step * (number - 1)) for i in range(1, vms + 1)])))


if __name__ == "__main__":
    main()
