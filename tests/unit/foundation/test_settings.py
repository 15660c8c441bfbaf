"""Settings: one place, and the example file is that place's mirror."""

import stat

import pytest

from foundation.errors import EltError
from foundation.settings import GENERATED, ROOT, Settings, generated_secrets, load_settings, read_env_file


def test_env_example_holds_every_setting_with_its_default():
    example = read_env_file(ROOT / ".env.example")
    fields = {name.upper(): field for name, field in Settings.model_fields.items()}
    assert set(example) == set(fields)
    for name, field in fields.items():
        default = "" if field.is_required() else field.default
        shown = getattr(default, "get_secret_value", lambda value=default: value)()
        assert example[name] == str(shown), name


def test_secrets_are_generated_once_and_only_their_owner_reads_them(tmp_path):
    first = generated_secrets(tmp_path)
    assert set(first) == set(GENERATED) and all(first.values())
    assert generated_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600


def test_a_secret_that_a_newer_version_needs_is_added_and_the_others_stay(tmp_path):
    first = generated_secrets(tmp_path)
    kept = {name: value for name, value in first.items() if name != "AIRFLOW_JWT_SECRET"}
    (tmp_path / "secrets.env").write_text("".join(f"{name}={value}\n" for name, value in kept.items()))
    second = generated_secrets(tmp_path)
    assert second["AIRFLOW_JWT_SECRET"] and {k: second[k] for k in kept} == kept


def test_secrets_that_others_can_read_are_refused(tmp_path):
    generated_secrets(tmp_path)
    (tmp_path / "secrets.env").chmod(0o640)
    with pytest.raises(EltError, match=r"can be read by others \(mode 0640\) — chmod 600"):
        load_settings({"ELT_HOME": str(tmp_path)})


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"OTHER=1\n"])
def test_an_empty_file_of_secrets_is_not_filled_anew(tmp_path, content):
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
