import type { Signal } from "@preact/signals";
import { Component } from "preact";
import { plain } from "../format.ts";
import { Avatar, colour } from "../parts/avatar.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Voice } from "../parts/voice.tsx";
import { Words } from "../parts/words.tsx";
import { to } from "../router.ts";
import { dayOf, isPast, ms, show } from "../time.ts";
import type { Gap, Message, Quoted } from "../types.ts";
import { words } from "../words.ts";
import { continues, isEvent, type Item } from "./items.ts";
import { Cards, PlaceCard, PollCard, saysAll, Told, Topic } from "./kinds/cards.tsx";
import { Document, Missing, Picture, Sticker } from "./kinds/media.tsx";

/** What the rows of one chat share. */
export interface Setting {
  phone: string;
  jid: string;
  isGroup: boolean;
  gaps: readonly Gap[];
  /** How many messages a day has; null while that is not known. */
  countOf: (day: string) => Signal<number | null>;
  /** The message whose details are open in the panel. */
  picked: Signal<string | null>;
  /** The message that was jumped to. */
  here: Signal<string | null>;
  open: (key: string) => void;
  jump: (key: string) => void;
}

export function Rows({
  items,
  setting,
  knowsOldest,
}: {
  items: readonly Item[];
  setting: Setting;
  knowsOldest: boolean;
}) {
  return (
    <>
      {items.map((item, at) => (
        <Row key={item.id} item={item} before={items[at - 1]} setting={setting} isFirst={at === 0 && knowsOldest} />
      ))}
    </>
  );
}

interface RowParts {
  item: Item;
  before: Item | undefined;
  setting: Setting;
  isFirst: boolean;
}

/** One message with the gap or day that begins at it. If a message cannot be drawn, the others still are. */
class Row extends Component<RowParts, { broken: boolean }> {
  override state = { broken: false };
  static override getDerivedStateFromError() {
    return { broken: true };
  }

  override shouldComponentUpdate(next: RowParts, state: { broken: boolean }) {
    return (
      next.item !== this.props.item ||
      next.before !== this.props.before ||
      next.setting !== this.props.setting ||
      next.isFirst !== this.props.isFirst ||
      state.broken !== this.state.broken
    );
  }

  override render({ item, before, setting }: RowParts, { broken }: { broken: boolean }) {
    const { day } = item;
    const begins = before?.day !== day;
    const gap = before && setting.gaps.find(({ from }) => ms(from) >= before.at && ms(from) < item.at);
    return (
      <div class="row" data-id={item.id}>
        {gap && <GapCard gap={gap} phone={setting.phone} />}
        {begins && <DayHeading day={day} at={item.at} count={setting.countOf(day)} />}
        {broken ? (
          <p class="m event">{words.problem.row}</p>
        ) : (
          <Entry item={item} before={begins || gap ? undefined : before} setting={setting} />
        )}
      </div>
    );
  }
}

function GapCard({ gap, phone }: { gap: Gap; phone: string }) {
  return (
    <aside class="gap" aria-label={words.gap.label}>
      <Icon name="gap" />
      <div>
        <b>{words.gap.title(gap)}</b>
        <p>{words.gap.text(gap)}</p>
      </div>
      <a class="btn" href={to.sources(phone)}>
        {words.gap.fill}
      </a>
    </aside>
  );
}

function DayHeading({ day, at, count }: { day: string; at: number; count: Signal<number | null> }) {
  return (
    <div class="day" data-day={day}>
      <h2>
        <time dateTime={day}>{show("day", at)}</time>
      </h2>
      <span class="note num">{count.value === null ? "" : words.chat.day(count.value)}</span>
    </div>
  );
}

function Entry({ item, before, setting }: { item: Item; before: Item | undefined; setting: Setting }) {
  const message = item.message.value;
  const goesOn = continues(message, before?.message.value);
  const states = `${message.from_me ? " mine" : ""}${goesOn ? "" : " first"}${setting.picked.value === item.id ? " picked" : ""}${setting.here.value === item.id ? " here" : ""}`;
  if (isEvent(message)) return <Happening message={message} states={states} setting={setting} />;
  const who = message.from_me ? words.you : words.somebody(message.sender);
  const id = message.sender?.jid ?? "";
  return (
    <article class={`m${states}`} tabIndex={-1} aria-label={`${who}, ${show("minute", item.at)}`}>
      <Moment message={message} setting={setting} />
      <div class="said">
        <h3
          class={
            goesOn || (!setting.isGroup && !message.from_me)
              ? "unseen"
              : `who ${message.from_me ? "" : `f${colour(id)}`}`
          }
        >
          {!message.from_me && !goesOn && setting.isGroup && <Avatar id={id} name={who} small />}
          {message.from_me || !setting.isGroup ? (
            <bdi>{who}</bdi>
          ) : (
            <a href={to.contacts(id)}>
              <bdi>{who}</bdi>
            </a>
          )}
        </h3>
        {message.quoted && <Quote quoted={message.quoted} setting={setting} />}
        <Body message={message} />
        <Reactions message={message} setting={setting} />
      </div>
      <Margin message={message} setting={setting} isGroup={setting.isGroup} />
    </article>
  );
}

