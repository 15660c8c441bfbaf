"""Settings: one place, and the example file is that place's mirror."""

import stat

import pytest

from foundation.errors import EltError
from foundation.limits.brake import unguessable
from foundation.settings import GENERATED, ROOT, Settings, generated_secrets, load_settings, read_env_file


def test_env_example_holds_every_setting_with_its_default():
    example = read_env_file(ROOT / ".env.example")
    fields = {name.upper(): field for name, field in Settings.model_fields.items()}
    assert set(example) == set(fields)
    for name, field in fields.items():
        default = "" if field.is_required() or field.default is None else field.default
        shown = getattr(default, "get_secret_value", lambda value=default: value)()
        assert example[name] == str(shown), name


def test_secrets_are_generated_once_and_only_their_owner_reads_them(tmp_path):
    first = generated_secrets(tmp_path)
    assert set(first) == set(GENERATED) and all(first.values())
    assert generated_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600


def test_nobody_guesses_the_passwords_of_programs(tmp_path):
    """Who has one of these need not wait while somebody guesses; people, who log in with the others, do."""
    made = generated_secrets(tmp_path)
    people = {"AIRFLOW_OPERATOR_PASSWORD", "AIRFLOW_VIEWER_PASSWORD"}
    people |= {"SUPERSET_ADMIN_PASSWORD", "SUPERSET_ANALYST_PASSWORD"}
    assert {name for name, secret in made.items() if not unguessable(secret)} == people


def test_a_secret_that_a_newer_version_needs_is_added_and_the_others_stay(tmp_path):
    first = generated_secrets(tmp_path)
    kept = {name: value for name, value in first.items() if name != "AIRFLOW_JWT_SECRET"}
    (tmp_path / "secrets.env").write_text("".join(f"{name}={value}\n" for name, value in kept.items()))
    second = generated_secrets(tmp_path)
    assert second["AIRFLOW_JWT_SECRET"] and {k: second[k] for k in kept} == kept


@pytest.mark.threat("another user of the machine")
def test_secrets_that_others_can_read_are_refused(tmp_path):
    generated_secrets(tmp_path)
    (tmp_path / "secrets.env").chmod(0o640)
    with pytest.raises(EltError, match=r"can be read by others \(mode 0640\) — chmod 600"):
        load_settings({"ELT_HOME": str(tmp_path)})


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"OTHER=1\n"])
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_an_empty_file_of_secrets_is_not_filled_again(tmp_path, content):
    generated_secrets(tmp_path)
    path = tmp_path / "secrets.env"
    path.write_bytes(content)
    with pytest.raises(EltError, match=r"secrets\.env is empty — remove it"):
        generated_secrets(tmp_path)
    (tmp_path / "airbyte").mkdir()
    (tmp_path / "airbyte" / "airbyte.sqlite").touch()
    with pytest.raises(EltError, match=r"airbyte\.sqlite was made with it — put it back, from `backups`"):
        generated_secrets(tmp_path)
    path.unlink()
    with pytest.raises(EltError, match=r"secrets\.env is lost, and airbyte/airbyte\.sqlite was made with it"):
        generated_secrets(tmp_path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("secret", "made"),
    [("AIRBYTE_ENCRYPTION_KEY", "airbyte/airbyte.sqlite"), ("METADATA_PASSWORD", "metadata/PG_VERSION")],
)
@pytest.mark.threat("a file that is damaged, empty or foreign")
def test_a_file_of_secrets_that_was_cut_off_gets_no_other_key_for_what_is_sealed(tmp_path, secret, made):
    generated_secrets(tmp_path)
    path = tmp_path / "secrets.env"
    cut = path.read_text().replace(f"{secret}=", "OTHER=")
    path.write_text(cut)
    (tmp_path / made).parent.mkdir()
    (tmp_path / made).touch()
    with pytest.raises(
        EltError, match=rf"secrets\.env lacks {secret}, and {made} was made with it — put it back"
    ):
        generated_secrets(tmp_path)
    assert path.read_text() == cut
    (tmp_path / made).unlink()
    assert generated_secrets(tmp_path)[secret]


def test_a_file_of_secrets_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "secrets.env"
    path.touch(mode=0o600)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EltError, match=r"secrets\.env can't be read"):
        generated_secrets(tmp_path)


def test_the_environment_wins_over_what_was_generated(tmp_path):
    config = load_settings({"ELT_HOME": str(tmp_path), "METADATA_PASSWORD": "given", "SOURCE_PORT": "5999"})
    assert config.metadata_password.get_secret_value() == "given"
    assert config.source_port == 5999
    assert "given" not in repr(config)


