import assert from "node:assert/strict";
import { test } from "node:test";
import { join, split, toggle, valued, without } from "../src/query.ts";
import { parse, to } from "../src/router.ts";

test("every address that the page makes leads back to its screen", () => {
  const odd = "a/b?c#d e%@lid";
  assert.deepEqual(parse(to.chats), { name: "chats" });
  assert.deepEqual(parse(to.chat("49", odd, { at: odd })), {
    name: "chat",
    phone: "49",
    jid: odd,
    at: odd,
    on: null,
    hit: null,
  });
  assert.deepEqual(parse(to.chat("49", "x@g.us", { on: "2019-03-12" })), {
    name: "chat",
    phone: "49",
    jid: "x@g.us",
    at: null,
    on: "2019-03-12",
    hit: null,
  });
  assert.deepEqual(parse(to.media({ phone: "49", jid: odd }, "voice")), {
    name: "media",
    phone: "49",
    jid: odd,
    kind: "voice",
  });
  assert.deepEqual(parse(to.media()), { name: "media", phone: null, jid: null, kind: "picture" });
  assert.deepEqual(parse(to.search('in:"a b" c&d', "relevance", "49")), {
    name: "search",
    q: 'in:"a b" c&d',
    sort: "relevance",
    phone: "49",
  });
  assert.deepEqual(parse(to.contacts(odd)), { name: "contacts", jid: odd });
  assert.deepEqual(parse(to.sources("49")), { name: "sources", phone: "49" });
  assert.deepEqual(parse(to.manage("tokens")), { name: "manage", section: "tokens" });
});

test("other addresses are nowhere", () => {
  for (const address of [
    "/v1/chats",
    "/read",
    "/read/chat",
    "/read/chat/49",
    "/read/chat/49/x/y",
    "/read/%zz/x",
    "/chats",
    "/read/search/x",
    "/read/chat/49/x/media/y",
  ])
    assert.deepEqual(parse(address), { name: "nowhere" }, address);
});

test("filters of a search are told from its words", () => {
  assert.deepEqual(split('from:mara map in:"summer house" -has:link coast'), {
    filters: ["from:mara", 'in:"summer house"', "-has:link"],
    rest: "map coast",
  });
  assert.deepEqual(split("see http://a.example from: x"), { filters: [], rest: "see http://a.example from: x" });
  assert.equal(join(split("a from:b c")), "from:b a c");
  assert.equal(toggle("map", "has:media"), "has:media map");
  assert.equal(toggle("has:media map", "has:media"), "map");
  assert.equal(
    without("after:2024-01-01 map", (filter) => filter.startsWith("after:")),
    "map",
  );
  assert.equal(valued("in", 'a "b" c'), 'in:"a b c"');
});
