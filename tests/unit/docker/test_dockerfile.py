"""The images: a pinned base, packages as the locks say, no root, nothing secret."""

import re
import tomllib

import yaml

from foundation.settings import ROOT, Settings

LINES = (ROOT / "infrastructure/docker/Dockerfile").read_text().replace("\\\n", " ").splitlines()
COMMANDS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]


def stages():
    """Name of each stage → what it is made from, and its commands."""
    found = {}
    for command, rest in COMMANDS:
        if command == "FROM":
            base, _, name = rest.split()
            current = found[name] = (base, [])
        else:
            current[1].append((command, rest))
    return found


def test_the_one_base_is_a_slim_image_of_an_exact_version():
    foreign = {base for base, _ in stages().values()} - set(stages())
    assert len(foreign) == 1
    [base] = foreign
    version = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-bookworm", base)[1]
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert wanted.startswith(f">={version},")


def test_packages_come_from_the_locks_alone():
    runs = [rest for command, rest in COMMANDS if command == "RUN"]
    syncs = [part for run in runs for part in re.split("&&", run) if "uv sync" in part]
    assert len(syncs) == 3 and all("--locked" in sync for sync in syncs)
    assert all("--no-dev" in sync for sync in syncs if "infrastructure/superset" not in sync)
    assert not [run for run in runs if "pip install" in run or "curl" in run or "wget" in run]


def test_what_runs_is_not_root_and_was_built_elsewhere():
    named = stages()
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    targets = {service["build"]["target"] for service in compose["services"].values() if "build" in service}
    assert targets == {"elt", "superset"}
    base, commands = named["elt"]
    assert base == "base" and ("COPY", "--from=build /app /app") in commands
    users = [rest for command, rest in commands if command == "USER"]
    assert users and users[-1] not in ("0", "root")
    base, commands = named["superset"]
    assert base == "elt" and not [rest for command, rest in commands if command == "USER"]
    assert "uv" not in " ".join(rest for stage in ("elt", "superset") for _, rest in named[stage][1]).split()


def test_a_folder_that_the_cloud_mounts_is_writable_there():
    mounted = set(
        re.findall(
            r'containerPath = "([^"]+)"',
            (ROOT / "infrastructure/terraform/modules/platform/airflow.tf").read_text(),
        )
    )
    assert mounted == {"/state", "/tmp"}  # noqa: S108
    # the access point gives /state to the image's user
    point = (ROOT / "infrastructure/terraform/modules/platform/storage.tf").read_text()
    [user] = [rest for command, rest in stages()["elt"][1] if command == "USER"]
    assert set(re.findall(r"(?:owner_)?[ug]id\s*= (\d+)", point)) == {user}
    assert ("VOLUME", "/tmp") in stages()["elt"][1]  # noqa: S108


def test_no_secret_is_given_to_a_build():
    secrets = {
        name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
    }
    for command, rest in COMMANDS:
        if command in ("ARG", "ENV"):
            assert not secrets & set(re.findall(r"\w+", rest))


def test_the_build_context_is_closed_but_for_what_an_image_is_made_of():
    patterns = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    assert patterns[0] == "*"
    opened = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    copied = {
        source.split("/")[0]
        for command, rest in COMMANDS
        if command == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert opened == copied
    assert "**/.env*" in patterns
