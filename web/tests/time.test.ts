import assert from "node:assert/strict";
import { test } from "node:test";
import { before, momentOf, partOf, scaleOf, labelsOf } from "../src/reading/spine.tsx";
import { weeksOf } from "../src/reading/dates.tsx";
import { addDays, addMonths, clock, dayOf, monthOf, startOfDay, startOfMonth } from "../src/time.ts";

test("a day begins at its first moment in the viewer's zone, all year long", () => {
  for (let day = "2018-01-01"; day < "2019-01-01"; day = addDays(day, 1)) {
    const start = startOfDay(day)!;
    assert.equal(dayOf(start), day);
    assert.equal(dayOf(start - 1), addDays(day, -1));
  }
});

test("what is no date begins nowhere", () => {
  for (const bad of ["", "2019", "2019-02-31x", "yesterday", "2019-13-01"]) assert.equal(startOfDay(bad), null);
});

test("months are counted over years", () => {
  assert.equal(addMonths("2026-11", 3), "2027-02");
  assert.equal(addMonths("2026-01", -1), "2025-12");
  assert.equal(monthOf(startOfMonth("2026-07")), "2026-07");
});

test("lengths are told as clocks do", () =>
  assert.deepEqual([0, 7, 67, 3723].map(clock), ["0:00", "0:07", "1:07", "1:02:03"]));

const data = {
  months: [
    ["2015-03", 10],
    ["2015-04", 5],
    ["2026-07", 7],
  ] as [string, number][],
  gaps: [],
  covered_from: null,
  covered_until: null,
  first_at: null,
  last_at: null,
  total: 22,
};

test("a place on the spine is a moment and back", () => {
  const scale = scaleOf(data);
  assert.equal(partOf(scale, startOfMonth("2015-03")), 0);
  assert.equal(partOf(scale, startOfMonth("2026-08")), 1);
  for (const part of [0, 0.25, 0.5, 1]) assert.ok(Math.abs(partOf(scale, momentOf(scale, part)) - part) < 1e-9);
  assert.equal(partOf(scale, 0), 0);
});

test("messages before a moment are whole months, and the days that are known", () => {
  assert.equal(before(data, startOfMonth("2015-03")), 0);
  assert.equal(before(data, startOfMonth("2020-01")), 15);
  const days = {
    month: "2026-07",
    days: [
      ["2026-07-01", 3],
      ["2026-07-09", 4],
    ] as [string, number][],
    before: 15,
  };
  assert.equal(before(data, startOfDay("2026-07-09")!, days), 18);
});

test("years stand on the spine as far as there is room", () => {
  assert.deepEqual(
    labelsOf(scaleOf(data)).map(({ label }) => label),
    ["2015", "2016", "2017", "2018", "2019", "2020", "2021", "2022", "2023", "2024", "2025", "2026"],
  );
  const long = {
    ...data,
    months: [
      ["1970-01", 1],
      ["2069-12", 1],
    ] as [string, number][],
  };
  assert.ok(labelsOf(scaleOf(long)).length <= 29);
});

test("a short chat has a spine of months, days or hours", () => {
  const short = (first: string, last: string, months: string[]) =>
    scaleOf({
      ...data,
      months: months.map((month): [string, number] => [month, 1]),
      first_at: new Date(startOfDay(first)! + 8.4 * 3_600_000).toISOString(),
      last_at: new Date(startOfDay(last)! + 20.6 * 3_600_000).toISOString(),
    });
  const labels = (scale: ReturnType<typeof scaleOf>) => labelsOf(scale).map(({ label }) => label);
  const months = short("2025-11-20", "2026-02-03", ["2025-11", "2025-12", "2026-01", "2026-02"]);
  assert.deepEqual(labels(months), ["2025", "Dec", "2026", "Feb"]);
  const month = short("2026-06-02", "2026-06-05", ["2026-06"]);
  assert.deepEqual(labels(month), ["2 Jun", "3 Jun", "4 Jun", "5 Jun"]);
  assert.deepEqual([month.from, month.until], [startOfDay("2026-06-02"), startOfDay("2026-06-06")]);
  assert.deepEqual(labels(short("2026-06-30", "2026-07-01", ["2026-06", "2026-07"])), ["30 Jun", "1 Jul"]);
  const day = short("2026-07-18", "2026-07-18", ["2026-07"]);
  assert.equal(day.by, "hour");
  assert.ok(labels(day).length >= 13 && day.until - day.from <= 14 * 3_600_000);
});

test("a month is shown in whole weeks", () => {
  for (const first of [1, 6, 7]) {
    const weeks = weeksOf("2024-02", first);
    assert.ok(weeks.every((week) => week.length === 7));
    assert.equal(weeks.flat().filter(Boolean).length, 29);
    assert.equal(weeks.flat().find(Boolean), "2024-02-01");
  }
});

test("days do not depend on how the browser's locale data orders the fields of a date", () => {
  const prototype = Intl.DateTimeFormat.prototype;
  const kept = Object.getOwnPropertyDescriptor(prototype, "format")!;
  Object.defineProperty(prototype, "format", { configurable: true, get: () => () => "7/18/2026" });
  try {
    assert.equal(dayOf(Date.UTC(2026, 6, 18, 12)), "2026-07-18");
    assert.equal(dayOf(startOfDay("2026-07-18")!), "2026-07-18");
  } finally {
    Object.defineProperty(prototype, "format", kept);
  }
});
