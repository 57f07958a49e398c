"""A protoc plugin that writes an `__init__.py` for each Python package, which has every name of the package's files.

With it one import does for a whole package of the API: `from frameway import v1`.
"""

import pathlib
import sys
from collections import defaultdict

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2

HEADING = "Generated from proto/{package} by scripts/gen-clients.sh. Do not edit."


def messages_and_enums(file: descriptor_pb2.FileDescriptorProto) -> list[str]:
    """Returns the names of `file` at its top level. The values of an enum are names beside it."""
    names = [message.name for message in file.message_type]
    for enum in file.enum_type:
        names += [enum.name, *(value.name for value in enum.value)]
    return sorted(names)


def services(file: descriptor_pb2.FileDescriptorProto) -> list[str]:
    """Returns the names of what `file`'s services are called and served with."""
    names = []
    for service in file.service:
        names += [f"{service.name}Stub", f"{service.name}Servicer", f"add_{service.name}Servicer_to_server"]
    return sorted(names)


def init_file(package: pathlib.PurePosixPath, files: list[descriptor_pb2.FileDescriptorProto]) -> str:
    imports: list[tuple[str, list[str]]] = []
    for file in sorted(files, key=lambda file: file.name):
        module = file.name.removesuffix(".proto").replace("/", ".")
        imports.append((f"{module}_pb2", messages_and_enums(file)))
        if file.service:
            imports.append((f"{module}_pb2_grpc", services(file)))
    lines = [f'"""{HEADING.format(package=package)}"""', ""]
    for module, names in imports:
        if names:
            lines += [f"from {module} import (", *(f"    {name}," for name in names), ")"]
    lines += ["", "__all__ = [", *(f'    "{name}",' for name in sorted(name for _, names in imports for name in names)), "]", ""]
    return "\n".join(lines)


def main() -> None:
    request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    wanted = set(request.file_to_generate)
    packages = defaultdict(list)
    for file in request.proto_file:
        if file.name in wanted:
            packages[pathlib.PurePosixPath(file.name).parent].append(file)
    for package, files in sorted(packages.items()):
        response.file.add(name=f"{package}/__init__.py", content=init_file(package, files))
    # Packages above those, below the client's own.
    for folder in sorted({parent for package in packages for parent in package.parents} - set(packages)):
        if len(folder.parts) > 1:
            response.file.add(name=f"{folder}/__init__.py", content=f'"""{HEADING.format(package=folder)}"""\n')
    sys.stdout.buffer.write(response.SerializeToString())


if __name__ == "__main__":
    main()
