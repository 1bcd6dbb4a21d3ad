"""Google's token endpoint and a machine's metadata server, emulated: who gets a token, and until when it is good."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EMAIL = "runner@acme-prod.iam.gserviceaccount.com"
REFRESH = "1//emulated-refresh"


class Identity:
    """Accounts and tokens."""

    def __init__(self) -> None:
        self.lives = 3599
        self.required = True
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.tokens: dict[str, float] = {}
        self.given = {"jwt": 0, "refresh": 0, "metadata": 0}

    def service_account(self, url: str) -> dict[str, str]:
        """The key file of the account."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        key = {"type": "service_account", "client_email": EMAIL, "private_key_id": "emulated-key"}
        return key | {
            "private_key": pem.decode(),
            "token_uri": f"{url}/token",
            "project_id": "acme-prod",
        }

    def authorized_user(self, url: str) -> dict[str, str]:
        """What gcloud leaves for a person."""
        user = {"type": "authorized_user", "client_id": "emulated", "client_secret": "emulated"}
        return user | {"refresh_token": REFRESH, "token_uri": f"{url}/token"}

    def issue(self, way: str) -> dict[str, Any]:
        """A new token."""
        token = f"ya29.emulated-{secrets.token_hex(8)}"
        self.tokens[token] = time.time() + self.lives
        self.given[way] += 1
        return {"access_token": token, "expires_in": self.lives, "token_type": "Bearer"}

    def revoke_all(self) -> None:
        """Every token is refused from now on."""
        self.tokens.clear()

    def admits(self, authorization: str) -> bool:
        """True for a token that is good."""
        scheme, _, token = authorization.partition(" ")
        good = scheme == "Bearer" and self.tokens.get(token, 0) > time.time()
        return good or not self.required

    def exchange(self, body: bytes, audience: str) -> dict[str, Any] | None:
        """The token endpoint; `None` refuses."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("grant_type") == GRANT:
            return (
                self.issue("jwt") if self._verified(form.get("assertion", ""), audience) else None
            )
        if form.get("grant_type") == "refresh_token" and form.get("refresh_token") == REFRESH:
            return self.issue("refresh")
        return None

    def _verified(self, assertion: str, audience: str) -> bool:
        """RFC 7523: RS256 by the account's key, for us, not over an hour long, for the scope."""
        try:
            signed, _, signature = assertion.rpartition(".")
            header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
            public = self.key.public_key()
            public.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, InvalidSignature):
            return False
        now = time.time()
        timely = claims["iat"] - 60 <= now < claims["exp"] <= claims["iat"] + 3600
        ours = claims["aud"] in (audience, "https://oauth2.googleapis.com/token")
        named = (header["alg"], header.get("kid"), claims["iss"]) == (
            "RS256",
            "emulated-key",
            EMAIL,
        )
        return timely and ours and named and SCOPE in claims["scope"].split()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
