#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""export-test.py [CASE...]: gmemtop export over HTTP and as a file, with recordings instead of a kernel.

Without names it runs all cases but the long ones (case_long_*). GMEMTOP is the program (build/gmemtop).
All traffic is on the loopback interface. Exit status: 0 if all pass, 1 if one fails, 2 for a name that is
no case."""

import base64
import gzip
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import recording

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.environ.get("GMEMTOP", os.path.join(HERE, "build/gmemtop"))
# As tests/vm/deps.sh has them: installed, or unpacked in the cache.
TOOLS = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")),
                     "gmem-lab/prometheus/usr/bin")
os.environ["PATH"] += ":" + TOOLS
# What was freed is kept for a while by sanitizers, which would look like growth.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=2")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# "secret pass" with cost 5
HASH = "$2b$05$abcdefghijklmnopqrstuuFzejfplTChgPyZNQOF2kNcZhBC.ObAS"
TMP = tempfile.TemporaryDirectory()


def path(name):
    """A file of this run."""
    return os.path.join(TMP.name, name)


def free_port(host="127.0.0.1"):
    """A port that nothing listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def record(vms=3, frames=1, step=1):
    """A recording: as of tests/recording.py."""
    name = path("%u-%u-%u.jsonl" % (vms, frames, step))
    if not os.path.exists(name):
        recording.write(name, [
            recording.frame(n, [recording.vm(i, i + step * (n - 1)) for i in range(1, vms + 1)])
            for n in range(1, frames + 1)])
    return name


