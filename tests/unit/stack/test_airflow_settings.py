"""The settings of Airflow's processes."""

import json

import pytest

from foundation.settings import load_settings
from stack import airflow, airflow_environment


@pytest.fixture
def config(tmp_path):
    return load_settings(
        {"ELT_HOME": str(tmp_path / "elt home"), "AIRFLOW_PORT": "1", "METADATA_PASSWORD": "p@ss/word%"}
    )


def test_all_of_airflow_stays_under_elt_home_and_on_the_loopback_interface(config):
    told = airflow_environment.environment(config)
    assert told["AIRFLOW_HOME"] == str(config.home / "airflow")
    assert told["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] == str(config.logs_dir / "airflow")
    assert told["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:1/execution/"
    [bundle] = json.loads(told["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert bundle["kwargs"]["path"] == str(airflow_environment.ORCHESTRATION / "dags")


def test_telemetry_and_examples_are_off(config):
    told = airflow_environment.environment(config)
    assert told["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert told["AIRFLOW__COSMOS__ENABLE_TELEMETRY"] == "False"
    assert told["SCARF_ANALYTICS"] == "false" and told["DO_NOT_TRACK"] == "1"
    assert told["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert told["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"


def test_secrets_of_any_form_arrive_whole(config):
    told = airflow_environment.environment(config)
    assert "airflow:p%40ss%2Fword%25@127.0.0.1" in told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    slack = json.loads(told["AIRFLOW_CONN_SLACK_DEFAULT"])
    assert slack["password"] == config.slack_webhook_token.get_secret_value()
    assert slack["password"] not in slack["host"]
    assert len(told["AIRFLOW__API__SECRET_KEY"]) == 64
    assert told["AIRFLOW__API__SECRET_KEY"] != told["AIRFLOW__API_AUTH__JWT_SECRET"]


def test_no_secret_is_on_a_command_line(config):
    secrets = {line.partition("=")[2] for line in (config.home / "secrets.env").read_text().splitlines()}
    assert not secrets & {word for command in airflow.PROGRAMS.values() for word in command}


def test_lineage_goes_to_a_file_and_by_one_variable_to_a_server(config):
    told = airflow_environment.environment(config)
    transport = json.loads(told["AIRFLOW__OPENLINEAGE__TRANSPORT"])
    assert transport["type"] == "file" and transport["append"] is True
    assert transport["log_file_path"] == str(config.logs_dir / "openlineage.jsonl")
    elsewhere = load_settings({"ELT_HOME": str(config.home), "OPENLINEAGE_URL": "http://127.0.0.1:5000"})
    transport = json.loads(airflow_environment.environment(elsewhere)["AIRFLOW__OPENLINEAGE__TRANSPORT"])
    assert (transport["type"], transport["url"]) == ("http", "http://127.0.0.1:5000")


def test_metrics_are_sent_when_a_collector_is_named(config):
    assert airflow_environment.environment(config)["AIRFLOW__METRICS__OTEL_ON"] == "False"
    collector = "http://127.0.0.1:4318"
    named = load_settings({"ELT_HOME": str(config.home), "OTEL_EXPORTER_OTLP_ENDPOINT": collector})
    told = airflow_environment.environment(named)
    assert told["AIRFLOW__METRICS__OTEL_ON"] == "True"
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == collector


def test_in_containers_the_parts_find_each_other_by_name(tmp_path):
    told = airflow_environment.environment(
        load_settings(
            {
                "ELT_HOME": str(tmp_path),
                "LISTEN_HOST": "0.0.0.0",  # noqa: S104
                "METADATA_HOST": "metadata",
                "SINK_HOST": "sink",
                "AIRFLOW_URL": "http://airflow-api-server:8080",
                "AIRFLOW_PUBLIC_URL": "https://airflow.example.com/",
            }
        )
    )
    assert told["AIRFLOW__API__HOST"] == "0.0.0.0"  # noqa: S104
    assert told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("@metadata:54321/airflow")
    assert told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://airflow-api-server:8080/execution/"
    assert told["AIRFLOW__API__BASE_URL"] == "https://airflow.example.com"
    assert json.loads(told["AIRFLOW_CONN_SMTP_DEFAULT"])["host"] == "sink"
    assert json.loads(told["AIRFLOW_CONN_SLACK_DEFAULT"])["host"] == "http://sink:8002/services"
    assert "AIRFLOW__CELERY__BROKER_URL" not in told


def test_a_connection_that_the_deployment_gives_wins(tmp_path):
    given = '{"conn_type": "slackwebhook", "password": "T1/B1/X"}'
    told = airflow_environment.environment(
        load_settings({"ELT_HOME": str(tmp_path), "AIRFLOW_CONN_SLACK_DEFAULT": given})
    )
    assert told["AIRFLOW_CONN_SLACK_DEFAULT"] == given
    assert json.loads(told["AIRFLOW_CONN_AIRBYTE_DEFAULT"])["conn_type"] == "airbyte"


def test_workers_reach_the_broker_with_its_password_whatever_that_looks_like(tmp_path):
    told = airflow_environment.environment(
        load_settings(
            {
                "ELT_HOME": str(tmp_path),
                "AIRFLOW_EXECUTOR": "CeleryExecutor",
                "BROKER_HOST": "broker",
                "BROKER_PASSWORD": "a/b@c",
            }
        )
    )
    assert told["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert told["AIRFLOW__CELERY__BROKER_URL"] == "redis://:a%2Fb%40c@broker:6379/0"
