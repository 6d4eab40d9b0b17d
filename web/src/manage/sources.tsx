import { useEffect } from "preact/hooks";
import { onChange } from "../events.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Blank } from "../parts/states.tsx";
import { type Route, to } from "../router.ts";
import { briefly, ms, number, show } from "../time.ts";
import type { PhoneDetails, Problem, Source } from "../types.ts";
import { words } from "../words/manage.ts";
import { Loaded, useLoaded } from "./load.tsx";

const SOON_MS = 1500;
const DAY_MS = 86_400_000;

export function SourcesScreen({ route }: { route: Route }) {
  const chosen = route.name === "sources" ? route.phone : null;
  const loaded = useLoaded<{ items: PhoneDetails[] }>("/api/phones");
  useEffect(() => {
    let timer = 0;
    const stop = onChange(() => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        loaded.again();
      }, SOON_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, []);
  return (
    <section class="sheet page" tabIndex={-1}>
      <Loaded of={loaded}>
        {({ items }) => {
          const phones = chosen ? items.filter((phone) => phone.phone === chosen || phone.phone_id === chosen) : items;
          return (
            <>
              <div class="head">
                <div>
                  {chosen && (
                    <a class="btn bare" href={to.sources()}>
                      <Icon name="back" /> {words.sources.all}
                    </a>
                  )}
                  <h1 class="title">{words.sources.title}</h1>
                  <p class="note num">
                    {words.sources.summary(
                      sum(phones.map((phone) => phone.messages)),
                      phones.length,
                      sum(phones.map((phone) => phone.sources?.length ?? 0)),
                    )}
                  </p>
                </div>
              </div>
              {phones.length ? (
                <div class="cards">
                  {phones.map((phone) => (
                    <PhoneCard key={phone.phone} phone={phone} isAlone={chosen !== null} />
                  ))}
                </div>
              ) : (
                <Blank icon="phone" title={words.sources.none}>
                  <p>{words.sources.noneHelp}</p>
                </Blank>
              )}
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
const TONES: Record<string, string> = {
  connected: "ok",
  live: "ok",
  ok: "ok",
  waiting: "warn",
  silent: "warn",
  disconnected: "off",
  failing: "off",
  archive: "idle",
  done: "idle",
  off: "idle",
};

function stateOf(phone: PhoneDetails): string {
  if (phone.state === "silent" && phone.last_event_at)
    return words.sources.silentFor(Math.max(1, Math.floor((Date.now() - ms(phone.last_event_at)) / DAY_MS)));
  return words.sources.states[phone.state ?? ""] ?? phone.state ?? "";
}

/** The last event where sources tell of them, else the newest message. */
function lastOf({ last_event_at: event, last_message_at: message }: PhoneDetails): string {
  if (event) return words.sources.lastEvent(briefly(event));
  return message ? words.sources.lastMessage(briefly(message)) : words.sources.nothingYet;
}

function PhoneCard({ phone, isAlone }: { phone: PhoneDetails; isAlone: boolean }) {
  const name = phone.name ?? `+${phone.phone}`;
  return (
    <article class="phone">
      <header>
        <Avatar id={phone.jid} name={name} />
        <h2>
          <a href={to.sources(phone.phone)} dir="auto">
            {name}
          </a>
        </h2>
        {phone.state ? (
          <span class={`state ${TONES[phone.state] ?? "idle"}`}>
            <span class="dot" />
            {stateOf(phone)}
          </span>
        ) : (
          <span />
        )}
        <span class="note num">{phone.name ? `+${phone.phone}` : ""}</span>
        <span class="note">{lastOf(phone)}</span>
      </header>
      {phone.problem && <Trouble problem={phone.problem} />}
      <Coverage phone={phone} />
      <dl class="facts">
        <div>
          <dt>{words.sources.messages}</dt>
          <dd>{number(phone.messages)}</dd>
        </div>
        {typeof phone.files === "number" && (
          <div>
            <dt>{words.sources.files}</dt>
            <dd>
              {number(phone.files)}
              {phone.file_bytes ? ` · ${words.byte(phone.file_bytes)}` : ""}
            </dd>
          </div>
        )}
        <div>
          <dt>{words.sources.chats}</dt>
          <dd>{number(phone.chats)}</dd>
        </div>
      </dl>
      {phone.sources && (
        <ul class="srcs">
          {phone.sources.length ? (
            phone.sources.map((source) => <SourceLine key={source.id} source={source} />)
          ) : (
            <li class="note">{words.sources.noSources}</li>
          )}
        </ul>
      )}
      {isAlone && phone.gaps && phone.gaps.length > 0 && (
        <section>
          <h3>{words.sources.gapList}</h3>
          <ul class="plain-list">
            {phone.gaps.map((gap) => (
              <li key={gap.from}>
                <b>{words.gap.title(gap)}</b>
                <span class="note">{words.gap.text(gap)}</span>
              </li>
            ))}
          </ul>
          <p class="note">{words.sources.gapHelp}</p>
        </section>
      )}
    </article>
  );
}

function Trouble({ problem }: { problem: Problem }) {
  return (
    <p class="trouble">
      <Icon name="info" />
      <span>
        {problem.text}
        {problem.remedy ? ` ${problem.remedy}` : ""}
        {problem.at ? <span class="note"> {show("moment", problem.at)}</span> : null}
      </span>
    </p>
  );
}

/** Which times the sources of a phone reach into: one colour for one source, a deeper one for more, hatched for none. */
function Coverage({ phone }: { phone: PhoneDetails }) {
  const { gaps, covered } = phone;
  if (!phone.first_message_at || !phone.last_message_at || !gaps || !covered) return null;
  const from = ms(phone.first_message_at),
    until = Math.max(ms(phone.last_message_at), from + 1);
  const part = (at: string) => Math.min(100, Math.max(0, ((ms(at) - from) / (until - from)) * 100));
  const spans = [
    ...covered.map((span) => ({ ...span, kind: span.sources > 1 ? "two" : "one" })),
    ...gaps.map((gap) => ({ ...gap, kind: "none" })),
  ];
  return (
    <div class="cover">
      <div class="strip" role="img" aria-label={`${words.sources.coverage}: ${words.sources.gaps(gaps.length)}`}>
        {spans.map((span) => (
          <i
            key={`${span.kind}${span.from}`}
            class={span.kind}
            style={{
              insetInlineStart: `${part(span.from)}%`,
              inlineSize: `max(3px, ${part(span.to) - part(span.from)}%)`,
            }}
          />
        ))}
      </div>
      <div class="ends">
        <span>{show("short", from)}</span>
        <span>{words.sources.gaps(gaps.length)}</span>
        <span>{show("short", until)}</span>
      </div>
    </div>
  );
}

const ICONS: Record<string, IconName> = { linked: "phone", export: "doc", backup: "box", gowa: "box" };

function SourceLine({ source }: { source: Source }) {
  const state = words.sources.states[source.state] ?? source.state;
  return (
    <li class={TONES[source.state] === "off" && source.problem ? "failing" : ""}>
      <Icon name={ICONS[source.type] ?? "hook"} />
      <bdi>{source.name ?? words.sourceTypes[source.type] ?? source.type}</bdi>
      <span class="note">
        {[
          source.detail ?? state,
          source.last_event_at ? briefly(source.last_event_at) : "",
          source.messages !== null ? number(source.messages) : "",
        ]
          .filter(Boolean)
          .join(" · ")}
      </span>
      {source.problem && <Trouble problem={source.problem} />}
    </li>
  );
}
