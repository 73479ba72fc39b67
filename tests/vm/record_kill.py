#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the VM: a live recorder is killed at random moments, and the next one appends to its file. The file can always be
read, what was read once stays as it was, and each frame is one of a run of a recorder.

record_kill.py [--falsify] [ROUNDS]: --falsify changes a byte of the file now and then, which must be noticed."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
PATIENCE_S = 60
VCPUS = 2
AT_ONCE = 3


class Recorder:
    """A recorder, its file, and what has been read of it."""

    def __init__(self, path):
        self.path, self.lines, self.process, self.deadline = path, [], None, 0
        self.rounds = self.early = self.added = 0

    def start(self):
        """Begin or go on with the file; a third is killed before it has begun, perhaps."""
        self.early_kill = random.random() < 1 / 3
        self.process = subprocess.Popen(
            ["build/gmemtop", "record", "-d", "0.05", "--block", random.choice(["0.05", "0.2"]), "-i", "-o", self.path],
            stderr=subprocess.PIPE, bufsize=0)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.said = b""
        self.deadline = time.monotonic() + (random.uniform(0, 1.5) if self.early_kill else PATIENCE_S)

    def due(self):
        """Is it time to kill it? The time of those that may begin is counted from there."""
        self.said += self.process.stderr.read() or b""
        if b"recording to" in self.said and not self.early_kill:
            self.early_kill = True
            self.deadline = time.monotonic() + random.uniform(0, 0.8)
        assert self.process.poll() is None, "the recorder ended: %s" % self.said
        return time.monotonic() >= self.deadline

    def kill(self):
        """At this moment."""
        began = b"recording to" in self.said
        assert began or self.deadline, self.said
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()
        self.process = None
        self.rounds += 1
        self.early += not began

    def check(self):
        """Read all of it."""
        if not os.path.exists(self.path):
            return
        done = subprocess.run(["build/gmemtop", "record", "--replay", self.path, "-i", "-o", self.path + ".again"],
                              stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0, "it cannot be read: %s" % done.stderr
        assert b"damaged" not in done.stderr, done.stderr
        # Without gmemtop, where no block is cut.
        lines = subprocess.run(["zstdcat", self.path + ".again"], stdout=subprocess.PIPE, check=True).stdout.splitlines() \
            if os.path.exists(self.path + ".again") else []
        if os.path.exists(self.path + ".again"):
            os.unlink(self.path + ".again")
        assert lines[:len(self.lines)] == self.lines, "what was read before has changed"
        run = [json.loads(line) for line in lines[len(self.lines):]]
        self.added += bool(run)
        for number, frame in enumerate(run, 1):
            assert frame["frame"] == number, "frame %u is called %u" % (number, frame["frame"])
            check_frame(frame, run[number - 2] if number > 1 else None)
        self.lines = lines


def check_frame(frame, before):
    """What holds of the workload in every frame: each conversion is one of a page."""
    for vm in frame["vms"]:
        counters = vm["counters"]
        for direction in ("to_private", "to_shared"):
            count = counters[direction]
            assert abs(counters[direction + "_pages"] - count) <= VCPUS, counters
            shown = sum(n for _, n in vm["latency"][direction]["histogram"])
            assert abs(shown - count) <= VCPUS, (shown, counters)
    if before:
        assert frame["time_ns"] > before["time_ns"] and frame["interval_ns"] > 0
        for name, value in before["host"]["counters"].items():
            assert value is None or frame["host"]["counters"][name] >= value, name
    else:
        assert frame["interval_ns"] == 0


def main():
    """Some recorders at a time, each with its file."""
    falsify = "--falsify" in sys.argv
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    rounds = numbers[0] if numbers else 200
    random.seed(rounds)
    workload = subprocess.Popen(["build/tests/gmem-workload", "-j", "-n", "2", "-c", str(VCPUS), "-o", "0", "-d", "10000000",
                                 "-m", "convert:1", "--pause", "2000", "-e", "create;bind;start;mix pages=1"],
                                stdout=subprocess.PIPE)
    with tempfile.TemporaryDirectory() as directory:
        recorders = [Recorder("%s/%u.gmem" % (directory, i)) for i in range(AT_ONCE)]
        noticed = False
        try:
            while sum(r.rounds for r in recorders) < rounds:
                for recorder in recorders:
                    if recorder.process is None:
                        recorder.start()
                    elif recorder.due():
                        recorder.kill()
                        if falsify and recorder.lines:
                            with open(recorder.path, "r+b") as file:
                                file.seek(random.randrange(64, os.path.getsize(recorder.path) // 2))
                                file.write(b"\x55\xaa")
                        recorder.check()
                time.sleep(0.005)
        except AssertionError as error:
            noticed = True
            print(("noticed: %s" if falsify else "FAILED: %s") % error)
        finally:
            for recorder in recorders:
                if recorder.process:
                    recorder.process.kill()
                    recorder.process.wait()
            workload.kill()
            workload.wait()
    done, early, added = (sum(getattr(r, what) for r in recorders) for what in ("rounds", "early", "added"))
    print("record_kill: %u kills, %u before the recorder had begun, %u left frames" % (done, early, added))
    if falsify:
        return not noticed
    if not noticed and (not early or added < done / 4):
        print("FAILED: too few rounds to have seen every moment")
        return 1
    return noticed


if __name__ == "__main__":
    sys.exit(main())