def test_a_value_of_the_wrong_form_names_its_variable(tmp_path):
    with pytest.raises(EltError, match=r"AIRFLOW_PORT: .* — set AIRFLOW_PORT"):
        load_settings({"ELT_HOME": str(tmp_path), "AIRFLOW_PORT": "eighty"})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SINK_PORT", "80800", "SINK_PORT: '80800': a port is a whole number from 1 to 65535"),
        ("AIRFLOW_PORT", "0", "AIRFLOW_PORT: '0': a port is"),
        ("SOURCE_PORT", "-1", "SOURCE_PORT: '-1': a port is"),
        ("ELT_SCHEDULE", "hourlyish", "ELT_SCHEDULE: 'hourlyish': a schedule is a cron expression"),
        ("ELT_SCHEDULE", "61 * * * *", "ELT_SCHEDULE: '61 * * * *': a schedule is a cron expression"),
        ("ELT_SCHEDULE", "0 0 30 2 *", "that comes round"),
        ("ELT_SCHEDULE", "* * * * * *", "of five fields"),
        ("DBT_TARGET", "prod", "DBT_TARGET: 'prod': it should be 'duckdb', 'dev', 'snowflake' or 'ci'"),
        ("FRESHNESS_MINUTES", "-5", "FRESHNESS_MINUTES: '-5': it should be greater than or equal to 1"),
        ("ELT_SOURCES", "adventureworks,wbe", "ELT_SOURCES: 'wbe': there is no such source"),
        ("ELT_LEASE_WAIT_SECONDS", "inf", "ELT_LEASE_WAIT_SECONDS: 'inf'"),
        ("AIRBYTE_URL", "airbyte.example.com", "a URL begins with http:// or https://"),
        ("SOURCE_SSL_MODE", "yes", "SOURCE_SSL_MODE: 'yes': it should be 'disable'"),
        ("SNOWFLAKE_ENVIRONMENT", "a-b", "SNOWFLAKE_ENVIRONMENT: 'a-b': an environment is letters"),
        ("SHOP", "perhaps", "SHOP: 'perhaps': it should be 'on' or 'off'"),
        ("AW_SCALE", "-1", "AW_SCALE: '-1'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_name_value_and_remedy(tmp_path, name, value, message):
    with pytest.raises(EltError) as caught:
        load_settings({"ELT_HOME": str(tmp_path), name: value})
    assert message in str(caught.value)
    assert f"set {name} in .env or the environment" in caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("schedule", ["manual", "@hourly", "*/5 8-18 * * mon-fri", "0 3 29 2 *"])
def test_schedules_that_come_round_are_taken(tmp_path, schedule):
    assert load_settings({"ELT_HOME": str(tmp_path), "ELT_SCHEDULE": schedule}).elt_schedule == schedule


def test_an_env_file_is_read_as_others_read_it(tmp_path):
    file = tmp_path / ".env"
    file.write_text(
        '\ufeff# comment\r\nELT_SCHEDULE="*/15 * * * *" # every quarter\r\nPLAIN=a b # told\n'
        "export EXPORTED=x\nSINGLE='pa$$ #word'\nDOLLAR=a${HOME}b\nKEY=abc=\nEMPTY=\n HASH=a#b\n",
        encoding="utf-8",
    )
    assert read_env_file(file) == {
        "ELT_SCHEDULE": "*/15 * * * *",
        "PLAIN": "a b",
        "EXPORTED": "x",
        "SINGLE": "pa$$ #word",
        "DOLLAR": "a${HOME}b",
        "KEY": "abc=",
        "EMPTY": "",
        "HASH": "a#b",
    }


def test_a_malformed_line_of_an_env_file_is_named(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# comment\n\nGOOD='quoted'\nnonsense\n")
    with pytest.raises(EltError, match=r"\.env, line 4"):
        read_env_file(file)


def test_paths_and_addresses_follow_from_home_and_ports(tmp_path):
    config = load_settings({"ELT_HOME": str(tmp_path), "AIRBYTE_PORT": "1234", "SINK_PORT": "1235"})
    assert config.warehouse_path == tmp_path / "warehouse.duckdb"
    assert config.serving_path == tmp_path / "serving" / "current" / "adventureworks.duckdb"
    assert config.airbyte_api == "http://127.0.0.1:1234/api/public/v1"
    assert config.slack_webhook_host == "http://127.0.0.1:1235/services"
    elsewhere = load_settings({"ELT_HOME": str(tmp_path), "AIRBYTE_URL": "https://api.example.com/v1"})
    assert elsewhere.airbyte_api == "https://api.example.com/v1"
