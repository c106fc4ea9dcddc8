"""What the head of a JPEG says of its picture. It decodes nothing."""

START, END = b"\xff\xd8", b"\xff\xd9"
SCAN = 0xDA
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a frame's head; the three are tables and an extension."""


def sides(jpeg: bytes) -> tuple[int, int]:
    """Width and height in pixels. ValueError for what is no JPEG from its first byte to its last, as far as one can tell without decoding it."""
    if not (jpeg.startswith(START) and jpeg.endswith(END)):
        raise ValueError("no whole JPEG")
    place = len(START)
    while place + 9 <= len(jpeg) and jpeg[place] == 0xFF and (marker := jpeg[place + 1]) != SCAN:
        if marker in FRAMES:
            return int.from_bytes(jpeg[place + 7 : place + 9]), int.from_bytes(jpeg[place + 5 : place + 7])
        place += 2 + max(2, int.from_bytes(jpeg[place + 2 : place + 4]))
    raise ValueError("a JPEG without the head of a frame")
