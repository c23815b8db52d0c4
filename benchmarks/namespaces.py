"""Several hosts on one machine: network namespaces on a switch, each with a Ray node of its own.

    switch  --- 1 Gbit/s ---  host 0   10.77.0.1   the first host, where drivers run
            --- 1 Gbit/s ---  host 1   10.77.0.2
            --- 1 Gbit/s ---  host 2   10.77.0.3

Needs root, and the tools ip, tc and openssl. Links are as fast as a token bucket lets them be; they
have no delay beyond this machine's own. Hosts share this machine's CPUs, and its files but for the
cache.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

PORT = 6400
_STORE_BYTES = 150_000_000
_JOINED_WITHIN_S = 60.0

#: What a link lets through at once: a real one lets nothing, a bucket has to hold a packet.
_BURST_S, _LEAST_BURST_BYTES = 1e-3, 20_000

#: Before a command: its session goes before all others, where Linux tells sessions apart.
_FIRST = ("sh", "-c", '(echo -20 > /proc/self/autogroup) 2> /dev/null; exec "$@"', "sh")

#: Losing a host is found out in two seconds, and losing the head in six, not in a minute.
HEALTH = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}

#: Ray would let all that it runs give way to any other process of the host: by a nice of 15, a
#: member beside one has a thirtieth of a CPU.
NICENESS = {"RAY_worker_niceness": "0"}


def why_not() -> str:
    """Why there can be no such hosts here; empty where there can be."""
    if find_spec("ray") is None:
        return "Ray is not installed"
    tools = ("ip", "tc", "openssl", "taskset", "setsid")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} is not installed"
    tried = f"sct{os.getpid()}-try"
    if _quiet(["ip", "netns", "add", tried]) != 0:
        return "network namespaces are not allowed"
    _quiet(["ip", "netns", "delete", tried])
    return ""


@dataclass
class Hosts:
    """`count` hosts, their links at `mbit` megabits a second; files go into `folder`. With `tls`,
    all that they say to each other is encrypted. Where they are `apart`, each keeps to one CPU, in
    turn: hosts that are at work at a time do not slow each other down, as far as there are CPUs. No
    node runs on them unless they are `started`.
    """

    folder: Path
    count: int
    mbit: int = 1000
    tls: bool = False
    apart: bool = False
    started: bool = True
    tag: str = field(default_factory=lambda: f"sct{os.getpid()}")

    def __enter__(self) -> Self:
        (self.folder / "token").write_text(secrets.token_hex(32))
        if self.tls:
            self._make_certificate()
        try:
            self._lay_cables()
            for host in range(self.count) if self.started else ():
                self.start(host)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Of the cluster."""
        return f"{self.address_of(0)}:{PORT}"

    @staticmethod
    def address_of(host: int) -> str:
        return f"10.77.0.{host + 1}"

    def cache_of(self, host: int) -> Path:
        """Where the host keeps what it has fetched."""
        return self.folder / f"cache-{host}"

    def environment(self, host: int, **more: str) -> Mapping[str, str]:
        return {
            **os.environ,
            **HEALTH,
            **NICENESS,
            "RAY_ADDRESS": self.address,  # there may be other clusters on this machine
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.folder / "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "XDG_CACHE_HOME": str(self.cache_of(host)),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **(self._encrypted if self.tls else {}),
            **more,
        }

    def start(self, host: int) -> None:
        """The host's node of the cluster; the first host's is the head."""
        head = ["--head", "--port", str(PORT), "--include-dashboard=false"]
        head += ["--temp-dir", str(self.folder / "ray")]
        role = ["--address", self.address] if host else head
        environment = {**self.environment(host)}
        del environment["RAY_ADDRESS"]
        log = (self.folder / f"start-{host}.log").open("wb")
        subprocess.run(
            self.inside(host, ["ray", "start", *role, *self.small(host)]),
            env=environment,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=_JOINED_WITHIN_S,
        )

    def small(self, host: int) -> list[str]:
        """Options of a node on this host, beside those that say what it joins."""
        own = ["--node-ip-address", self.address_of(host), "--num-cpus", "1"]
        return [*own, "--object-store-memory", str(_STORE_BYTES), "--disable-usage-stats"]

    def run(self, command: Sequence[str], **more: str) -> str:
        """Run a command on the first host, with `more` in its environment; what it prints. Raises
        CalledProcessError."""
        done = subprocess.run(
            self.inside(0, command),
            env=self.environment(0, **more),
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def inside(self, host: int, command: Sequence[str]) -> list[str]:
        """The command as one that runs on the host, in a session of its own: Linux shares CPUs out
        among sessions, so that in one of them two hosts would get no more than one does beside
        other work. Hosts that are `apart` are there to be measured: all other sessions give way to
        theirs, as far as this process may have that."""
        cpus = sorted(os.sched_getaffinity(0))
        own = ["taskset", "-c", str(cpus[host % len(cpus)]), *_FIRST] if self.apart else []
        return ["ip", "netns", "exec", self._space(host), "setsid", "--wait", *own, *command]

    def pids(self, host: int) -> list[int]:
        listed = subprocess.run(
            ["ip", "netns", "pids", self._space(host)], capture_output=True, text=True, check=False
        )
        return [*map(int, listed.stdout.split())]

    def kill(self, host: int) -> None:
        """As if its power went."""
        for pid in self.pids(host):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def cut(self, host: int) -> None:
        """Take its cable out."""
        _sure(["ip", "-n", self._switch, "link", "set", f"p{host}", "down"])

    def restore(self, host: int) -> None:
        _sure(["ip", "-n", self._switch, "link", "set", f"p{host}", "up"])

    def limit(self, host: int, mbit: int) -> None:
        """How fast its link is, both ways."""
        for space, device in ((self._space(host), "veth0"), (self._switch, f"p{host}")):
            burst = f"{max(_LEAST_BURST_BYTES, int(mbit * 1e6 / 8 * _BURST_S))}b"
            rate = ["tbf", "rate", f"{mbit}mbit", "burst", burst, "latency", "100ms"]
            _sure(["tc", "-n", space, "qdisc", "replace", "dev", device, "root", *rate])

    def stop(self) -> None:
        """Nothing is left of it."""
        spaces = [self._space(host) for host in range(self.count)]
        for _ in range(3):  # some start others while they are being ended
            for host in range(self.count):
                self.kill(host)
            time.sleep(0.1)
        for space in (*spaces, self._switch):
            _quiet(["ip", "netns", "delete", space])

    @property
    def _encrypted(self) -> Mapping[str, str]:
        key, certificate = str(self.folder / "tls.key"), str(self.folder / "tls.crt")
        return {
            "RAY_USE_TLS": "1",
            "RAY_TLS_SERVER_KEY": key,
            "RAY_TLS_SERVER_CERT": certificate,
            "RAY_TLS_CA_CERT": certificate,
        }

    def _make_certificate(self) -> None:
        """One for all hosts, signed by itself."""
        names = [f"IP:{self.address_of(host)}" for host in range(self.count)]
        names += ["IP:127.0.0.1", "DNS:localhost"]
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        made += ["-keyout", str(self.folder / "tls.key"), "-out", str(self.folder / "tls.crt")]
        named = ["-subj", "/CN=stagecut", "-addext", f"subjectAltName={','.join(names)}"]
        _sure([*made, *named])

    @property
    def _switch(self) -> str:
        return f"{self.tag}-switch"

    def _space(self, host: int) -> str:
        return f"{self.tag}-h{host}"

    def _lay_cables(self) -> None:
        _sure(["ip", "netns", "add", self._switch])
        _sure(["ip", "-n", self._switch, "link", "add", "br0", "type", "bridge"])
        _sure(["ip", "-n", self._switch, "link", "set", "br0", "up"])
        for host in range(self.count):
            space, port = self._space(host), f"p{host}"
            _sure(["ip", "netns", "add", space])
            ends = ["veth0", "netns", space, "type", "veth", "peer", "name", port]
            _sure(["ip", "link", "add", *ends, "netns", self._switch])
            _sure(["ip", "-n", self._switch, "link", "set", port, "master", "br0", "up"])
            _sure(["ip", "-n", space, "addr", "add", f"{self.address_of(host)}/24", "dev", "veth0"])
            for device in ("lo", "veth0"):
                _sure(["ip", "-n", space, "link", "set", device, "up"])
            self.limit(host, self.mbit)


def _sure(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _quiet(command: Sequence[str]) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode
