"""The catalogues that the product ships, and how a policy of one is used."""

from datetime import timedelta
from pathlib import Path

import pytest

from alerts.timing import timing
from analyzers.gate import SENSE_OF
from analyzers.policy import CueRule, Policy, Severity, Trigger
from appliance.config.catalogue import read_catalogue
from appliance.config.configuration import ConfigError, Configuration, load
from sensors.cues import CueName
from sensors.settings import WindowShape
from sensors.window import Sense

CONFIGS = Path(__file__).parents[3] / "configs"
FILES = [CONFIGS / "policies" / name for name in ("factory.yaml", "cctv.yaml")]
WINDOW = WindowShape(length_s=8, every_s=4, fps=1, longest_side=576)
"""What a sensor has that does not say otherwise."""

HEAD = """\
site: s
box: b
timezone: UTC
sensors:
  cam: {source: 'file:a', zones: {door: [[0, 0], [1, 0], [1, 1]]}}
  other: {source: 'file:b'}
policies:
"""
OFFERED = """\
policies:
  - id: fire
    title: Fire!
    ask: Is there fire?
    unless: There is steam.
    severity: critical
    trigger: 3 of 4
    patrol: 30s
    fallback: {changed: 0.1}
  - id: leak
    ask: Is there a leak?
"""


def read(folder: Path, policies: str, offered: str = OFFERED) -> Configuration:
    (folder / "offered.yaml").write_text(offered)
    (folder / "appliance.yaml").write_text(HEAD + "  - catalogue: offered.yaml\n" + policies)
    return load(folder / "appliance.yaml")


def told(folder: Path, policies: str, offered: str = OFFERED) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, policies, offered)
    return [f"{problem.file.name}:{problem.line}:{problem.column}: {problem.path}: {problem.message}" for problem in caught.value.problems]


def shipped(folder: Path) -> tuple[Policy, ...]:
    names = [offer.form.id for file in FILES for offer in read_catalogue(file)[0] if offer.form]
    lines = [f"  - catalogue: {file}\n" for file in FILES] + [f"  - {{use: {name}, sensors: [cam]}}\n" for name in names]
    (folder / "appliance.yaml").write_text(HEAD + "".join(lines))
    return load(folder / "appliance.yaml").policies


def test_the_catalogues_hold_what_installers_start_from(tmp_path: Path) -> None:
    expected = {
        *("press-cell-entry", "missing-helmet", "missing-vest", "smoke-or-flame", "leak", "blocked-exit", "person-down", "person-falling"),
        *("forklift-near-miss", "machine-squeal", "alarm-bell", "glass-breaking", "shouting", "gunshot", "tailgating", "loitering"),
        *("camera-covered", "crowd", "vehicle-forbidden", "door-left-open", "fence-climbed", "package-left"),
    }
    assert expected <= {policy.id for policy in shipped(tmp_path)}


def test_every_policy_names_its_harmless_twin_and_the_sense_it_needs(tmp_path: Path) -> None:
    for policy in shipped(tmp_path):
        assert policy.unless, policy.id
        assert policy.senses or policy.id == "fight", policy.id


def test_questions_are_concrete(tmp_path: Path) -> None:
    for policy in shipped(tmp_path):
        assert policy.ask.endswith("?"), policy.id
        assert not {"unusual", "suspicious", "anything", "anomaly", "abnormal"} & set(policy.ask.lower().strip("?").split()), policy.id
        assert "do not" not in policy.ask.lower() + (policy.unless or "").lower(), policy.id


def test_a_single_window_is_enough_only_at_a_high_threshold(tmp_path: Path) -> None:
    for policy in shipped(tmp_path):
        if policy.trigger.count == 1:
            assert policy.threshold >= 0.8, policy.id


def test_no_instant_confirms_itself_in_the_windows_that_sensors_have_by_default(tmp_path: Path) -> None:
    for policy in shipped(tmp_path):
        found = timing(policy, WINDOW, timedelta(seconds=20))
        assert found.soonest <= found.span, f"{policy.id}: no event whatever opens it"
        assert not found.confirms_itself, policy.id


def test_cues_that_wake_or_stand_in_are_of_the_sense_that_is_needed(tmp_path: Path) -> None:
    for policy in shipped(tmp_path):
        cues = {*policy.wake, *(policy.fallback.at_least if policy.fallback else ())}
        assert {SENSE_OF[cue] for cue in cues} <= (policy.senses or set(Sense)), policy.id


def test_what_does_not_move_is_patrolled(tmp_path: Path) -> None:
    still = {"smoke-or-flame", "person-down", "blocked-exit", "missing-helmet", "leak", "package-left", "fire-or-smoke", "loitering"}
    for policy in shipped(tmp_path):
        assert policy.patrol or policy.id not in still, policy.id


def test_a_policy_of_a_catalogue_is_off_until_it_is_used(tmp_path: Path) -> None:
    assert read(tmp_path, "").policies == ()


