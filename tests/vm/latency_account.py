#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the VM: what gmemtop --latency shows of conversions, live and recorded, against the workload's own clock.

latency_account.py [--falsify]

The workload reads CLOCK_MONOTONIC around each call. The kernel's moments lie between these: each duration has a
least and a greatest value that hold however long a thread was not running. --falsify changes the workload's
account in many ways, each of which must be noticed."""

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
GMEMTOP, WORKLOAD = "build/gmemtop", "build/tests/gmem-workload"
PATIENCE = 60
LONG_NS = 2000000
SLOWEST = 8

VCPUS = "4"

# Two VMs with four vCPUs each, which convert 2 MiB after 2 MiB at the same time, so that they wait for each other; some
# touch what they converted last.
PRIVATE = ["-e", ";".join((
    "create", "bind", "start",
    "convert by=hypercall to=private size=2M step=2M times=4 vcpu=all",
    "touch gpa=+6M size=8K vcpu=0",
    "convert by=hypercall to=shared size=2M step=2M times=4 vcpu=all",
    "touch gpa=+14M size=8K vcpu=1",
    "convert to=private gpa=1G size=16K",
    "touch gpa=1G size=16K vcpu=1"))]
# Without private VMs conversions to shared find nothing to do, but are made.
SHARED = ["-t", "default", "-f", "mmap,init-shared", "-e", ";".join((
    "create", "bind", "start", "touch size=32M",
    "convert by=hypercall to=shared size=2M step=2M times=4 vcpu=all",
    "touch gpa=+6M size=8K vcpu=0"))]
# Nor are there instances that such a VM could bind.
UNBOUND = ["-t", "default", "-e", ";".join((
    "create", "start", "convert by=hypercall to=shared size=2M step=2M times=4 vcpu=all"))]
SCENARIOS = {"stock-7": SHARED, "stock-6.12": UNBOUND}


class Frames:
    """A gmemtop whose frames are read all the time; the last numbers of each VM are kept."""

    def __init__(self, args):
        self.process = subprocess.Popen([GMEMTOP, *args], stdout=subprocess.PIPE, text=True)
        self.vms, self.lost, self.first = {}, {}, threading.Event()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            frame = json.loads(line)
            self.lost = frame["lost"]
            for vm in frame["vms"]:
                self.vms[vm["id"]] = vm
            self.first.set()

    def all(self):
        return list(self.vms.values())

    def wait(self):
        self.reader.join()
        return self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.wait()


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            sys.exit("FAILED: %s did not happen" % what)
        time.sleep(0.1)


def read_trips(path):
    """Conversions by VM and vCPU, each with the touch of its range that came before the next one."""
    trips = {}
    with open(path) as lines:
        for line in lines:
            kind, *words = line.split()
            event = {k: int(v) if v.isdigit() else v for k, v in (word.split("=") for word in words)}
            mine = trips.setdefault(event["pid"], {}).setdefault(event["vcpu"], [])
            if kind == "trip":
                mine.append(event)
                # The access that was not possible before is made again.
                if event["exit"] == "memory_fault":
                    event["touch"] = (event["run"], event["back"])
            elif mine and "touch" not in mine[-1] and \
                    0 <= event["gpa"] - mine[-1]["gpa"] < mine[-1]["pages"] * 4096:
                mine[-1]["touch"] = (event["run"], event["back"])
    for vcpus in trips.values():
        for number in list(vcpus):
            if not vcpus[number]:
                del vcpus[number]
    return trips


def between(trip):
    """The least and the greatest duration of each phase; none: the conversion does not have it."""
    total = (trip["run"] - trip["out"], trip["back"] - trip["before"])
    done = trip["memory_end"] or trip["set_end"]
    own = trip["set"] - trip["out"] + trip["run"] - done
    if trip["memory"]:
        own += trip["memory"] - trip["set_end"]
    phases = {
        "vmm": (own, total[1]),
        "lock": (trip["held"], trip["set_end"] - trip["set"]),
        "set": (0, trip["set_end"] - trip["set"]),
        "total": total,
    }
    if trip["memory"]:
        phases["memory"] = (0, trip["memory_end"] - trip["memory"])
    if "touch" in trip:
        phases["fault"] = (max(0, trip["touch"][0] - trip["back"]), trip["touch"][1] - trip["run"])
    return phases


def bucket_begin(end):
    """The shortest duration in the bucket of a duration."""
    if end < 4:
        return end
    shift = end.bit_length() - 3
    return end >> shift << shift


def compare_phase(name, phase, bounds):
    """Yield what is wrong with the numbers of one phase of these conversions."""
    counted = sorted(ns for ns, nr in phase["histogram"] for _ in range(nr))
    if phase["count"] != len(bounds) or len(counted) != len(bounds):
        yield "%s: %d counted, %d in the histogram, of %d" % (name, phase["count"], len(counted), len(bounds))
        return
    least, greatest = sorted(b[0] for b in bounds), sorted(b[1] for b in bounds)
    if not sum(least) <= phase["sum_ns"] <= sum(greatest):
        yield "%s: %d ns are not between %d and %d" % (name, phase["sum_ns"], sum(least), sum(greatest))
    for ns, low, high in zip(counted, least, greatest):
        if ns < low or bucket_begin(ns) > high:
            yield "%s: %d to %d ns are not between %d and %d" % (name, bucket_begin(ns), ns, low, high)
    if bounds and not least[-1] <= phase["max_ns"] <= greatest[-1]:
        yield "%s: at most %d, not between %d and %d" % (name, phase["max_ns"], least[-1], greatest[-1])


def compare_phases(phases, trips):
    bounds = [between(trip) for trip in trips]
    for name, phase in phases.items():
        if phase is None:
            yield "%s is not available" % name
        else:
            yield from compare_phase(name, phase, [b[name] for b in bounds if name in b])


def compare_slowest(slowest, vcpus):
    """Each is one of the workload's, and none that is left out took longer."""
    left = {(number, trip["gpa"], trip["to"]): trip for number, mine in vcpus.items() for trip in mine}
    if len(slowest) != min(SLOWEST, len(left)):
        yield "%d of the slowest" % len(slowest)
    totals = [one["phases_ns"]["total"] for one in slowest]
    if totals != sorted(totals, reverse=True):
        yield "not the slowest first: %s" % totals
    for one in slowest:
        trip = left.pop((one["vcpu"], one["gpa"], one["direction"]), None)
        if not trip or trip["exit"] != one["exit"] or trip["pages"] != one["pages"]:
            yield "not made: %s" % one
            continue
        ns, bounds = one["phases_ns"], between(trip)
        if ns["total"] != ns["vmm"] + ns["lock"] + ns["set"] + (ns["memory"] or 0):
            yield "the phases do not add up: %s" % ns
        for name, took in ns.items():
            if (took is None) != (name not in bounds):
                yield "%s of %s" % (name, one)
            elif took is not None and not bounds[name][0] <= took <= bounds[name][1]:
                yield "%s: %d ns, not between %d and %d" % (name, took, *bounds[name])
    for trip in left.values():
        if between(trip)["total"][0] > totals[-1]:
            yield "%s is missing among the slowest" % trip


