"""What waits in the outbox for channels that the box does not have: an entry of `notify` was renamed or taken out before all was told."""

from collections.abc import Collection

from appliance.control.status import MAX_LINES, ChannelLine
from appliance.store.rows import ADDRESSEES
from appliance.store.store import Store, StoreFailed
from sensors.moment import Moment


async def unaddressed(store: Store, known: Collection[str], now: Moment) -> tuple[ChannelLine, ...]:
    """A line for each of them, by name; none where the store cannot be read, which is said elsewhere."""
    try:
        names = await store.do(lambda connection: [name for (name,) in connection.execute(ADDRESSEES, (MAX_LINES,))])
        found = [(name, await store.counts(name)) for name in names if name not in known]
    except StoreFailed:
        return ()
    return tuple(
        ChannelLine(
            channel=name,
            connected=None,
            is_there=False,
            waiting=counts.depth,
            oldest_age_s=max(0.0, (now.utc - counts.oldest).total_seconds()) if counts.oldest else 0.0,
            refused=sum(counts.parked.values()),
            undurable=0,
        )
        for name, counts in found
    )
