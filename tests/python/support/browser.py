"""Headless Chromium for tests of pages: the machine's own, driven by Playwright."""

import shutil
from contextlib import contextmanager

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Chromium may neither ask the network for anything nor need a screen.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def program():
    """Return the path of this machine's Chromium, or skip the test; CI installs it, see .ci/run."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; install the package chromium")
    return found


@contextmanager
def browser(profile):
    """Start Chromium with an empty profile; close it at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=program(), headless=True, args=FLAGS, chromium_sandbox=False
        )
        # A busy machine is slow, not wrong.
        context.set_default_timeout(90_000)
        try:
            yield context
        finally:
            context.close()


@contextmanager
def page(context, address, *, size=(1440, 1000), colours="light"):
    """Open a page; its errors and what it tried to load are in ``errors`` and ``asked`` of the tab."""
    tab = context.new_page()
    tab.set_viewport_size({"width": size[0], "height": size[1]})
    tab.emulate_media(color_scheme=colours)
    tab.errors, tab.asked = [], []
    tab.on("console", lambda message: tab.errors.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("request", lambda request: tab.asked.append(request.url))
    try:
        tab.goto(address)
        yield tab
    finally:
        tab.close()
