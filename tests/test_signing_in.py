"""Signing in: too many wrong passwords, the second step, what ends a session, and what cookies say."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.test import APIClient

from dam import api_keys
from dam.models import AuditEntry, Scope
from tests.factories import PASSWORD, AdministratorFactory, EditorFactory

LOGIN = "/admin/login/"
CODES = re.compile(r"<li><code>(\w+)</code></li>")

pytestmark = pytest.mark.django_db


def enter(user: User, password: str = PASSWORD, client: Client | None = None, **more: Any) -> Any:
    """What the form answers."""
    client = client or Client()
    return client.post(f"{LOGIN}?next=/admin/", {"username": user.username, "password": password}, **more)


def code_of(user: User, *, confirmed: bool, at: int = 0) -> str:
    """What the person's app shows, so many periods from now; what was shown once is not taken again."""
    device = TOTPDevice.objects.get(user=user, confirmed=confirmed)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = (timezone.now() + timedelta(seconds=device.step * at)).timestamp()
    return f"{totp.token():06d}"


def second_factor(user: User) -> tuple[Client, list[str]]:
    """A browser in which this person has turned the second step on, and the recovery codes."""
    client = Client()
    client.force_login(user)
    page = reverse("admin:account_security")
    assert "data:image/png;base64," in client.post(page, {"do": "begin"}).content.decode()
    given = {"code": code_of(user, confirmed=False), "password": PASSWORD}
    answer = client.post(page, {"do": "confirm", **given})
    return client, CODES.findall(answer.content.decode())


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def test_wrong_passwords_lock_the_account_for_that_address_alone_and_for_a_while(settings: Any) -> None:
    user, other = AdministratorFactory(), EditorFactory()
    for _try in range(settings.AXES_FAILURE_LIMIT - 1):
        assert enter(user, "wrong").status_code == 200
    assert enter(user, "wrong").status_code == 429
    refused = enter(user)
    assert refused.status_code == 429
    assert refused["Retry-After"] == "900"
    assert "15 minutes" in refused.content.decode()
    assert "wrong password" not in refused.content.decode()

    assert enter(other).status_code == 302
    assert enter(user, REMOTE_ADDR="203.0.113.9").status_code == 302
    assert actions().count("user.locked_out") == 1
    assert AuditEntry.objects.get(action="user.locked_out").details == {"address": "127.0.0.1"}

    settings.AXES_COOLOFF_TIME = timedelta(seconds=0)
    assert enter(user).status_code == 302


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_saw(settings: Any) -> None:
    user = EditorFactory()
    settings.AXES_FAILURE_LIMIT = 2

    def attempts(*forwarded: str) -> list[int]:
        return [enter(user, "wrong", headers={"X-Forwarded-For": said}).status_code for said in forwarded]

    # Without a proxy the header is anybody's word: two tries are two, whatever they say.
    assert attempts("198.51.100.1", "198.51.100.2") == [200, 429]
    settings.BEHIND_PROXY = True
    assert attempts("198.51.100.7", "198.51.100.8") == [200, 200]
    assert attempts("10.0.0.1, 198.51.100.9", "10.0.0.2, 198.51.100.9") == [200, 429]


def test_the_second_step_stands_between_the_password_and_everything(settings: Any) -> None:
    user = AdministratorFactory()
    _first, codes = second_factor(user)
    assert len(codes) == len(set(codes)) == 10

    client = Client()
    assert enter(user, client=client).status_code == 302
    half = client.session.session_key
    # Nothing is open with half of it: no page, no REST, no file.
    for address in ("/admin/", reverse("admin:dam_asset_changelist"), reverse("admin:account_security")):
        answer = client.get(address)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, LOGIN), address
    assert client.get("/api/v1/collections/").status_code in (401, 403)
    step = client.get(f"{LOGIN}?next=/admin/dam/asset/")["Location"]
    assert step.startswith(reverse("admin:second_step"))

    refused = client.post(step, {"code": "000000", "next": "/admin/dam/asset/"})
    assert "This is not the code" in refused.content.decode()
    assert client.get("/admin/").status_code == 302
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)

    done = client.post(step, {"code": code_of(user, confirmed=True, at=1), "next": "/admin/dam/asset/"})
    assert (done.status_code, done["Location"]) == (302, "/admin/dam/asset/")
    assert client.get("/admin/").status_code == 200
    assert client.session.session_key != half
    assert client.get(reverse("admin:second_step"))["Location"] == reverse("admin:index")


def test_a_code_counts_once_leads_nowhere_else_and_is_not_guessed_fast() -> None:
    user = EditorFactory()
    _first, codes = second_factor(user)
    step = reverse("admin:second_step")

    def half() -> Client:
        client = Client()
        enter(user, client=client)
        return client

    assert half().post(step, {"code": codes[0], "next": "https://evil.example/"})["Location"] == "/admin/"
    assert half().post(step, {"code": codes[0]}).status_code == 200
    # After a wrong one the right one has to wait as well.
    assert half().post(step, {"code": codes[1]}).status_code == 200
    assert "user.recovery_code_used" in actions()


