#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the VM: each rule of gmemtop report applies to the workload that has its trouble, and not to one that is near.

report_rules.py [--falsify] [RULE...]: --falsify expects each finding of the one VM at the other, which must fail."""

import ctypes
import json
import os
import select
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
TMP = tempfile.TemporaryDirectory()
PATIENCE_S = 60
WORKLOAD = "build/tests/gmem-workload"
SHARED = ["-t", "default", "-f", "mmap,init-shared"]
ORDINARY = "create size=16M;bind;start;"
CGROUP = "/sys/fs/cgroup"
LIMIT = "32M"

TRIPS = ORDINARY + "convert by=hypercall to=private size=2M step=2M times=4"
ALLOCATE = "create size=%s;bind;start;allocate expect=%s"

# Rule: a workload with the trouble, and one near to it.
SCENARIOS = {
    "single-pages": (
        [ORDINARY + "convert to=private by=hypercall size=4K step=4K times=4096"],
        [ORDINARY + "convert to=private by=hypercall size=4K step=8K times=2048"]),
    "redundant-conversions": (
        [ORDINARY + "convert to=private size=64K;convert to=private size=4K times=200"],
        [ORDINARY + "convert to=private size=4K step=4K times=2000;convert to=private size=4K times=99"]),
    "instance-held-twice": (
        [ORDINARY + "convert to=private size=8M;touch size=8M;convert to=shared size=8M"],
        [ORDINARY + "convert to=private size=8M;touch size=8M;convert to=shared size=8M;punch size=8M"]),
    "backing-held-twice": (
        [ORDINARY + "touch size=8M;convert to=private size=8M"],
        [ORDINARY + "convert to=private size=8M;touch size=8M"]),
    "fault-loop": (
        [ORDINARY + "convert to=private size=4K;touch size=4K;sleep duration=3000;repeat times=1500;"
         "convert to=shared size=4K;convert to=private size=4K;touch size=4K;end"],
        [ORDINARY + "convert to=private size=8M;touch size=8M;convert to=shared size=8M;"
         "convert to=private size=8M;touch size=8M"]),
    "interrupted-calls": (
        ["create size=64M;start;repeat times=40;punch;allocate interrupt=300 expect=any;end"],
        ["create size=64M;start;repeat times=40;punch;allocate;end"]),
    "slots-lock": (
        ["--trips", os.path.join(TMP.name, "trips"), "--hold-lock", "50", TRIPS],
        ["--trips", os.path.join(TMP.name, "trips"), TRIPS]),
    # In a cgroup of LIMIT bytes.
    "allocation-failures": (
        [ALLOCATE % ("64M", "ENOMEM")],
        [ALLOCATE % ("8M", "ok")]),
    "memory-failures": (
        SHARED + ["create;bind;start;mmap;touch size=64K;poison offset=8K"],
        SHARED + ["create;bind;start;mmap;touch size=64K;host-touch offset=8K size=4K"]),
    "host-faults-refused": (
        ["create size=8M flags=mmap;bind;start;mmap;host-touch size=64K expect=SIGBUS"],
        SHARED + ["create size=8M;bind;start;mmap;host-touch size=64K"]),
    "instances-outlive-vm": (
        [ORDINARY + "convert to=private size=8M;touch size=4M"],
        [ORDINARY + "convert to=private size=8M;touch size=4M"]),
}


class Frames:
    """A gmemtop that watches, and what it has written."""

    def __init__(self):
        self.path = os.path.join(os.environ.get("LAB_OUT", TMP.name), "frames")
        self.file = open(self.path, "wb")
        self.process = subprocess.Popen(
            ["build/gmemtop", "--json", "-d", "0.2", "--redundant", "--waste", "--heat", "--holders", "--latency"],
            stdout=subprocess.PIPE, bufsize=0)
        self.rest = b""
        self.count = 0
        self.frame = None

    def read(self):
        """What there is, for a tenth of a second at most."""
        if not select.select([self.process.stdout], [], [], 0.1)[0]:
            return
        data = os.read(self.process.stdout.fileno(), 1 << 20)
        if not data:
            raise AssertionError("gmemtop ended")
        self.file.write(data)
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        self.count += len(lines)
        if lines:
            self.frame = json.loads(lines[-1])

    def wait(self, what, condition):
        """Until it is true of this object."""
        end = time.monotonic() + PATIENCE_S
        while not condition(self):
            if time.monotonic() > end:
                raise AssertionError("not within %u s: %s" % (PATIENCE_S, what))
            self.read()

    def more(self, number):
        """Wait for so many frames that begin from now on: one more may have begun before."""
        wanted = self.count + number + 1
        self.wait("%u frames" % number, lambda frames: frames.count >= wanted)

    def state(self, key):
        """Of a VM, None where the last frame does not have it."""
        return next((vm["state"] for vm in self.frame["vms"] if vm["key"] == key), None)

    def end(self):
        """The whole output is in the file."""
        self.process.terminate()
        self.file.write(self.process.stdout.read())
        self.file.close()
        assert self.process.wait(PATIENCE_S) == 0


def take_instance(pid):
    """A descriptor of our own for an instance of the process."""
    libc = ctypes.CDLL(None, use_errno=True)
    for name in os.listdir("/proc/%u/fd" % pid):
        if "gmem" in os.readlink("/proc/%u/fd/%s" % (pid, name)) or \
                "guest_memfd" in os.readlink("/proc/%u/fd/%s" % (pid, name)):
            pidfd = os.pidfd_open(pid)
            fd = libc.syscall(438, pidfd, int(name), 0)  # pidfd_getfd
            os.close(pidfd)
            assert fd >= 0, os.strerror(ctypes.get_errno())
            return fd
    raise AssertionError("process %u has no instance" % pid)


def write(path, text):
    """To a file of the kernel."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def limit_memory():
    """For this process: where no process of the cgroup may be killed, the kernel refuses it memory."""
    write(CGROUP + "/cgroup.subtree_control", "+memory")
    os.makedirs(CGROUP + "/limited")
    write(CGROUP + "/limited/memory.max", LIMIT)
    write(CGROUP + "/limited/cgroup.procs", str(os.getpid()))
    write("/proc/self/oom_score_adj", "-1000")


