import { useEffect, useState } from "preact/hooks";
import { get, messagePath, withQuery } from "../api.ts";
import { difference } from "../format.ts";
import { Gaps } from "../parts/gaps.tsx";
import { Avatar } from "../parts/avatar.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Failure, Waiting } from "../parts/states.tsx";
import { Words } from "../parts/words.tsx";
import { to } from "../router.ts";
import { dayOf, isPast, show, ZONE } from "../time.ts";
import type { ChatDetails, Fetch, MessageDetails, Pin } from "../types.ts";
import { words } from "../words/about.ts";
import { copyLink } from "./copy.ts";

const SOURCE_ICONS: Record<string, IconName> = {
  linked: "phone",
  webhook: "hook",
  periskope: "hook",
  cloud: "hook",
  gowa: "box",
  backup: "box",
  database: "box",
  export: "doc",
};

/** A time; on the same day as the time beside it, without its date. */
const near = (time: string, day: string, exact = true) =>
  dayOf(time) === day ? show(exact ? "second" : "minute", time) : show("moment", time);

export function AboutMessage({
  messageKey,
  version,
  onClose,
}: {
  messageKey: string;
  version: unknown;
  onClose: () => void;
}) {
  const [details, setDetails] = useState<MessageDetails | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    setError(null);
    get<MessageDetails>(messagePath(messageKey), {}, gone.signal).then(setDetails, (problem: unknown) => {
      if (!gone.signal.aborted) setError(problem);
    });
    return () => gone.abort();
  }, [messageKey, version, tries]);
  const isCurrent = details?.key === messageKey;
  return (
    <aside class="about-panel" aria-label={words.about.message}>
      <PanelHead title={words.about.message} onClose={onClose} />
      {error ? (
        <Failure error={error} again={() => setTries(tries + 1)} />
      ) : isCurrent && details ? (
        <Facts details={details} />
      ) : (
        <Waiting />
      )}
    </aside>
  );
}

function PanelHead({ title, onClose }: { title: string; onClose: () => void }) {
  return (
    <h2>
      <span>{title}</span>
      <button type="button" class="icon" aria-label={words.close} onClick={onClose}>
        <Icon name="close" />
      </button>
    </h2>
  );
}

function Facts({ details }: { details: MessageDetails }) {
  const day = dayOf(details.timestamp);
  return (
    <>
      <section>
        <h3>{words.about.details}</h3>
        <dl class="details">
          <dt>{words.about.sent}</dt>
          <dd>
            <time dateTime={details.timestamp}>
              {show("day", details.timestamp)},{" "}
              {show(details.precision === "minute" ? "minute" : "second", details.timestamp)}
            </time>
          </dd>
          <dt>{words.about.type}</dt>
          <dd>{words.kinds[details.kind]}</dd>
          <dt>{words.about.id}</dt>
          <dd class="id">{details.unique_id}</dd>
        </dl>
      </section>
      {details.fetch && <Fetching fetch={details.fetch} />}
      <Tellings details={details} day={day} />
      {details.versions.length > 1 && <Versions details={details} day={day} />}
      {details.receipt_list.length > 0 && <Seen details={details} day={day} />}
      {details.pinned && <Pinned pin={details.pinned} phone={details.phone} />}
      {details.reactions.length > 0 && (
        <section>
          <h3>{words.about.reactions}</h3>
          <ul class="seen">
            {details.reactions.map(({ emoji, sender, from_me, at }, key) => (
              <li key={key}>
                <span class="emoji">{emoji}</span>
                <bdi>{from_me ? words.you : words.somebody(sender)}</bdi>
                {at && <time dateTime={at}>{near(at, day, false)}</time>}
              </li>
            ))}
          </ul>
        </section>
      )}
      <p class="row-of-chips">
        <button
          type="button"
          class="btn"
          onClick={() => void copyLink(details.phone, details.chat.chat_id, details.key)}
        >
          <Icon name="link" /> {words.about.copy}
        </button>
        {details.has_original && <Original messageKey={details.key} />}
      </p>
    </>
  );
}

function Pinned({ pin, phone }: { pin: Pin; phone: string }) {
  const who = pin.by && (pin.by.jid.startsWith(`${phone}@`) ? words.you.toLowerCase() : words.somebody(pin.by));
  return (
    <section>
      <h3>{words.about.pinned}</h3>
      <p dir="auto">
        {words.about.pinnedBy(who, show("moment", pin.at))}
        {pin.until && ` ${words.about.pinnedUntil(show("moment", pin.until), isPast(pin.until))}`}
      </p>
    </section>
  );
}

