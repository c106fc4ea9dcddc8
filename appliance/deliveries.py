"""What has become of notifications lately: whoever has sent one on its way can wait for it to arrive. It sends nothing."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from alerts.notification import Delivery, Notification, NotificationId, Outcome

REMEMBERED = 512
"""The newest so many; of those before nothing is known any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A notification that will not be tried again."""

    notification: Notification
    delivery: Delivery


class Deliveries:
    """The newest attempts that were the last of theirs."""

    def __init__(self) -> None:
        """Nothing has been heard of yet."""
        self._arrivals: OrderedDict[NotificationId, Arrival] = OrderedDict()
        self._news = asyncio.Event()

    def heard(self, notification: Notification, delivery: Delivery) -> None:
        """An attempt. One that is to be repeated says nothing."""
        if delivery.outcome is Outcome.RETRY:
            return
        self._arrivals[notification.id] = Arrival(notification=notification, delivery=delivery)
        if len(self._arrivals) > REMEMBERED:
            self._arrivals.popitem(last=False)
        self._news.set()

    async def wait(self, wanted: Iterable[NotificationId], deadline_s: float) -> Mapping[NotificationId, Arrival]:
        """Those of `wanted` that have arrived: all of them, or what there is at the deadline."""
        ids, end = frozenset(wanted), asyncio.get_running_loop().time() + deadline_s
        while not ids <= self._arrivals.keys() and (left_s := end - asyncio.get_running_loop().time()) > 0:
            self._news = asyncio.Event() if self._news.is_set() else self._news
            try:
                async with asyncio.timeout(left_s):
                    await self._news.wait()
            except TimeoutError:
                break
        return {each: self._arrivals[each] for each in ids if each in self._arrivals}
