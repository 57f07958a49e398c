"""The sample, run against a server."""

from __future__ import annotations

import subprocess
import sys
import unittest

from processes import DEADLINE_SECONDS, ROOT, Server

SAMPLE = ROOT / "clients/python/samples/submit_and_subscribe.py"


def run_sample(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SAMPLE), "--timeout-seconds", str(DEADLINE_SECONDS), *arguments]
    return subprocess.run(command, text=True, capture_output=True)


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


if __name__ == "__main__":
    unittest.main()
