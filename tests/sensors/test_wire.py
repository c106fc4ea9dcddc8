"""The wire keeps nothing of what came over it."""

import tracemalloc

from sensors.news import Release
from sensors.window import WindowId
from sensors.wire import Codec


def test_ids_that_never_come_again_are_not_kept() -> None:
    """Pydantic would keep 16,384 of them."""
    codec: Codec[Release | None] = Codec(Release | None)
    messages = [codec.encode(Release(windows=(WindowId(f"hall/1/{number}"),))) for number in range(20_000)]
    tracemalloc.start()
    for message in messages:
        codec.decode(message)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 20_000
