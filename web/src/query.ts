/** A search as it is typed: words, and filters such as from:mara that the page shows as chips. */
interface Typed {
  filters: string[];
  rest: string;
}

const KEYS = ["from", "in", "before", "after", "on", "has", "is"];
const FILTER = new RegExp(String.raw`(?:^|\s)(-?(?:${KEYS.join("|")}):(?:"[^"]*"|[^\s"]+))(?=\s|$)`, "gi");

export function split(q: string): Typed {
  const filters: string[] = [];
  const rest = q.replace(FILTER, (_, filter: string) => {
    filters.push(filter);
    return " ";
  });
  return { filters, rest: rest.replace(/\s+/g, " ").trim() };
}

export const join = ({ filters, rest }: Typed): string => [...filters, rest.trim()].filter(Boolean).join(" ");

export function toggle(q: string, filter: string): string {
  const typed = split(q);
  const has = typed.filters.includes(filter);
  return join({ ...typed, filters: has ? typed.filters.filter((one) => one !== filter) : [...typed.filters, filter] });
}

export const without = (q: string, matches: (filter: string) => boolean): string => {
  const typed = split(q);
  return join({ ...typed, filters: typed.filters.filter((filter) => !matches(filter)) });
};

/** A value as written after a colon: in quotes if it has spaces. */
export const valued = (key: string, value: string): string =>
  `${key}:${/[\s"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value}`;
