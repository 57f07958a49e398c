"""Processes and connections that tests control: a real server, Redis, a relay. Needs only Python."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

DEADLINE_SECONDS = 60.0
"""The maximum wait for anything that must happen, on a busy machine."""

ROOT = pathlib.Path(__file__).resolve().parents[3]


def program() -> str:
    return os.environ.get("FRAMEWAY", str(ROOT / "target/debug/frameway"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE_SECONDS:.0f} s: {what}")
        time.sleep(0.02)


class Server:
    """`frameway serve`, on the same port after every restart."""

    def __init__(self, *arguments: str) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._arguments = arguments
        self._folder = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        address_file = pathlib.Path(self._folder.name) / "address"
        address_file.unlink(missing_ok=True)
        command = [program(), "serve", "--listen", self.address, "--address-file", str(address_file), *self._arguments]
        with open(pathlib.Path(self._folder.name) / "log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        process = self._process
        wait_until("the server serves", lambda: address_file.exists() or process.poll() is not None)
        # If a test has killed it already, nothing is wrong.
        if process.poll() is not None and self._process is process:
            raise AssertionError((pathlib.Path(self._folder.name) / "log").read_text())

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """Stops the process (SIGSTOP), and waits until it stands still. `signal(SIGCONT)` lets it continue."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self._process.pid}/task")
        stopped = lambda: all(") T " in (task / "stat").read_text() for task in tasks.iterdir())
        wait_until("the server has stopped", lambda: not tasks.exists() or stopped())

    def wait(self) -> None:
        """Waits for the end of the process."""
        assert self._process is not None
        self._process.wait(DEADLINE_SECONDS)
        self._process = None

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait(DEADLINE_SECONDS)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()


@contextlib.contextmanager
def redis() -> Iterator[tuple[str, subprocess.Popen]]:
    """Starts a Redis; yields its URL and its process."""
    port = free_port()
    folder = tempfile.mkdtemp()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(
        [*command, "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until("Redis listens", lambda: _listens(port))
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(DEADLINE_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Relay:
    """Forwards TCP connections to a port, and can cut them."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cuts every open connection."""
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()
                continue
            with self._lock:
                self.connections += 1
                self._open += [near, far]
            threading.Thread(target=self._join, args=(near, far), daemon=True).start()

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        back = threading.Thread(target=self._pass_on, args=(far, near), daemon=True)
        back.start()
        self._pass_on(near, far)
        back.join()
        with self._lock:
            for end in (near, far):
                if end in self._open:
                    self._open.remove(end)
                end.close()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
