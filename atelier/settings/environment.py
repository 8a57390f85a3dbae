"""Where settings come from: the process environment, then `.env`, then the embedded default."""

import io
import os
import re
import secrets
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

BASE_DIR = Path(__file__).resolve().parent.parent.parent


class _SecretFiles(FileAwareMapping):
    """NAME_FILE names a file that holds the value of NAME: how containers are given secrets."""

    def __getitem__(self, key: str) -> str:
        try:
            value: str = super().__getitem__(key)
        except OSError as error:
            raise ImproperlyConfigured(
                f"{key}_FILE names {error.filename}, which cannot be read ({error.strerror})."
            ) from error
        return value.rstrip("\r\n")  # editors end a file with one


class Env(environ.FileAwareEnv):
    """The environment, with secrets in files."""

    ENVIRON = _SecretFiles()


# A # after white space begins a comment, but for one in quotes, as Compose reads the same file.
_COMMENT = re.compile(r"""^([^#=\n]+=)("(?:\\.|[^"\\\n])*"|'[^'\n]*'|(?!["']).*?)[ \t]+#.*$""", re.MULTILINE)


def _settings_in(file: Path) -> io.StringIO:
    """Its lines, without the comments behind values."""
    return io.StringIO(_COMMENT.sub(r"\1\2", file.read_text(encoding="utf-8")))


env = Env()
if (BASE_DIR / ".env").is_file():
    env.read_env(_settings_in(BASE_DIR / ".env"))

DATA_DIR = Path(env.str("ATELIER_DATA", default=str(BASE_DIR / "var"))).expanduser().resolve()


def persistent_secret(name: str) -> str:
    """A random secret kept in the data folder (mode 600), made at first use.

    The embedded default needs one that survives a restart; production sets SECRET_KEY.
    """
    path = DATA_DIR / name
    try:
        return _kept_or_new(path)
    except OSError as error:
        raise ImproperlyConfigured(
            f"Atelier cannot write to its data folder {DATA_DIR} ({error.strerror}). Give this user "
            "write permission there, or set ATELIER_DATA to another folder."
        ) from error


def _kept_or_new(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    value = secrets.token_urlsafe(50)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process was first
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(value)
    return value
