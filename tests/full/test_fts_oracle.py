"""Compares search words with those of a live PostgreSQL 15 from Debian.

`python tests/full/test_fts_oracle.py` writes the fixtures of tests/core/test_tsvector.py anew from the same server.
"""

import itertools
import json
import os
import pwd
import random
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backscroll.core.pgtext.stemmer import stem
from backscroll.core.pgtext.tsvector import tsvector

pytestmark = pytest.mark.full

BIN = Path("/usr/lib/postgresql/15/bin")
FIXTURES = Path(__file__).parent.parent / "fixtures"
GOLDEN = Path(__file__).parent.parent / "golden" / "list-all-messages-200.json"

Connection = psycopg.Connection[tuple[Any, ...]]

PHRASES = (
    "Hey, are you coming to the meeting {time}?|ok|Okay!!|Thanks a lot {emoji}|"
    "Please send the invoice to {email} by {date}|The total is {price}, incl. {number}% VAT|Call me on {phone}|"
    "my number is {phone} or {phone}|see {url}|{url}|Have you read {url} yet?|It's at {url}, I'd say|[docs]({url})|"
    "<{url}>|mail: {email};|{email}, {email}|{other}|{other} {emoji}|{other}, {word}!|"
    "Upgraded from {version} to {version}|the file is in {path} I think|{path}|Saved as {path}.|a {hyphen} idea|"
    "{hyphen}, {hyphen} and {hyphen}|{html}|*bold* _italic_ ~gone~ ```{path}```|> quoted\n{word}|"
    "1. {word}\n2. {word}\n3. {word}|- {word}\n- {hyphen}\n- {number}|{emoji}|{emoji}{emoji}{word}|"
    "I'll be there at {time}|don't, won't, can't, she's|We've been running late since {time}, arriving {date}|"
    "Re: Fwd: {word}/{word} #{word} @{word}|@{number} please check {url} and {path}|{price} {price}|"
    "Order #{number}-{number} shipped on {date}|OTP: {number}. Do not share|{word}.{word}|{word}...{word}|"
    "{word} .. {word}|{word}?!|({word}) [{hyphen}] \"{word}\" '{other}'|{word}:{word}|{word}={number}&{word}={word}|"
    "{word}@{word}|{word}_{word}|{number}/{number}|{number}x{number}|{number}-{number}|-{number}|+{number}|"
    "{number}.{number}.{number}|Running, runs & ran: the runners' running|nothing more to say about it|"
    "Location: {number}.{number},-{number}.{number}|"
    "BEGIN:VCARD\nVERSION:3.0\nN:{word};{word}\nTEL;type=CELL;waid={number}:{phone}\nEND:VCARD|"
    "Meet me {time}-{time} {emoji}"
)

