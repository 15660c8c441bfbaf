"""A session on Snowflake with the login of the dbt profile."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import snowflake.connector
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import Error

from foundation.errors import EltError
from foundation.settings import Settings
from transformation.project import PROJECT
from transformation.run import environment, reason_of


def profile_of(settings: Settings, target: str) -> Any:
    """dbt's credentials of a target, as `profiles.yml` has them in the environment that any dbt finds. Raises EltError."""
    from dbt.config.profile import Profile, read_profile
    from dbt.config.renderer import ProfileRenderer
    from dbt.flags import set_from_args
    from dbt_common.context import set_invocation_context
    from dbt_common.exceptions import DbtBaseException

    try:
        set_from_args(Namespace(PROFILES_DIR=str(PROJECT)), None)
        set_invocation_context(os.environ | environment(settings, target))
        profile = Profile.from_raw_profiles(
            read_profile(str(PROJECT)), "adventureworks", ProfileRenderer({}), target
        )
    except DbtBaseException as error:
        raise EltError(f"the dbt profile: {reason_of(error)}", "set what profiles.yml asks for") from None
    return profile.credentials


@contextmanager
def dbt_session(settings: Settings, target: str, doing: str) -> Iterator[SnowflakeConnection]:
    """A session of a dbt target; `doing`: what for, in its errors. Raises EltError with Snowflake's words."""
    login = profile_of(settings, target)
    try:
        session = snowflake.connector.connect(
            account=login.account,
            database=login.database,
            schema=login.schema,
            warehouse=login.warehouse,
            role=login.role,
            session_parameters={"QUERY_TAG": "publish_adventureworks"},
            **login.auth_args(),
        )
    except Error as error:
        raise EltError(
            f"Snowflake: {' '.join(str(error).split())}", "check the login in profiles.yml"
        ) from None
    try:
        yield session
    except Error as error:
        raise EltError(
            f"{doing} on Snowflake: {' '.join(str(error).split())}",
            "check the grants of the dbt role; see docs",
        ) from error
    finally:
        session.close()


def ask(session: SnowflakeConnection, query: str, *values: Any) -> list[tuple]:
    """The rows of a statement."""
    return session.cursor().execute(query, values or None).fetchall()
