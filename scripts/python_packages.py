"""Writes an `__init__.py` for every package of generated code in a folder.

It re-exports every name of the package's modules, so that one import is enough for a whole package
of the API: `from frameway import v1`.
"""

import importlib
import pathlib
import sys

HEADING = '"""Generated from proto/{package} by scripts/gen-clients.sh. Do not edit."""\n'


def names_of_messages(file) -> list[str]:
    """Returns the top-level names of `file`. These include the values of its enums."""
    values = [value for enum in file.enum_types_by_name.values() for value in enum.values_by_name]
    return sorted([*file.message_types_by_name, *file.enum_types_by_name, *values])


def names_of_services(file) -> list[str]:
    """Returns the names of the generated classes and functions of the services of `file`."""
    patterns = ("{}Stub", "{}Servicer", "add_{}Servicer_to_server")
    return sorted(pattern.format(service) for service in file.services_by_name for pattern in patterns)


root = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(root))
for folder in sorted({module.parent for module in root.glob("frameway/**/*_pb2.py")}):
    package = folder.relative_to(root)
    lines = [HEADING.format(package=package)]
    every = []
    for module in sorted(f"{'.'.join(package.parts)}.{file.stem}" for file in folder.glob("*_pb2.py")):
        file = importlib.import_module(module).DESCRIPTOR
        for source, names in ((module, names_of_messages(file)), (f"{module}_grpc", names_of_services(file))):
            if names:
                lines += [f"from {source} import (", *(f"    {name}," for name in names), ")"]
                every += names
    lines += ["", "__all__ = [", *(f'    "{name}",' for name in sorted(every)), "]", ""]
    (folder / "__init__.py").write_text("\n".join(lines), encoding="utf-8")
    # The packages between this one and the client's own package.
    for above in package.parents:
        if len(above.parts) > 1:
            (root / above / "__init__.py").write_text(HEADING.format(package=above), encoding="utf-8")
