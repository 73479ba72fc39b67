#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fleet.py HOSTS [--vms WHICH] [--no-created] [--seconds N] [--interval N]: what a fleet costs a Prometheus.

One recording of 50 VMs is replayed by `gmemtop export`; its answers are served as those of HOSTS targets,
and one Prometheus on the loopback interface scrapes them all. Afterwards the number of VMs that PromQL finds
must be HOSTS * 50, and every target must have been up. Prints the figures of docs/fleet.md as one line of its
table, and stores the head as a block for the bytes per sample. Exit status: 0, or 1 if a target was not
scraped or a number is wrong.
"""
import argparse
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import recording  # noqa: E402

VMS = 50
HOST_PORT, PROMETHEUS_PORT, EXPORTER_PORT = 29758, 29090, 29759
os.environ["PATH"] += ":" + os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "gmem-lab/prometheus/usr/bin")


def get(url, accept=None):
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers.get("Content-Type"), answer.read()


def answers(frames, tmp, options):
    """The exporter's answers to one scrape of each frame."""
    path = os.path.join(tmp, "recording")
    recording.write(path, [recording.frame(n, [recording.vm(i, i * 100 * n) for i in range(1, VMS + 1)])
                           for n in range(1, frames + 1)])
    exporter = subprocess.Popen([os.path.join(ROOT, "build/gmemtop"), "export", "--replay", path, "--min-interval",
                                 "0", "--listen", f"127.0.0.1:{EXPORTER_PORT}"] + options)
    try:
        bodies = []
        for _ in range(100):
            try:
                while len(bodies) < frames:
                    bodies.append(get(f"http://127.0.0.1:{EXPORTER_PORT}/metrics",
                                      "application/openmetrics-text; version=1.0.0"))
                return bodies
            except OSError:
                time.sleep(0.1)
        raise SystemExit("fleet: the exporter does not answer")
    finally:
        exporter.terminate()
        exporter.wait()


def serve(bodies, interval):
    """Targets are paths; each answers with the frame that belongs to the time."""
    start = time.monotonic()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            kind, body = bodies[min(int((time.monotonic() - start) / interval), len(bodies) - 1)]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 1024

        def handle_error(self, request, client_address):
            """Prometheus closes its connections when it ends."""

    server = Server(("127.0.0.1", HOST_PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def prometheus(tmp, hosts, interval):
    config = {
        "global": {"scrape_interval": f"{interval}s", "scrape_timeout": f"{interval}s"},
        "scrape_configs": [
            {"job_name": "gmem", "static_configs": [{"targets": [f"h{n:05}" for n in range(hosts)]}],
             "relabel_configs": [
                 {"source_labels": ["__address__"], "target_label": "instance"},
                 {"source_labels": ["__address__"], "target_label": "__metrics_path__", "replacement": "/$1/metrics"},
                 {"target_label": "__address__", "replacement": f"127.0.0.1:{HOST_PORT}"}]},
            {"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{PROMETHEUS_PORT}"]}]}],
    }
    path = os.path.join(tmp, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(config, out)  # which is YAML too
    return subprocess.Popen(
        ["nice", "prometheus", f"--config.file={path}", f"--storage.tsdb.path={tmp}/data", "--web.enable-admin-api",
         f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}"],
        stdout=subprocess.DEVNULL, stderr=open(os.path.join(tmp, "log"), "w", encoding="utf-8"))


def query(expression):
    url = f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/query?query={urllib.parse.quote(expression)}"
    result = json.loads(get(url)[1])["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def stored(tmp):
    """Bytes and samples of a block with what was scraped."""
    url = f"http://127.0.0.1:{PROMETHEUS_PORT}/api/v1/admin/tsdb/snapshot"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=300) as answer:
        name = json.loads(answer.read())["data"]["name"]
    size = samples = 0
    for directory, _, files in os.walk(os.path.join(tmp, "data/snapshots", name)):
        for file in files:
            path = os.path.join(directory, file)
            if file == "meta.json":
                samples += json.load(open(path, encoding="utf-8"))["stats"]["numSamples"]
            elif "chunks" in directory:
                size += os.path.getsize(path)
    return size, samples


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("hosts", type=int)
    parser.add_argument("--vms", default="top:20")
    parser.add_argument("--no-created", action="store_true")
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--interval", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gmem-fleet.") as tmp:
        bodies = answers(options.seconds // options.interval + 4, tmp,
                         ["--vms", options.vms] + ["--no-created"] * options.no_created)
        series = sum(not line.startswith(b"#") for line in bodies[-1][1].splitlines())
        serve(bodies, options.interval)
        server = prometheus(tmp, options.hosts, options.interval)
        try:
            time.sleep(options.seconds)
            vms, up = query("sum(gmem_vms)"), query('sum(up{job="gmem"})')
            late = query(f'count(scrape_duration_seconds{{job="gmem"}} > {options.interval})') or 0
            memory = query("process_resident_memory_bytes")
            cpu = query('rate(process_cpu_seconds_total[1m])')
            head = query("prometheus_tsdb_head_series")
            rate = query("rate(prometheus_tsdb_head_samples_appended_total[1m])")
            size, samples = stored(tmp)
        finally:
            server.terminate()
            server.wait()
    print(f"| {options.hosts:,} | {options.vms}{', --no-created' * options.no_created} | {series:,} | {head:,.0f} |"
          f" {rate or 0:,.0f} | {size / max(samples, 1):.2f} | {memory / head / 1024:.1f} KiB | {cpu or 0:.2f} |")
    if vms != options.hosts * VMS or up != options.hosts or late:
        print(f"fleet: {up:.0f} of {options.hosts} targets are up, {vms} VMs of {options.hosts * VMS}, {late:.0f} are late")
        return 1
    return 0


sys.exit(main())