def compare_precision(slowest, vcpus):
    """What takes long enough is the workload's own time, within a bucket."""
    trips = {(number, trip["gpa"], trip["to"]): trip for number, mine in vcpus.items() for trip in mine}
    for names, begin, end in (("lock set", "set", "set_end"), ("memory", "memory", "memory_end"),
                              ("total", "out", "run")):
        parts = []
        for one in slowest:
            trip = trips.get((one["vcpu"], one["gpa"], one["direction"]))
            if trip and trip[end] - trip[begin] >= LONG_NS:
                parts.append(sum(one["phases_ns"][name] or 0 for name in names.split()) /
                             (trip[end] - trip[begin]))
        if len(parts) >= 3 and not 0.75 <= statistics.median(parts) <= 1.25:
            yield "%s: %s of the workload's time" % (names, parts)


def compare_vm(vm, vcpus):
    """Everything that is wrong with a VM."""
    wrong = list(compare_phases(vm["phases"], [trip for mine in vcpus.values() for trip in mine]))
    if [one["id"] for one in vm["vcpu_list"]] != sorted(vcpus):
        wrong.append("vCPUs %s" % [one["id"] for one in vm["vcpu_list"]])
    for one in vm["vcpu_list"]:
        wrong += ["vCPU %d: %s" % (one["id"], text)
                  for text in compare_phases(one["phases"], vcpus.get(one["id"], []))]
    wrong += compare_slowest(vm["slowest"], vcpus)
    wrong += compare_precision(vm["slowest"], vcpus)
    return wrong


def shift(trip, name, by):
    trip[name] += by


# Ways in which the workload's account can be wrong.
LIES = {
    "one less": lambda mine: mine.pop(),
    "one more": lambda mine: mine.append(copy.deepcopy(mine[-1])),
    "another range": lambda mine: shift(mine[0], "gpa", 1 << 40),
    "another exit": lambda mine: [trip.update(exit="tdx") for trip in mine],
    "other pages": lambda mine: [shift(trip, "pages", 1) for trip in mine],
    "later exits": lambda mine: [shift(trip, name, 500000000) for trip in mine for name in ("run", "back")],
    "earlier exits": lambda mine: [trip.update(before=trip["run"], out=trip["run"]) or
                                   trip.update(back=trip["run"] + 1) for trip in mine],
    "shorter calls": lambda mine: [trip.update(set=trip["set_end"] - 1) for trip in mine],
    "a longer wait": lambda mine: shift(max(mine, key=lambda trip: trip["held"]), "held", 1000000000),
    "no memory": lambda mine: [trip.update(memory=0, memory_end=0) for trip in mine],
    "no touch": lambda mine: [trip.pop("touch", None) for trip in mine],
}


