"""What every environment in the cloud keeps to, read from the Terraform files: encryption, one way in, tags, no secret in the code."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import hcl2
import pytest

from foundation.settings import GENERATED, ROOT, Settings
from stack.airflow import DEPLOYED, PROGRAMS

TERRAFORM = ROOT / "infrastructure/terraform"
ENVIRONMENTS = ("staging", "production")
SETTINGS = {name.upper() for name in Settings.model_fields}
SECRETS = {
    name.upper() for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
}


def plain(value: object) -> object:
    """The parser's tree without the quotes that it leaves around names and texts."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


@lru_cache
def folder(name: str) -> dict[str, list]:
    """All blocks of a folder's files: kind ("resource", "variable") → blocks."""
    found: dict[str, list] = {}
    for file in sorted((TERRAFORM / name).glob("*.tf")):
        for kind, blocks in plain(hcl2.loads(file.read_text())).items():
            found.setdefault(kind, []).extend(blocks)
    assert found, name
    return found


def resources(name: str, kind: str) -> dict[str, dict]:
    """Resources of one type in a folder: name → arguments."""
    return {
        label: arguments
        for block in folder(name).get("resource", [])
        for type_, named in block.items()
        if type_ == kind
        for label, arguments in named.items()
    }


def text(name: str) -> str:
    return "\n".join(file.read_text() for file in sorted((TERRAFORM / name).glob("*.tf")))


FOLDERS = sorted({str(file.parent.relative_to(TERRAFORM)) for file in TERRAFORM.rglob("*.tf")})


def test_the_folders_are_those_that_these_tests_know():
    assert FOLDERS == [
        "environments/production",
        "environments/staging",
        "modules/platform",
        "modules/secrets",
        "state",
    ]


def test_networks_get_in_over_tls_only():
    rules = resources("modules/platform", "aws_vpc_security_group_ingress_rule")
    assert rules
    for name, rule in rules.items():
        if "cidr_ipv4" in rule or "cidr_ipv6" in rule or "prefix_list_id" in rule:
            assert (rule["from_port"], rule["to_port"], rule["ip_protocol"]) == (443, 443, "tcp"), name
        else:
            assert "referenced_security_group_id" in rule, name
    for group in resources("modules/platform", "aws_security_group").values():
        assert not {"ingress", "egress"} & set(group)  # rules are where the test above sees them
    assert not resources("modules/platform", "aws_security_group_rule")
    assert list(resources("modules/platform", "aws_default_security_group").values()) == [
        {"vpc_id": "${aws_vpc.this.id}"}
    ]


def test_every_listener_speaks_modern_tls():
    listeners = resources("modules/platform", "aws_lb_listener")
    assert listeners
    for listener in listeners.values():
        assert (listener["protocol"], listener["port"]) == ("HTTPS", 443)
        assert listener["ssl_policy"].startswith("ELBSecurityPolicy-TLS13")


@pytest.mark.parametrize(
    ("kind", "encrypted"),
    [
        ("aws_db_instance", lambda one: one["storage_encrypted"] is True and one["kms_key_id"]),
        ("aws_efs_file_system", lambda one: one["encrypted"] is True and one["kms_key_id"]),
        ("aws_cloudwatch_log_group", lambda one: one["kms_key_id"] and one["retention_in_days"]),
        ("aws_sns_topic", lambda one: one["kms_master_key_id"]),
        ("aws_ecr_repository", lambda one: one["encryption_configuration"][0]["kms_key"]),
        ("aws_kms_key", lambda one: one["enable_key_rotation"] is True),
    ],
)
def test_what_rests_is_encrypted(kind, encrypted):
    found = resources("modules/platform", kind)
    assert found
    for name, arguments in found.items():
        assert encrypted(arguments), name


@pytest.mark.parametrize("where", ["modules/platform", "state"])
def test_every_bucket_is_encrypted_closed_and_keeps_versions(where):
    buckets = set(resources(where, "aws_s3_bucket"))
    assert buckets
    for companion in (
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_versioning",
    ):
        found = resources(where, companion)
        assert {re.search(r"aws_s3_bucket\.(\w+)", one["bucket"])[1] for one in found.values()} == buckets
    for block in resources(where, "aws_s3_bucket_public_access_block").values():
        four = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        assert all(block[name] is True for name in four)


