import assert from "node:assert/strict";
import { test } from "node:test";
import { indexOfFirst } from "../src/reading/numbers.ts";

const days = (...names: string[]) => names.map((day) => ({ day }));
const MARCH = {
  month: "2026-03",
  before: 100,
  days: [
    ["2026-03-02", 5],
    ["2026-03-09", 3],
  ] as [string, number][],
};
const both = { older: true, newer: true };

test("a window at an end of the chat knows its place by that end", () => {
  assert.equal(indexOfFirst(days("2026-03-02"), { older: false, newer: true }, 108, null), 0);
  assert.equal(indexOfFirst(days("2026-03-09", "2026-03-09"), { older: true, newer: false }, 108, null), 106);
});

test("between the ends the first day that begins in the window tells", () => {
  const items = days("2026-02-27", "2026-02-27", "2026-03-02", "2026-03-02");
  assert.equal(indexOfFirst(items, both, 108, MARCH), 98);
  assert.equal(indexOfFirst(days("2026-03-02", "2026-03-09"), both, 108, MARCH), 104);
});

test("where nothing is sure nothing is said", () => {
  assert.equal(indexOfFirst(days("2026-03-02", "2026-03-02"), both, 108, MARCH), null);
  assert.equal(indexOfFirst(days("2026-02-02", "2026-02-03"), both, 108, MARCH), null);
  assert.equal(indexOfFirst(days("2026-03-01", "2026-03-02"), both, 108, null), null);
});
