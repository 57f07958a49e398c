"""The converter of the predecessor's JSON messages, and a server that takes them."""

from __future__ import annotations

import base64
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import PIL.Image
from processes import DEADLINE_SECONDS, Server, wait_until

import frameway
from frameway import convert, v1


def jpeg() -> bytes:
    encoded = io.BytesIO()
    PIL.Image.new("RGB", (32, 24), (90, 120, 30)).save(encoded, format="JPEG")
    return encoded.getvalue()


def message(**fields: object) -> dict[str, object]:
    return {
        "frame_id": "gate_1_0001",
        "camera_id": "gate_1",
        "timestamp": 1_790_000_000.25,
        "image_base64": base64.b64encode(jpeg()).decode(),
        **fields,
    }


class Messages(unittest.TestCase):
    def test_a_message_becomes_a_frame(self) -> None:
        frame = convert.frame_of(message(location="north", lane=2, quality_score=0.8, roi_features={"a": 1}))
        self.assertEqual(frame.stream_id, "gate_1")
        self.assertEqual(frame.data, jpeg())
        self.assertEqual(frame.capture_time.ToNanoseconds(), 1_790_000_000_250_000_000)
        self.assertEqual(dict(frame.attributes), {"frame_id": "gate_1_0001", "location": "north", "lane": "2"})

    def test_a_camera_id_becomes_a_stream_id(self) -> None:
        frame = convert.frame_of(message(camera_id="Tor 3/Süd"))
        self.assertEqual(frame.stream_id, "Tor-3-S-d")
        self.assertEqual(frame.attributes["camera_id"], "Tor 3/Süd")
        self.assertEqual(convert.stream_id_of(".cam.1"), "-cam.1")

    def test_pixels_become_a_raw_picture(self) -> None:
        grey = convert.frame_of(message(image_base64=None, image_array=[[1, 2], [3, 4], [5, 6]]))
        self.assertEqual((grey.format, grey.width, grey.height), (v1.PICTURE_FORMAT_GRAY8, 2, 3))
        self.assertEqual(grey.data, bytes([1, 2, 3, 4, 5, 6]))
        colours = convert.frame_of(message(image_base64=None, image_array=[[[1, 2, 3], [4, 5, 6]]]))
        self.assertEqual((colours.format, colours.width, colours.height), (v1.PICTURE_FORMAT_RGB8, 2, 1))

    def test_a_data_url_is_read(self) -> None:
        url = "data:image/jpeg;base64," + base64.b64encode(jpeg()).decode()
        self.assertEqual(convert.frame_of(message(image_base64=url)).data, jpeg())

    def test_bad_messages_say_why(self) -> None:
        for bad, why in (
            ([], "no JSON object"),
            (message(camera_id=None), "camera_id"),
            (message(camera_id=7), "camera_id"),
            (message(timestamp="noon"), "timestamp"),
            (message(timestamp=float("nan")), "timestamp"),
            (message(timestamp=-1), "timestamp"),
            (message(image_base64="***"), "not base64"),
            (message(image_base64=""), "empty"),
            (message(image_base64=7), "no text"),
            (message(image_base64=None), "neither"),
            (message(image_base64=None, image_array=[[1, 2], [3]]), "different lengths"),
            (message(image_base64=None, image_array=[[300]]), "0 to 255"),
            (message(image_base64=None, image_array="x"), "image_array"),
            (message(image_base64=None, image_array=[[[1, 2]]]), "different lengths"),
        ):
            with self.subTest(why), self.assertRaisesRegex(convert.BadMessage, why):
                convert.frame_of(bad)


class Command(unittest.TestCase):
    def run_on(self, lines: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "frames.jsonl"
            path.write_text("\n".join(lines), encoding="utf-8")
            command = [sys.executable, "-m", "frameway.convert", str(path), *arguments]
            return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS)

    def test_bad_lines_are_named_and_counted(self) -> None:
        lines = [
            json.dumps(message()),
            "{",
            "",
            json.dumps(message(camera_id="gate_2")),
            json.dumps(message(image_base64="AAAA", width=1)),
            json.dumps(message(image_base64="!")),
            json.dumps(message(timestamp=1)),  # 1970: too far from the server's clock
        ]
        with Server() as server, frameway.connect(server.address) as client:
            refused = self.run_on(lines, "--address", server.address)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("STREAM_NOT_FOUND", refused.stderr)
            done = self.run_on(lines, "--address", server.address, "--register")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(done.stdout, "6 lines: 3 stored, 3 not stored\n")
            named = [line.split(":")[0] for line in done.stderr.splitlines()]
            self.assertEqual(sorted(named), ["line 2", "line 6", "line 7"])
            self.assertIn("CAPTURE_TIME", done.stderr)

            def newest() -> frameway.Frame | None:
                return client.latest(["gate_1"])["gate_1"].frame

            wait_until("the frame is processed", lambda: newest() is not None)
            frame = newest()
            assert frame is not None
            self.assertEqual(frame.message.attributes["frame_id"], "gate_1_0001")
            self.assertEqual(frame.image().size, (32, 24))

    def test_no_server_is_one_line(self) -> None:
        done = self.run_on([json.dumps(message())], "--address", "127.0.0.1:1")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("127.0.0.1:1", done.stderr)


if __name__ == "__main__":
    unittest.main()