class Exporter:
    """An exporter that runs until the end of a with statement."""

    def __init__(self, *options, replay=None, host="127.0.0.1", tls=None, env=None, wait=True):
        self.host = host
        self.port = free_port(host)
        self.tls = tls
        listen = ("[%s]:%u" if ":" in host else "%s:%u") % (host, self.port)
        self.process = subprocess.Popen(
            [PROGRAM, "export", "--listen", listen, "--replay", replay or record()] + list(options),
            stderr=subprocess.PIPE, text=True, env=env)
        if wait:
            self.wait()

    def wait(self):
        """Until it answers."""
        for _ in range(200):
            try:
                socket.create_connection((self.host, self.port), 5).close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.process.stderr.read()
                time.sleep(0.05)
        raise AssertionError("the exporter does not listen")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        try:
            error = self.process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        if kind is None:
            assert self.process.returncode == 0, "%d: %s" % (self.process.returncode, error)

    def connect(self, timeout=20):
        """An HTTP connection."""
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                               context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def ask(self, target="/metrics", method="GET", headers=None, body=None):
        """Status, headers and body."""
        connection = self.connect()
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def ask_size(self, headers):
        """The bytes of an answer as it comes over the network."""
        connection = self.connect(60)
        try:
            connection.request("GET", "/metrics", headers=headers)
            return len(connection.getresponse().read())
        finally:
            connection.close()

    def metrics(self, accept=OPENMETRICS):
        """The samples by name and labels."""
        status, _, body = self.ask(headers={"Accept": accept})
        assert status == 200, status
        return samples(body)

    def raw(self, data, timeout=1):
        """Send bytes, and read until the end, or until there is nothing more for so many seconds."""
        with socket.create_connection((self.host, self.port), timeout) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            got = b""
            try:
                while True:
                    part = sock.recv(65536)
                    if not part:
                        return got
                    got += part
            except (ConnectionResetError, TimeoutError):
                return got

    def rss(self):
        """KiB of memory."""
        with open("/proc/%u/status" % self.process.pid, encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def cpu(self):
        """Seconds of CPU time."""
        with open("/proc/%u/stat" % self.process.pid, encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def samples(body):
    """The lines of a text as a dictionary."""
    found = {}
    for line in body.splitlines():
        if line.startswith("#"):
            continue
        name, value = line.rsplit(" ", 1)
        assert name not in found, "twice: " + name
        found[name] = float(value)
    return found


def conversions(name):
    """The series of a VM's conversions to private."""
    return 'gmem_conversions_total{vm="%s",direction="to_private"}' % name


NODE = 'gmem_node_conversions_total{direction="to_private"}'


# --- what is served

def case_formats():
    """The format is chosen by Accept; both are what promtool and the specification want."""
    with Exporter() as exporter:
        status, headers, text = exporter.ask()
        assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "# TYPE gmem_conversions_total counter\n" in text and "_created{" not in text
        status, headers, body = exporter.ask(headers={"Accept": OPENMETRICS})
        assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert body.endswith("\n# EOF\n") and "# TYPE gmem_conversions counter\n" in body
        found = samples(body)
        assert found[conversions("vm-2")] == 2 and found[NODE] == 6
        assert found['gmem_conversions_created{vm="vm-2",direction="to_private"}'] == 1700000001
    check = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                           capture_output=True, check=False)
    assert check.returncode == 0 and not check.stdout + check.stderr, check.stdout + check.stderr


def case_gzip():
    """A client that takes gzip gets the same text compressed; the others do not."""
    with Exporter("--min-interval", "1000", "--vms", "top:50", replay=record(vms=50)) as exporter:

        def ask(accept, **more):
            connection = exporter.connect()
            connection.request("GET", "/metrics", headers=dict({"Accept-Encoding": accept}, **more))
            answer = connection.getresponse()
            assert answer.status == 200 and "Accept-Encoding" in answer.getheader("Vary")
            body = answer.read()
            assert len(body) == int(answer.getheader("Content-Length"))
            connection.close()
            return answer.getheader("Content-Encoding"), body

        for more in ({}, {"Accept": OPENMETRICS}):
            coding, plain = ask("identity", **more)
            assert coding is None and len(plain) > 100000
            for accept in ("gzip", "deflate, gzip;q=0.5", "*", "GZIP ;q=1.0, identity"):
                coding, body = ask(accept, **more)
                assert coding == "gzip" and len(body) < len(plain) / 10, (accept, coding, len(body))
                assert gzip.decompress(body) == plain, accept
            for accept in ("", "gzip;q=0", "gzip;q=0, *", "*;q=0.0", "gzipped", "br"):
                assert ask(accept, **more) == (None, plain), accept


def case_exemplars():
    """With --exemplars, and in OpenMetrics alone, the longest conversion has its VM."""
    pattern = (r'gmem_node_conversion_duration_seconds_bucket\{direction="to_private",le="2.047e-06"\} 6'
               r' # \{key="[0-9a-f]{16}",vm="vm-[123]"\} 0.000002 170000000\d\.?\d*\n')
    with Exporter("--exemplars") as exporter:
        body = exporter.ask(headers={"Accept": OPENMETRICS})[2]
        assert re.search(pattern, body) and body.count(" # {") == 4, body
        assert " # {" not in exporter.ask()[2]
    with Exporter() as exporter:
        assert " # {" not in exporter.ask(headers={"Accept": OPENMETRICS})[2]


def case_paths():
    """GET and HEAD on three paths, and nothing else."""
    with Exporter() as exporter:
        assert exporter.ask("/healthz")[::2] == (200, "ok\n")
        assert "/metrics" in exporter.ask("/")[2]
        status, headers, body = exporter.ask(method="HEAD")
        assert status == 200 and body == "" and int(headers["Content-Length"]) > 1000
        for target in ("/metrics/", "/metrics2", "//metrics", "/../etc/passwd", "/%2e%2e/", "/index.html"):
            assert exporter.ask(target)[0] == 404, target
        assert exporter.ask("/metrics?x=1")[0] == 200
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "X"):
            status, headers, _ = exporter.ask(method=method, target="/metrics")
            assert status == 405 and headers["Allow"] == "GET, HEAD", method
        connection = exporter.connect()
        for _ in range(3):
            connection.request("GET", "/metrics")
            assert connection.getresponse().read()
        connection.close()


def case_min_interval():
    """One frame is read for all scrapes within the interval."""
    with Exporter("--min-interval", "1000", replay=record(frames=50)) as exporter:
        assert {exporter.metrics()[NODE] for _ in range(5)} == {6}
    with Exporter("--min-interval", "0", replay=record(frames=50)) as exporter:
        assert [exporter.metrics()[NODE] for _ in range(3)] == [6, 9, 12]


