import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, session } from "../api.ts";
import { matched, plain } from "../format.ts";
import { chatNames, type Found, hits } from "../hits.ts";
import { Avatar, colour } from "../parts/avatar.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Alert, Blank, Failure, Waiting } from "../parts/states.tsx";
import { Line } from "../parts/words.tsx";
import { join, split, toggle, valued, without } from "../query.ts";
import { navigate, type Route, type Sort, to } from "../router.ts";
import { ms, show, startOfMonth, ZONE } from "../time.ts";
import type { Facets, Hit, Message, SearchAnswer } from "../types.ts";
import { words } from "../words/lists.ts";

const PAGE = 30;
const FILTERS: { filter: string; icon: IconName; label: string }[] = [
  { filter: "has:media", icon: "media", label: words.search.media },
  { filter: "has:link", icon: "link", label: words.search.links },
  { filter: "is:starred", icon: "star", label: words.search.starred },
  { filter: "is:deleted", icon: "trash", label: words.search.deleted },
];

interface Asked {
  q: string;
  sort: Sort;
  phone: string | null;
}

/** The words found in a hit, to be highlighted in the chat. */
const foundWords = (hit: Hit): string[] => [
  ...new Set(hit.highlights.flatMap(({ parts }) => parts.filter(([, isHit]) => isHit).map(([text]) => text))),
];

function share(answer: SearchAnswer, asked: Asked, more: (() => Promise<void>) | null): void {
  const found = answer.items.map((hit): Found => ({
    phone: hit.message.phone,
    jid: hit.message.chat_id,
    key: hit.message.key,
    at: ms(hit.message.timestamp),
    words: foundWords(hit),
  }));
  hits.value = { q: asked.q, found, total: answer.total, isExact: answer.total_is_exact, more };
}

function useSearch(asked: Asked) {
  const [answer, setAnswer] = useState<SearchAnswer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const [tries, setTries] = useState(0);
  const busy = useRef(false);
  const current = useRef(0);
  const ask = (cursor: string | null, signal?: AbortSignal) =>
    get<SearchAnswer>("/api/search", { ...asked, tz: ZONE, limit: PAGE, cursor }, signal);
  useEffect(() => {
    const gone = new AbortController();
    const no = ++current.current;
    busy.current = false;
    setError(null);
    if (!asked.q) {
      setAnswer(null);
      return;
    }
    setBusy(true);
    const take = (known: SearchAnswer) => {
      const more = known.next ? () => further(known) : null;
      share(known, asked, more);
      setAnswer(known);
    };
    const further = async (known: SearchAnswer) => {
      if (busy.current || no !== current.current) return;
      busy.current = true;
      try {
        const next = await ask(known.next);
        if (no === current.current)
          take({ ...known, ...next, facets: known.facets ?? next.facets, items: [...known.items, ...next.items] });
      } catch (problem) {
        if (no === current.current) setError(problem);
      }
      busy.current = false;
    };
    ask(null, gone.signal)
      .then(take, (problem: unknown) => {
        if (!gone.signal.aborted) {
          setAnswer(null);
          setError(problem);
        }
      })
      .finally(() => {
        if (!gone.signal.aborted) setBusy(false);
      });
    return () => gone.abort();
  }, [asked.q, asked.sort, asked.phone, tries]);
  return { answer, error, isBusy, more: () => void hits.value?.more?.(), again: () => setTries(tries + 1) };
}

