"""Puts the weft program into the wheel, as a script: it lands in the environment's bin.

WEFT_BINARY names it; what it was built for is the wheel's tag. Without it the wheel is of Python
alone, for any machine.
"""

import os
import struct

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Go's static programs need no libc: a wheel for Linux serves glibc and musl.
ELF = {
    62: "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    183: "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
}
MACH_O = {0x0100000C: "macosx_12_0_arm64"}


def platform(path):
    """The platform tags of a program, by its header."""
    with open(path, "rb") as f:
        head = f.read(20)
    if head[:4] == b"\x7fELF":
        tag = ELF.get(struct.unpack("<H", head[18:20])[0])
    else:
        tag = MACH_O.get(struct.unpack("<I", head[4:8])[0]) if head[:4] == b"\xcf\xfa\xed\xfe" else None
    if tag is None:
        raise ValueError(f"{path}: not a program for Linux on amd64 or arm64, or for macOS on arm64")
    return tag


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        program = os.environ.get("WEFT_BINARY")
        if not program or version == "editable":
            return
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + platform(program)
        build_data["shared_scripts"][program] = "weft"