def compare(kind, vms, trips, keys):
    """Print all differences. Return: how many."""
    failed = 0
    for pid, vcpus in trips.items():
        vm = [vm for vm in vms if vm["key"] == keys.get(pid)]
        if len(vm) != 1:
            print("FAILED %s: %d VMs of process %d" % (kind, len(vm), pid))
            failed += 1
            continue
        for text in compare_vm(vm[0], vcpus):
            print("FAILED %s, process %d: %s" % (kind, pid, text))
            failed += 1
    return failed


def falsify(vms, trips, keys):
    """Return: lies that were not noticed."""
    missed = tried = 0
    for pid in trips:
        vm = [vm for vm in vms if vm["key"] == keys[pid]][0]
        for name, lie in LIES.items():
            vcpus = copy.deepcopy(trips[pid])
            lie(vcpus[0])
            if vcpus == trips[pid]:
                continue
            tried += 1
            if not compare_vm(vm, vcpus):
                print("FAILED: not noticed: %s" % name)
                missed += 1
    print("%d lies, %d not noticed" % (tried, missed))
    return missed + (not tried)


def attached_by_name(begin):
    names = subprocess.run(["bpftool", "-j", "prog", "list"], stdout=subprocess.PIPE, check=True).stdout
    return any(program.get("name", "").startswith(begin) for program in json.loads(names))


def expect(what, true):
    if not true:
        print("FAILED: %s" % what)
    return not true


def check_off():
    """Without --latency nothing of it is attached."""
    off = Frames(["--json", "-d", "0.3"])
    off.first.wait(PATIENCE)
    failed = expect("gmemtop counts", attached_by_name("gmem_"))
    # What ended before is freed with a delay.
    wait_for("the end of earlier programs", lambda: not attached_by_name("gmem_f_run"))
    return failed + expect("gmemtop ends well", not off.stop())


def start_recorder(path):
    recorder = subprocess.Popen([GMEMTOP, "record", "--latency", "-d", "0.3", "-o", path],
                                stderr=subprocess.PIPE, text=True)
    for line in recorder.stderr:
        if "recording to" in line:
            return recorder
    sys.exit("FAILED: nothing is recorded")


def not_preempted():
    """A thread that is preempted in a program makes the kernel leave out the runs of all others on that CPU."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def run_workload(args, log, live):
    """Return: its report, and the key of each process's VM."""
    workload = subprocess.Popen([WORKLOAD, "-j", "-n", "2", "-c", VCPUS, "-s", "32M", "--trips", log, "--discard", "--hold",
                                 "--vmm-us", "3000", "--hold-lock", "50", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                preexec_fn=not_preempted)
    for line in workload.stdout:
        if '"held"' in line:
            break
    wait_for("a frame with both VMs", lambda: len({vm["pid"] for vm in live.all() if vm["pid"]}) == 2)
    keys = {vm["pid"]: vm["key"] for vm in live.all()}
    report = workload.communicate()[0]
    if workload.returncode:
        sys.exit("FAILED: the workload ends with %d" % workload.returncode)
    return json.loads(report.splitlines()[-1]), keys


def main():
    tmp = tempfile.mkdtemp()
    log, recording = os.path.join(tmp, "trips"), os.path.join(tmp, "recording")
    os.environ["PATH"] += ":/usr/sbin"
    failed = 0
    if sys.argv[1:] == ["--falsify"]:
        failed += check_off()
    live = Frames(["--json", "--latency", "-d", "0.3"])
    recorder = start_recorder(recording)
    failed += expect("there is a frame", live.first.wait(PATIENCE))
    failed += expect("programs are attached with --latency", attached_by_name("gmem_f_run"))
    report, keys = run_workload(SCENARIOS.get(os.environ["LANE"], PRIVATE), log, live)
    trips = read_trips(log)
    made = report["totals"]["convert"]
    made = sum(made[by][to]["ok"] for by in ("hypercall", "implicit") for to in ("to_private", "to_shared"))
    asked = sum(len(mine) for vcpus in trips.values() for mine in vcpus.values())
    failed += expect("%d conversions are in the log, %d in the report" % (asked, made), asked == made > 0)
    wait_for("the end of both VMs", lambda: sum(vm["state"] == "gone" for vm in live.all()) == 2)
    failed += expect("gmemtop ends well", not live.stop())
    failed += compare("live", live.all(), trips, keys)
    failed += expect("nothing is lost: %s" % live.lost, not any(live.lost.values()))
    # The recorder reads its last frame after the signal.
    recorder.terminate()
    failed += expect("the recorder ends well", not recorder.wait())
    replayed = Frames(["--json", "--replay", recording])
    failed += expect("the recording is read", not replayed.wait())
    failed += compare("recorded", replayed.all(), trips, keys)
    if sys.argv[1:] == ["--falsify"]:
        failed += falsify(live.all(), trips, keys)
    failed += expect("a thread held slots_lock in each VM", all(
        any(trip["held"] for trip in vcpus[0]) for vcpus in trips.values()))
    for vm in live.all():
        print("microseconds:", {name: phase["sum_ns"] // 1000 for name, phase in vm["phases"].items()})
    print("latency_account: %d conversions of %d VMs, %d failed" % (asked, len(trips), failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
