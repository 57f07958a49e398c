"""The programs of docs/coming-from.md, run in their order against one server."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import numpy
from processes import DEADLINE_SECONDS, ROOT, Server
from test_convert import message

import frameway
from frameway import v1

PAGE = ROOT / "docs/coming-from.md"
RECORDS = """
from types import SimpleNamespace
import io, PIL.Image
encoded = io.BytesIO()
PIL.Image.new("L", (32, 24), 90).save(encoded, format="JPEG")
records = [SimpleNamespace(key=b"road-7", value=encoded.getvalue(), timestamp=1.79e12 + n, offset=n) for n in range(3)]
with frameway.connect("localhost:7400") as client:
    print([bridge(records, client, 0) for _ in range(2)])
"""
VIDEO = """
import cv2, numpy
writer = cv2.VideoWriter("road.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 5, (64, 48))
for number in range(8):
    writer.write(numpy.full((48, 64, 3), 20 * number, numpy.uint8))
writer.release()
"""


class Page(unittest.TestCase):
    def setUp(self) -> None:
        self.programs = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    def run_program(self, folder: str, server: Server, source: str) -> str:
        source = source.replace("localhost:7400", server.address)
        # The folder of the package may be a relative one in the search path of this process.
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(frameway.__file__).parents[1].resolve())}
        command = [sys.executable, "-c", source]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=2 * DEADLINE_SECONDS
        )
        self.assertEqual(done.returncode, 0, source + done.stderr)
        return done.stdout

    def test_the_programs_work(self) -> None:
        convert, bridge, consume, reject, write, read = self.programs
        with Server("--auto-register") as server, tempfile.TemporaryDirectory() as folder:
            lines = [json.dumps(message()), "{", json.dumps(message(camera_id=3))]
            (pathlib.Path(folder) / "camera_frames.jsonl").write_text("\n".join(lines), encoding="utf-8")
            with frameway.connect(server.address) as client:
                group = v1.ConsumerGroup(group_id="detectors", streams=[v1.StreamMatch(glob="*")])
                group.start.earliest.SetInParent()
                client.groups.CreateConsumerGroup(v1.CreateConsumerGroupRequest(group=group), wait_for_ready=True)
                self.assertEqual(self.run_program(folder, server, convert).count("left out:"), 2)
                self.assertEqual(client.latest("gate_1", pictures="none")["gate_1"].stream_id, "gate_1")
                self.assertEqual(self.run_program(folder, server, bridge + RECORDS), "[3, 3]\n")
                handled = self.run_program(folder, server, consume)
                self.assertEqual(sorted(re.findall(r"road-7 (\d):", handled)), ["1", "2", "3"])
                with client.publisher("p") as publisher:
                    noise = numpy.random.default_rng(1).integers(0, 255, (48, 64), numpy.uint8)
                    publisher.publish(frameway.frame("road-1", noise))
                self.assertIn("read 1", self.run_program(folder, server, reject))
            if importlib.util.find_spec("cv2") is None:
                self.skipTest("the programs with OpenCV were not run: opencv-python-headless is not installed")
            self.run_program(folder, server, VIDEO + write)
            self.assertIn("5 (", self.run_program(folder, server, read))


if __name__ == "__main__":
    unittest.main()
