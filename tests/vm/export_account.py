#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the VM: Debian's Prometheus scrapes gmemtop export; what PromQL answers is what the workload says that it did.
Then: the exporter's capabilities, a kill and a restart, a policy, a host without KVM, refusals."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
os.environ["PATH"] += ":/usr/sbin:" + os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "gmem-lab/prometheus/usr/bin")
EXPORT, SERVER = 9758, 9790
VMS = 3
TMP = tempfile.TemporaryDirectory()
CHECKS = {"passed": 0, "failed": 0}


def check(what, got, wanted):
    """Count a comparison."""
    good = got == wanted
    CHECKS["passed" if good else "failed"] += 1
    if not good:
        print("FAILED %s: %r, not %r" % (what, got, wanted), flush=True)


def ask(port, target, **headers):
    """Status and body of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def metrics():
    """The exporter's samples, in OpenMetrics."""
    found = {}
    for line in ask(EXPORT, "/metrics", Accept="application/openmetrics-text")[1].splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            found[name] = float(value)
    return found


def wait_for(what, condition, seconds=60):
    """Until something is true; an error of the connection is not yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            value = condition()
            if value:
                return value
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.2)
    raise AssertionError("not within %u s: %s" % (seconds, what))


def export(*options):
    """Start the exporter; it answers when its programs are attached."""
    process = subprocess.Popen(["build/gmemtop", "export", "--listen", ":%u" % EXPORT,
                                "--min-interval", "0.1"] + list(options))
    wait_for("an answer of the exporter", lambda: ask(EXPORT, "/healthz")[0] == 200)
    return process


def stop(process, status=0):
    """End a process; it must end well."""
    process.terminate()
    check("exit status of " + process.args[0], process.wait(30), status)


def prometheus():
    """Start the server, which scrapes once a second."""
    config = os.path.join(TMP.name, "prometheus.yml")
    with open(config, "w", encoding="ascii") as out:
        out.write("global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                  "scrape_configs:\n- job_name: gmem\n  static_configs:\n"
                  "  - targets: ['127.0.0.1:%u']\n" % EXPORT)
    with open(os.path.join(TMP.name, "log"), "w", encoding="ascii") as log:
        process = subprocess.Popen(
            ["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + TMP.name + "/data",
             "--web.listen-address=127.0.0.1:%u" % SERVER], stdout=log, stderr=log)
    wait_for("a scrape by Prometheus", lambda: query("up") == {(): 1.0}, 120)
    return process


def query(promql):
    """The answer to a query: values by the labels direction, operation and vm."""
    status, body = ask(SERVER, "/api/v1/query?" + urllib.parse.urlencode({"query": promql}))
    if status == 503:
        raise ConnectionRefusedError("it is starting")
    assert status == 200, body
    return {tuple(item["metric"][key] for key in ("vm", "direction", "operation", "where")
                  if key in item["metric"]): float(item["value"][1])
            for item in json.loads(body)["data"]["result"]}


def number(promql):
    """The answer to a query for one number."""
    return list(query(promql).values())[0]


def run_workload():
    """VMs that do all kinds of things, held open afterwards. Return: the process, what it did."""
    process = subprocess.Popen(
        ["build/tests/gmem-workload", "-n", str(VMS), "-f", "none", "--serial", "--hold", "-j", "-e",
         "create; bind; start; mix"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while True:
        report = json.loads(process.stdout.readline())
        if report.get("progress") == "held":
            return process, report["totals"]


def case_account():
    """PromQL's answers and the workload's account."""
    exporter, server = export(), prometheus()
    before = number('max_over_time(gmem_vms[1h])')
    check("VMs before", before, 0)
    workload, did = run_workload()
    wait_for("a scrape of the VMs", lambda: number("gmem_vms") == VMS)
    time.sleep(3)
    for direction in ("to_private", "to_shared"):
        convert = did["convert"]["sum"][direction]
        label = '{direction="%s"}' % direction
        for name, value in (("conversions_total", convert["ok"]),
                            ("conversion_pages_total", convert["pages"]),
                            ("conversion_changed_pages_total", convert["pages_changed"]),
                            ("redundant_conversions_total", convert["redundant"]),
                            ("conversion_duration_seconds_count", convert["ok"])):
            check(name + label, number("sum(gmem_%s%s)" % (name, label)), value)
            check("node " + name + label, number("gmem_node_%s%s" % (name, label)), value)
        check("errors " + direction,
              number('gmem_node_errors_total{operation="convert_%s"}' % direction[3:]),
              sum(convert["failed"].values()))
        check("slowest bucket " + direction,
              number('gmem_node_conversion_duration_seconds_bucket{direction="%s",le="+Inf"}' % direction),
              convert["ok"])
    for name, value in (("creates", did["create"]["ok"]), ("created_pages", did["create"]["pages"]),
                        ("binds", did["bind"]["ok"]), ("bound_pages", did["bind"]["pages"]),
                        ("allocates", did["allocate"]["ok"]), ("punches", did["punch"]["ok"]),
                        ("guest_faults", did["guest_fault"]["ok"]),
                        ("first_touches", did["guest_fault"]["first_touches"])):
        check(name, number("sum(gmem_%s_total)" % name), value)
        check("node " + name, number("gmem_node_%s_total" % name), value)
    check("series of VMs", len(query('gmem_conversions_total{vm!="other",direction="to_private"}')), VMS)
    check("size", number("gmem_node_size_bytes"), 4096 * did["create"]["pages"])
    check("private", number("sum(gmem_private_bytes)"), number("gmem_node_private_bytes"))
    check("lost", number("sum(gmem_lost_events_total)"), 0)
    # All of it happened between two scrapes, or nearly; the increase is what happened after the first one.
    check("created", number('max(gmem_node_conversions_created) < bool time()'), 1)
    workload.stdin.close()
    workload.wait(60)
    wait_for("the end of the VMs", lambda: number("gmem_vms") == 0)
    check("VMs that ended", number("gmem_vms_ended_total"), VMS)
    check("conversions of VMs that ended", number('sum(gmem_conversions_total{direction="to_private"})'),
          did["convert"]["sum"]["to_private"]["ok"])
    check("memory of VMs that ended", query('gmem_resident_bytes{vm!="other"}'), {})
    text = ask(EXPORT, "/metrics")[1]
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check("promtool", (lint.returncode, lint.stdout), (0, ""))
    stop(server)
    stop(exporter)


def capabilities(process):
    """Effective, permitted and bounding set, and whether programs can get more."""
    with open("/proc/%u/status" % process.pid, encoding="ascii") as status:
        text = status.read()
    return tuple(int(re.search(r"%s:\s+(\w+)" % name, text)[1], 16)
                 for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs"))


def case_capabilities():
    """None is left, and reading still works, also of VMs that come later and of what is held twice."""
    with open("/proc/sys/kernel/unprivileged_bpf_disabled", "w", encoding="ascii") as sysctl:
        sysctl.write("2\n")
    os.chmod("/dev/kvm", 0o666)
    for options, kept in (((), 0), (("--waste",), 1 << 19 | 1 << 2)):
        exporter = export(*options)
        metrics()
        check("capabilities", capabilities(exporter), (kept, kept, kept, 1))
        workload = subprocess.Popen(
            ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
             "build/tests/gmem-workload", "-f", "none", "--hold", "-e", "create; bind; start; mix"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        # Held twice is at least what the workload converted after it had touched it.
        found = wait_for("a VM with memory", lambda: metrics() if metrics().get(
            "gmem_node_resident_bytes", 0) and metrics()["gmem_vms"] else None)
        check("the VMM", [name for name in found if 'vmm="gmem-workload"' in name and
                          'vm="gmem-workload' in name] != [], True)
        if options:
            check("backing", wait_for("memory that is held twice", lambda: metrics().get(
                'gmem_node_wasted_bytes{where="backing"}')) > 0, True)
        workload.stdin.close()
        workload.wait(60)
        stop(exporter)


def case_restart():
    """A kill loses the counters, and says so: they began when the exporter did."""
    exporter = export()
    workload, did = run_workload()
    total, created = ('gmem_node_conversions_%s{direction="to_private"}' % what
                      for what in ("total", "created"))
    first = wait_for("conversions", lambda: metrics() if metrics().get(total) else None)
    check("before", first[total], did["convert"]["sum"]["to_private"]["ok"])
    exporter.send_signal(signal.SIGKILL)
    exporter.wait()
    killed = time.time()
    exporter = export()
    second = metrics()
    check("after", second[total], 0)
    check("began", first[created] < killed <= second[created] <= time.time(), True)
    check("VMs that it finds", second["gmem_vms"], VMS)
    workload.stdin.close()
    workload.wait(60)
    stop(exporter)


POLICY = """version: 1
name: nothing
mode: audit
default: {create: deny, bind: allow, mmap: allow, fault: allow, convert: allow, punch: allow, receive: allow}
rules: []
"""


def case_policy():
    """Denials of a policy that is loaded after the exporter has given up its capabilities."""
    exporter = export()
    check("no policy", [name for name in metrics() if name.startswith("gmem_policy")], [])
    policy = os.path.join(TMP.name, "policy.yaml")
    with open(policy, "w", encoding="ascii") as out:
        out.write(POLICY)
    load = subprocess.run(["build/gmemctl", "load", policy], capture_output=True, text=True, check=False)
    check("load", (load.returncode, load.stderr if load.returncode else ""), (0, ""))
    run_workload()[0].stdin.close()
    found = metrics()
    check("mode", found.get('gmem_policy_info{mode="audit"}'), 1)
    check("would have denied", found.get('gmem_policy_denials_total{operation="create",mode="audit"}', 0) >= VMS,
          True)
    check("denied", found.get('gmem_policy_denials_total{operation="create",mode="enforce"}'), 0)
    subprocess.run(["build/gmemctl", "unload"], capture_output=True, check=False)
    stop(exporter)


def case_no_kvm():
    """Without KVM it serves gmem_up 0, and begins to count when the module comes."""
    subprocess.run(["rmmod", "kvm_amd", "kvm"], check=True)
    exporter = export()
    check("up", metrics().get('gmem_up{reason="kvm_not_loaded"}'), 0)
    check("health", ask(EXPORT, "/healthz")[0], 200)
    subprocess.run(["modprobe", "kvm_amd"], check=True)
    wait_for("counting", lambda: metrics().get("gmem_up") == 1)
    check("capabilities", capabilities(exporter)[0], 0)
    wait_for("/dev/kvm", lambda: os.path.exists("/dev/kvm"))
    workload, did = run_workload()
    found = metrics()
    check("conversions", found['gmem_node_conversions_total{direction="to_private"}'],
          did["convert"]["sum"]["to_private"]["ok"])
    workload.stdin.close()
    workload.wait(60)
    stop(exporter)


def case_refused():
    """Without rights: one line, status 5."""
    run = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "build/gmemtop", "export",
                          "--listen", ":%u" % EXPORT], capture_output=True, text=True, check=False)
    check("status without rights", run.returncode, 5)
    check("one line", run.stderr.count("\n"), 1)


def main():
    """Run the cases that are named, or all of them."""
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=False, stderr=subprocess.DEVNULL)
    for name in sys.argv[1:] or cases:
        begun = time.monotonic()
        cases[name]()
        print("%s: %.1f s" % (name, time.monotonic() - begun), flush=True)
    print("%u passed, %u failed" % (CHECKS["passed"], CHECKS["failed"]))
    sys.exit(1 if CHECKS["failed"] else 0)


if __name__ == "__main__":
    main()
