/** Dates and numbers in the viewer's time zone and in the page's language. */
const DAY_MS = 86_400_000;

/** The page is in English; the variety of English decides how dates and times are written. */
const english = (typeof navigator === "undefined" ? [] : navigator.languages).find((tag) => /^en\b/i.test(tag));
export const LOCALE = english && english.toLowerCase() !== "en" ? english : "en-GB";
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(LOCALE, { timeZone: ZONE, ...options });
const formats = {
  day: format({ weekday: "long", day: "numeric", month: "long", year: "numeric" }),
  date: format({ day: "numeric", month: "long", year: "numeric" }),
  short: format({ day: "numeric", month: "short", year: "numeric" }),
  dayMonth: format({ day: "numeric", month: "short" }),
  month: format({ month: "long", year: "numeric" }),
  shortMonth: format({ month: "short" }),
  weekday: format({ weekday: "short" }),
  minute: format({ hour: "2-digit", minute: "2-digit" }),
  second: format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
  moment: format({ day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" }),
};
// Fields are read by name: how a locale orders them differs between browsers and changes with their versions.
const NUMERIC = "en-u-ca-gregory-nu-latn";
const days = new Intl.DateTimeFormat(NUMERIC, { timeZone: ZONE, year: "numeric", month: "2-digit", day: "2-digit" });
const offsets = new Intl.DateTimeFormat(NUMERIC, {
  timeZone: ZONE,
  hourCycle: "h23",
  year: "numeric",
  month: "numeric",
  day: "numeric",
  hour: "numeric",
  minute: "numeric",
  second: "numeric",
});

export const ms = (time: string): number => Date.parse(time);
/** Whether a time has passed by the viewer's clock; a missing one has not. */
export const isPast = (time: string | null): boolean => time !== null && ms(time) < Date.now();

type Style = keyof typeof formats;
export function show(style: Style, time: string | number): string {
  const at = typeof time === "string" ? ms(time) : time;
  return Number.isNaN(at) ? "" : formats[style].format(at);
}

function fields(of: Intl.DateTimeFormat, at: number): Partial<Record<Intl.DateTimeFormatPartTypes, string>> {
  return Object.fromEntries(of.formatToParts(at).map(({ type, value }) => [type, value]));
}

/** The calendar day of a moment in the viewer's time zone: 2026-07-18. */
export const dayOf = (time: string | number): string => {
  const at = typeof time === "string" ? ms(time) : time;
  if (Number.isNaN(at)) return "";
  const { year = "", month, day } = fields(days, at);
  return `${year.padStart(4, "0")}-${month}-${day}`;
};
export const monthOf = (time: string | number): string => dayOf(time).slice(0, 7);

/** Minutes by which the viewer's clock was ahead of UTC at a moment. */
function ahead(at: number): number {
  const { year, month, day, hour, minute, second } = fields(offsets, at);
  const clock = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  return (clock - Math.floor(at / 1000) * 1000) / 60_000;
}

/** When a day begins for the viewer, or the first moment after midnight if clocks skip it; null for an invalid date. */
export function startOfDay(day: string): number | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!match) return null;
  const utc = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(utc)) return null;
  let at = utc - ahead(utc) * 60_000;
  at = utc - ahead(at) * 60_000;
  while (dayOf(at) < day) at += 30 * 60_000;
  return at;
}

export const startOfMonth = (month: string): number => startOfDay(`${month}-01`) ?? 0;

/** The month `count` months later: 2026-07 and 1 → 2026-08. */
export function addMonths(month: string, count: number): string {
  const [year = 1970, of = 1] = month.split("-").map(Number);
  const date = new Date(Date.UTC(year, of - 1 + count, 1));
  return date.toISOString().slice(0, 7);
}

export function addDays(day: string, count: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * DAY_MS).toISOString().slice(0, 10);
}

/** For lists: the time today, the weekday within six days, then the date. */
export function briefly(time: string, now = Date.now()): string {
  const at = ms(time);
  if (dayOf(at) === dayOf(now)) return show("minute", at);
  if (at < now && now - at < 6 * DAY_MS) return show("weekday", at);
  return show(dayOf(at).slice(0, 4) === dayOf(now).slice(0, 4) ? "dayMonth" : "short", at);
}

const numbers = new Intl.NumberFormat(LOCALE);
export const number = (value: number): string => numbers.format(value);
const ordinary = new Intl.PluralRules("en");
export const plural = (count: number, one: string, many: string): string =>
  `${number(count)} ${ordinary.select(count) === "one" ? one : many}`;

const list = new Intl.ListFormat(LOCALE, { type: "conjunction" });
export const and = (items: string[]): string => list.format(items);

/** 1:07, 1:02:03. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
export function bytes(size: number): string {
  let step = 0;
  while (size >= 1000 && step < UNITS.length - 1) {
    size /= 1000;
    step++;
  }
  const digits = step > 1 && size < 10 ? 1 : 0;
  return new Intl.NumberFormat(LOCALE, {
    style: "unit",
    unit: UNITS[step]!,
    unitDisplay: step ? "short" : "long",
    maximumFractionDigits: digits,
  }).format(size);
}

/** A span of days in words: "9 to 14 July 2026". */
export function span(from: string, until: string): [string, string] {
  const [a, b] = [dayOf(from), dayOf(until)];
  if (a.slice(0, 7) === b.slice(0, 7)) return [String(Number(a.slice(8))), show("date", until)];
  if (a.slice(0, 4) === b.slice(0, 4))
    return [
      new Intl.DateTimeFormat(LOCALE, { timeZone: ZONE, day: "numeric", month: "long" }).format(ms(from)),
      show("date", until),
    ];
  return [show("date", from), show("date", until)];
}
