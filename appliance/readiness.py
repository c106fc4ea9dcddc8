"""Whether this machine is ready for the models that a configuration names, and what is known of them here: for `omniwatch check`.

That it is not is no mistake in the file, which may be checked elsewhere. It starts no process and loads no model.
"""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from analyzers.omni.plan import ModelError
from analyzers.omni.talker_plan import plan_beside
from appliance.blank.findings import ADVICE
from appliance.blank.kept import kept_flags
from appliance.capacity.conditions import conditions_of, judged_sensors
from appliance.capacity.figure import FILE, recall, verdict
from appliance.config.configuration import Configuration
from appliance.config.taught_window import taught_window
from appliance.store.database_file import NAME as DATABASE
from sensors.window import Sense


def show_readiness(configuration: Configuration, console: Console) -> None:
    """Say what its models need, or why this machine is not ready for them."""
    _judge(configuration, console)
    _voice(configuration, console)


def _judge(configuration: Configuration, console: Console) -> None:
    """What its model takes, and what is known of that here."""
    judge = configuration.judge
    try:
        planned = judge.plans()
        if planned is None:
            return
        console.print(f"Model: {escape(str(planned.first))}", highlight=False)
        if judge.second_look:
            console.print(f"Second look within {judge.second_look.band:g} of a threshold: {escape(str(planned.second))} beside it", highlight=False)
        if planned.captioner:
            console.print(f"What is heard is said by a captioner: {escape(str(planned.captioner))} beside it", highlight=False)
        for line in _untaught(configuration):
            _warn(line, console)
        _capacity(configuration, console)
        _blanks(configuration, console)
    except ModelError as error:
        meanwhile = "cues stand in for it" if judge.fallback else "nobody answers"
        _is_not_ready(f"its model cannot run on this machine yet, and until then {meanwhile}: {error}", console)


def _untaught(configuration: Configuration) -> Iterator[str]:
    """Sensors whose windows are not such as the model was taught on, where it says so. ModelError where what it says cannot be."""
    taught = taught_window(configuration.judge.model) if configuration.judge.model else None
    if taught is None:
        return
    wanted = taught.shape()
    for sensor in judged_sensors(configuration):
        cut = sensor.settings.window
        sees = Sense.SIGHT in sensor.senses
        if cut.length_s != wanted.length_s or (sees and (cut.fps, cut.longest_side) != (wanted.fps, wanted.longest_side)):
            yield f"{sensor.settings.sensor}: this model was taught on windows of {taught}, and may know nothing in any other (`window`)"


def _voice(configuration: Configuration, console: Console) -> None:
    """What the model that speaks takes."""
    speech = configuration.speech
    if speech is None or speech.model is None:
        return
    try:
        planned = plan_beside(speech.model, speech.speaker, configuration.judge.plans)
        console.print(f"Voice: {escape(f'{speech.speaker}, {planned}')}; there is room for it.", highlight=False)
    except ModelError as error:
        _is_not_ready(f"its voice cannot speak on this machine yet, and until then espeak-ng speaks: {error}", console)


def _blanks(configuration: Configuration, console: Console) -> None:
    """The policies that the model agreed with where there was nothing. ModelError where the model is not there."""
    try:
        for flag in kept_flags(configuration):
            _warn(f"{flag}: {ADVICE}", console)
    except PermissionError:
        file = configuration.state / DATABASE
        console.print(f"Windows that hold nothing: {escape(str(file))} may not be read by this account.", highlight=False)


def _capacity(configuration: Configuration, console: Console) -> None:
    """Whether this box holds so many sensors, as far as it was measured. ModelError where the model is not there."""
    if not (sensors := len(judged_sensors(configuration))):
        return
    try:
        found = verdict(recall(configuration.state), conditions_of(configuration), sensors)
    except PermissionError:
        console.print(f"Capacity: {escape(str(configuration.state / FILE))} may not be read by this account.", highlight=False)
        return
    if found.is_warning:
        _warn(found.words, console)
    else:
        console.print(escape(found.words), highlight=False)


def _warn(words: str, console: Console) -> None:
    console.print(f"[yellow]warning[/yellow]  {escape(words)}", highlight=False)


def _is_not_ready(words: str, console: Console) -> None:
    console.print(f"[yellow]not ready[/yellow]  {escape(f'the configuration is right, but {words}')}", highlight=False)
