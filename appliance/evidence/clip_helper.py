"""One clip helper as the supervisor sees it: start it, tell it what to make, and end it, whatever comes of it."""

import asyncio

from appliance.children.child import Child, ChildLost, Program
from sensors.cut import MAX_PROBLEM, Cut, CutOrder, Uncut
from sensors.wire import Codec, WireError

DEADLINE_S = 120.0
"""A clip is copied in half a second. With masks, half a minute of 1080p takes 8 s of a core, and of 4K four times that."""

MEMORY_BYTES = 1 << 30
NICENESS = 19
"""Judging comes first."""

SAYS: Codec[Cut | Uncut] = Codec(Cut | Uncut)
HEARS: Codec[CutOrder] = Codec(CutOrder)


async def helped(order: CutOrder, *, module: str = "sensors.clip_main", deadline_s: float = DEADLINE_S) -> Cut | Uncut:
    """What a helper makes of `order`. One that hangs, dies or talks nonsense has not made it."""
    child = await Child.start(Program(name="clip helper", module=module, descriptors={}, memory_bytes=MEMORY_BYTES, niceness=NICENESS))
    try:
        child.send(HEARS.encode(order))
        async with asyncio.timeout(deadline_s):
            async for data in child.messages(2 * deadline_s):
                return SAYS.decode(data)
    except TimeoutError:
        return Uncut(problem=f"the helper did not answer within {deadline_s:g} s")
    except (ChildLost, WireError) as error:
        return Uncut(problem=str(error)[:MAX_PROBLEM])
    finally:
        child.kill()
        await child.close()
    return Uncut(problem="the helper said nothing")
