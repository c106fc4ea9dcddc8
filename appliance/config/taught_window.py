"""The windows that a model was taught on, where its folder says so: a small model knows things at the size and pace at which it has seen them."""

from pathlib import Path

from pydantic import ValidationError

from analyzers.omni.folder import WINDOW, ModelError
from appliance.config.form_errors import message
from appliance.config.sensor_form import WindowForm

MAX_BYTES = 10_000


def taught_window(model: Path) -> WindowForm | None:
    """What `window.json` in the folder of `model` says; None where there is none, as with published models. ModelError where it cannot be."""
    file = model / WINDOW
    try:
        with file.open("rb") as stream:
            return WindowForm.model_validate_json(stream.read(MAX_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ModelError(f"{file} names no window that there can be ({message(error.errors()[0])}): correct it, or remove it") from None