export function SearchScreen({ route }: { route: Route }) {
  if (route.name !== "search") return null;
  const { q, sort, phone } = route;
  const { answer, error, isBusy, more, again } = useSearch({ q, sort, phone });
  const isMissing = error instanceof ApiError && error.status === 404;
  return (
    <section
      class="sheet page"
      tabIndex={-1}
      onScroll={(event) => {
        const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
        if (scrollHeight - scrollTop < clientHeight * 2) more();
      }}
    >
      <h1 class="unseen">{words.search.title}</h1>
      <Field
        q={q}
        sort={sort}
        phone={phone}
        note={answer ? words.search.found(answer.total, answer.total_is_exact) : ""}
      />
      <div class="row-of-chips" role="group" aria-label={words.search.title}>
        {(["newest", "relevance"] as const).map((one) => (
          <button
            type="button"
            key={one}
            class="chip"
            aria-pressed={sort === one}
            onClick={() => navigate(to.search(q, one, phone), { replace: true })}
          >
            {one === "newest" ? words.search.newest : words.search.best}
          </button>
        ))}
        {FILTERS.map(({ filter, icon, label }) => (
          <button
            type="button"
            key={filter}
            class="chip"
            aria-pressed={split(q).filters.includes(filter)}
            onClick={() => navigate(to.search(toggle(q, filter), sort, phone))}
          >
            <Icon name={icon} /> {label}
          </button>
        ))}
      </div>
      <p class="unseen" role="status">
        {answer && !isBusy ? words.search.found(answer.total, answer.total_is_exact) : ""}
      </p>
      {answer?.complete === false && <Alert text={words.search.incomplete} />}
      {answer?.ignored.length ? <p class="note">{words.search.ignored(answer.ignored)}</p> : null}
      {isMissing ? (
        <Blank icon="search" title={words.search.unavailable} />
      ) : error && !answer ? (
        <Failure error={error} again={again} />
      ) : !q ? (
        <Blank icon="search" title={words.search.label}>
          <p>{words.search.help}</p>
        </Blank>
      ) : !answer ? (
        <Waiting />
      ) : (
        <Results answer={answer} route={route} more={more} error={error} again={again} />
      )}
    </section>
  );
}

const nameOfFilter = (filter: string): string => {
  const [key = "", value = ""] = [
    filter.slice(0, filter.indexOf(":")),
    filter.slice(filter.indexOf(":") + 1).replaceAll('"', ""),
  ];
  return value.includes("@") ? `${key}:${chatNames.get(value) ?? words.phoneNumber(value)}` : filter;
};

function Field({ q, sort, phone, note }: Asked & { note: string }) {
  const typed = split(q);
  const [text, setText] = useState(typed.rest);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(split(q).rest), [q]);
  useEffect(() => {
    if (!q) input.current?.focus();
  }, []);
  const go = (next: string) => navigate(to.search(next, sort, phone), { replace: !q });
  return (
    <form
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        go(join({ filters: typed.filters, rest: text }));
      }}
    >
      <div class="field large">
        <Icon name="search" />
        {typed.filters.map((filter) => (
          <button
            type="button"
            key={filter}
            class="op"
            aria-label={words.search.removeFilter(nameOfFilter(filter))}
            onClick={() => go(without(q, (one) => one === filter))}
          >
            <bdi>{nameOfFilter(filter)}</bdi> <Icon name="close" />
          </button>
        ))}
        <input
          ref={input}
          data-search
          type="search"
          aria-label={words.search.label}
          placeholder={typed.filters.length ? "" : words.search.label}
          value={text}
          autocomplete="off"
          enterkeyhint="search"
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Backspace" && !text && typed.filters.length)
              go(without(q, (one) => one === typed.filters.at(-1)));
          }}
        />
        {note && <span class="note num">{note}</span>}
      </div>
    </form>
  );
}

interface Group {
  phone: string;
  jid: string;
  name: string;
  hits: { hit: Hit; index: number }[];
}

/** Consecutive hits in the same chat are grouped; the order of the answer is kept. */
function groupsOf(items: readonly Hit[]): Group[] {
  const groups: Group[] = [];
  items.forEach((hit, index) => {
    const { phone, chat_id: jid } = hit.message;
    const last = groups.at(-1);
    if (last && last.phone === phone && last.jid === jid) last.hits.push({ hit, index });
    else groups.push({ phone, jid, name: chatNames.get(jid) ?? words.phoneNumber(jid), hits: [{ hit, index }] });
  });
  return groups;
}