def test_a_policy_that_is_used_is_the_catalogues_on_these_sensors(tmp_path: Path) -> None:
    (fire,) = read(tmp_path, "  - {use: fire, sensors: [cam]}\n").policies
    assert (fire.id, fire.title, fire.ask, fire.unless) == ("fire", "Fire!", "Is there fire?", "There is steam.")
    assert (fire.severity, fire.trigger, fire.patrol) == (Severity.CRITICAL, Trigger(count=3, of=4), timedelta(seconds=30))
    assert (fire.sensors, fire.fallback) == (("cam",), CueRule(at_least={CueName.CHANGED: 0.1}))


def test_what_is_said_at_its_use_takes_the_catalogues_place(tmp_path: Path) -> None:
    line = "  - {use: fire, id: fire-at-door, sensors: [cam], zone: door, trigger: 1 of 1, fallback: null, ask: Does the door burn?}\n"
    (fire,) = read(tmp_path, line).policies
    assert (fire.id, fire.ask, fire.zone) == ("fire-at-door", "Does the door burn?", "door")
    assert (fire.trigger, fire.fallback) == (Trigger(count=1, of=1), None)
    assert (fire.title, fire.severity) == ("Fire!", Severity.CRITICAL)


def test_a_policy_is_used_twice_under_two_names(tmp_path: Path) -> None:
    lines = "  - {use: fire, sensors: [cam]}\n  - {use: fire, id: fire-2, sensors: [other], threshold: 0.9}\n"
    assert [(policy.id, policy.threshold) for policy in read(tmp_path, lines).policies] == [("fire", 0.5), ("fire-2", 0.9)]
    lines = "  - {use: fire, sensors: [cam]}\n  - {use: fire, sensors: [other]}\n"
    assert told(tmp_path, lines) == ['appliance.yaml:10:11: policies.fire.use: there is another policy "fire", in line 9']


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{use: fir, sensors: [cam]}", ['appliance.yaml:9:11: policies.fir.use: no catalogue has a policy "fir"']),
        ("{use: fire}", ["appliance.yaml:9:5: policies.fire: `sensors` is missing: The sensors that it is asked about."]),
        ("{use: fire, sensors: [cam], clear_below: 0.6}", ["appliance.yaml:9:46: policies.fire.clear_below: must be below threshold (0.5)"]),
        ("{use: fire, sensors: [other], zone: door}", ['appliance.yaml:9:41: policies.fire.zone: other has no zone "door"']),
        ("{use: fire, sensors: [cam], sens: [sight]}", ["appliance.yaml:9:33: policies.fire.sens: unknown key"]),
    ],
)
def test_a_mistake_at_the_use_is_told_there(tmp_path: Path, line: str, says: list[str]) -> None:
    assert told(tmp_path, f"  - {line}\n") == says


def test_a_mistake_in_a_catalogue_is_told_in_the_catalogue_used_or_not(tmp_path: Path) -> None:
    offered = OFFERED.replace("3 of 4", "4 of 3").replace("leak?", "leak?\n    sensors: [cam]")
    assert told(tmp_path, "  - {use: fire, sensors: [cam]}\n", offered) == [
        "offered.yaml:7:14: policies.fire.trigger: 4 of 3: the first number is 1 or more, the second no smaller than the first and at most 20",
        "offered.yaml:12:5: policies.leak.sensors: unknown key",
    ]


def test_of_a_catalogue_that_cannot_be_read_only_that_is_told(tmp_path: Path) -> None:
    says = told(tmp_path, "  - {use: fire, sensors: [cam]}\n  - {use: leak, sensors: [cam]}\n", OFFERED + "  - {id: [\n")
    assert len(says) == 1
    assert says[0].startswith("offered.yaml:")


def test_what_does_not_fit_the_sensor_is_told_where_it_was_written(tmp_path: Path) -> None:
    offered = OFFERED.replace("patrol: 30s", "zone: gate")
    assert told(tmp_path, "  - {use: fire, sensors: [cam]}\n", offered) == ['offered.yaml:8:11: policies.fire.zone: cam has no zone "gate"']


def test_one_name_in_two_catalogues_is_a_choice_that_nobody_may_make_for_the_owner(tmp_path: Path) -> None:
    (tmp_path / "second.yaml").write_text(OFFERED)
    says = told(tmp_path, "  - catalogue: second.yaml\n  - {use: fire, sensors: [cam]}\n")
    assert says == [f'appliance.yaml:10:11: policies.fire.use: "fire" is in more than one catalogue: {tmp_path}/offered.yaml, {tmp_path}/second.yaml']


def test_a_name_twice_in_a_catalogue_is_a_mistake(tmp_path: Path) -> None:
    says = told(tmp_path, "", OFFERED.replace("id: leak", "id: fire"))
    assert says == ['offered.yaml:10:9: policies.fire.id: "fire" is in this catalogue a second time']


def test_a_policy_may_be_inhibited_only_by_one_that_is_in_force(tmp_path: Path) -> None:
    says = told(tmp_path, "  - {use: fire, sensors: [cam], inhibited_by: [leak, picture-dark]}\n")
    assert says == ['appliance.yaml:9:48: policies.fire.inhibited_by[0]: no policy "leak" is in force']