def test_the_second_step_is_turned_off_only_with_a_code() -> None:
    user = EditorFactory()
    client, codes = second_factor(user)
    page = reverse("admin:account_security")
    client.post(page, {"do": "off", "code": "nonsense"})
    assert TOTPDevice.objects.filter(user=user, confirmed=True).exists()
    client.post(page, {"do": "codes", "code": ""})
    for kind in (TOTPDevice, StaticDevice):
        kind.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    fresh = CODES.findall(client.post(page, {"do": "codes", "code": codes[0]}).content.decode())
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    client.post(page, {"do": "off", "code": fresh[0]})
    assert not TOTPDevice.objects.exists() and not StaticToken.objects.exists()
    assert enter(user).status_code == 302
    assert client.get("/admin/").status_code == 200
    assert actions() == [
        "user.two_factor_on", "user.recovery_code_used", "user.recovery_codes", "user.recovery_code_used",
        "user.two_factor_off",
    ]  # fmt: skip


@pytest.mark.parametrize("deed", ["begin", "confirm"])
def test_an_open_session_alone_turns_no_second_step_on(deed: str) -> None:
    user = EditorFactory()
    here, there = Client(), Client()
    for client in (here, there):
        enter(user, client=client)
    page = reverse("admin:account_security")
    assert 'name="password"' in here.post(page, {"do": "begin"}).content.decode()

    def confirm(**given: str) -> Any:
        return here.post(page, {"do": deed, "code": code_of(user, confirmed=False), **given})

    for given in ({}, {"password": "wrong"}):
        assert "This is not your password" in confirm(**given).content.decode()
        assert not TOTPDevice.objects.filter(confirmed=True).exists()
    assert there.get("/admin/").status_code == 200
    assert len(CODES.findall(confirm(password=PASSWORD).content.decode())) == 10
    assert [client.get("/admin/").status_code for client in (here, there)] == [200, 302]


def test_the_password_is_not_guessed_from_an_open_session(settings: Any) -> None:
    user = EditorFactory()
    client = Client()
    enter(user, client=client)
    page = reverse("admin:account_security")
    client.post(page, {"do": "begin"})
    given = {"do": "confirm", "code": code_of(user, confirmed=False)}
    tries = [
        client.post(page, {**given, "password": password}).status_code
        for password in [*["wrong"] * settings.AXES_FAILURE_LIMIT, PASSWORD]
    ]
    assert tries == [200] * (settings.AXES_FAILURE_LIMIT - 1) + [429, 429]
    assert not TOTPDevice.objects.filter(confirmed=True).exists()


def test_where_it_is_required_nobody_gets_on_without_and_keys_go_on_working(settings: Any) -> None:
    user = AdministratorFactory()
    _key, secret = api_keys.create("shop", user, [Scope.READ], actor=user)
    settings.REQUIRE_TWO_FACTOR = True
    client = Client()
    client.force_login(user)
    assert client.get("/admin/").status_code == 302
    step = reverse("admin:second_step")
    assert "data:image/png;base64," in client.get(step).content.decode()
    done = client.post(step, {"do": "confirm", "code": code_of(user, confirmed=False)})
    assert len(CODES.findall(done.content.decode())) == 10
    assert client.get("/admin/").status_code == 200

    program = APIClient()
    program.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert program.get("/api/v1/assets/").status_code == 200


def test_an_operator_takes_the_second_factor_away() -> None:
    user = EditorFactory()
    client, _codes = second_factor(user)
    call_command("reset_two_factor", user.username)
    assert client.get("/admin/").status_code == 302
    fresh = Client()
    enter(user, client=fresh)
    assert fresh.get("/admin/").status_code == 200
    assert AuditEntry.objects.get(action="user.two_factor_off").actor is None
    with pytest.raises(CommandError, match="no account “nobody-here”"):
        call_command("reset_two_factor", "nobody-here")


def test_sessions_end_everywhere_else_when_asked_and_with_a_new_password() -> None:
    user, other = EditorFactory(), EditorFactory()
    here, there, third = Client(), Client(), Client()
    for client, who in ((here, user), (there, user), (third, other)):
        enter(who, client=client)
    first_key = here.session.session_key
    here.post(reverse("admin:account_security"), {"do": "sign-out"})
    assert [client.get("/admin/").status_code for client in (here, there, third)] == [200, 302, 200]
    assert AuditEntry.objects.get(action="user.signed_out_elsewhere").details == {"sessions": 1}

    enter(user, client=there)
    fields = {
        "old_password": PASSWORD,
        "new_password1": "quite another 77",
        "new_password2": "quite another 77",
    }
    here.post(reverse("admin:password_change"), fields)
    assert [client.get("/admin/").status_code for client in (here, there, third)] == [200, 302, 200]
    assert here.session.session_key != first_key


def test_turning_it_on_ends_the_other_sessions() -> None:
    user = EditorFactory()
    there = Client()
    enter(user, client=there)
    here, _codes = second_factor(user)
    assert [client.get("/admin/").status_code for client in (here, there)] == [200, 302]


def test_a_session_lives_on_while_it_is_used_and_is_written_seldom(settings: Any) -> None:
    client = Client()
    enter(EditorFactory(), client=client)
    client.get("/admin/")
    began = client.session["began"]
    assert "sessionid" not in client.get("/admin/").cookies
    session = client.session
    session["began"] = began - settings.SESSION_COOKIE_AGE * 3 // 4
    session.save()
    answer = client.get("/admin/")
    assert answer.cookies["sessionid"]["max-age"] == settings.SESSION_COOKIE_AGE == 24 * 3600


def test_cookies_are_for_this_site_and_not_for_scripts(settings: Any) -> None:
    client = Client()
    client.get(LOGIN)
    enter(EditorFactory(), client=client)
    for name in ("sessionid", "csrftoken"):
        cookie = client.cookies[name]
        assert (cookie["samesite"], cookie["httponly"]) == ("Lax", True), name
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(LOGIN, {"username": "x", "password": "y"}).status_code == 403