def case_vms():
    """Which VMs have series of their own; the others are one, and the total is always there."""
    with Exporter("--vms", "none") as exporter:
        found = exporter.metrics()
        assert not [name for name in found if "vm=" in name] and found[NODE] == 6
    with Exporter("--vms", "top:1") as exporter:
        found = exporter.metrics()
        assert found[conversions("vm-3")] == 3 and found[conversions("other")] == 3
        assert conversions("vm-1") not in found
    with Exporter("--vms", "regex:vm-[12]") as exporter:
        found = exporter.metrics()
        assert found[conversions("vm-1")] == 1 and found[conversions("other")] == 3


def case_missing():
    """What the kernel does not report is absent, not 0."""
    with Exporter() as exporter:
        found = exporter.metrics()
        assert not [name for name in found if name.startswith(("gmem_unbinds", "gmem_node_unbinds"))]
        assert 'gmem_binds_total{vm="vm-1"}' in found
        assert found['gmem_fact_available{fact="unbind"}'] == 0
        assert found['gmem_fact_available{fact="bind"}'] == 1
        assert not [name for name in found if "wasted" in name or "policy" in name]


def case_end_of_recording():
    """A recording that has ended keeps its last frame; a file that is none is gmem_up 0."""
    with Exporter("--min-interval", "0") as exporter:
        assert [exporter.metrics()[NODE] for _ in range(3)] == [6, 6, 6]
    with open(path("none"), "w", encoding="ascii") as out:
        out.write("nonsense\n")
    with Exporter(replay=path("none")) as exporter:
        found = exporter.metrics()
        assert found['gmem_up{reason="read_failed"}'] == 0 and NODE not in found
        assert exporter.ask("/healthz")[0] == 503


def case_counters():
    """No counter decreases in 200 frames with VMs that end, begin, and share names."""
    frames = []
    for n in range(1, 201):
        vms = []
        for slot in range(8):
            age, life = n % (slot + 3), n // (slot + 3)
            vms.append(recording.vm(100 * life + slot, 5 * age * slot + 1,
                                    name="vm-%u" % (slot % 5),
                                    state="gone" if age == slot + 2 else "live"))
        vms.sort(key=lambda one: one["id"])
        frames.append(recording.frame(n, vms))
    recording.write(path("churn"), frames)
    before = {}
    with Exporter("--vms", "top:3", "--min-interval", "0", replay=path("churn")) as exporter:
        for _ in frames:
            found = exporter.metrics()
            for name, value in found.items():
                if name.startswith(("gmem_up", "gmem_vms{")) or re.match(
                        r"gmem_(node_)?(\w+_bytes|instances|vmm_gone|frame_\w+|vms)\b", name):
                    continue
                assert value >= before.get(name, 0), name
                before[name] = value
    assert before["gmem_vms_ended_total"] > 100


def case_file():
    """The file is replaced as a whole, and readable; a failure ends the exporter."""
    name = path("gmem.prom")
    command = [PROGRAM, "export", "--textfile", name, "--replay", record(), "--interval", "0.05"]
    with open(path(".gmem.prom.tmp"), "w", encoding="ascii") as left:
        left.write("left by another one")
    os.umask(0o077)
    process = subprocess.Popen(command)
    try:
        for _ in range(100):
            time.sleep(0.02)
            if os.path.exists(name):
                with open(name, encoding="utf-8") as file:
                    text = file.read()
                assert "gmem_up 1\n" in text and text.endswith("\n") and "# EOF" not in text
        assert os.stat(name).st_mode & 0o777 == 0o644
        os.mkdir(path("aside"))
        os.rename(name, path("aside/gmem.prom"))
        os.mkdir(name)
        assert process.wait(10) == 1
        assert not os.path.exists(path(".gmem.prom.tmp"))
    finally:
        process.kill()
        process.wait()


# --- who may read

