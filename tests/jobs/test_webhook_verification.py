"""The instructions of docs/webhooks.md for receivers work with requests as they are sent."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from receivers import Taken, receiving
from test_webhook_delivery import BEGIN, jid, outside, sending, until

from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Details, Location, Media, Message, MessageKey, Org, Phone
from backscroll.core.webhooks import Format, resubscribed
from backscroll.core.webhooks import Webhook as Hook
from backscroll.outbound.signing import headers_of, periskope_signature, standard_signature
from backscroll.storage.store import Store

DOCUMENT = Path(__file__).parents[2] / "docs" / "webhooks.md"
WORDS = 'größe "quoted" \\ </script> \u2028 👩\u200d👩\u200d👧 \u202egnisrever'


def snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT.read_text("utf-8"), re.S)
    assert found is not None
    return found[1]


@pytest.fixture(params=["native", "periskope"])
def sent(request: pytest.FixtureRequest, store: Store, org: Org, phone: Phone) -> tuple[Taken, str]:
    """A request about a message with unusual words and numbers, and the secret that signs it."""
    return send(store, org, phone, request.param)


def send(store: Store, org: Org, phone: Phone, shape: Format) -> tuple[Taken, str]:
    details = Details(
        media=Media(mimetype="image/jpeg", width=540, height=1188, duration=2.0),
        location=Location(latitude=1e-7, longitude=-0.1278, name=WORDS),
        forwarding_score=3,
    )
    key = MessageKey(phone.jid, jid(1), "M1")
    said = MessageSeen(Message(key=key, sent_at=BEGIN, from_me=False, text=WORDS, details=details))
    with receiving() as receiver:
        wanted = Hook(org=org.no, id="", name=None, url=receiver.url, format=shape, types=())
        made, secret = store.webhooks.add(resubscribed(wanted, ("message.created",), 1))
        store.apply(org.no, Batch(source="webhook", events=[said]))
        with sending(store, org, outside()):
            until(store, made)
        (taken,) = receiver.taken
    return taken, secret


def forgeries(taken: Taken, secret: str) -> list[tuple[dict[str, str], bytes, str]]:
    late = {"webhook-timestamp": str(int(time.time()) - 400)}
    late["webhook-signature"] = f"v1,{standard_signature(secret, taken.id, int(late['webhook-timestamp']), taken.raw)}"
    return [
        (taken.headers, taken.raw + b" ", secret),
        (taken.headers | {"webhook-id": "evt_other"}, taken.raw, secret),
        (taken.headers | {"webhook-signature": "v1,"}, taken.raw, secret),
        (taken.headers | late, taken.raw, secret),
        (taken.headers, taken.raw, "whsec_" + "A" * 44),
    ]


def test_the_python_lines_tell_genuine_requests_from_others(sent: tuple[Taken, str]) -> None:
    names: dict[str, Any] = {}
    exec(snippet("python"), names)
    is_genuine: Callable[[dict[str, str], bytes, str], bool] = names["is_genuine"]
    taken, secret = sent
    assert is_genuine(taken.headers, taken.raw, secret)
    assert [is_genuine(*forged) for forged in forgeries(taken, secret)] == [False] * 5


def test_the_javascript_lines_do_too_and_print_the_same_bytes_again(sent: tuple[Taken, str]) -> None:
    taken, secret = sent
    asked = [(taken.headers, taken.raw, secret), *forgeries(taken, secret)]
    script = f"""{snippet("js")}
        const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));
        const genuine = asked.map(([headers, body, secret]) => isGenuine(headers, Buffer.from(body, 'utf8'), secret));
        const [headers, body, secret] = asked[0];
        const again = JSON.stringify(JSON.parse(body));
        const hex = createHmac('sha256', secret).update(again).digest('hex');
        console.log(JSON.stringify({{ genuine, same: hex === headers['x-periskope-signature'] }}));
    """
    node = shutil.which("node")
    assert node is not None, "Node.js is needed: apt-get install nodejs"
    given = json.dumps([(headers, raw.decode(), secret) for headers, raw, secret in asked])
    ran = subprocess.run([node, "-e", script], input=given.encode(), check=True, capture_output=True, timeout=60)
    found = json.loads(ran.stdout)
    assert found["genuine"] == [True, *([False] * 5)]
    # Receivers of Periskope's events often check the signature of the body parsed and serialised again.
    assert found["same"] or "event_type" not in taken.body


def test_a_signature_is_that_of_standard_webhooks() -> None:
    """Checks the example of the specification's own libraries."""
    secret, id, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    assert standard_signature(secret, id, at, b'{"test": 2432232314}') == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_sign_while_both_count() -> None:
    first, second = (
        headers_of(("whsec_bmV3", "whsec_b2xk"), "evt_1", 5, b"{}"),
        headers_of(("whsec_bmV3", "whsec_b2xk"), "evt_1", 5, b"{}", attempt=2),
    )
    assert first["webhook-signature"] == second["webhook-signature"]
    assert len(first["webhook-signature"].split(" ")) == 2
    assert first["x-periskope-signature"] == periskope_signature("whsec_bmV3", b"{}")
    assert second["x-periskope-signature"] == periskope_signature("whsec_b2xk", b"{}")
    # A key that comes from another service is used as it is written.
    assert standard_signature("peri_abc", "evt_1", 5, b"{}") != standard_signature("peri_abd", "evt_1", 5, b"{}")