PARTS = {
    "word": "hello|Running|GENEROUSLY|skies|hopefully|nationality|Ünïcode|café|naïve|the|I|a1|24x7|3D|b2b|"
    "happily|sizes|Straße|São|communication|arsenal|singly|don|İstanbul|ΟΔΟΣ|WhatsApp|iPhone15|ok",
    "hyphen": "well-known|state-of-the-art|covid-19|F-16|3d-model|e-mail|re-running-late|x-1-y|café-bar|"
    "up-to-date-|A-B-12|10-year|7-up-12|-dash|semi--double|jack-o'-lantern",
    "number": "0|7|12|007|1999|918527184400|100000000000000000000|3.14|1e10",
    "price": "$5.99|€10|£1,250.00|₹499/-|5.000,00|Rs.500|USD50|-20%|1.5k|+3.5|-1.2.3|1e-5|6.02E23",
    "phone": "+919537851844|+1-202-555-0143|(020)7946-0958|+44.20.7946.0958|00491701234567|98765-43210",
    "time": "10:30|5pm|17h30|tomorrow|09:05:59|T10:00Z|8.30|3-ish",
    "date": "2025-01-24|12/05/2024|24.01.2025|1st|Jan-24|2025-04-31T23:59:59Z|'99|2025/1/2",
    "version": "1.2.3|v2.0|10.0.0.1|2.1.0-beta.3|v1.2.3.4|3.x|1.0rc1|-2.0.1|192.168.0.1:8080/a",
    "url": "https://chat.whatsapp.com/invite/CGiTdfn1dUM8J67GEx1lyx|http://a.com/b/c?x=1&y=2#frag|"
    "www.example.co.uk|example.com/path/to/it's?q=a+b|example.com:|example.com:8080/x|"
    "ftp://files.example.org|https://müller.de/ü|https://youtu.be/dQw4w9WgXcQ?t=10|bit.ly/3xYz|"
    "HTTPS://EXAMPLE.COM/|http://localhost:3000/x|http://1e5.com/|a.b-c_d.com/~u/|"
    "https://maps.google.com/?q=-23.55,-46.63|https://example.com.|wa.me/919537851844|t.co",
    "email": "bob@example.com|first.last+tag@mail.example.co.in|a_b-c@x.org|x@1e5.com|A@B.COM|bob@host|"
    "info@münchen.de|é1@b.com|bob@example.com:25/x|who@192.168.0.1|mailto:bob@example.com",
    "path": "/usr/local/bin|~/notes.txt|../up/a.txt|C:\\dir\\file.doc|./run.sh|a/b/c|and/or|"
    "IMG-20240512-WA0001.jpg|report_v2.pdf|/a/../b|/./././x|..|../|~user/x|/~x|file.tar.gz|README.md|"
    ".env|/..",
    "html": "<b>bold</b>|<br/>|<br x>|<a href='x'>link</a>|<script>alert(1)</script>after|<style x|"
    "<!--hidden-->seen|&amp;|&#39;|&nbsp;x|&bogus|x<y|a<b>c|<3|</3|<?xml?>|<!DOCTYPE html>",
    "emoji": "😀|👍🏽|❤️|🇮🇳|👨‍👩‍👧|5️⃣|🅰️|™|✓|…|—|«|»|🏴󠁧󠁢󠁥󠁮󠁧󠁿|1️⃣2️⃣",
    "other": "नमस्ते आप कैसे हैं|मैं ठीक हूँ|१२३|مرحبا كيف الحال|٣٤٥|السَّلامُ عليكم|你好，今天怎么样？|日本語のテスト|"
    "안녕하세요 여러분|Привет как дела|שלום לך|สวัสดีครับ|Xin chào bạn|Γειά σου ΚΌΣΜΕ|வணக்கம்|হ্যালো|ক্ষমা|"
    "ગુજરાતી|ಕನ್ನಡ|తెలుగు|മലയാളം|𝐁𝐨𝐥𝐝|𝓯𝓪𝓷𝓬𝔂|ｆｕｌｌ|ﷺ|ΑΒΓ-αβγ|é́x",
}

ASCII_SHREDS = r"""
a I x 1 12 007 . .. ... , ; : :: / // - -- + _ @ @@ ~ ~/ ./ ../ /. /.. & # $ % ( ) = [ ] { } | ' " `
? ! < > ab abc the running HELLO 1.5 1.2.3 10.0.0.1 3e5 1e-4 -1 +5 -1.5 -1.2.3 1. 1e E+ 1e5.com a-b
a_b a1 1a -a -1a 3d- <a> </b> <br/> <!-- --> <!d <?x <a_ <script> </script> <script <style </style>
&amp; &#39; &#x1F; &a:b.c-d; http:// :// www. .com .co.uk .x a.com /path ?q=1 #f :80 user@ @b.com
u@e.com x@1e5.com a.b.c i.e. a@b \ \' \"
"""
OTHER_SHREDS = (
    "é ñ ß ж ΣΑΣ Σ İ नम त\u0947 \u093e \u094d مر \u0663 中文 ไทย 😀 🅰 𝐀𝐁 𝒳 𞤀 \u200d \ufe0f"
    " \u20e3 \u0301 \u034f \u093c \u00ad \u00a0 \u2009 \u2028 \u3000 \t \n \r \x0b \x01 \x1c \x85"
)
SHREDS = [*ASCII_SHREDS.split(), *OTHER_SHREDS.split(" "), "<a '", *([" "] * 40)]