@pytest.mark.parametrize("name", ["environments/staging", "environments/production", "state"])
def test_everything_is_tagged_in_the_one_account_that_is_meant(name):
    [provider] = [block["aws"] for block in folder(name)["provider"]]
    assert provider["allowed_account_ids"] == ["${var.account}"]
    tags = provider["default_tags"][0]["tags"]
    assert set(tags) == {"project", "environment", "owner", "managed-by"} and all(tags.values())
    assert tags["environment"] == (name.rpartition("/")[2] if "/" in name else "shared")


def test_each_environment_has_a_remote_locked_encrypted_state_of_its_own():
    keys = set()
    for name in ENVIRONMENTS:
        [terraform] = folder(f"environments/{name}")["terraform"]
        backend = terraform["backend"][0]["s3"]
        assert backend["encrypt"] is True and backend["use_lockfile"] is True
        keys.add(backend["key"])
        [module] = [
            block["platform"] for block in folder(f"environments/{name}")["module"] if "platform" in block
        ]
        assert module["environment"] == name
    assert len(keys) == len(ENVIRONMENTS)


@pytest.mark.parametrize("name", FOLDERS)
def test_no_secret_is_in_the_code(name):
    for block in folder(name).get("variable", []):
        for variable, arguments in block.items():
            if re.search(r"password|secret|token|private_key", variable) and variable != "secret_arns":
                assert "default" not in arguments or variable == "secrets_generation", variable
    # an argument that takes a secret takes it from elsewhere
    for line in text(name).splitlines():
        assert not re.match(
            r'\s*(\w*password|secret_string\w*|\w*token|private_key)\s*=\s*"[^$"]', line
        ), line
    assert not re.search(r"AKIA[0-9A-Z]{16}|-----BEGIN|xox[bp]-", text(name))


def test_secrets_pass_by_plan_and_state():
    [version] = resources("modules/secrets", "aws_secretsmanager_secret_version").values()
    assert "secret_string_wo" in version and "secret_string" not in version
    [database] = resources("modules/platform", "aws_db_instance").values()
    assert "password_wo" in database and "password" not in database
    [variable] = [
        block["metadata_password"]
        for block in folder("modules/platform")["variable"]
        if "metadata_password" in block
    ]
    assert variable["ephemeral"] is True


def test_the_programs_get_settings_that_exist_and_secrets_as_secrets():
    [services] = [block["services"] for block in folder("modules/platform")["locals"] if "services" in block]
    assert set(services) <= {*PROGRAMS, *DEPLOYED} and set(services) >= set(PROGRAMS)
    told = set(re.findall(r"^\s{6}([A-Z][A-Z0-9_]+)\s*=", text("modules/platform"), re.MULTILINE))
    others = {"PGSSLMODE", "AIRFLOW_CONN_AWS_DEFAULT"}  # of libpq and of Airflow itself
    assert "METADATA_HOST" in told
    assert {name for name in told - others if not name.startswith("AIRFLOW__")} <= SETTINGS
    assert not told & SECRETS

    secrets = folder("modules/secrets")["locals"][0]
    made, given = (set(re.findall(r"[A-Z][A-Z0-9_]+", str(secrets[name]))) for name in ("made", "given"))
    assert made and made <= set(GENERATED)
    # Airflow's connections are no settings of ours
    assert given - SECRETS == {
        "AIRFLOW_CONN_SLACK_DEFAULT",
        "AIRFLOW_CONN_SMTP_DEFAULT",
    }


def test_each_exception_from_a_rule_of_checkov_says_why():
    skips = [
        line
        for file in Path(TERRAFORM).rglob("*.tf")
        for line in file.read_text().splitlines()
        if "checkov:skip" in line
    ]
    assert skips
    for line in skips:
        assert re.search(r"# checkov:skip=CKV2?_AWS_\d+: \w.{15,}", line), line
