"""CRC-32C, the checksum of headers, region tables and log entries.

Source: [MS-VHDX], which names the Castagnoli polynomial 0x1EDC6F41; below it is bit-reversed. The
checksum is linear, so lanes of 64 bytes are computed side by side and joined in pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

POLYNOMIAL = 0x82F6_3B78
LANE = 64

Words = npt.NDArray[np.uint32]


def crc32c(content: bytes) -> int:
    """Return the checksum of ``content``, which has at least four bytes."""
    lanes = 1 << max(0, -(-len(content) // LANE) - 1).bit_length()
    # Zeros in front change nothing, because the state starts at 0; the first four bytes inverted
    # are the same as the state of all ones that the checksum starts with.
    padded = np.zeros(lanes * LANE, dtype=np.uint8)
    begin = len(padded) - len(content)
    padded[begin:] = np.frombuffer(content, dtype=np.uint8)
    padded[begin : begin + 4] ^= 0xFF
    state: Words = np.zeros(lanes, dtype=np.uint32)
    for column in padded.reshape(lanes, LANE).T:
        state = _TABLE[(state ^ column) & 0xFF] ^ (state >> np.uint32(8))
    shift = _LANE_SHIFT
    while len(state) > 1:
        state = _shifted(shift, state[0::2]) ^ state[1::2]
        shift = _shifted(shift, shift)
    return int(state[0]) ^ 0xFFFF_FFFF


def checksum_of(structure: bytes) -> int:
    """Return what bytes 4 to 7 of a structure should hold; they count as zeros."""
    return crc32c(structure[:4] + bytes(4) + structure[8:])


def _step(states: Words) -> Words:
    """Move states over one zero bit."""
    return (states >> np.uint32(1)) ^ (states & np.uint32(1)) * np.uint32(POLYNOMIAL)


def _shifted(shift: Words, states: Words) -> Words:
    """Move states over zeros: ``shift`` holds what becomes of each of the 32 bits."""
    moved: npt.NDArray[Any] = np.zeros(len(states), dtype=np.uint32)
    for bit in range(32):
        moved ^= (states >> np.uint32(bit) & np.uint32(1)) * shift[bit]
    return moved


def _after(states: Words, bits: int) -> Words:
    for _ in range(bits):
        states = _step(states)
    return states


_TABLE = _after(np.arange(256, dtype=np.uint32), 8)
_LANE_SHIFT = _after(np.uint32(1) << np.arange(32, dtype=np.uint32), LANE * 8)
