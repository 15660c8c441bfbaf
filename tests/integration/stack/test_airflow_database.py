"""Airflow's database is prepared once, again when something has changed, and the wait is short when nothing has."""

import time

import psycopg
import pytest
from werkzeug.security import check_password_hash

from foundation.errors import EltError
from foundation.settings import load_settings
from stack import airflow
from stack.postgres import metadata_cluster
from tests.fixtures.source import free_port


@pytest.fixture(scope="module")
def environ(tmp_path_factory):
    """An ELT_HOME with a running metadata PostgreSQL."""
    environ = {
        "ELT_HOME": str(tmp_path_factory.mktemp("airflow") / "elt home"),
        "METADATA_PORT": str(free_port()),
    }
    cluster = metadata_cluster(load_settings(environ))
    cluster.initialise()
    cluster.start()
    yield environ
    cluster.stop()


def asked(config, query):
    with psycopg.connect(
        host="127.0.0.1",
        port=config.metadata_port,
        dbname="airflow",
        user="airflow",
        password=config.metadata_password.get_secret_value(),
    ) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
def test_it_is_prepared_once_and_again_when_the_password_has_changed(environ, monkeypatch):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    config = load_settings()
    assert airflow.prepare(config) is True
    began = time.monotonic()
    assert airflow.prepare(config) is False
    assert time.monotonic() - began < 1
    assert asked(config, "select slots from slot_pool where pool = 'warehouse'") == [(1,)]
    roles = """
        select ab_user.username, ab_role.name from ab_user
        join ab_user_role on ab_user_role.user_id = ab_user.id join ab_role on ab_role.id = ab_user_role.role_id
    """
    assert sorted(asked(config, roles)) == [
        ("admin", "Admin"),
        ("operator", "Operator"),
        ("viewer", "Viewer"),
    ]
    may = """
        select ab_permission.name, ab_view_menu.name from ab_role
        join ab_permission_view_role on role_id = ab_role.id
        join ab_permission_view on ab_permission_view.id = permission_view_id
        join ab_permission on ab_permission.id = permission_id
        join ab_view_menu on ab_view_menu.id = view_menu_id
        where ab_role.name = 'Operator' and ab_permission.name not in ('can_read', 'menu_access')
    """
    assert {pair for pair in asked(config, may) if not pair[1].startswith("My ")} == set(airflow.OPERATOR_MAY)
    assert (
        asked(config, f"{may.replace('not in', 'in')} and ab_view_menu.name in ('Connections', 'Variables')")
        == []
    )

    monkeypatch.setenv("AIRFLOW_ADMIN_PASSWORD", "a new one")
    changed = load_settings()
    assert airflow.prepare(changed) is True
    [(stored,)] = asked(config, "select password from ab_user where username = 'admin'")
    assert check_password_hash(stored, "a new one")
    assert airflow.prepare(changed) is False


@pytest.mark.slow
def test_a_migration_that_fails_names_its_log(environ, monkeypatch):
    config = load_settings(environ | {"AIRFLOW_ADMIN_USER": "somebody else"})
    (config.home / "airflow" / "prepared").unlink(missing_ok=True)
    monkeypatch.setattr(
        airflow, "environment", lambda settings: {"ELT_HOME": str(config.home), "METADATA_PORT": "x"}
    )
    with pytest.raises(EltError, match=r"migrate\.log"):
        airflow.prepare(config)


def test_a_postgres_that_does_not_answer_names_its_port(environ):
    config = load_settings(environ | {"METADATA_PORT": str(free_port())})
    (config.home / "airflow").mkdir(parents=True, exist_ok=True)
    (config.home / "airflow" / "prepared").write_text("once")
    with pytest.raises(EltError, match=f"127.0.0.1:{config.metadata_port}.*elt up postgres"):
        airflow.prepare(config)
