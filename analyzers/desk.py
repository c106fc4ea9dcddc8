"""What the judge process knows besides its model: policies, and where sensors' pictures and sound lie."""

import queue
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzers.interview import Ask, Batch, Detach, Forgo, JudgeSettings, Policies, Wish
from analyzers.judge import Question
from analyzers.policy import Policy, PolicyId
from sensors.slots import SlotLayout, Slots
from sensors.window import SensorId
from sensors.wire import WireError

Order = Batch | Wish | Forgo
Waiting = queue.Queue[tuple[Order, "Desk"]]
"""What waits for the one thread that touches the model, each with what was known when it came."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # a mapping of memory has no equality
class Desk:
    """Each batch, and each second step, is answered with what was known when it came."""

    policies: Mapping[PolicyId, Policy] = field(default_factory=dict)
    slots: Mapping[SensorId, Slots] = field(default_factory=dict)

    def after(self, message: JudgeSettings | Policies | SlotLayout | Detach, descriptors: Sequence[int]) -> "Desk":
        """The desk once `message` is known. WireError, OSError or ValueError where it cannot be."""
        match message:
            case JudgeSettings():
                raise WireError("settings come first, and once")
            case Policies():
                known = {} if message.first else dict(self.policies)
                return replace(self, policies=known | {policy.id: policy for policy in message.policies})
            case SlotLayout():
                if len(descriptors) != 1:
                    raise WireError(f"the slots of {message.sensor} came with {len(descriptors)} descriptors")
                return replace(self, slots={**self.slots, message.sensor: Slots(message, descriptors[0], writable=False)})
            case Detach():
                return replace(self, slots={sensor: slots for sensor, slots in self.slots.items() if sensor != message.sensor})

    def questions(self, batch: Batch) -> tuple[Question, ...]:
        """The questions of a batch. A policy that is not known is left out; the supervisor counts what it gets no answer to as failed."""
        return tuple(self.question(ask) for ask in batch.asks)

    def question(self, ask: Ask) -> Question:
        """A question as it was asked, without the policies that are not known."""
        return Question(window=ask.window, view=ask.view, policies=tuple(self.policies[name] for name in ask.policies if name in self.policies))