function Moment({ message, setting }: { message: Message; setting: Setting }) {
  const time = show("minute", message.timestamp);
  return (
    <button
      type="button"
      class="at"
      tabIndex={-1}
      aria-label={words.message.open(time)}
      title={show("moment", message.timestamp)}
      onClick={() => setting.open(message.key)}
    >
      <time dateTime={message.timestamp}>{time}</time>
    </button>
  );
}

function Happening({ message, states, setting }: { message: Message; states: string; setting: Setting }) {
  const who = message.from_me ? words.you : message.sender ? words.somebody(message.sender) : null;
  const author = message.notice?.author ? words.somebody(message.notice.author) : who;
  const text =
    message.kind === "call"
      ? words.call(message.call, who ?? words.somebody(null), message.from_me)
      : words.notice(message.notice, author, message.body);
  const icon: IconName = message.kind === "call" ? (message.call?.video ? "video" : "call") : "people";
  return (
    <article class={`m${states}`} tabIndex={-1}>
      <Moment message={message} setting={setting} />
      <p class="event" dir="auto">
        <Icon name={icon} />
        <span>{text}</span>
      </p>
    </article>
  );
}

function Quote({ quoted, setting }: { quoted: Quoted; setting: Setting }) {
  const who = quoted.from_me ? words.you : words.somebody(quoted.sender);
  const shape = `quote${quoted.sender && !quoted.from_me ? ` f${colour(quoted.sender.jid)}` : ""}${quoted.thumbnail ? " pictured" : ""}`;
  const kind = quoted.kind ?? "text";
  const said = quoted.text && plain(quoted.text);
  const gist =
    kind === "text" || kind === "interactive"
      ? words.gist(kind, said)
      : [words.kinds[kind], said].filter(Boolean).join(" · ");
  const inside = (
    <>
      {quoted.thumbnail && <img src={quoted.thumbnail} alt="" width="40" height="40" loading="lazy" />}
      <b>
        <span class="unseen">{words.message.quoted} </span>
        <bdi>{who}</bdi>
      </b>
      <span dir="auto" class="gist">
        {gist}
      </span>
    </>
  );
  const { key } = quoted;
  if (!key) return <div class={shape}>{inside}</div>;
  return (
    <a
      class={shape}
      data-quoted={key}
      href={to.chat(setting.phone, setting.jid, { at: key })}
      onClick={(event) => {
        if (!event.ctrlKey && !event.metaKey && !event.shiftKey) {
          event.preventDefault();
          setting.jump(key);
        }
      }}
    >
      {inside}
    </a>
  );
}

function Body({ message }: { message: Message }) {
  if (!message.is_deleted) return <Content message={message} />;
  const hasWords = !!message.body || !!message.poll;
  const hasFile = !!message.file?.url;
  const who = message.deleted_by ? words.somebody(message.deleted_by) : null;
  const when =
    message.deleted_at &&
    (dayOf(message.deleted_at) === dayOf(message.timestamp)
      ? words.message.deletedAt(show("minute", message.deleted_at))
      : words.message.deletedOn(show("date", message.deleted_at)));
  return (
    <div class="gone">
      {(hasWords || hasFile) && (
        <div class="struck">
          <Content message={message} />
        </div>
      )}
      <span class="note">
        <Icon name="trash" />
        {hasFile && !hasWords ? words.message.deletedFile(who, when) : words.message.deleted(who, when, hasWords)}
      </span>
    </div>
  );
}

function Content({ message }: { message: Message }) {
  return (
    <>
      <Attachment message={message} />
      <Told message={message} />
      {message.place && <PlaceCard place={message.place} />}
      {message.contacts.length > 0 && <Cards cards={message.contacts} />}
      {message.poll && <PollCard poll={message.poll} />}
      {message.card && <Topic message={message} card={message.card} />}
      <Caption message={message} />
    </>
  );
}

const SPEAKS_FOR_ITSELF = new Set(["poll", "contact", "contacts", "location", "live_location", "ciphertext"]);

