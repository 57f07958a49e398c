"""A protoc plugin that writes the gRPC stubs for Python.

grpcio-tools carries its generator inside its own protoc and not as a plugin; this hands the request over to it.
"""

import pathlib
import sys
import tempfile

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from grpc_tools import protoc


def main() -> None:
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    descriptors = descriptor_pb2.FileDescriptorSet(file=request.proto_file)
    with_services = {file.name for file in request.proto_file if file.service}
    names = [name for name in request.file_to_generate if name in with_services]
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        descriptor_path = root / "descriptors.binpb"
        descriptor_path.write_bytes(descriptors.SerializeToString())
        out = root / "out"
        out.mkdir()
        if names:
            arguments = ["protoc", f"--descriptor_set_in={descriptor_path}", f"--grpc_python_out={out}", *names]
            if protoc.main(arguments) != 0:
                response.error = "grpc_tools.protoc failed"
        for path in sorted(out.rglob("*.py")):
            response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text(encoding="utf-8"))
    sys.stdout.buffer.write(response.SerializeToString())


if __name__ == "__main__":
    main()
