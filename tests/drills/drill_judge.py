"""The judge hangs, or eats its memory: it is replaced, cues stand in and say so."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.appliance.conftest import Appliance, Listener, eventually
from tests.drills.conftest import OPENING_S

MODEL = Path(__file__).parents[2] / "appliance" / "demo" / "model"
BY_CUES = re.compile(r'^omniwatch_judgements_total{by="cues",cause="",policy="something-there",verdict="(?:yes|no)"} [1-9]', re.MULTILINE)
pytestmark = [
    pytest.mark.broker,
    pytest.mark.model,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (MODEL / "model.safetensors").exists(), reason="the demo's model has not been trained"),
]


@pytest.mark.drill(
    12, "judge-hangs",
    done="The process of the judge is stopped (SIGSTOP) while a small model answers, and never goes on; `deadline: 5s`",
    sees="`omniwatch_judge_ready` falls, `omniwatch_judge_restarts_total` counts, the journal says that no answer came; cues stand in; "
    "the judge is back by itself",
)  # fmt: skip
def test_a_judge_that_hangs(appliance: Appliance, listener: Listener) -> None:
    appliance.judge = f"{{kind: omni, model: {MODEL}, deadline: 5s}}"
    appliance.start()
    eventually(lambda: "the judge is ready" in appliance.log(), 90, "the model is loaded")
    os.kill(appliance.children()["analyzers.main"], signal.SIGSTOP)
    eventually(lambda: "the judge is down: no answer within 5 s" in appliance.log(), 60, "the judge that hangs is given up")
    eventually(lambda: appliance.figure("omniwatch_judge_restarts_total") >= 1, 20, "it is counted")
    eventually(lambda: BY_CUES.search(appliance.metrics_text()), OPENING_S, "cues answer meanwhile")
    eventually(lambda: appliance.log().count("the judge is ready") == 2, 90, "another one is ready")
    eventually(lambda: appliance.figure("omniwatch_judge_ready") == 1, 5, "and the metrics say so")
    assert len(listener.of("/heartbeat")) > 2
    assert appliance.stop() == 0


@pytest.mark.drill(
    28, "judge-eats-memory",
    done="The judge may have 150 MB (`memory`), and its libraries alone take more",
    sees="it is ended each time, the journal says what it had and may have; `judge-down` opens, alarms come from cues and say so",
)  # fmt: skip
def test_a_judge_that_takes_more_memory_than_it_may(appliance: Appliance, listener: Listener) -> None:
    appliance.judge = f"{{kind: omni, model: {MODEL}, memory: 150MB}}"
    appliance.start()
    eventually(lambda: "MB of memory of its own, and may have 150 MB" in appliance.log(), 60, "the journal says why it was ended")
    eventually(lambda: listener.events("judge-down", "opened"), 60, "a judge that cannot be had is an alarm")
    eventually(lambda: listener.events("something-there", "opened"), OPENING_S, "alarms go out without it")
    assert listener.events("something-there", "opened")[-1]["data"]["by"] == "cues"
    eventually(lambda: appliance.is_active("judge-down"), 5, "the metrics show it")
    assert appliance.figure("omniwatch_judge_restarts_total") >= 2
    assert appliance.stop() == 0