EDGES = [
    *(
        "",
        " ",
        "the",
        "cat " * 255,
        "cat " * 257,
        "dog " + "the " * 16381 + "cat cat cat hen hen",
        "the " * 17000 + "cat hen",
    ),
    *(f"{'a' * size} b" for size in (64, 65, 1000, 1001, 2046, 2047)),
    *(f"{'é' * size} b" for size in (64, 65, 500, 501, 1023, 1024)),
    *("a" * size + "ness" for size in (60, 61, 996, 997)),
    *("ab-" * 400 + "nesses", "ab-" * 700 + "cd", f"http://a.com/{'x' * 2100} end", "a.com/" + "x" * 60),
    *(
        "so <a 'it\\x",
        "so <a 'it\\x y",
        "so <a 'it\\",
        "so <a 'it",
        "<a 'x\\\\' >b",
        "<a 'x\\a\\' >b",
        "<script x",
        "<script/> x",
    ),
    *("a./././.!", "/././../././!", "~/~/~/x", "../../x", "/~/./..", "a_b_c@d", "a_b_c@d.ef", "a.bc-de.fg", "x@a.bc-d"),
]


def chat_bodies(rng: random.Random) -> Iterator[str]:
    """Make messages such as people and programs write, endlessly."""
    phrases = PHRASES.split("|")
    choices = {name: parts.split("|") for name, parts in PARTS.items()}
    while True:
        phrase = " ".join(rng.choices(phrases, k=rng.choice((1, 1, 1, 2, 3))))
        yield re.sub(r"\{(\w+)\}", lambda slot: rng.choice(choices[slot[1]]), phrase)


def shredded_bodies(rng: random.Random) -> Iterator[str]:
    """Make texts that mix what the parser distinguishes, endlessly."""
    signs = "".join(sorted(set("".join(SHREDS))))
    while True:
        yield "".join(rng.choices(SHREDS, k=rng.randint(1, 12)))
        yield " ".join(rng.choices(SHREDS, k=rng.randint(1, 12)))
        yield "".join(rng.choices(signs, k=rng.randint(1, 16)))
        yield "".join(rng.choices("aA1.-_@/:~+<>&;'\"\\ e", k=rng.randint(1, 16)))
        yield "<a " + "".join(rng.choices("a1 ='\"\\>/<x", k=rng.randint(1, 14))) + " b c"


def bodies(seed: int, each: int) -> list[str]:
    rng = random.Random(seed)
    chats, shreds = itertools.islice(chat_bodies(rng), each), itertools.islice(shredded_bodies(rng), each)
    return list(dict.fromkeys([*chats, *shreds]))


ENDINGS = "s es ed ing edly ingly ly ness nesses ful fully less ational ization ative able ibly ies ied y ys"


def words(count: int) -> list[str]:
    """Take words from Python's own source, and add endings to some of them until there are enough."""
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    found = sorted(set(re.findall(r"\b[a-z]{2,20}\b", " ".join(source.read_text("utf-8") for source in sources))))
    endings = ENDINGS.split()
    made = [word + ending for word in found for ending in random.Random(word).sample(endings, 4)]
    return sorted({*found, *random.Random(1).sample(made, min(len(made), max(0, count - len(found))))})