def case_auth():
    """A name and a password; wrong ones are slowed down, right ones are not."""
    users = path("users")
    with open(users, "w", encoding="ascii") as out:
        out.write("# users\n\nprometheus:%s\n" % HASH)
    good = {"Authorization": "Basic " + base64.b64encode(b"prometheus:secret pass").decode()}
    with Exporter("--web-auth", users) as exporter:
        status, headers, _ = exporter.ask()
        assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ")
        assert exporter.ask("/")[0] == 401
        assert exporter.ask("/healthz")[0] == 200
        assert exporter.ask(headers=good)[0] == 200
        seen = set()
        for i in range(60):
            for credentials in (b"prometheus:wrong%u" % i, b"nobody:secret pass", b"prometheus:",
                                b"prometheus", b"", b"prometheus:secret pass\0x", b"\xff:\xff"):
                wrong = base64.b64encode(credentials).decode()
                seen.add(exporter.ask(headers={"Authorization": "Basic " + wrong})[0])
        assert seen == {401, 429}, seen
        for header in ("Basic", "Basic ====", "Bearer x", "Basic " + "A" * 8000):
            assert exporter.ask(headers={"Authorization": header})[0] in (401, 429), header
        assert exporter.ask(headers=good)[0] == 200


CA = """[ca]
default_ca = d
[d]
dir = %(dir)s
new_certs_dir = %(dir)s
database = %(dir)s/index
rand_serial = yes
default_md = sha256
policy = p
copy_extensions = copy
[p]
commonName = supplied
"""


def make_certificate(name, year=None):
    """A certificate that signs itself, valid for a day from now on or in a year of the past."""
    directory = path(name + ".d")
    os.mkdir(directory)
    with open(directory + "/ca.conf", "w", encoding="ascii") as out:
        out.write(CA % {"dir": directory})
    with open(directory + "/index", "w", encoding="ascii"):
        pass
    dates = ["-days", "1"]
    if year:
        dates = ["-startdate", "%u0101000000Z" % year, "-enddate", "%u0201000000Z" % year]
    for command in (
            ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path(name + ".key"),
             "-out", directory + "/csr"],
            ["ca", "-batch", "-notext", "-config", directory + "/ca.conf", "-selfsign", "-keyfile",
             path(name + ".key"), "-in", directory + "/csr", "-out", path(name + ".crt")] + dates):
        subprocess.run(["openssl"] + command, check=True, capture_output=True)


def case_tls():
    """HTTPS, and no answer to plain HTTP."""
    make_certificate("tls")
    context = ssl.create_default_context(cafile=path("tls.crt"))
    with Exporter("--tls-cert", path("tls.crt"), "--tls-key", path("tls.key"), tls=context) as exporter:
        assert exporter.metrics()[NODE] == 6
        assert b"gmem_" not in exporter.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert exporter.metrics()[NODE] == 6


def case_ipv6():
    """On an IPv6 address."""
    with Exporter(host="::1") as exporter:
        assert exporter.metrics()[NODE] == 6


