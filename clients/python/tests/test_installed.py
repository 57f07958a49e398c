"""The package as it is installed: everything a program needs is in it."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import subprocess
import sys
import unittest

import numpy
from processes import DEADLINE_SECONDS, Server

import frameway
import frameway.aio
from frameway import v1
from frameway.admin import v1beta1


class Installed(unittest.TestCase):
    def test_a_frame_comes_back(self) -> None:
        with Server() as server, frameway.connect(server.address) as client:
            client.registry.RegisterStream(v1.RegisterStreamRequest(stream=v1.Stream(stream_id="cam")), wait_for_ready=True)
            with client.subscribe("cam") as events, client.publisher("p") as publisher:
                fate = publisher.publish(frameway.frame("cam", numpy.zeros((16, 16), numpy.uint8)))
                self.assertTrue(fate.result(DEADLINE_SECONDS).stored)
                event = next(events)
            assert isinstance(event, frameway.Frame)
            self.assertEqual(event.array().shape, (16, 16))

    def test_the_package_has_its_data(self) -> None:
        for package, name in (("frameway", "py.typed"), ("frameway.v1", "service_config.json")):
            self.assertTrue(importlib.resources.files(package).joinpath(name).is_file(), name)
        self.assertTrue(importlib.resources.files("frameway.v1").joinpath("streaming_service_pb2_grpc.pyi").is_file())
        self.assertTrue(v1beta1.AdminServiceStub)
        done = subprocess.run([sys.executable, "-m", "frameway.convert", "--help"], capture_output=True, text=True, check=True)
        self.assertIn("--register", done.stdout)

    def test_the_version_is_that_of_the_server(self) -> None:
        try:
            version = importlib.metadata.version("frameway")
        except importlib.metadata.PackageNotFoundError:
            self.skipTest("the package is not installed here")
        with Server() as server, frameway.connect(server.address) as client:
            self.assertEqual(version, client.server_info().version)


if __name__ == "__main__":
    unittest.main()
