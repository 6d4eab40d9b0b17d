import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { addDays, addMonths, dayOf, monthOf, ms, number, show, startOfDay, startOfMonth } from "../time.ts";
import type { SpineData, SpineMonth } from "../types.ts";
import { words } from "../words.ts";

const REST_MS = 120;
const MIN_BAR = 0.08;
const LABEL_GAP = 0.035;
const HOUR_MS = 3_600_000;

/**
 * The span of a timeline, which has a bar for each month: from the month of the first message to that of the last. In one
 * or two months it has a bar for each day, and ends with the days; a single day is shown by its hours, without bars.
 */
interface Scale {
  from: number;
  until: number;
  by: "month" | "day" | "hour";
}
export const scaleOf = ({ months, first_at, last_at }: SpineData): Scale => {
  const first = months[0]?.[0],
    last = months.at(-1)?.[0];
  if (first && last && first_at && last_at && last <= addMonths(first, 1)) {
    const days = [dayOf(first_at), dayOf(last_at)] as const;
    if (days[0] !== days[1])
      return { from: startOfDay(days[0]) ?? 0, until: startOfDay(addDays(days[1], 1)) ?? 0, by: "day" };
    const hours = [Math.floor(ms(first_at) / HOUR_MS), Math.floor(ms(last_at) / HOUR_MS) + 1] as const;
    return { from: hours[0] * HOUR_MS, until: hours[1] * HOUR_MS, by: "hour" };
  }
  const from = first ? startOfMonth(first) : first_at ? ms(first_at) : 0;
  const until = last ? startOfMonth(addMonths(last, 1)) : last_at ? ms(last_at) : from + 1;
  return { from, until: Math.max(until, from + 1), by: "month" };
};
type Span = Pick<Scale, "from" | "until">;
export const partOf = ({ from, until }: Span, at: number): number =>
  Math.min(1, Math.max(0, (at - from) / (until - from)));
export const momentOf = ({ from, until }: Span, part: number): number =>
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

const MAX_MONTH_LABELS = 24;

/** What is labelled and how: years, months of a short chat, days or hours of a very short one. */
function stepsOf({ from, until, by }: Scale): [at: number, label: string][] {
  const steps: [number, string][] = [];
  if (by === "hour") for (let at = from; at < until; at += HOUR_MS) steps.push([at, show("minute", at)]);
  else if (by === "day")
    for (let day = dayOf(from), at = from; at < until; day = addDays(day, 1), at = startOfDay(day) ?? until)
      steps.push([at, show("dayMonth", at)]);
  else {
    const last = monthOf(until - 1);
    const isShort = last < addMonths(monthOf(from), MAX_MONTH_LABELS);
    for (let month = monthOf(from); month <= last; month = addMonths(month, 1)) {
      const isYear = month.endsWith("-01") || !steps.length;
      if (isYear) steps.push([startOfMonth(month), month.slice(0, 4)]);
      else if (isShort) steps.push([startOfMonth(month), show("shortMonth", startOfMonth(month))]);
    }
  }
  return steps;
}

/** Where the timeline is labelled: in as many places as there is room for. */
export function labelsOf(scale: Scale): { label: string; part: number }[] {
  const labels: { label: string; part: number }[] = [];
  for (const [at, label] of stepsOf(scale)) {
    const part = partOf(scale, at);
    const previous = labels.at(-1);
    if (!previous || part - previous.part >= LABEL_GAP) labels.push({ label, part });
  }
  return labels;
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

  const label = scale.by === "hour" ? show("minute", at) : exact ? show("short", at) : show("month", at);
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
      <div class="spine-in" ref={inside} style={{ "--now": String(partOf(scale, at)) }}>
        <Bars data={data} scale={scale} days={days?.value ?? null} />
        {hits.map((hit) => (
          <i key={hit} class="hit" style={{ insetBlockStart: `${partOf(scale, hit) * 100}%` }} />
        ))}
        <span class="now">
          <span>{label}</span>
        </span>
      </div>
    </div>
  );
}

interface Bar {
  name: string;
  title: string;
  middle: number;
  count: number;
}

/** A bar for each month or day, as `scale` says. Days are known only of the months that were read. */
function barsOf(data: SpineData, scale: Scale, known: ReadonlyMap<string, SpineMonth>): Bar[] {
  if (scale.by === "hour") return [];
  return data.months.flatMap(([month, count]): Bar[] => {
    const days = scale.by === "day" ? known.get(month)?.days : null;
    const bars: [string, number, number, number][] = days
      ? days.map(([day, messages]) => [day, startOfDay(day) ?? 0, startOfDay(addDays(day, 1)) ?? 0, messages])
      : [[month, startOfMonth(month), startOfMonth(addMonths(month, 1)), count]];
    return bars.map(([name, from, until, messages]) => ({
      name,
      title: `${show(days ? "date" : "month", from)}: ${number(messages)}`,
      middle: (partOf(scale, from) + partOf(scale, until)) / 2,
      count: messages,
    }));
  });
}

function Bars({ data, scale, days }: { data: SpineData; scale: Scale; days: SpineMonth | null }) {
  const known = useRef(new Map<string, SpineMonth>());
  const shown = scale.by === "day" ? days : null;
  if (shown) known.current.set(shown.month, shown);
  return useMemo(() => {
    const bars = barsOf(data, scale, known.current);
    const most = Math.max(1, ...bars.map(({ count }) => count));
    return (
      <>
        {labelsOf(scale).map(({ label, part }) => (
          <span key={part} class="year" style={{ "--part": String(part) }}>
            {label}
          </span>
        ))}
        {bars.map(({ name, title, middle, count }) => (
          <i
            key={name}
            class="bar"
            data-month={name}
            title={title}
            style={{
              insetBlockStart: `${middle * 100}%`,
              inlineSize: `${Math.max(MIN_BAR, Math.sqrt(count / most)) * (scale.by === "day" ? 1.6 : 2.6)}rem`,
            }}
          />
        ))}
        {data.gaps.map((gap) => {
          const top = partOf(scale, ms(gap.from)),
            end = partOf(scale, gap.to ? ms(gap.to) : Date.now());
          return (
            <i
              key={gap.from}
              class="hole"
              title={words.gap.title(gap)}
              style={{
                insetBlockStart: `min(${top * 100}%, 100% - 4px)`,
                blockSize: `max(4px, ${(end - top) * 100}%)`,
              }}
            />
          );
        })}
      </>
    );
  }, [data, scale, shown]);
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