def case_activation():
    """On a socket that systemd passes, with READY and a watchdog."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(path("notify"))
    notify.settimeout(10)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        # LISTEN_PID is that of the exporter: the shell becomes it.
        process = subprocess.Popen(
            ["sh", "-c", 'LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@" 3<&%u' % listener.fileno(), "sh",
             PROGRAM, "export", "--replay", record()], pass_fds=(listener.fileno(),),
            env={"LISTEN_FDS": "1", "NOTIFY_SOCKET": path("notify"), "WATCHDOG_USEC": "400000"})
        try:
            assert notify.recv(4096) == b"READY=1"
            connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=20)
            connection.request("GET", "/metrics")
            assert b"gmem_up 1\n" in connection.getresponse().read()
            beats = [time.monotonic() for _ in range(5) if notify.recv(4096) == b"WATCHDOG=1"]
            assert len(beats) == 5 and beats[4] - beats[0] < 4
        finally:
            process.terminate()
            assert process.wait(10) == 0
            notify.close()


# --- bad input

def refused(code, *options, text=None):
    """One line and the exit status."""
    run = subprocess.run([PROGRAM, "export", "--replay", record()] + list(options), text=True,
                         capture_output=True, check=False, timeout=20)
    assert run.returncode == code, "%s: %d %s" % (options, run.returncode, run.stderr)
    assert run.stderr.count("\n") == 1 and not run.stdout, run.stderr
    assert not text or text in run.stderr, run.stderr


def case_usage():
    """What cannot be is refused in one line."""
    for listen in ("", "x", ":", ":0", ":65536", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "::1:80",
                   "[::1:80", "nowhere.invalid:80", "127.0.0.1:80x"):
        refused(2, "--listen", listen)
    for vms in ("", "top:0", "all", "regex:("):
        refused(2, "--vms", vms)
    refused(2, "--interval", "0")
    refused(2, "--min-interval", "-1")
    refused(2, "--no-such-option")
    refused(2, "--tls-cert", "x")
    refused(2, "--web-auth", record(), text="line 1")
    refused(1, "--web-auth", path("missing"))
    refused(1, "--replay", path("missing"))
    refused(1, "--textfile", path("missing/x.prom"))
    refused(1, "--textfile", TMP.name + "/")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused(1, "--listen", ":%u" % taken.getsockname()[1], text="already in use")


def case_certificates():
    """Certificates that cannot be used."""
    make_certificate("good")
    make_certificate("old", 2020)
    make_certificate("another")
    make_certificate("new", 2090)
    listen = ("--listen", ":%u" % free_port())

    def use(cert, key, code, text):
        refused(code, *listen, "--tls-cert", path(cert), "--tls-key", path(key), text=text)

    use("old.crt", "old.key", 1, "expired")
    use("new.crt", "new.key", 1, "not valid before")
    use("good.crt", "another.key", 1, "does not belong")
    use("missing.crt", "good.key", 1, "No such file")
    use("good.key", "good.key", 1, "use certificate")
    use("good.crt", "good.crt", 1, "use key")


# --- hostile clients

def case_hostile():
    """Bad methods, large headers, nonsense: the next scrape works."""
    with Exporter() as exporter:
        answers = [
            exporter.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (1 << 20) + b"\r\n\r\n"),
            exporter.raw(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n"),
            exporter.raw(b"A" * (1 << 20)),
            exporter.raw(b"\0" * 65536),
            exporter.raw(os.urandom(65536)),
            exporter.raw(b"GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n"),
            exporter.raw(b"GET /metrics\r\n\r\n"),
            exporter.raw(b"\r\n" * 10000),
            exporter.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
            exporter.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
            exporter.raw(b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"),
            exporter.raw(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 100000 + b"\r\n"),
        ]
        for answer in answers[:2] + answers[11:]:
            assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:80]
        for seed in range(200):
            data = bytearray(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain;q=0.5\r\n\r\n")
            for k in range(1 + seed % 5):
                data[(seed * 7919 + k * 104729) % len(data)] = (seed * 31 + k * 17) % 256
            exporter.raw(bytes(data), 0.05)
        # Pipelined, and a body where none is expected.
        many = exporter.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        assert many.count(b"200 OK") == 20
        assert exporter.ask(body=b"x" * 100000)[0] == 200
        assert exporter.metrics()[NODE] == 6


def case_long_slow():
    """Clients that send a byte now and then are cut off; scrapes go on at their side."""
    with Exporter() as exporter:
        socks = [socket.create_connection((exporter.host, exporter.port)) for _ in range(20)]
        begun, alive = time.monotonic(), list(socks)
        while alive and time.monotonic() - begun < 30:
            for sock in list(alive):
                try:
                    sock.setblocking(False)
                    sock.send(b"G" if time.monotonic() - begun < 1 else b"a")
                    if sock.recv(100) == b"":
                        raise ConnectionResetError
                except BlockingIOError:
                    pass
                except OSError:
                    alive.remove(sock)
            assert exporter.metrics()[NODE] == 6
            time.sleep(0.5)
        assert not alive and 10 < time.monotonic() - begun < 25
        for sock in socks:
            sock.close()


def case_slow_reader():
    """A reader that takes nothing does not hold up the others."""
    with Exporter("--vms", "top:2000", replay=record(vms=2000)) as exporter:
        slow = []
        for _ in range(5):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect((exporter.host, exporter.port))
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            slow.append(sock)
        begun = time.monotonic()
        assert exporter.metrics()[NODE] == 2000 * 2001 / 2
        assert time.monotonic() - begun < 5
        for sock in slow:
            sock.close()


def case_many():
    """1,000 connections at a time, and 50 scrapes at a time."""
    with Exporter() as exporter:
        socks = []
        for _ in range(1000):
            sock = socket.socket()
            sock.settimeout(20)
            sock.connect((exporter.host, exporter.port))
            socks.append(sock)
        for sock in socks:
            sock.close()
        assert exporter.metrics()[NODE] == 6
        results = []
        threads = [threading.Thread(target=lambda: results.append(exporter.metrics()[NODE]))
                   for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [6] * 50


def case_full():
    """As many connections as it takes, all closed at once: it takes others."""
    with Exporter() as exporter:
        descriptors = "/proc/%u/fd" % exporter.process.pid
        before = len(os.listdir(descriptors))
        socks = [socket.create_connection((exporter.host, exporter.port)) for _ in range(600)]
        end = time.monotonic() + 20
        while len(os.listdir(descriptors)) - before < 512 and time.monotonic() < end:
            time.sleep(0.01)
        exporter.process.send_signal(signal.SIGSTOP)
        for sock in socks:
            sock.close()
        exporter.process.send_signal(signal.SIGCONT)
        assert exporter.metrics()[NODE] == 6


def scrape(exporter, times, bound_kib):
    """So many scrapes, of which only the first tenth may make the program larger."""
    connection, first = exporter.connect(60), 0
    for i in range(times):
        if i % 100 == 0:
            connection.close()
            connection = exporter.connect(60)
        connection.request("GET", "/metrics", headers={"Accept": OPENMETRICS if i % 2 else "*/*",
                                                       "Accept-Encoding": "gzip" if i % 4 > 1 else ""})
        answer = connection.getresponse()
        assert answer.status == 200 and len(answer.read()) > 1000
        if i == times // 10:
            first = exporter.rss()
    connection.close()
    last = exporter.rss()
    print("%u scrapes: %u KiB after a tenth of them, %u KiB at the end" % (times, first, last))
    assert last - first < bound_kib


def case_memory():
    """A thousand scrapes of new frames do not make it grow."""
    with Exporter("--min-interval", "0", replay=record(vms=20, frames=1100)) as exporter:
        scrape(exporter, 1000, 512)


def case_restart():
    """Killed and started again at the same port, also while connections are open."""
    with Exporter(replay=record(frames=5)) as exporter:
        connection = exporter.connect()
        connection.request("GET", "/metrics")
        connection.getresponse().read()
        exporter.process.send_signal(signal.SIGKILL)
        exporter.process.wait()
        again = Exporter.__new__(Exporter)
        again.host, again.port, again.tls = exporter.host, exporter.port, None
        again.process = subprocess.Popen(
            [PROGRAM, "export", "--listen", ":%u" % exporter.port, "--replay", record(frames=5)],
            stderr=subprocess.PIPE, text=True)
        again.wait()
        with again:
            assert again.metrics()[NODE] == 6
        exporter.process = subprocess.Popen(["sleep", "0"], stderr=subprocess.PIPE, text=True)
        exporter.process.wait()


def case_long_memory():
    """10,000 scrapes do not make it grow; meant for a program built with sanitizers."""
    with Exporter("--min-interval", "0", replay=record(vms=20, frames=10100)) as exporter:
        scrape(exporter, 10000, 2048)


def case_long_costs():
    """10,000 VMs: less than a second of CPU for each scrape, although each frame is parsed from JSON."""
    for vms in ("top:20", "top:10000"):
        with Exporter("--vms", vms, "--min-interval", "0", replay=record(vms=10000, frames=6)) as exporter:
            exporter.metrics()
            begun, size = exporter.cpu(), 0
            for _ in range(4):
                size = exporter.ask_size({"Accept": OPENMETRICS, "Accept-Encoding": "gzip"})
            each = (exporter.cpu() - begun) / 4
            print("10,000 VMs, --vms %s: %.3f s of CPU for each scrape, %u bytes" % (vms, each, size))
            assert each < 1


def main():
    """Run the cases that are named, or all short ones."""
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    names = sys.argv[1:] or [name for name in cases if not name.startswith("long_")]
    failed = 0
    for name in names:
        if name not in cases:
            print("export-test: there is no case " + name, file=sys.stderr)
            sys.exit(2)
        begun = time.monotonic()
        try:
            cases[name]()
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()
            print("FAILED " + name)
            failed += 1
            continue
        print("ok %s (%.1f s)" % (name, time.monotonic() - begun))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
