import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { addDays, addMonths, dayOf, monthOf, ms, number, show, startOfDay, startOfMonth } from "../time.ts";
import type { SpineData, SpineMonth } from "../types.ts";
import { words } from "../words.ts";

const REST_MS = 120;
const MIN_BAR = 0.08;
const YEAR_GAP = 0.035;

/** The span of a timeline, which has a bar for each month: from the month of the first message to that of the last. */
interface Scale {
  from: number;
  until: number;
}
export const scaleOf = ({ months, first_at, last_at }: SpineData): Scale => {
  const first = months[0]?.[0],
    last = months.at(-1)?.[0];
  const from = first ? startOfMonth(first) : first_at ? ms(first_at) : 0;
  const until = last ? startOfMonth(addMonths(last, 1)) : last_at ? ms(last_at) : from + 1;
  return { from, until: Math.max(until, from + 1) };
};
export const partOf = ({ from, until }: Scale, at: number): number =>
  Math.min(1, Math.max(0, (at - from) / (until - from)));
export const momentOf = ({ from, until }: Scale, part: number): number =>
  from + Math.min(1, Math.max(0, part)) * (until - from);

/** How many messages come before a moment: whole months, and the days of its month if they are known. */
export function before({ months }: SpineData, at: number, days?: SpineMonth | null): number {
  const month = monthOf(at),
    day = dayOf(at);
  let count = 0;
  for (const [name, messages] of months) if (name < month) count += messages;
  if (days?.month === month) for (const [name, messages] of days.days) if (name < day) count += messages;
  return count;
}

/** Where the years are labelled: as many as there is room for. */
export function yearsOf(scale: Scale): { year: string; part: number }[] {
  const first = Number(dayOf(scale.from).slice(0, 4)),
    last = Number(dayOf(scale.until - 1).slice(0, 4));
  const years: { year: string; part: number }[] = [];
  for (let year = first; year <= last; year++) {
    const part = partOf(scale, startOfDay(`${year}-01-01`) ?? scale.from);
    const previous = years.at(-1);
    if (!previous || part - previous.part >= YEAR_GAP) years.push({ year: String(year), part });
  }
  return years;
}

interface SpineParts {
  data: SpineData;
  /** The time of the message at the top of the view. */
  now: Signal<number>;
  days?: Signal<SpineMonth | null>;
  hits?: readonly number[];
  go: (at: number) => void;
  exact?: boolean;
}

export function Spine({ data, now, days, hits = [], go, exact = true }: SpineParts) {
  const scale = useMemo(() => scaleOf(data), [data]);
  const inside = useRef<HTMLDivElement>(null);
  const held = useSignal<number | null>(null);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const most = useMemo(() => Math.max(1, ...data.months.map(([, count]) => count)), [data]);
  const at = held.value ?? now.value;

  const soon = (moment: number, wait: number) => {
    held.value = moment;
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => go(moment), wait);
  };
  const pointed = (event: PointerEvent): number => {
    const box = inside.current!.getBoundingClientRect();
    return momentOf(scale, (event.clientY - box.top) / box.height);
  };
  const onKey = (event: KeyboardEvent) => {
    const target = stepped(event.key, at, scale);
    if (target === null) return;
    event.preventDefault();
    event.stopPropagation();
    soon(Math.min(scale.until - 1, Math.max(scale.from, target)), REST_MS);
  };
  useEffect(() => {
    held.value = null;
  }, [now.value]);

  const label = exact ? show("short", at) : show("month", at);
  return (
    <div
      class="spine"
      role="slider"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={words.spine.label}
      aria-valuemin={0}
      aria-valuemax={data.total}
      aria-valuenow={before(data, at, days?.value)}
      aria-valuetext={words.spine.value(
        show("day", at),
        Math.min(data.total, before(data, at, days?.value) + 1),
        data.total,
      )}
      onKeyDown={onKey}
      onPointerDown={(event) => {
        if (event.button === 0) {
          event.currentTarget.setPointerCapture(event.pointerId);
          soon(pointed(event), REST_MS);
        }
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) soon(pointed(event), REST_MS);
      }}
      onPointerUp={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) soon(pointed(event), 0);
      }}
    >
      <div class="spine-in" ref={inside}>
        <Bars data={data} scale={scale} most={most} />
        {hits.map((hit) => (
          <i key={hit} class="hit" style={{ insetBlockStart: `${partOf(scale, hit) * 100}%` }} />
        ))}
        <span class="now" style={{ insetBlockStart: `${partOf(scale, at) * 100}%` }}>
          <span>{label}</span>
        </span>
      </div>
    </div>
  );
}

function Bars({ data, scale, most }: { data: SpineData; scale: Scale; most: number }) {
  return useMemo(
    () => (
      <>
        {yearsOf(scale).map(({ year, part }) => (
          <span key={year} class="year" style={{ insetBlockStart: `${part * 100}%` }}>
            {year}
          </span>
        ))}
        {data.months.map(([month, count]) => {
          const middle = partOf(scale, (startOfMonth(month) + startOfMonth(addMonths(month, 1))) / 2);
          const length = Math.max(MIN_BAR, Math.sqrt(count / most));
          return (
            <i
              key={month}
              class="bar"
              data-month={month}
              title={`${show("month", startOfMonth(month))}: ${number(count)}`}
              style={{ insetBlockStart: `${middle * 100}%`, inlineSize: `${length * 2.6}rem` }}
            />
          );
        })}
        {data.gaps.map((gap) => {
          const top = partOf(scale, ms(gap.from)),
            end = partOf(scale, gap.to ? ms(gap.to) : Date.now());
          return (
            <i
              key={gap.from}
              class="hole"
              title={words.gap.title(gap)}
              style={{ insetBlockStart: `${top * 100}%`, blockSize: `max(4px, ${(end - top) * 100}%)` }}
            />
          );
        })}
      </>
    ),
    [data, scale, most],
  );
}

/** Where a key leads: arrows move by a day, page keys by a month, Home and End to the ends. */
function stepped(key: string, at: number, scale: Scale): number | null {
  const day = dayOf(at),
    month = monthOf(at);
  switch (key) {
    case "ArrowDown":
    case "ArrowRight":
      return startOfDay(addDays(day, 1));
    case "ArrowUp":
    case "ArrowLeft":
      return startOfDay(addDays(day, -1));
    case "PageDown":
      return startOfMonth(addMonths(month, 1));
    case "PageUp":
      return startOfMonth(addMonths(month, -1));
    case "Home":
      return scale.from;
    case "End":
      return scale.until - 1;
    default:
      return null;
  }
}
