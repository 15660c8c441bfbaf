"""Snowflake's errors in the user's words, and which of them may pass by themselves."""

from __future__ import annotations

from snowflake.connector import errors

from foundation.errors import EltError

# the service or the way to it: what the connector gives up on after its own tries
PASSING = (
    errors.OperationalError,
    errors.InternalServerError,
    errors.ServiceUnavailableError,
    errors.GatewayTimeoutError,
    errors.BadGatewayError,
    errors.RequestTimeoutError,
    errors.TooManyRequests,
    errors.OtherHTTPRetryableError,
    errors.RequestExceedMaxRetryError,
    errors.InterfaceError,
)
NEVER_PASSING = (errors.NonRetryableTlsError, errors.RevocationCheckError)
SESSION_GONE = frozenset({390104, 390108, 390109, 390111, 390112, 390114, 390195})
LOGIN_REFUSED = frozenset({250001, 390100, 390101, 390102, 390144, 390186, 390189, 390422, 394300, 394304})
LOCKED = 625
NO_DATABASE = 90105

MAX_REASON = 500


class LostError(Exception):
    """The connection to Snowflake, or an answer, was lost; what was asked may have happened or not."""


def passes(error: errors.Error) -> bool:
    """Whether trying again, perhaps in a new session, may help."""
    if isinstance(error, NEVER_PASSING):
        return False
    return isinstance(error, PASSING) or error.errno in SESSION_GONE


def reason(error: Exception) -> str:
    """The error's text on one line, not too long."""
    text = " ".join(str(error).split())
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} …"


def refused_login(error: errors.Error, where: str, user: str) -> EltError:
    """Why no session began."""
    if passes(error) and error.errno not in LOGIN_REFUSED - {250001}:
        return unreachable(where, error)
    return EltError(
        f"{where} refuses the login of {user}: {reason(error)}",
        "correct username, credentials and role of the destination; a public key must be the user's RSA_PUBLIC_KEY",
    )


def unreachable(where: str, error: Exception) -> EltError:
    return EltError(
        f"{where} cannot be reached: {reason(error)}; nothing is half done",
        "see https://status.snowflake.com and the way there (host, proxy, firewall), then sync again",
    )


def explained(error: errors.Error, where: str, doing: str) -> EltError:
    """What was found and what to do about it; `doing` names the stream or the step."""
    if error.errno == LOCKED:
        return EltError(
            f"{doing}: another transaction holds the table for too long: {reason(error)}",
            "wait for it to end; of a program that was killed: `show transactions in account`,"
            " then `select system$abort_transaction(ID)`",
        )
    if error.errno == NO_DATABASE or "does not have a current database" in str(error):
        return EltError(
            f"{doing}: {where} has no such database, or the role may not use it: {reason(error)}",
            "create it and grant usage on it to the role (infrastructure/snowflake)",
        )
    if error.errno == 606 or "No active warehouse" in str(error):
        return EltError(
            f"{doing}: {where} has no such warehouse, or the role may not use it: {reason(error)}",
            "create it and grant usage on it to the role (infrastructure/snowflake)",
        )
    if error.errno == 3001 or "Insufficient privileges" in str(error):
        return EltError(
            f"{doing}: {where}: the role lacks a privilege: {reason(error)}",
            "grant create schema on the database to the role, and let it own the schemas that it loads",
        )
    return EltError(f"{doing}: {where} refused: {reason(error)}", "see the job's log")
