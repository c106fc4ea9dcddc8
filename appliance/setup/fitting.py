"""Fits answers to the model that was named: windows of which nobody has said anything are as the model was taught. It writes nothing."""

from pathlib import Path

from analyzers.omni.folder import ModelError
from appliance.config.taught_window import taught_window
from appliance.setup.answers import AnswersForm


def fitted(answers: AnswersForm) -> AnswersForm:
    """The same answers, with the model's windows wherever there are none. A folder that is not right is for `check` to tell of."""
    model = answers.judge.model
    try:
        window = taught_window(Path(model)) if model else None
    except ModelError:
        return answers
    if window is None:
        return answers
    sensors = {name: sensor if sensor.window else sensor.model_copy(update={"window": window}) for name, sensor in answers.sensors.items()}
    return answers.model_copy(update={"sensors": sensors})
