import { useEffect, useState } from "preact/hooks";
import { manages, mayImport, remove as removeAt, withQuery } from "../api.ts";
import { onChange } from "../events.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Sure } from "../parts/dialog.tsx";
import { Gaps } from "../parts/gaps.tsx";
import { Icon } from "../parts/icon.tsx";
import { Blank, Failure } from "../parts/states.tsx";
import { type Route, to } from "../router.ts";
import { briefly, ms, number, show } from "../time.ts";
import type { ChatCoverage, DeviceLink, PhoneCoverage, PhoneDetails, Source } from "../types.ts";
import { words } from "../words/manage.ts";
import { AddSource } from "./add-source.tsx";
import { ChangeSource } from "./change-source.tsx";
import { LinkLine, LinkPhone } from "./link.tsx";
import { Loaded, useLoaded } from "./load.tsx";
import { Trouble } from "./trouble.tsx";

const SOON_MS = 1500;

interface Shown {
  phones: PhoneDetails[];
  sources: Source[];
  coverage: PhoneCoverage[];
  links: DeviceLink[];
  /** What to install before a phone can be linked. */
  install: string | null;
}

/** Phones and sources, fetched together, and again when something has changed. */
function useSources() {
  const phones = useLoaded<{ items: PhoneDetails[] }>("/api/phones");
  const sources = useLoaded<{ items: Source[] }>("/api/sources");
  const coverage = useLoaded<{ phones: PhoneCoverage[] }>(withQuery("/api/coverage", { limit: 1 }));
  const links = useLoaded<{ install: string | null; links: DeviceLink[] }>("/api/links");
  const again = () => {
    links.again();
    phones.again();
    sources.again();
    coverage.again();
  };
  const data: Shown | null =
    phones.data && sources.data
      ? {
          phones: phones.data.items,
          sources: sources.data.items,
          coverage: coverage.data?.phones ?? [],
          links: links.data?.links ?? [],
          install: links.data?.install ?? null,
        }
      : null;
  return { data, error: phones.error ?? sources.error ?? coverage.error, again };
}

export function SourcesScreen({ route }: { route: Route }) {
  const chosen = route.name === "sources" ? route.phone : null;
  const [isAdding, setAdding] = useState(false);
  const [isLinking, setLinking] = useState(false);
  const loaded = useSources();
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
        {({ phones: all, sources: every, coverage, links }) => {
          const phones = chosen ? all.filter((phone) => phone.phone === chosen || phone.phone_id === chosen) : all;
          const isMeant = (phone: string | null) => !chosen || phones.some((one) => one.phone === phone);
          // A linked device is shown by its link, which has more details than its source.
          const sources = every.filter(({ type, phone }) => type !== "linked" && isMeant(phone));
          const unnamed = chosen ? [] : links.filter((link) => link.phone === null);
          const others = sources.filter((source) => source.phone === null);
          return (
            <>
              <div class="head">
                <div>
                  {chosen && (
                    <a class="btn bare" href={to.sources()}>
                      <Icon name="back" /> {words.sources.all}
                    </a>
                  )}
                  <h1 class="title">{chosen && phones[0] ? <bdi>{nameOf(phones[0])}</bdi> : words.sources.title}</h1>
                  <p class="note num">
                    {words.sources.summary(sum(phones.map((phone) => phone.messages)), phones.length, sources.length)}
                  </p>
                </div>
                {mayImport() && (
                  <a class="btn main" href={to.imports()}>
                    <Icon name="box" /> {words.sources.import}
                  </a>
                )}
                {manages() && (
                  <button type="button" class="btn" onClick={() => setLinking(true)}>
                    <Icon name="plus" /> {words.sources.link}
                  </button>
                )}
                {manages() && (
                  <button type="button" class="btn" onClick={() => setAdding(true)}>
                    <Icon name="hook" /> {words.addSource.title}
                  </button>
                )}
              </div>
              {phones.length ? (
                <div class="cards">
                  {phones.map((phone) => (
                    <PhoneCard
                      key={phone.phone}
                      phone={phone}
                      sources={sources.filter((source) => source.phone === phone.phone)}
                      coverage={coverage.find((one) => one.phone === phone.phone) ?? null}
                      links={links.filter((link) => link.phone === phone.phone)}
                      isAlone={chosen !== null}
                      onChanged={loaded.again}
                    />
                  ))}
                  {!chosen && (mayImport() || manages()) && <OneMore onLink={() => setLinking(true)} />}
                </div>
              ) : (
                <Blank icon="phone" title={words.sources.none}>
                  <p>{words.sources.noneHelp}</p>
                </Blank>
              )}
              {chosen && phones[0] && <ChatGaps phone={phones[0].phone} />}
              {others.length + unnamed.length > 0 && (
                <>
                  <h2 class="part">{words.sources.others}</h2>
                  <ul class="srcs">
                    {unnamed.map((link) => (
                      <LinkLine key={link.id} link={link} onChanged={loaded.again} />
                    ))}
                    {others.map((source) => (
                      <SourceLine key={source.id} source={source} onChanged={loaded.again} />
                    ))}
                  </ul>
                </>
              )}
            </>
          );
        }}
      </Loaded>
      {isLinking && (
        <LinkPhone
          phones={loaded.data?.phones ?? []}
          install={loaded.data?.install ?? null}
          onClose={() => {
            setLinking(false);
            loaded.again();
          }}
        />
      )}
      {isAdding && <AddSource onClose={() => setAdding(false)} onAdded={loaded.again} />}
    </section>
  );
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
const TONES: Record<string, string> = {
  connected: "ok",
  live: "ok",
  connecting: "warn",
  waiting: "warn",
  silent: "warn",
  disconnected: "off",
  failing: "off",
  archive: "idle",
};

