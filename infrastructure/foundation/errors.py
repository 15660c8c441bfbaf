"""The one error that a person is meant to read."""


class EltError(Exception):
    """Something the user can mend: what was found, and what to do about it.

    `elt` prints it as one line on stderr and exits with its code, 2 (a subclass that reports what ran
    and failed has 1). Every package raises this (or a subclass)
    where the cause is outside the code: a port taken, a file malformed, a password wrong.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message} — {remedy}" if remedy else message)
