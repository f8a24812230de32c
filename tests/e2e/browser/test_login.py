"""Logging in at the page, as a person does: with a password, by a name, and where it cannot work, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from playwright.sync_api import Page, expect

from tests.conftest import RunningServer

NewServer = Callable[..., AbstractContextManager[RunningServer]]


def fill(page: Page, name: str, secret: str) -> None:
    page.get_by_label("User or access key").fill(name)
    page.get_by_label("Password or secret key").fill(secret)
    page.get_by_role("button", name="Log in").click()


def test_a_person_logs_in_with_a_password_and_out_again(own_server: RunningServer, page: Page) -> None:
    server = own_server
    user = server.call("auth.create_user", {"name": "Ägidius", "company": "c", "email": "e"})["id"]
    server.call("auth.set_password", {"user": user, "password": "pässword: 1"})
    page.goto(server.web)
    expect(page).to_have_title("Log in · clearml-lean")
    expect(page.get_by_role("heading", name="Log in to clearml-lean")).to_be_visible()
    fill(page, "Ägidius", "not the one")
    expect(page.get_by_role("alert")).to_contain_text("invalid credentials")
    fill(page, "Ägidius", "pässword: 1")
    expect(page.locator("#who")).to_contain_text("Ägidius")
    expect(page).to_have_title("Dashboard · clearml-lean")
    expect(page.get_by_role("link", name="clearml-lean")).to_be_visible()
    page.reload()
    expect(page.locator("#who")).to_contain_text("Ägidius")
    assert page.evaluate("document.cookie") == ""  # the cookie keeps the session; no script can read it
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("User or access key")).to_be_visible()
    expect(page.locator("#who")).to_be_empty()


def test_a_page_whose_origin_the_server_does_not_know_says_so_and_how_to_change_it(
    own_server: RunningServer, page: Page
) -> None:
    origin = own_server.web.replace("127.0.0.1", "clearml.example")
    page.goto(origin)
    fill(page, own_server.access_key, own_server.secret_key)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("--web-origin")
    expect(alert).to_contain_text(f"origin={origin}")


def test_people_pick_their_names_where_the_server_lets_them(new_server: NewServer, page: Page) -> None:
    with new_server(env={"CLEARML_SERVER_LOGIN": "names"}) as server:
        server.call("auth.create_user", {"name": "Known", "company": "c", "email": "e"})
        for name in ("Known", "New here", "New here"):
            page.goto(server.web)
            page.get_by_label("Your name").fill(name)
            page.get_by_role("button", name="Log in").click()
            expect(page.locator("#who")).to_contain_text(name)
            with page.expect_navigation():
                page.get_by_role("button", name="Log out").click()
            expect(page.get_by_label("Your name")).to_be_visible()
        names = [user["name"] for user in server.call("users.get_all_ex")["users"]]
        assert names.count("New here") == 1 and names.count("Known") == 1


def test_a_login_leads_back_to_the_address_that_was_wanted_and_never_elsewhere(
    server: RunningServer, page: Page
) -> None:
    page.goto(f"{server.web}/workers-and-queues/queues")
    fill(page, server.access_key, server.secret_key)
    expect(page).to_have_url(f"{server.web}/workers-and-queues/queues")
    page.goto(f"{server.web}/login?redirect=//clearml.example/evil")
    fill(page, server.access_key, server.secret_key)
    expect(page).to_have_url(f"{server.web}/dashboard")
