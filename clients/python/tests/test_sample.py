"""The sample, run against a server."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest

import PIL.Image
from processes import DEADLINE_SECONDS, ROOT, Server

SAMPLES = ROOT / "clients/python/samples"


def run_program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SAMPLES / name), *arguments]
    return subprocess.run(command, text=True, capture_output=True, timeout=2 * DEADLINE_SECONDS)


def run_sample(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_program("submit_and_subscribe.py", "--timeout-seconds", str(DEADLINE_SECONDS), *arguments)


class Sample(unittest.TestCase):
    def test_submits_and_receives_every_frame(self) -> None:
        with Server("--log", "warn") as server:
            done = run_sample("--address", server.address, "--stream", "cam", "--register")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_registers_no_stream_without_the_flag(self) -> None:
        with Server("--log", "warn") as server:
            done = run_sample("--address", server.address, "--stream", "cam")
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertIn("give --register", done.stdout + done.stderr)

    def test_publishes_subscribes_and_consumes(self) -> None:
        with Server("--auto-register") as server, tempfile.TemporaryDirectory() as folder:
            address = ("--address", server.address)
            picture = f"{folder}/picture.png"
            PIL.Image.new("L", (32, 24), 90).save(picture)
            done = run_program("publish.py", *address, "--stream", "road-1", picture, picture)
            self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (0, "1: accepted, sequence 1"), done.stderr)
            cursors = f"{folder}/cursors"
            for last in (2, 3):
                done = run_program("subscribe.py", *address, "--cursors", cursors, "--frames", str(4 - last), "road-*")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"frame road-1 {last} ", done.stdout.splitlines()[-1])
                run_program("publish.py", *address, "--stream", "road-1", picture)
            done = run_program("consume.py", *address, "--group", "g", "--create", "--seconds", "5", "road-*")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("road-1 3: mean luma 90.0", done.stdout)

    def test_errors_are_one_line(self) -> None:
        for name, arguments in (
            ("publish.py", ("/absent/picture.jpg",)),
            ("subscribe.py", ("--cursors", "/proc/self/mem/x", "--address", "nowhere", "cam")),
            ("consume.py", ("--group", "g", "--address", "http://")),
        ):
            done = run_program(name, *arguments)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)


if __name__ == "__main__":
    unittest.main()