/** Why a file is missing, and what is being done about it. */
function Fetching({ fetch }: { fetch: Fetch }) {
  return (
    <section>
      <h3>{words.about.file}</h3>
      <p>{fetch.problem ?? words.about.notFetched}</p>
      <p class="note">
        {words.about.tries(fetch.tries)}{" "}
        {fetch.given_up ? (
          <>
            {words.about.givenUp} <code>backscroll media fetch --retry-failed</code>
          </>
        ) : (
          fetch.next_at && words.about.nextTry(show("moment", fetch.next_at))
        )}
      </p>
    </section>
  );
}

function Tellings({ details, day }: { details: MessageDetails; day: string }) {
  if (!details.tellings.length) return null;
  // A text that a source reported before an edit is a version, and is listed below.
  const isOther = (text: string | null) =>
    text !== null && text !== details.body && details.versions.every((version) => version.text !== text);
  return (
    <section>
      <h3>{words.about.sources}</h3>
      <ul class="told">
        {details.tellings.map((telling, key) => (
          <li key={key}>
            <Icon name={SOURCE_ICONS[telling.source] ?? "doc"} />
            <bdi>{telling.name ?? words.sourceTypes[telling.source] ?? telling.source}</bdi>
            <time dateTime={telling.sent_at}>{near(telling.sent_at, day, telling.precision !== "minute")}</time>
            <p>
              {[
                telling.precision === "minute" ? words.about.minute : words.about.exact,
                telling.received_at ? words.about.arrived(show("short", telling.received_at)) : "",
                isOther(telling.text) ? words.about.otherText : "",
              ]
                .filter(Boolean)
                .join("; ")}
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Versions({ details, day }: { details: MessageDetails; day: string }) {
  const { versions } = details;
  return (
    <section>
      <h3>{words.about.versions}</h3>
      <ol class="versions">
        {versions
          .map((version, at) => ({ version, at }))
          .reverse()
          .map(({ version, at }) => (
            <li key={at} dir="auto">
              {at === 0
                ? version.text
                : difference(versions[at - 1]?.text ?? "", version.text ?? "").map(({ text, change }, key) =>
                    change === "added" ? (
                      <ins key={key}>{text}</ins>
                    ) : change === "gone" ? (
                      <del key={key}>{text}</del>
                    ) : (
                      text
                    ),
                  )}
              <time>
                {[
                  version.at ? near(version.at, day) : "",
                  at === versions.length - 1 ? words.about.now : at === 0 ? words.about.first : "",
                ]
                  .filter(Boolean)
                  .join(" · ")}
              </time>
            </li>
          ))}
      </ol>
    </section>
  );
}

const MAX_SEEN = 30;

function Seen({ details, day }: { details: MessageDetails; day: string }) {
  const list = details.receipt_list;
  return (
    <section>
      <h3>{words.about.seen}</h3>
      <ul class="seen">
        {list.slice(0, MAX_SEEN).map((receipt) => {
          const who = words.somebody(receipt);
          const last = receipt.played_at ?? receipt.read_at;
          const notes = [
            receipt.played_at ? words.about.playedAt(near(receipt.played_at, day, false)) : "",
            receipt.read_at ? words.about.readAt(near(receipt.read_at, day, false)) : "",
            receipt.delivered_at ? words.about.deliveredAt(near(receipt.delivered_at, day, false)) : "",
          ].filter(Boolean);
          return (
            <li key={receipt.jid}>
              <Avatar id={receipt.jid} name={who} small />
              <bdi>{who}</bdi>
              {last && <Icon name="ticks" />}
              <p>{notes.join("; ")}</p>
            </li>
          );
        })}
      </ul>
      {list.length > MAX_SEEN && <p class="note">{words.about.andMore(list.length - MAX_SEEN)}</p>}
    </section>
  );
}

function Original({ messageKey }: { messageKey: string }) {
  const [items, setItems] = useState<{ source: string; type: string; received_at: string; payload: string }[] | null>(
    null,
  );
  const [error, setError] = useState<unknown>(null);
  if (error) return <Failure error={error} />;
  if (!items) {
    return (
      <button
        type="button"
        class="btn"
        onClick={() =>
          get<{ items: typeof items }>(`${messagePath(messageKey)}/original`).then(
            (answer) => setItems(answer.items),
            setError,
          )
        }
      >
        <Icon name="doc" /> {words.about.original}
      </button>
    );
  }
  return (
    <div class="originals">
      <h3>{words.about.received}</h3>
      {items.map((item, key) => (
        <figure key={key}>
          <figcaption class="note">
            {words.about.receivedFrom(words.sourceTypes[item.source] ?? item.source, show("moment", item.received_at))}
          </figcaption>
          <pre tabIndex={0}>{item.payload}</pre>
        </figure>
      ))}
    </div>
  );
}

const MAX_SPANS = 6;

export function AboutChat({ chat, name, onClose }: { chat: ChatDetails; name: string; onClose: () => void }) {
  return (
    <aside class="about-panel" aria-label={words.about.chat}>
      <PanelHead title={words.about.chat} onClose={onClose} />
      <section class="about-chat">
        <Avatar id={chat.chat_id} name={name} />
        <div>
          <b dir="auto">{name}</b>
          <p class="note">{words.chatKinds[chat.kind]}</p>
        </div>
      </section>
      {chat.description && (
        <section>
          <h3>{words.about.description}</h3>
          <div class="prose">
            <Words text={chat.description} />
          </div>
        </section>
      )}
      <section>
        <h3>{words.about.inside}</h3>
        <dl class="details">
          {chat.first_message_at && (
            <>
              <dt>{words.about.since}</dt>
              <dd>{show("date", chat.first_message_at)}</dd>
            </>
          )}
          {chat.last_message_at && (
            <>
              <dt>{words.about.last}</dt>
              <dd>{show("date", chat.last_message_at)}</dd>
            </>
          )}
          {chat.created_at && (
            <>
              <dt>{words.about.created}</dt>
              <dd>{show("date", chat.created_at)}</dd>
            </>
          )}
          <dt>{words.about.phone}</dt>
          <dd>+{chat.phone}</dd>
        </dl>
        {chat.ephemeral_seconds ? <p class="note">{words.about.ephemeral(chat.ephemeral_seconds)}</p> : null}
        {chat.is_exited && <p class="note">{words.about.exited}</p>}
        <p class="row-of-chips">
          <a class="btn" href={to.media({ phone: chat.phone, jid: chat.chat_id })}>
            <Icon name="media" /> {words.nav.media}
          </a>
          {chat.kind === "user" && (
            <a class="btn" href={to.contacts(chat.chat_id)}>
              <Icon name="people" /> {words.titles.contacts}
            </a>
          )}
        </p>
      </section>
      <section>
        <h3>{words.about.download}</h3>
        <p class="row-of-chips">
          {(["text", "zip", "jsonl"] as const).map((kind) => (
            <a
              key={kind}
              class="btn"
              download=""
              href={withQuery(`/api/exports/${kind}`, {
                phone: chat.phone,
                chat: chat.chat_id,
                zone: kind === "jsonl" ? null : ZONE,
              })}
            >
              <Icon name="download" /> {words.about.downloads[kind]}
            </a>
          ))}
        </p>
      </section>
      <section>
        <h3>{words.about.coverage}</h3>
        <p>{words.about.covered(chat.coverage)}</p>
        <ul class="plain-list">
          {chat.coverage.spans.slice(0, MAX_SPANS).map((span) => (
            <li key={`${span.source.id}${span.from}`}>
              <bdi>{span.source.name ?? words.sourceTypes[span.source.kind] ?? span.source.kind}</bdi>
              <span class="note">{words.about.span(span)}</span>
            </li>
          ))}
        </ul>
        <Gaps covered={chat.coverage} />
      </section>
      {chat.members.length > 0 && (
        <section>
          <h3>{words.about.members(chat.members_total ?? chat.members.length)}</h3>
          <ul class="seen">
            {chat.members.map((member) => {
              const who = words.somebody(member);
              return (
                <li key={member.jid}>
                  <Avatar id={member.jid} name={who} small />
                  <a href={to.contacts(member.jid)}>
                    <bdi>{who}</bdi>
                  </a>
                  {(member.is_super_admin || member.is_admin) && (
                    <span class="tag">{member.is_super_admin ? words.about.owner : words.about.admin}</span>
                  )}
                </li>
              );
            })}
          </ul>
          {(chat.members_total ?? 0) > chat.members.length && (
            <p class="note">{words.about.andMore((chat.members_total ?? 0) - chat.members.length)}</p>
          )}
        </section>
      )}
    </aside>
  );
}
