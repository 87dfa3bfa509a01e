"""A key as text: `kba_<id>_<secret><checksum>`. The id finds it, the secret proves it, the checksum catches typos.

The secret is 256 random bits, so a plain SHA-256 is all that storing it takes: there is nothing to guess.
"""

import base64
import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from typing import Final

_ID_BYTES: Final = 5  # 8 characters
_SECRET_BYTES: Final = 32  # 52 characters
_FORM: Final = re.compile(r"(kba_([a-z2-7]{8})_[a-z2-7]{52})([a-z2-7]{7})")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A key's text, shown once, with what is kept of it."""

    id: str
    text: str
    digest: bytes


def make_token() -> NewToken:
    """Draw a key."""
    token_id = _letters(secrets.token_bytes(_ID_BYTES))
    head = f"kba_{token_id}_{_letters(secrets.token_bytes(_SECRET_BYTES))}"
    text = head + _checksum(head)
    return NewToken(token_id, text, digest(text))


def id_of(text: str) -> str | None:
    """Give the id in a key's text; None when it is no key, mistyped or cut."""
    match = _FORM.fullmatch(text)
    return match[2] if match and _checksum(match[1]) == match[3] else None


def digest(text: str) -> bytes:
    """Give what is kept of a secret; of any text, what cannot be encoded included."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _checksum(head: str) -> str:
    return _letters(zlib.crc32(head.encode()).to_bytes(4, "big"))


def _letters(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