def relieve_memory():
    """After the first refusal there is memory: the kernel would repeat each fault of the process for ever."""
    with open(CGROUP + "/limited/memory.events", encoding="ascii") as file:
        refused = dict(line.split() for line in file)["oom"]
    if refused != "0":
        write(CGROUP + "/limited/memory.max", "max")


class Workload:
    """A workload that is held when its work is done."""

    def __init__(self, rule, arguments):
        *options, script = arguments
        self.rule = rule
        self.text = b""
        self.process = subprocess.Popen(
            [WORKLOAD, "-j", "--hold", *options, "-e", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            preexec_fn=limit_memory if rule == "allocation-failures" else None)
        os.set_blocking(self.process.stdout.fileno(), False)

    def held(self):
        """Its work is done, or it has ended."""
        if self.rule == "allocation-failures":
            relieve_memory()
        self.text += self.process.stdout.read() or b""
        return b'"held"' in self.text or self.process.poll() is not None

    def vm(self, frames):
        """Its VM, as soon as frames have it: that of a process that it started."""
        mine = {self.process.pid}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % name) as stat:
                    if int(stat.read().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                        mine.add(int(name))
            except OSError:
                continue
        return next((vm for vm in frames.frame["vms"] if vm["pid"] in mine), None)

    def end(self):
        """It closes everything."""
        self.process.stdin.close()
        os.set_blocking(self.process.stdout.fileno(), True)
        self.process.stdout.read()
        status = self.process.wait(PATIENCE_S)
        if self.rule == "allocation-failures":
            os.rmdir(CGROUP + "/limited")
        assert status == 0, "%s: the workload failed: %s" % (self.rule, self.text)


def watch(frames, rule, near, arguments):
    """Run a workload while frames are written, until they have its end. Return: the key of its VM."""
    workload = Workload(rule, arguments)
    frames.wait("the VM of %s" % rule, workload.vm)
    key, pid = (workload.vm(frames)[name] for name in ("key", "pid"))
    frames.wait("the work of %s" % rule, lambda _: workload.held())
    frames.more(3)
    fd = take_instance(pid) if rule == "instances-outlive-vm" and not near else None
    workload.end()
    if fd is not None:
        frames.wait("the VM without its VMM", lambda f: f.state(key) == "VMM gone")
        frames.more(3)
        os.close(fd)
    frames.wait("the end of the VM of %s" % rule, lambda f: f.state(key) in (None, "gone"))
    return key


def main():
    """Run all scenarios under one gmemtop, and read its report."""
    falsify = "--falsify" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--falsify"] or list(SCENARIOS)
    frames = Frames()
    frames.wait("the first frame", lambda f: f.count)
    wanted = {}
    for rule in names:
        for near, arguments in enumerate(SCENARIOS[rule]):
            key = watch(frames, rule, near, arguments)
            wanted[key] = (rule, near)
    frames.end()
    report = json.loads(subprocess.run(["build/gmemtop", "report", "--json", "-n", "1000", frames.path],
                                       stdout=subprocess.PIPE, check=True).stdout)
    found = {}
    for finding in report["findings"]:
        found.setdefault(finding["vm"]["key"], set()).add(finding["rule"])
        print("%s of %s: %s" % (finding["rule"], finding["vm"]["key"], finding["evidence"]))
    unchecked = {u["rule"] for u in report["not_checked"]}
    bad = 0
    for key, (rule, near) in wanted.items():
        expected = (rule in found.get(key, ())) == (bool(near) if falsify else not near)
        if rule in unchecked or not expected:
            bad += 1
            print("FAILED %s, %s: findings %s%s" % (rule, "near" if near else "the trouble",
                                                    sorted(found.get(key, ())),
                                                    ", not checked" if rule in unchecked else ""))
    print("report_rules: %u checks, %u failed" % (len(wanted), bad))
    return bad != len(wanted) if falsify else bad != 0


if __name__ == "__main__":
    sys.exit(main())
