"""What passwords there may be."""

from __future__ import annotations

from stegcinn.errors import UsageError


def check_new(password: str | None) -> None:
    """Refuse to hide under a password that shows nothing, as a slip of the keyboard leaves it: UsageError.

    Revealing takes it, as someone may have hidden under one.
    """
    if password and password.isspace():
        raise UsageError("the password is nothing but blanks; choose another one")
