"""A request with a body in another charset is refused before anything reads it."""

from encodings.aliases import aliases

import pytest
from django.test import Client

from tests.support.api_calls import Caller, code_of

FORMS = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json",
    "text/plain",
)
UTF_8 = ("utf-8", "UTF-8", "utf8", '"utf-8"')
OTHERS = (
    *sorted(set(aliases.values()) - {"utf_8"}),
    "idna",
    "punycode",
    "undefined",
    "nonsense",
    "",
)
BODY = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'


@pytest.mark.django_db
@pytest.mark.parametrize("form", FORMS)
def test_other_charset_is_refused(operator: Caller, form: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.get("/admin/login/")

    for charset in OTHERS:
        content_type = f"{form}; charset={charset}"
        page = browser.generic("POST", "/admin/login/", BODY, content_type=content_type)
        answer = operator.send("post", "polling-configs", BODY, **{"Content-Type": content_type})

        assert page.status_code == 400, charset
        assert code_of(answer) == (400, "unsupported_charset"), charset


@pytest.mark.django_db
@pytest.mark.parametrize("charset", UTF_8)
def test_utf_8_is_accepted(operator: Caller, client: Client, charset: str) -> None:
    content_type = f"application/json; charset={charset}"
    answer = operator.send(
        "post", "polling-configs", b'{"name": "caf\xc3\xa9", "priority": 5}', **{"Content-Type": content_type}
    )
    page = client.post(
        "/admin/login/",
        "username=caf%C3%A9",
        content_type=f"application/x-www-form-urlencoded; charset={charset}",
    )

    assert (answer.status_code, answer.json()["name"]) == (201, "café")
    assert page.status_code == 200
