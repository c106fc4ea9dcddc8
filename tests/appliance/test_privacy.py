"""What docs/privacy.md promises is what the code does: its figures, and who may read what lies on the disk."""

from datetime import timedelta
from pathlib import Path

from analyzers.transcript import MAX_SPOKEN
from appliance.config.evidence_form import EvidenceConfig
from appliance.config.form import show_duration
from appliance.config.policy_form import RuleForm
from appliance.config.sensor_form import SensorForm
from appliance.store.sweep import AFTER_START, AFTER_STEP, STEP, Retention
from appliance.voice import MAX_KEPT
from sensors.settings import SoundUse

TEXT = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
ROWS = {line.split("|")[1].strip(): line for line in TEXT.splitlines() if line.startswith("| ")}


def row(beginning: str) -> str:
    (found,) = (line for name, line in ROWS.items() if name.startswith(beginning))
    return found


def test_how_long_it_says_that_things_are_kept() -> None:
    kept, evidence = Retention(), EvidenceConfig()
    assert f"({evidence.keep.days} days, at most 30)" in row("clips and posters")
    assert f"{kept.transitions.days} days" in row("alarms and their changes")
    assert f"{kept.judgements.days} days" in row("judgements")
    assert f"newest {kept.orders:_}".replace("_", " ") in row("the audit trail")
    assert f"at most {kept.undelivered.days} days" in row("what has still")
    assert f"newest {MAX_KEPT}" in row("announcements")
    assert f"{evidence.buffer // 10**6} MB" in row("the newest minutes")
    assert f"from {show_duration(evidence.before)[:-1]} s before to {show_duration(evidence.after)[:-1]} s after" in TEXT


def test_a_clock_that_was_set_keeps_what_it_says() -> None:
    assert (timedelta(hours=1), timedelta(days=1), timedelta(hours=1)) == (STEP, AFTER_STEP, AFTER_START)
    assert "set by more than an hour nothing is deleted for its age for a day, nor for an hour after a start" in TEXT


def test_what_people_say_is_written_down_only_where_the_owner_says_so_and_so_much_of_it() -> None:
    assert RuleForm.model_fields["transcript"].default is False
    assert f"up to {MAX_SPOKEN} characters of what was said" in TEXT
    assert "refuses\nit at sensors that do not have `sound: keep`" in TEXT  # tests of the configuration's mistakes have it


def test_sound_is_judged_and_not_kept_where_nothing_is_said() -> None:
    assert SensorForm.model_fields["sound"].default is SoundUse.JUDGE
    assert "`judge` (the default: judged, never written anywhere)" in TEXT
