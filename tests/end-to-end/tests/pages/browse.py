"""Looks at pages in Debian's chromium, and says in JSON what is wrong with each.

The first line of its input is JSON: {"pictures": folder, "pages": [{"name", "url", "says": [text…], "paste"?,
"status"?, "checkpoint"?, "roots"?}…]}. With "checkpoint", an address, the steps of the proof on the page are recomputed
from its words alone, and must lead to the root that stands there; with "roots", to one of these.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import sys
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

SIZES = {"telephone": (360, 740), "desk": (1280, 900)}
SCHEMES = ["light", "dark"]

# What stands out of the page to the side, unless it lies in something that scrolls by itself.
OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    const scrolls = (element) => {
        for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
            if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return true;
        return false;
    };
    const out = [...document.body.querySelectorAll("*")].filter(
        (element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element));
    const wide = document.documentElement.scrollWidth > width;
    return out.slice(0, 5).map((element) => element.outerHTML.slice(0, 120)).concat(wide ? ["the page scrolls"] : []);
}"""

# Text that is too pale on what lies behind it (WCAG 2 asks for 4.5), by the first colour that is not transparent.
PALE = """() => {
    const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const contrast = (element, colour) => {
        const [a, b] = [light(parse(colour)), light(behind(element))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    const pale = [];
    for (const element of document.body.querySelectorAll("*")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        const colours = own ? [getComputedStyle(element).color] : [];
        if (element.placeholder) colours.push(getComputedStyle(element, "::placeholder").color);
        for (const colour of colours) {
            const found = contrast(element, colour);
            if (found < 4.5) pale.push(`${found.toFixed(1)}: ${element.outerHTML.slice(0, 100)}`);
        }
    }
    return pale.slice(0, 5);
}"""

# A field without a name for those who cannot see it, or a thing to press that a thumb misses (WCAG 2.2: 24 pixels).
FIELDS = """() => [...document.querySelectorAll("input, textarea, button")].filter((element) => {
    const box = element.getBoundingClientRect();
    const named = element.tagName === "BUTTON" ? element.textContent.trim() : element.labels.length;
    return !named || box.height < 24 || box.width < 24;
}).map((element) => element.outerHTML.slice(0, 100))"""

BACKGROUND = """() => [document.documentElement, document.body]
    .map((element) => getComputedStyle(element).backgroundColor).join() + getComputedStyle(document.body).color"""

STEPS = '() => [...document.querySelectorAll("main li")].map((step) => step.innerText)'


def recomputed(steps):
    """Follows the words of an inclusion proof as a person with sha256sum would; the last hash."""
    at = None
    for step in steps:
        if found := re.search(r"byte 00 and the \d+ bytes ([0-9a-f]+)", step):
            at = hashlib.sha256(b"\x00" + bytes.fromhex(found[1])).digest()
        elif found := re.search(r"of 01, ([0-9a-f]{64}), and the hash before", step):
            at = hashlib.sha256(b"\x01" + bytes.fromhex(found[1]) + at).digest()
        elif found := re.search(r"of 01, the hash before, and ([0-9a-f]{64})", step):
            at = hashlib.sha256(b"\x01" + at + bytes.fromhex(found[1])).digest()
    return at.hex() if at else "no proof"


def opened(page, wanted):
    """The answer for the page that is wanted, after filling in its form if there is something to paste."""
    answer = page.goto(wanted["url"], wait_until="networkidle")
    if "paste" in wanted:
        page.fill("textarea", wanted["paste"])
        with page.expect_navigation() as navigation:
            page.click("button")
        answer = navigation.value
    return answer


def root(context, wanted):
    """The root of the checkpoint at an address, in hexadecimal digits."""
    at = wanted.get("checkpoint")
    return [base64.b64decode(context.request.get(at).text().split("\n")[2]).hex()] if at else wanted.get("roots", [])


def judged(page, wanted, answer, roots):
    """What is wrong with a page that is open."""
    text, expected = page.inner_text("body"), wanted.get("status", 200)
    # A file has no status.
    if answer.status not in (expected, 0):
        yield f"expected the status {expected}, found {answer.status}"
    for says in wanted["says"]:
        if says not in text:
            yield f"does not say {says!r}: {text[:2000]!r}"
    if roots and (found := recomputed(page.evaluate(STEPS))) not in roots:
        yield f"expected steps to the root {roots[0]}, found {found}"
    if page.evaluate("document.scripts.length"):
        yield "has a script"
    for what, value in {"language": "document.documentElement.lang", "title": "document.title"}.items():
        if not page.evaluate(value):
            yield f"has no {what}"
    for what, faults in {"stands out to the side": OVERFLOW, "too pale": PALE, "a field": FIELDS}.items():
        yield from (f"{what}: {fault}" for fault in page.evaluate(faults))


def look(browser, wanted, size, scheme, pictures):
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        is_mobile=size == "telephone",
        color_scheme=scheme,
        # The server's certificate is by its own authority.
        ignore_https_errors=True,
    )
    page, faults, home = context.new_page(), [], urlsplit(wanted["url"]).netloc
    page.set_default_timeout(30_000)

    def asked(request):
        if urlsplit(request.url).netloc != home and not request.url.startswith("data:"):
            faults.append(f"asks elsewhere: {request.url}")

    page.on("request", asked)
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("console", lambda said: faults.append(f"console: {said.text}") if said.type == "error" else None)
    # The log may grow meanwhile.
    roots = root(context, wanted)
    answer = opened(page, wanted)
    roots = roots + root(context, wanted)
    if answer.status >= 400:
        # The browser itself says so on its console.
        faults[:] = [fault for fault in faults if f"status of {answer.status}" not in fault]
    faults += judged(page, wanted, answer, roots)
    name = f"{wanted['name']}-{size}-{scheme}"
    page.screenshot(path=os.path.join(pictures, f"{name}.png"), full_page=True)
    found = {"name": name, "background": page.evaluate(BACKGROUND), "faults": faults}
    context.close()
    return found


def main():
    wanted = json.loads(sys.stdin.readline())
    os.makedirs(wanted["pictures"], exist_ok=True)
    chromium = shutil.which("chromium")
    if not chromium:
        sys.exit("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # Its sandbox does not run as root, and these pages are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        looks = [
            look(browser, page, size, scheme, wanted["pictures"])
            for page in wanted["pages"]
            for size in SIZES
            for scheme in SCHEMES
        ]
        browser.close()
    print(json.dumps(looks))


main()
