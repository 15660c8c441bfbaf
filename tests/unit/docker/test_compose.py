"""docker-compose.yml: each profile is whole, every container is confined, and the file has no secret."""

import re

import pytest
import yaml

from foundation.settings import GENERATED, ROOT, Settings
from stack.airflow import DEPLOYED, PROGRAMS
from stack.health import CHECKS

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
AIRFLOW = {"airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}
each_service = pytest.mark.parametrize("name", SERVICES)


def in_profile(profile):
    return {name for name, service in SERVICES.items() if profile in service["profiles"]}


def test_the_profiles_hold_what_they_promise():
    assert in_profile("workers") == {"airflow-worker", "broker"}
    assert in_profile("cloud") == {*AIRFLOW, "airflow-prepare", "metadata"}
    assert in_profile("local") == set(SERVICES) - in_profile("workers")
    assert {"source", "source-seed", "airbyte", "sink", "superset", *AIRFLOW} <= in_profile("local")


@each_service
def test_what_a_service_waits_for_is_in_its_profiles(name):
    beside = {"workers": {"local", "cloud", "workers"}}  # workers go with either of the two
    for needed, condition in SERVICES[name].get("depends_on", {}).items():
        optional = {"required": False} if "required" in condition else {}
        for profile in SERVICES[name]["profiles"]:
            assert optional or set(SERVICES[needed]["profiles"]) & beside.get(profile, {profile}), needed
        ends = SERVICES[needed]["restart"] == "no"
        assert (
            condition
            == {"condition": "service_completed_successfully" if ends else "service_healthy"} | optional
        ), needed


@each_service
def test_a_container_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and not service.get("cap_add")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert service.get("user") != "root"


@each_service
def test_ports_are_published_on_the_loopback_interface_only(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{(\w+):-(\d+)\}:\$\{\1:-\2\}", port), port
        variable, default = re.search(r"\{(\w+):-(\d+)\}", port).groups()
        assert str(Settings.model_fields[variable.lower()].default) == default


@each_service
def test_state_is_in_named_volumes(name):
    for volume in SERVICES[name].get("volumes", []):
        assert volume.partition(":")[0] in COMPOSE["volumes"], volume


@each_service
def test_what_stays_up_has_a_health_check_that_exists(name):
    service = SERVICES[name]
    if service["restart"] == "no":
        return
    test = service["healthcheck"]["test"]
    if name != "broker":
        assert test == ["CMD", "python", "-m", "stack.health", name]
        assert name in CHECKS


@each_service
def test_a_command_of_airflows_is_one_that_there_is(name):
    command = SERVICES[name]["command"]
    if command[:3] == ["python", "-m", "stack.airflow"]:
        assert command[3] in {*PROGRAMS, *DEPLOYED, "prepare"}


def test_no_secret_is_in_the_file():
    secrets = {
        name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
    }
    assert secrets >= set(GENERATED)
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not (name in secrets and value != f"${{{name}:-}}"), name
    assert not re.search(r"://[^/\s]*:[^/\s$]*@", TEXT), "a login in an address"


def test_every_variable_of_the_file_is_a_setting_or_an_images_name():
    known = {name.upper() for name in Settings.model_fields} | {"ELT_IMAGE", "SUPERSET_IMAGE"}
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    assert used and not used - known


def test_images_of_others_are_pinned_to_a_version():
    ours = {service["image"] for service in SERVICES.values() if "build" in service}
    for name, service in SERVICES.items():
        if service["image"] not in ours:
            assert re.search(r":\d+\.\d+\.\d+-\w+$", service["image"]), name


def test_each_image_of_ours_is_built_once_in_every_profile_that_needs_it():
    for profile in ("local", "cloud"):
        services = [SERVICES[name] for name in in_profile(profile)]
        needed = {service["image"] for service in services}
        assert sorted(service["image"] for service in services if "build" in service) == sorted(needed)


def test_what_ends_by_itself_is_waited_for_or_up_would_end_with_an_error():
    waited_for = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
    assert {name for name, service in SERVICES.items() if service["restart"] == "no"} <= waited_for
