"""What every error is that a person can mend."""


class UserError(Exception):
    """A mistake in what was asked, or something broken around us, that a person can mend.

    Its message is the whole story: what was wrong, where, and what to do next. Every error class
    of this package derives from it, so that commands print the message alone, and whatever else
    is raised is a bug and keeps its traceback.
    """


def say_plainly(said: str) -> str:
    """The message of an error as Python prints it, ``package.module.SomeError: message``.

    A :class:`UserError` loses its class, which says nothing that its message does not; any other
    keeps the bare name (``KeyError: 'x'``).
    """
    name, colon, message = said.strip().partition(": ")
    if not colon or not all(part.isidentifier() for part in name.split(".")):
        return said.strip()
    if name in _names(UserError):
        return message
    return f"{name.rpartition('.')[2]}: {message}"


def _names(base: type[Exception]) -> set[str]:
    names = {f"{base.__module__}.{base.__qualname__}"}
    for derived in base.__subclasses__():
        names |= _names(derived)
    return names
