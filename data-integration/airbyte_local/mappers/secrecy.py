"""Hashes and ciphers: bytes of a value's text → hexadecimal text."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from cryptography.hazmat.primitives import padding as paddings
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from airbyte_local.mappers.models import Aes, Rsa

Secrecy = Callable[[bytes], str]
BLOCK = 16  # bytes, of AES
PKCS1_OVERHEAD = 11  # bytes of a key's size that PKCS#1 needs for itself


def hashed(method: str) -> Secrecy:
    """`method`: Airbyte's name of it."""
    name = method.replace("SHA-", "sha").lower()
    return lambda value: hashlib.new(name, value, usedforsecurity=False).hexdigest()


def encrypted(configuration: Aes | Rsa) -> Secrecy:
    """Raises ValueError for a key, or a padding, that the cipher cannot use."""
    return _rsa(configuration) if isinstance(configuration, Rsa) else _aes(configuration)


def _aes(configuration: Aes) -> Secrecy:
    """As Airbyte writes it: 16 bytes of initialisation vector, then the cipher text (and the tag of GCM).

    The vector is made of key and value, so that one value always gives one text: rows that are read again compare equal.
    """
    try:
        key = bytes.fromhex(configuration.key)
        algorithm = algorithms.AES(key)
    except ValueError:
        raise ValueError("is no AES key: 32, 48 or 64 hexadecimal digits") from None
    mode, pads = configuration.mode, configuration.padding == "PKCS5Padding"
    if pads != (mode == "CBC"):
        raise ValueError(f"{mode} needs {'PKCS5Padding' if mode == 'CBC' else 'NoPadding'}")
    vector_key = hmac.digest(key, b"initialisation vector", "sha256")
    make = {"CBC": modes.CBC, "CTR": modes.CTR, "GCM": modes.GCM}[mode]

    def encrypt(value: bytes) -> str:
        vector = hmac.digest(vector_key, value, "sha256")[:BLOCK]
        cipher = Cipher(algorithm, make(vector)).encryptor()
        if pads:
            padder = paddings.PKCS7(8 * BLOCK).padder()
            value = padder.update(value) + padder.finalize()
        text = vector + cipher.update(value) + cipher.finalize()
        return (text + cipher.tag if mode == "GCM" else text).hex()

    return encrypt


def _rsa(configuration: Rsa) -> Secrecy:
    """With the padding of PKCS#1 v1.5, Java's default; its random part makes each text another one."""
    try:
        key = load_der_public_key(bytes.fromhex(configuration.public_key))
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ValueError("is no RSA public key: DER (X.509) in hexadecimal digits")
    most = key.key_size // 8 - PKCS1_OVERHEAD

    def encrypt(value: bytes) -> str:
        if len(value) > most:
            raise ValueError(f"a value has {len(value)} bytes, and its RSA key encrypts at most {most}")
        return key.encrypt(value, PKCS1v15()).hex()

    return encrypt
