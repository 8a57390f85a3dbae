"""The second factor of an account: codes of an app (TOTP), and recovery codes for the day it is lost."""

from __future__ import annotations

import base64
import io
from binascii import unhexlify

import qrcode
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django_otp import match_token
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from dam import audit

RECOVERY_CODES = 10


def has_one(user: User) -> bool:
    """Whether this account asks for a code beside the password."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).exists()


def is_required(user: User) -> bool:
    """Whether this account must have one before it sees anything."""
    return settings.REQUIRE_TWO_FACTOR and user.is_staff


def begin(user: User) -> TOTPDevice:
    """A secret for the app; it counts when a code has shown that the app has it."""
    device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    return device or TOTPDevice.objects.create(user=user, name="app", confirmed=False)


def secret_of(device: TOTPDevice) -> str:
    """What is typed into an app that cannot read the picture."""
    return base64.b32encode(unhexlify(device.key)).decode().rstrip("=")


def picture_of(device: TOTPDevice) -> str:
    """The QR code as an address that holds the picture itself."""
    picture = io.BytesIO()
    qrcode.make(device.config_url, box_size=6).save(picture, "PNG")
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"


@transaction.atomic
def confirm(user: User, code: str) -> tuple[TOTPDevice, list[str]] | None:
    """Turn it on, with the recovery codes; None: this is not the app's code."""
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if device is None or not device.verify_token(_digits(code)):
        return None
    TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
    device.confirmed = True
    device.save()
    audit.record(user, "user.two_factor_on", user)
    return device, _new_codes(user)


@transaction.atomic
def renew_codes(user: User) -> list[str]:
    """New recovery codes; those of before are worth nothing any more."""
    audit.record(user, "user.recovery_codes", user)
    return _new_codes(user)


def codes_left(user: User) -> int:
    """How many recovery codes nobody has used."""
    return StaticToken.objects.filter(device__user=user).count()


def check(user: User, code: str) -> Device | None:
    """The device that this code is of, which takes it once; None: of none, or asked too often."""
    device: Device | None = match_token(user, _digits(code))
    if isinstance(device, StaticDevice):
        audit.record(user, "user.recovery_code_used", user, left=codes_left(user))
    return device


@transaction.atomic
def turn_off(actor: User | None, user: User) -> bool:
    """The password alone opens the account again; whether there was a second factor."""
    had = has_one(user)
    for kind in (TOTPDevice, StaticDevice):
        kind.objects.filter(user=user).delete()
    if had:
        audit.record(actor, "user.two_factor_off", user)
    return had


def is_whole(user: User | AnonymousUser) -> bool:
    """Whether this person has shown the second factor in this session."""
    return bool(getattr(user, "otp_device", None))


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery")
    codes = [StaticToken.random_token() for _one in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def _digits(code: str) -> str:
    """As people type it: in groups, in whichever case."""
    return code.replace(" ", "").replace("-", "").lower()
