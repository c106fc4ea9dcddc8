"""The helper that asks the network for cameras: one probe, some seconds of listening, and what was heard as JSON. It ends by itself.

Usage: `python -m appliance.setup.discovery_main SECONDS`. A process of its own, since it reads XML from whoever answers.
"""

import json
import logging
import resource
import sys
from typing import Any

MISSING = 3
"""The exit status where the package is not there."""
MEMORY_BYTES = 512 << 20
MAX_ANSWERS, MAX_TEXTS, MAX_TEXT = 256, 32, 300
TYPES = (("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"), ("http://www.onvif.org/ver10/device/wsdl", "Device"))
"""What cameras are asked as, one after the other: types in one probe must all be true of who answers, and each kind of camera knows one of them."""


def bounded(texts: list[Any]) -> list[str]:
    """So many texts of such a length."""
    return [str(text)[:MAX_TEXT] for text in texts[:MAX_TEXTS]]


def main() -> None:
    """Entry point."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    logging.disable(logging.CRITICAL)
    try:
        from wsdiscovery import QName  # noqa: PLC0415 - optional
        from wsdiscovery.discovery import ThreadedWSDiscovery  # noqa: PLC0415
    except ImportError:
        sys.exit(MISSING)
    search = ThreadedWSDiscovery(ttl=4, relates_to=True)  # cameras that answer twice under one message id are heard all the same
    search.start()
    heard = {each.getEPR(): each for kind in TYPES for each in search.searchServices(types=[QName(*kind)], timeout=float(sys.argv[1]) / len(TYPES))}
    answers = [{"addresses": bounded(each.getXAddrs()), "scopes": bounded(each.getScopes())} for each in [*heard.values()][:MAX_ANSWERS]]
    sys.stdout.write(json.dumps(answers))
    sys.stdout.flush()
    search.stop()


if __name__ == "__main__":
    main()
