"""What the box asks its judge to see how far it is to be trusted: clips that it must tell apart, and windows that hold nothing. Wiring alone."""

from collections.abc import Coroutine

from appliance.blank.control import BlankControl
from appliance.blank.control import Means as BlankMeans
from appliance.blank.figures import BlankFigures
from appliance.children.fleet import Fleet
from appliance.children.supervisor import keep
from appliance.config.configuration import Configuration
from appliance.selftest.run import Means, SelfTest
from appliance.watch import Watch
from sensors.backoff import Backoff


class Proving:
    """The self-test and the blank control."""

    def __init__(self, means: Means, fleet: Fleet, figures: BlankFigures) -> None:
        """Nothing is asked until `configure` and the loops."""
        self.self_test = SelfTest(means)
        self.blanks = BlankControl(
            BlankMeans(pipeline=means.pipeline, judge=means.judge, fleet=fleet, store=means.store, clock=means.clock, figures=figures)
        )

    def configure(self, configuration: Configuration, watch: Watch) -> Watch:
        """So from now on: what is watched, and what is asked beside it. To be called before the judge is told of it."""
        self.self_test.configure(configuration.self_test)
        self.blanks.configure(configuration, watch)
        return self.self_test.beside(watch)

    def loops(self) -> dict[str, Coroutine[None, None, None]]:
        """By name."""
        return {
            "self-test": keep("self-test", self.self_test.run, Backoff(first_s=60.0, most_s=600.0)),
            "blank-control": keep("blank-control", self.blanks.run, Backoff(first_s=60.0, most_s=600.0)),
        }
