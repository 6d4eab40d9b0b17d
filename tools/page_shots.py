"""Takes the pictures of the web page in docs/images, from the made-up archive of the page's tests."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from web import archive  # noqa: E402 -- found where the line above says
from web.browsing import NARROW, WIDE, Reader, launch, serving, settle  # noqa: E402

IMAGES = ROOT / "docs/images"
MAX_BYTES = 200 * 1024
HOUSE = f"/read/chat/{archive.MARA}/{quote(archive.HOUSE, safe='')}"


class Shot(Struct, frozen=True, kw_only=True):
    """One picture. ``pick`` is the text of a message whose details are to be opened."""

    name: str
    address: str
    dark: bool = False
    size: tuple[int, int] = WIDE
    pick: str | None = None
    up: int = 0
    """Pixels to scroll back from where the page opens."""


SHOTS = (
    Shot(name="page-chat", address=HOUSE, up=520),
    Shot(name="page-message", address=HOUSE, dark=True, pick="Olives, wine, and the good map"),
    Shot(name="page-media", address="/read/media", dark=True),
    Shot(name="page-phone", address=HOUSE, size=NARROW, up=250),
)


def take(browser: Browser, base: str, secret: str, shot: Shot) -> bytes:
    reader = Reader(browser, base, secret, size=shot.size, color_scheme="dark" if shot.dark else "light")
    page = reader.go(shot.address)
    page.locator("h1").first.wait_for()
    page.wait_for_timeout(800)
    if shot.pick:
        page.locator(".row", has_text=shot.pick).first.locator(".at").click()
        page.locator(".about-panel .told").wait_for()
    elif shot.up:
        page.locator(".scroller").evaluate("(s, up) => s.scrollBy(0, -up)", shot.up)
    settle(page)
    page.wait_for_timeout(500)
    assert not reader.faults, reader.faults
    picture = page.screenshot()
    reader.close()
    return picture


def small(picture: bytes) -> bytes:
    """The picture as a PNG with as many colours as fit in ``MAX_BYTES``."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in (256, 128, 64, 32):
        out = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG if colours < 256 else Image.Dither.NONE).save(
            out, "PNG", optimize=True
        )
        if len(out.getvalue()) <= MAX_BYTES:
            return out.getvalue()
    raise SystemExit(f"a picture stays above {MAX_BYTES} bytes")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        world = archive.fill(archive.create(Path(folder)))
        browser = launch(playwright)
        with serving(world.data) as base:
            for shot in SHOTS:
                picture = small(take(browser, base, world.secret, shot))
                (IMAGES / f"{shot.name}.png").write_bytes(picture)
                print(f"docs/images/{shot.name}.png: {len(picture) // 1024} KB")
        browser.close()
        world.store.close()


if __name__ == "__main__":
    main()