function Caption({ message }: { message: Message }) {
  const { body, kind, file } = message;
  const text = body;
  if (!text) {
    const isBare = kind === "text" && !file && !message.quoted && !message.place && !message.is_deleted;
    return isBare ? <p class="note">{words.message.empty}</p> : null;
  }
  if (saysAll(message)) return null;
  const shownAbove =
    (message.poll !== null || message.contacts.length > 0 || message.place !== null) && SPEAKS_FOR_ITSELF.has(kind);
  if (shownAbove || (kind === "document" && text === file?.filename)) return null;
  return <Words text={text} mentions={message.mentions} />;
}

function Attachment({ message }: { message: Message }) {
  const { file, kind } = message;
  if (!file || (message.view_once && !file.url)) return null;
  switch (kind) {
    case "image":
    case "video":
    case "video_note":
      return <Picture message={message} file={file} />;
    case "sticker":
      return <Sticker message={message} file={file} />;
    case "voice":
      return file.url ? (
        <Voice messageKey={message.key} kind={kind} file={file} />
      ) : (
        <Missing message={message} file={file} />
      );
    case "audio":
      return file.url ? (
        <Voice messageKey={message.key} kind={kind} file={file} />
      ) : (
        <Document message={message} file={file} />
      );
    case "document":
      return <Document message={message} file={file} />;
    default:
      return file.url || file.filename ? (
        <Document message={message} file={file} />
      ) : file.state === "omitted" ? (
        <Missing message={message} file={file} />
      ) : null;
  }
}

function Reactions({ message, setting }: { message: Message; setting: Setting }) {
  if (!message.reactions.length) return null;
  const by = new Map<string, string[]>();
  for (const { emoji, sender, from_me } of message.reactions)
    by.set(emoji, [...(by.get(emoji) ?? []), from_me ? words.you : words.somebody(sender)]);
  return (
    <ul class="rx" aria-label={words.message.reactions}>
      {[...by].map(([emoji, who]) => (
        <li key={emoji}>
          <button type="button" tabIndex={-1} title={who.join(", ")} onClick={() => setting.open(message.key)}>
            {emoji} <span class="num">{who.length}</span>
            <span class="unseen"> {words.and(who.slice(0, 20))}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

const DELIVERED = 3,
  READ = 4,
  PLAYED = 5;

/** The delivery status of one's own message, in as few words as possible. */
export function reach(message: Message, isGroup: boolean): { icon: IconName; text: string; failed?: boolean } | null {
  if (!message.from_me) return null;
  const ack = Number(message.ack ?? 0),
    { receipts } = message;
  const isPlayed = message.kind === "voice" || message.kind === "video_note";
  if (ack < 0) return { icon: "info", text: words.message.failed, failed: true };
  if (isGroup && receipts) {
    const { of, delivered, read, played } = receipts;
    if (isPlayed && played)
      return { icon: "ticks", text: of ? words.message.playedBy(played, of) : words.message.playedCount(played) };
    if (read) return { icon: "ticks", text: of ? words.message.readBy(read, of) : words.message.readCount(read) };
    if (delivered)
      return {
        icon: "tick",
        text: of ? words.message.deliveredBy(delivered, of) : words.message.deliveredCount(delivered),
      };
  }
  if (ack >= PLAYED && isPlayed) return { icon: "ticks", text: words.message.played };
  if (ack >= READ) return { icon: "ticks", text: words.message.read };
  if (ack >= DELIVERED) return { icon: "tick", text: words.message.delivered };
  return ack === 1 ? { icon: "clock", text: words.message.pending } : null;
}

function Margin({ message, setting, isGroup }: { message: Message; setting: Setting; isGroup: boolean }) {
  const notes: { icon: IconName; text: string; failed?: boolean }[] = [];
  const far = reach(message, isGroup);
  if (far) notes.push(far);
  if (message.edited_at || message.edits) notes.push({ icon: "pen", text: words.message.edited(message.edits) });
  const score = Number(message.forwarding_score ?? 0);
  if (message.forwarded || score > 0) notes.push({ icon: "forward", text: words.message.forwarded(score) });
  if (message.pinned && !isPast(message.pinned.until)) notes.push({ icon: "tack", text: words.message.pinned });
  if (message.starred) notes.push({ icon: "star", text: words.message.starred });
  if (message.expires_at)
    notes.push({
      icon: "clock",
      text: words.message.vanished(message.expires_at, isPast(message.expires_at)),
    });
  if (!notes.length) return null;
  return (
    <div class="margin">
      {notes.map(({ icon, text, failed }) => (
        <button
          type="button"
          tabIndex={-1}
          key={icon}
          class={failed ? "failed" : ""}
          onClick={() => setting.open(message.key)}
        >
          <Icon name={icon} />
          {text}
        </button>
      ))}
    </div>
  );
}