/** The gateway's report of its connection; else the state of the sources; else that there are none. */
function stateOf(phone: PhoneDetails, sources: Source[], links: DeviceLink[]): string {
  if (phone.state) return phone.state;
  if (links.length) return links.some(({ state }) => state === "waiting") ? "connecting" : "disconnected";
  return (
    (["failing", "silent", "live", "waiting"] as const).find((state) =>
      sources.some((source) => source.state === state),
    ) ?? "archive"
  );
}

const latest = (times: (string | null)[]): string | null =>
  times.reduce((last, time) => (time && (!last || ms(time) > ms(last)) ? time : last), null);

/** The last event if the sources report one, else the newest message. */
function lastOf(phone: PhoneDetails, sources: Source[]): string {
  const event = latest(sources.map((source) => source.last_event_at));
  if (event) return words.sources.lastEvent(briefly(event));
  return phone.last_message_at ? words.sources.lastMessage(briefly(phone.last_message_at)) : words.sources.nothingYet;
}

/** Below the existing phones: how to add another. */
function OneMore({ onLink }: { onLink: () => void }) {
  return (
    <div class="phone more">
      <h2>{words.sources.more}</h2>
      <p class="note">{words.sources.moreHelp}</p>
      <p class="row-of-chips">
        {manages() && (
          <button type="button" class="btn" onClick={onLink}>
            <Icon name="plus" /> {words.sources.link}
          </button>
        )}
        {mayImport() && (
          <a class="btn" href={to.imports()}>
            <Icon name="box" /> {words.sources.import}
          </a>
        )}
      </p>
    </div>
  );
}

interface CardParts {
  phone: PhoneDetails;
  sources: Source[];
  coverage: PhoneCoverage | null;
  links: DeviceLink[];
  isAlone: boolean;
  onChanged: () => void;
}

const nameOf = (phone: PhoneDetails): string => phone.name ?? `+${phone.phone}`;

function PhoneCard({ phone, sources, coverage, links, isAlone, onChanged }: CardParts) {
  const name = nameOf(phone);
  const state = stateOf(phone, sources, links);
  return (
    <article class="phone">
      <header>
        <Avatar id={phone.jid} name={name} />
        <h2>
          <a href={to.sources(phone.phone)}>
            <bdi>{name}</bdi>
          </a>
        </h2>
        <span class={`state ${TONES[state] ?? "idle"}`}>
          <span class="dot" />
          {words.sources.states[state] ?? state}
        </span>
        <span class="note num">{phone.name ? <bdi dir="ltr">+{phone.phone}</bdi> : ""}</span>
        <span class="note">{lastOf(phone, sources)}</span>
      </header>
      {coverage && <Strip coverage={coverage} />}
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
        {phone.first_message_at && (
          <div>
            <dt>{words.sources.begins}</dt>
            <dd>{show("short", phone.first_message_at)}</dd>
          </div>
        )}
      </dl>
      <ul class="srcs">
        {links.map((link) => (
          <LinkLine key={link.id} link={link} onChanged={onChanged} />
        ))}
        {sources.length || links.length ? (
          sources.map((source) => <SourceLine key={source.id} source={source} onChanged={onChanged} />)
        ) : (
          <li class="note">{words.sources.noSources}</li>
        )}
      </ul>
      {isAlone && coverage && coverage.covered_from && <Gaps covered={coverage} />}
    </article>
  );
}

