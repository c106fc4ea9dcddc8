"""The MQTT topics of one box, built from validated names only: no word of a model or of a scene ever becomes one."""

from dataclasses import dataclass

from analyzers.policy import PolicyId
from sensors.window import SensorId, ViewId

FORBIDDEN = frozenset("#+/\0")
"""Wildcards and the separator; in ids they have also let clients past a broker's access rules (CVE-2017-7650)."""
MAX_NAME = 64
MAX_RESPONSE = 200
MAX_VIEW = 2 * MAX_NAME + 1
"""`<sensor>.<zone>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Every topic that the box writes or reads. Names from the configuration: ValueError for one that cannot be a level of a topic."""

    site: str
    box: str

    def __post_init__(self) -> None:
        """Refuse names that would reach outside the box's own tree."""
        _level("site", self.site)
        _level("box", self.box)

    @property
    def root(self) -> str:
        """Everything of this box is below it."""
        return f"omniwatch/{self.site}/{self.box}"

    @property
    def source(self) -> str:
        """The box as the source of a CloudEvent."""
        return f"/{self.root}"

    @property
    def status(self) -> str:
        """Online, stopped or offline; retained, and the last will."""
        return f"{self.root}/status"

    @property
    def heartbeat(self) -> str:
        """Counters; its absence is an alarm at the other end."""
        return f"{self.root}/heartbeat"

    @property
    def mode(self) -> str:
        """How the box is armed; retained."""
        return f"{self.root}/mode"

    @property
    def probe(self) -> str:
        """Where `setup` and `doctor` have a message of their own come back; nobody else has anything to say there."""
        return f"{self.root}/probe"

    @property
    def commands(self) -> str:
        """All orders: the only pattern below its root that a running box reads."""
        return f"{self.root}/command/+"

    def command(self, verb: str) -> str:
        """Where an order is given."""
        return f"{self.root}/command/{_level('verb', verb)}"

    @property
    def responses(self) -> str:
        """What every topic of an answer begins with."""
        return f"{self.root}/response/"

    def response(self, verb: str) -> str:
        """Where an order is answered whose sender named no topic."""
        return f"{self.responses}{_level('verb', verb)}"

    def is_response(self, topic: str) -> bool:
        """Whether an answer may go there. Anywhere else the box would write, with its own rights, where its sender may not."""
        rest = topic.removeprefix(self.responses)
        return topic.startswith(self.responses) and 0 < len(rest) <= MAX_RESPONSE and rest.isprintable() and not {"#", "+"} & set(rest)

    def alert(self, policy: PolicyId, view: ViewId) -> str:
        """One event a transition; not retained."""
        return f"{self.root}/alert/{_track(policy, view)}"

    def state(self, policy: PolicyId, view: ViewId) -> str:
        """How an alarm stands now; retained."""
        return f"{self.root}/state/{_track(policy, view)}"

    def sensor(self, sensor: SensorId) -> str:
        """How a sensor does now; retained."""
        return f"{self.root}/sensor/{_level('sensor', sensor)}"

    def picture(self, sensor: SensorId) -> str:
        """What a camera shows, as a JPEG; not retained."""
        return f"{self.root}/picture/{_level('sensor', sensor)}"


def onvif(prefix: str, policy: PolicyId, view: ViewId) -> str:
    """Whether an alarm stands, as a property of ONVIF's; retained. The source's values come in the order in which the message lists them."""
    return f"{prefix}/onvif-ej/RuleEngine/omniwatch:Alarm/&{_level('view', view, MAX_VIEW)}/{_level('policy', policy)}"


def _track(policy: PolicyId, view: ViewId) -> str:
    return f"{_level('policy', policy)}/{_level('view', view, MAX_VIEW)}"


def _level(what: str, name: str, most: int = MAX_NAME) -> str:
    """`name`, fit to be one level of a topic."""
    if not 0 < len(name) <= most:
        raise ValueError(f"a {what}'s name has 1 to {most} characters, this one has {len(name)}: {name[:most]!r}")
    if FORBIDDEN & set(name) or not name.isprintable():
        raise ValueError(f"a {what}'s name cannot hold '#', '+', '/' or what cannot be printed: {name!r}")
    return name