function Results({
  answer,
  route,
  more,
  error,
  again,
}: {
  answer: SearchAnswer;
  route: Extract<Route, { name: "search" }>;
  more: () => void;
  error: unknown;
  again: () => void;
}) {
  const facets = answer.facets?.chats ?? [];
  for (const facet of facets) if (facet.name) chatNames.set(facet.chat_id, facet.name);
  const counts = new Map(facets.map((facet) => [facet.chat_id, facet.count]));
  const phones = session.value?.phones ?? [];
  if (!answer.items.length && !answer.next) return <Nothing route={route} />;
  return (
    <div class="found">
      <div>
        {groupsOf(answer.items).map((group) => {
          const own = phones.length > 1 ? phones.find((one) => one.phone === group.phone) : null;
          return (
            <section key={group.hits[0]!.hit.message.key} class="hit-group">
              <header>
                <Avatar id={group.jid} name={group.name} />
                <h2>
                  <a href={to.chat(group.phone, group.jid)}>
                    <bdi>{group.name}</bdi>
                  </a>
                </h2>
                {own && (
                  <span class="tag">
                    <Icon name="phone" /> {own.name ?? `+${own.phone}`}
                  </span>
                )}
                {counts.has(group.jid) && <span class="note num">{words.search.inChat(counts.get(group.jid)!)}</span>}
              </header>
              {group.hits.map(({ hit, index }) => (
                <HitLine key={hit.message.key} hit={hit} index={index} />
              ))}
            </section>
          );
        })}
        {error ? (
          <Failure error={error} again={again} />
        ) : (
          answer.next && (
            <button type="button" class="btn bare" onClick={more}>
              {words.more}
            </button>
          )
        )}
      </div>
      <FacetList answer={answer} route={route} />
    </div>
  );
}

function Nothing({ route }: { route: Extract<Route, { name: "search" }> }) {
  const { chats = 0, phones = [] } = session.value ?? {};
  return (
    <Blank icon="search" title={words.search.nothing(route.q)}>
      <p>
        {words.search.scope(chats, phones.length)} {words.search.noProof}
      </p>
      {split(route.q).filters.some(isDated) && (
        <a class="btn" href={to.search(without(route.q, isDated), route.sort, route.phone)}>
          {words.search.withoutDates}
        </a>
      )}
    </Blank>
  );
}

const gist = ({ kind, body, mentions, file }: Message): string =>
  words.gist(kind, body && plain(body, mentions), file ?? {});

function HitLine({ hit, index }: { hit: Hit; index: number }) {
  const { message, context } = hit;
  const who = message.from_me ? words.you : words.somebody(message.sender);
  const [before, after] = around(context, message);
  const beside = (one: Message) => {
    const name = one.from_me ? words.you : words.somebody(one.sender);
    return (
      <p key={one.key} class="ctx" dir="auto">
        <b class={one.from_me || !one.sender ? "" : `who f${colour(one.sender.jid)}`}>
          <bdi>{name}</bdi>
        </b>{" "}
        {gist(one)}
      </p>
    );
  };
  return (
    <a class="hit" href={to.chat(message.phone, message.chat_id, { at: message.key, hit: String(index) })}>
      <time dateTime={message.timestamp}>
        {show("short", message.timestamp)}
        <small>{show("minute", message.timestamp)}</small>
      </time>
      <div class="words">
        {before && beside(before)}
        <b class={message.from_me || !message.sender ? "" : `who f${colour(message.sender.jid)}`}>
          <bdi>{who}</bdi>
        </b>
        {hit.highlights.length ? (
          hit.highlights.map(({ field, parts }) => (
            <p key={field} dir="auto">
              {field === "body" ? (
                <Line items={matched(parts, message.mentions)} />
              ) : (
                parts.map(([text, isHit], key) => (isHit ? <mark key={key}>{text}</mark> : text))
              )}
            </p>
          ))
        ) : (
          <p dir="auto">{gist(message)}</p>
        )}
        {after && beside(after)}
      </div>
    </a>
  );
}

