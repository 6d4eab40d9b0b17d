import { useEffect, useState } from "preact/hooks";
import { chatPath, get } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { addDays, addMonths, dayOf, LOCALE, monthOf, show, startOfDay, startOfMonth, ZONE } from "../time.ts";
import type { SpineData, SpineMonth } from "../types.ts";
import { words } from "../words.ts";

const WEEK_START =
  (new Intl.Locale(LOCALE) as Intl.Locale & { getWeekInfo?: () => { firstDay: number } }).getWeekInfo?.().firstDay ?? 1;

/** The weeks of a month as lists of days, from the first day of the week; days of other months are null. */
export function weeksOf(month: string, firstDay = WEEK_START): (string | null)[][] {
  const first = `${month}-01`;
  const lead = (new Date(`${first}T00:00:00Z`).getUTCDay() - firstDay + 14) % 7;
  const days: (string | null)[] = Array.from({ length: lead }, () => null);
  for (let day = first; day.startsWith(month); day = addDays(day, 1)) days.push(day);
  while (days.length % 7) days.push(null);
  return Array.from({ length: days.length / 7 }, (_, week) => days.slice(week * 7, week * 7 + 7));
}

/** A calendar that shows which days have messages. */
export function DatePicker({
  phone,
  jid,
  data,
  start,
  onClose,
  onGo,
}: {
  phone: string;
  jid: string;
  data: SpineData;
  start: number;
  onClose: () => void;
  onGo: (day: string) => void;
}) {
  const months = new Map(data.months);
  const first = data.months[0]?.[0] ?? monthOf(start),
    last = data.months.at(-1)?.[0] ?? monthOf(start);
  const inside = (wanted: string) => (wanted < first ? first : wanted > last ? last : wanted);
  const [month, setMonth] = useState(inside(monthOf(start)));
  const [days, setDays] = useState<Map<string, number>>(new Map());
  useEffect(() => {
    const gone = new AbortController();
    setDays(new Map());
    if (months.has(month)) {
      get<SpineMonth>(`${chatPath(phone, jid)}/spine`, { month, zone: ZONE }, gone.signal).then(
        ({ days: found }) => setDays(new Map(found)),
        () => {},
      );
    }
    return () => gone.abort();
  }, [month]);
  const most = Math.max(1, ...days.values());
  const turn = (count: number) => setMonth(inside(addMonths(month, count)));
  return (
    <Dialog title={words.dates.title} onClose={onClose} kind="dates">
      <div class="calendar-head">
        <button
          type="button"
          class="icon"
          aria-label={words.dates.previousYear}
          disabled={month <= first}
          onClick={() => turn(-12)}
        >
          <Icon name="back" />
          <Icon name="back" />
        </button>
        <button
          type="button"
          class="icon"
          aria-label={words.dates.previousMonth}
          disabled={month <= first}
          onClick={() => turn(-1)}
        >
          <Icon name="back" />
        </button>
        <h3 aria-live="polite">{show("month", startOfMonth(month))}</h3>
        <button
          type="button"
          class="icon"
          aria-label={words.dates.nextMonth}
          disabled={month >= last}
          onClick={() => turn(1)}
        >
          <Icon name="next" />
        </button>
        <button
          type="button"
          class="icon"
          aria-label={words.dates.nextYear}
          disabled={month >= last}
          onClick={() => turn(12)}
        >
          <Icon name="next" />
          <Icon name="next" />
        </button>
      </div>
      <table class="calendar">
        <thead>
          <tr>
            {weeksOf("2024-01")
              .at(1)!
              .map((day) => (
                <th key={day} scope="col">
                  {show("weekday", startOfDay(day!) ?? 0)}
                </th>
              ))}
          </tr>
        </thead>
        <tbody>
          {weeksOf(month).map((week, row) => (
            <tr key={row}>
              {week.map((day, column) => {
                if (!day) return <td key={column} />;
                const count = days.get(day) ?? 0;
                const at = startOfDay(day) ?? 0;
                return (
                  <td key={column}>
                    <button
                      type="button"
                      class={count ? "has" : ""}
                      aria-label={count ? words.dates.some(show("day", at)) : show("day", at)}
                      style={{ "--share": String(Math.round((count / most) * 100)) }}
                      aria-current={day === dayOf(start) ? "date" : undefined}
                      onClick={() => onGo(day)}
                    >
                      {Number(day.slice(8))}
                    </button>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      <form
        class="date-form"
        onSubmit={(event) => {
          event.preventDefault();
          const { value } = event.currentTarget.elements.namedItem("day") as HTMLInputElement;
          if (startOfDay(value) !== null) onGo(value);
        }}
      >
        <label>
          <span>{words.dates.type}</span>
          <input
            type="date"
            name="day"
            required
            autofocus
            min={`${first}-01`}
            max={addDays(`${addMonths(last, 1)}-01`, -1)}
            defaultValue={dayOf(start)}
          />
        </label>
        <button type="submit" class="btn main">
          {words.dates.go}
        </button>
      </form>
    </Dialog>
  );
}