/** Times that sources cover for all chats of a phone: one colour for one source, darker for more, hatched for none. */
function Strip({ coverage }: { coverage: PhoneCoverage }) {
  const { first_message_at: first, last_message_at: last, gaps, spans } = coverage;
  if (!first || !last || !coverage.covered_from) return null;
  const from = Math.min(ms(first), ms(coverage.covered_from)),
    until = Math.max(ms(last), ms(coverage.covered_until ?? last), from + 1);
  const part = (at: string | null) =>
    Math.min(100, Math.max(0, (((at ? ms(at) : Date.now()) - from) / (until - from)) * 100));
  const drawn = [
    ...spans.map((span) => ({ from: span.from, to: span.to as string | null, kind: "one" })),
    ...gaps.map((gap) => ({ from: gap.from, to: gap.to, kind: "none" })),
  ];
  return (
    <div class="cover">
      <div class="strip" role="img" aria-label={`${words.sources.coverage}: ${words.sources.gaps(gaps.length)}`}>
        {drawn.map((span, at) => (
          <i
            key={at}
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
        <span>{gaps.length ? words.sources.gaps(gaps.length) : words.sources.coveredSince(coverage.covered_from)}</span>
        <span>{show("short", until)}</span>
      </div>
    </div>
  );
}

/** Chats of a phone in which messages may be missing, the latest first. */
function ChatGaps({ phone }: { phone: string }) {
  const loaded = useLoaded<{ items: ChatCoverage[] }>(withQuery("/api/coverage", { phone, limit: 100 }));
  return (
    <>
      <h2 class="part">{words.sources.gapList}</h2>
      <Loaded of={loaded}>
        {({ items }) => {
          const missing = items.filter((chat) => chat.covered_from && chat.gaps.length);
          const unknown = items.filter((chat) => !chat.covered_from).length;
          return (
            <>
              {missing.length ? (
                <ul class="chat-gaps">
                  {missing.map((chat) => (
                    <li key={chat.chat_id}>
                      <h3>
                        <a href={to.chat(chat.phone, chat.chat_id)}>
                          <bdi>{chat.name ?? words.phoneNumber(chat.chat_id)}</bdi>
                        </a>
                      </h3>
                      <Gaps covered={chat} />
                    </li>
                  ))}
                </ul>
              ) : (
                <p>{words.sources.noGaps}</p>
              )}
              {unknown > 0 && <p class="note">{words.sources.unknownCoverage(unknown)}</p>}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

/** A source with its state; those who manage the archive may change or remove it. */
function SourceLine({ source, onChanged }: { source: Source; onChanged: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const [isChanging, setChanging] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const name = words.sourceTypes[source.type] ?? source.type;
  const remove = async () => {
    setAsking(false);
    try {
      await removeAt(`/api/sources/${encodeURIComponent(source.id)}`);
      onChanged();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <li>
      <Icon name="hook" />
      <span class="said">
        <bdi>{name}</bdi>
        <span class={`note state ${TONES[source.state] ?? "idle"}`}>
          {words.sources.sourceState(source.state, source.last_event_at ? briefly(source.last_event_at) : null)}
        </span>
      </span>
      {manages() && (
        <button
          type="button"
          class="icon"
          aria-label={words.sources.change(name)}
          title={words.sources.change(name)}
          onClick={() => setChanging(true)}
        >
          <Icon name="gear" />
        </button>
      )}
      {manages() && (
        <button
          type="button"
          class="icon"
          aria-label={words.sources.remove(name)}
          title={words.sources.remove(name)}
          onClick={() => setAsking(true)}
        >
          <Icon name="trash" />
        </button>
      )}
      {source.problem && <Trouble problem={source.problem} />}
      {source.upstream && (
        <p class="note upstream">
          {words.sources.upstream} <bdi>{source.upstream}</bdi>
          {source.synced_at ? `, ${words.sources.synced(briefly(source.synced_at))}` : ""}
        </p>
      )}
      {error ? <Failure error={error} /> : null}
      {isChanging && (
        <ChangeSource source={source} name={name} onClose={() => setChanging(false)} onChanged={onChanged} />
      )}
      {isAsking && (
        <Sure
          title={words.sources.removeTitle}
          act={words.sources.removeTitle}
          onClose={() => setAsking(false)}
          onSure={() => void remove()}
        >
          <p>{words.sources.removeSure(name)}</p>
        </Sure>
      )}
    </li>
  );
}
