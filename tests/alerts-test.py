#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""alerts-test.py: a real Prometheus with the rules of contrib/prometheus scrapes an exporter.

The exporter replays a recording in which one VM of three storms and then rests. GmemConversionStorm must
fire for this VM and no other, and resolve; when the exporter ends, GmemExporterDown must fire. All times of
the rules are divided by 150, so that five minutes are two seconds. Ends with: N passed, N failed, N skipped.
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import recording

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RULES = os.path.join(ROOT, "contrib/prometheus")
SCRAPE_MS, STORM, REST = 200, 35, 400  # frames: one for each scrape
LIMIT = 60  # seconds until something happens, on a loaded machine
os.environ["PATH"] += ":" + os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "gmem-lab/prometheus/usr/bin")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def write_recording(path):
    """vm-2 converts 2,000 times between two scrapes, 10,000 times a second; the others 20 times a second."""
    frames = []
    for n in range(1, STORM + REST):
        vms = [recording.vm(i, 4 * n) for i in (1, 3)]
        vms.insert(1, recording.vm(2, 2000 * min(n, STORM) + 4 * n))
        frames.append(recording.frame(n, vms))
    recording.write(path, frames)


def write_config(tmp, exporter):
    def faster(match):
        return f"{match[1]}{int(match[2]) * 60000 // 150}ms"

    names = []
    for name in ("recording.rules.yml", "alerts.rules.yml"):
        with open(os.path.join(RULES, name), encoding="utf-8") as text:
            text = re.sub(r"(\[|for: )(\d+)m", faster, text.read())
        with open(os.path.join(tmp, name), "w", encoding="utf-8") as out:
            out.write(text)
        names.append(os.path.join(tmp, name))
    with open(os.path.join(tmp, "prometheus.yml"), "w", encoding="utf-8") as out:
        json.dump({  # which is YAML too
            "global": {"scrape_interval": f"{SCRAPE_MS}ms", "scrape_timeout": f"{SCRAPE_MS}ms",
                       "evaluation_interval": f"{SCRAPE_MS}ms"},
            "rule_files": names,
            "scrape_configs": [{"job_name": "gmem", "scrape_interval": f"{SCRAPE_MS}ms",
                                "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}]}, out)


def firing(port):
    """The alerts that fire: name and VM."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=10) as answer:
            alerts = json.load(answer)["data"]["alerts"]
    except (urllib.error.URLError, OSError):
        return None
    return sorted((alert["labels"]["alertname"], alert["labels"].get("vm"))
                  for alert in alerts if alert["state"] == "firing")


def wait_for(port, wanted):
    """Until these alerts fire and no others. Return: what fired last."""
    end, last = time.monotonic() + LIMIT, None
    while time.monotonic() < end:
        last = firing(port)
        if last == wanted:
            break
        time.sleep(0.1)
    return last


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="gmem-alerts.") as tmp:
        exporter_port, port = free_port(), free_port()
        write_recording(os.path.join(tmp, "recording"))
        write_config(tmp, exporter_port)
        exporter = subprocess.Popen([
            os.path.join(ROOT, "build/gmemtop"), "export", "--replay", os.path.join(tmp, "recording"),
            "--min-interval", "0", "--listen", f"127.0.0.1:{exporter_port}"])
        with open(os.path.join(tmp, "log"), "w", encoding="utf-8") as log:
            server = subprocess.Popen([
                "prometheus", f"--config.file={tmp}/prometheus.yml", f"--storage.tsdb.path={tmp}/data",
                f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        try:
            for what, wanted in (("the storm", [("GmemConversionStorm", "vm-2")]), ("rest", []),
                                 ("the end of the exporter", [("GmemExporterDown", None)])):
                if wanted and wanted[0][0] == "GmemExporterDown":
                    exporter.terminate()
                got = wait_for(port, wanted)
                if got == wanted:
                    passed += 1
                else:
                    failed += 1
                    print(f"alerts-test: {what}: {got} fire, and not {wanted}")
        finally:
            for child in (exporter, server):
                child.terminate()
                child.wait()
        if failed:
            with open(os.path.join(tmp, "log"), encoding="utf-8") as log:
                print("".join(log.readlines()[-5:]), end="")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return failed > 0


sys.exit(main())
