"""Simwatch behind proxies and load balancers."""

import pytest
from django.test import Client
from pytest_django import Settings

from accounts import tokens
from accounts.models import ApiToken
from tests.factories import CarrierFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("host", ["10.0.0.9:8000", "[fd00::9]", "not a host", ""])
@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_need_neither_host_nor_tls(settings: Settings, host: str, path: str) -> None:
    settings.SECURE_SSL_REDIRECT = True

    answer = Client().get(path, headers={"host": host})

    assert answer["Content-Type"] == "application/json"
    assert answer.json()["status"] in {"ok", "unavailable"}


def test_other_paths_need_a_known_host() -> None:
    assert Client().get("/healthz", headers={"host": "10.0.0.9"}).status_code == 400


@pytest.mark.parametrize(
    ("settings_changed", "headers", "origin"),
    [
        ({}, {"host": "sims.example:8443"}, "http://sims.example:8443"),
        (
            {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
            {"host": "sims.example:8443", "x-forwarded-proto": "https"},
            "https://sims.example:8443",
        ),
        (
            {
                "USE_X_FORWARDED_HOST": True,
                "USE_X_FORWARDED_PORT": True,
                "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
            },
            {
                "host": "127.0.0.1:8000",
                "x-forwarded-host": "sims.example",
                "x-forwarded-port": "8443",
                "x-forwarded-proto": "https",
            },
            "https://sims.example:8443",
        ),
        ({}, {"host": "127.0.0.1:8000", "x-forwarded-host": "evil.example"}, "http://127.0.0.1:8000"),
    ],
)
def test_next_page_keeps_scheme_host_and_port(
    settings: Settings, settings_changed: dict[str, object], headers: dict[str, str], origin: str
) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "sims.example"]
    for name, value in settings_changed.items():
        setattr(settings, name, value)
    for code in ("a", "b"):
        CarrierFactory.create(code=code)
    token = tokens.issue(UserFactory.create(role="viewer"), name="test", scope=ApiToken.Scope.READ)[1]

    page = Client().get(
        "/api/v1/carriers", {"page_size": 1}, headers={"Authorization": f"Bearer {token}", **headers}
    )

    assert page.json()["next"].startswith(f"{origin}/api/v1/carriers?")


def test_refused_form_names_the_settings_of_a_proxy() -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/admin/login/")

    refused = client.post("/admin/login/", {"username": "a"}, headers={"origin": "https://sims.example"})

    page = refused.content.decode()
    assert refused.status_code == 403
    assert "https://sims.example" in page
    for name in ("CSRF_TRUSTED_ORIGINS", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT", "X-Forwarded-Proto"):
        assert name in page


def test_form_without_cookie_says_to_allow_cookies() -> None:
    refused = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a"})

    assert refused.status_code == 403
    assert "Allow cookies" in refused.content.decode()


def test_trusted_origin_is_accepted(settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://sims.example"]
    client = Client(enforce_csrf_checks=True)
    client.get("/admin/login/")
    form = {"username": "a", "password": "b", "csrfmiddlewaretoken": client.cookies["csrftoken"].value}

    answer = client.post("/admin/login/", form, headers={"origin": "https://sims.example"})

    assert answer.status_code == 200