@contextmanager
def running_postgres() -> Iterator[Connection]:
    """Run a separate server on its own socket, as a user other than root, until the block ends."""
    user = next((name for name in ("postgres", "nobody") if _is_user(name)), None) if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="fts-", dir="/tmp"))
    try:
        if user:
            shutil.chown(home, user)
        _run(
            user,
            BIN / "initdb",
            "-D",
            home / "data",
            "-U",
            "oracle",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
        )
        settings = f"-c listen_addresses= -c fsync=off -k {home}"
        _run(user, BIN / "pg_ctl", "-D", home / "data", "-l", home / "log", "-o", settings, "-w", "start")
        try:
            with psycopg.connect(host=str(home), user="oracle", dbname="postgres", autocommit=True) as connection:
                yield connection
        finally:
            _run(user, BIN / "pg_ctl", "-D", home / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home)


def _is_user(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _run(user: str | None, *command: str | Path) -> None:
    subprocess.run([*map(str, command)], user=user, cwd="/", check=True, stdout=subprocess.DEVNULL, timeout=60)


@pytest.fixture(scope="module")
def oracle() -> Iterator[Connection]:
    if not (BIN / "initdb").exists():
        message = "PostgreSQL 15 is not installed; `apt-get install postgresql-15` brings it"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with running_postgres() as connection:
        yield connection


def vectors(oracle: Connection, texts: list[str]) -> list[str]:
    rows = oracle.execute(
        "SELECT to_tsvector('english', body)::text FROM unnest(%s::text[]) WITH ORDINALITY AS t (body, n) ORDER BY n",
        [texts],
    )
    return [vector for (vector,) in rows]


def stems(oracle: Connection, texts: list[str]) -> dict[str, str]:
    rows = oracle.execute(
        "SELECT word, (ts_lexize('english_stem', word))[1] FROM unnest(%s::text[]) AS t (word)", [texts]
    )
    return {word: lexeme for word, lexeme in rows if lexeme is not None}


@pytest.mark.parametrize("seed", range(4))
def test_random_bodies_are_read_as_postgres_reads_them(oracle: Connection, seed: int) -> None:
    texts = bodies(seed, 5000)
    for text, vector in zip(texts, vectors(oracle, texts), strict=True):
        assert (text, tsvector(text)) == (text, vector)


def test_limits_and_corners_are_as_in_postgres(oracle: Connection) -> None:
    for text, vector in zip(EDGES, vectors(oracle, EDGES), strict=True):
        assert (text, tsvector(text)) == (text, vector)


def test_every_character_is_a_letter_a_mark_or_a_blank_as_in_postgres(oracle: Connection) -> None:
    signs = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
    texts = [" ".join(f"a{sign}B {sign}" for sign in signs[start : start + 256]) for start in range(0, len(signs), 256)]
    for text, vector in zip(texts, vectors(oracle, texts), strict=True):
        assert (text, tsvector(text)) == (text, vector)


def test_words_have_the_stems_of_postgres(oracle: Connection) -> None:
    for word, lexeme in stems(oracle, words(40_000)).items():
        assert (word, stem(word)) == (word, lexeme)


def test_the_fixture_is_what_this_server_says(oracle: Connection) -> None:
    rows = [json.loads(line) for line in (FIXTURES / "fts_postgres15.jsonl").read_text("utf-8").split("\n") if line]
    assert vectors(oracle, [row["body"] for row in rows]) == [row["fts"] for row in rows]


def write_fixtures() -> None:
    messages = json.loads(GOLDEN.read_bytes())["messages"]
    texts = [*(message["body"] for message in messages if message["body"]), *EDGES, *bodies(2025, 1250)]
    with running_postgres() as oracle:
        rows = [{"body": text, "fts": vector} for text, vector in zip(texts, vectors(oracle, texts), strict=True)]
        by_stem: dict[str, list[str]] = {}
        for word, lexeme in sorted(stems(oracle, words(21_500)).items()):
            by_stem.setdefault(lexeme, []).append(word)
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (FIXTURES / "fts_postgres15.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    lines = (f"{lexeme}: {' '.join(found)}" for lexeme, found in sorted(by_stem.items()))
    (FIXTURES / "stems_postgres15.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")


if __name__ == "__main__":
    write_fixtures()