/** The messages before and after a hit, as far as the answer contains them. */
function around(
  context: readonly Message[],
  { timestamp, unique_id }: Message,
): [Message | undefined, Message | undefined] {
  const isBefore = (one: Message) =>
    ms(one.timestamp) < ms(timestamp) || (one.timestamp === timestamp && one.unique_id < unique_id);
  return [context.filter(isBefore).at(-1), context.find((one) => !isBefore(one) && one.unique_id !== unique_id)];
}

const MAX_FACETS = 12;
const MAX_MONTHS = 36;
const isDated = (filter: string) => /^-?(before|after|on):/i.test(filter);

/** Months, or years if there would be too many bars. */
function bars(months: Facets["months"]): { label: string; on: string; count: number }[] {
  if (months.length <= MAX_MONTHS)
    return months.map(({ month, count }) => ({ label: show("month", startOfMonth(month)), on: month, count }));
  const years = new Map<string, number>();
  for (const { month, count } of months) years.set(month.slice(0, 4), (years.get(month.slice(0, 4)) ?? 0) + count);
  return [...years].map(([year, count]) => ({ label: year, on: year, count }));
}

function FacetList({ answer, route }: { answer: SearchAnswer; route: Extract<Route, { name: "search" }> }) {
  const { facets } = answer;
  const { q, sort, phone } = route;
  if (!facets || !answer.items.length) return null;
  const chosen = split(q).filters;
  const months = bars([...facets.months].sort((a, b) => a.month.localeCompare(b.month)));
  const most = Math.max(1, ...months.map(({ count }) => count));
  const own = session.value?.phones ?? [];
  return (
    <aside class="facets" aria-label={words.search.narrow}>
      {months.length > 1 && (
        <section>
          <h2>{words.search.when}</h2>
          <div class="hist">
            {months.map(({ label, on, count }) => (
              <a
                key={on}
                href={to.search(`${without(q, isDated)} on:${on}`.trim(), sort, phone)}
                title={words.search.month(label, count)}
                aria-label={words.search.month(label, count)}
              >
                <i style={{ blockSize: `${Math.max(4, (count / most) * 100)}%` }} />
              </a>
            ))}
          </div>
          <p class="note ends">
            <span>{months[0]!.label}</span>
            <span>{months.at(-1)!.label}</span>
          </p>
        </section>
      )}
      {facets.chats.length > 0 && (
        <section>
          <h2>{words.search.chats}</h2>
          <ul>
            {facets.chats.slice(0, MAX_FACETS).map((facet) => {
              const filter = valued("in", facet.chat_id);
              return (
                <li key={facet.chat_id}>
                  <label>
                    <input
                      type="checkbox"
                      checked={chosen.includes(filter)}
                      onChange={() => navigate(to.search(toggle(q, filter), sort, phone))}
                    />
                    <span dir="auto">{facet.name ?? words.phoneNumber(facet.chat_id)}</span>
                  </label>
                  <span class="num">{facet.count}</span>
                </li>
              );
            })}
          </ul>
        </section>
      )}
      {own.length > 1 && (facets.phones.length > 1 || phone) && (
        <section>
          <h2>{words.search.phones}</h2>
          <ul>
            {facets.phones.map((facet) => {
              const digits = own.find((one) => one.phone_id === facet.phone_id)?.phone ?? facet.phone_id;
              return (
                <li key={facet.phone_id}>
                  <label>
                    <input
                      type="checkbox"
                      checked={phone === digits}
                      onChange={() => navigate(to.search(q, sort, phone === digits ? null : digits))}
                    />
                    <span dir="auto">{facet.name ?? `+${digits}`}</span>
                  </label>
                  <span class="num">{facet.count}</span>
                </li>
              );
            })}
          </ul>
        </section>
      )}
      <section>
        <h2>{words.search.what}</h2>
        <p class="note">
          {words.search.scope(session.value?.chats ?? 0, own.length)}
          {facets.complete ? "" : ` ${words.search.latestOnly}`}
        </p>
      </section>
    </aside>
  );
}
