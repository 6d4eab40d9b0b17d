import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { chatPath, get } from "../api.ts";
import { plain } from "../format.ts";
import { chatNames } from "../hits.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Blank, Failure, Waiting } from "../parts/states.tsx";
import { Voice } from "../parts/voice.tsx";
import { type MediaKind, type Route, to } from "../router.ts";
import { clock, monthOf, show, startOfMonth } from "../time.ts";
import type { ChatDetails, MediaItem, Message, Page, SearchAnswer } from "../types.ts";
import { words } from "../words/lists.ts";
import { Viewer, type Viewed, ofItem } from "../parts/viewer.tsx";
import { ratio } from "../parts/shape.ts";

const PAGE = 60;
const KINDS: { kind: MediaKind; icon: IconName }[] = [
  { kind: "picture", icon: "media" },
  { kind: "voice", icon: "mic" },
  { kind: "document", icon: "doc" },
  { kind: "link", icon: "link" },
];
const LINK = /\bhttps?:\/\/[^\s<>"]+/gi;
const MAX_LINKS = 5;

/** Messages with links are found by the search, which has a filter for them. */
async function fetchLinks(phone: string | null, jid: string | null, cursor: string | null, signal?: AbortSignal) {
  const q = jid ? `has:link in:${jid}` : "has:link";
  const found = await get<SearchAnswer>("/api/search", { q, phone, limit: 50, context: 0, cursor }, signal);
  for (const chat of found.facets?.chats ?? []) if (chat.name) chatNames.set(chat.chat_id, chat.name);
  return { items: found.items.map(({ message }) => ofMessage(message)), next: found.next, total: null };
}

const ofMessage = (message: Message): MediaItem => ({
  key: message.key,
  phone: message.phone,
  chat: { chat_id: message.chat_id, name: chatNames.get(message.chat_id) ?? null },
  sender: message.sender,
  from_me: message.from_me,
  timestamp: message.timestamp,
  kind: message.kind,
  file: null,
  text: message.body,
  links: (message.body?.match(LINK) ?? []).map((link) => link.replace(/[.,;:!?'")\]]+$/, "")),
});
const open = signal<string | null>(null);

function useMedia(phone: string | null, jid: string | null, kind: MediaKind) {
  const [page, setPage] = useState<Page<MediaItem> | null>(null);
  const [error, setError] = useState<unknown>(null);
  const busy = useRef(false);
  const scope = { kind, phone, chat: jid, limit: PAGE };
  const ask = (cursor: string | null, signal?: AbortSignal): Promise<Page<MediaItem>> =>
    kind === "link" ? fetchLinks(phone, jid, cursor, signal) : get("/api/media", { ...scope, cursor }, signal);
  const load = (gone?: AbortController) => {
    setError(null);
    busy.current = false;
    ask(null, gone?.signal).then(setPage, (problem: unknown) => {
      if (!gone?.signal.aborted) setError(problem);
    });
  };
  useEffect(() => {
    const gone = new AbortController();
    setPage(null);
    load(gone);
    return () => gone.abort();
  }, [phone, jid, kind]);
  const more = () => {
    if (!page?.next || busy.current) return;
    busy.current = true;
    ask(page.next).then(
      (next) => {
        busy.current = false;
        setPage({ ...next, items: [...page.items, ...next.items] });
      },
      (problem: unknown) => {
        busy.current = false;
        setError(problem);
      },
    );
  };
  return { page, error, more, again: () => (page ? more() : load()) };
}

function byMonth(items: MediaItem[]): [string, MediaItem[]][] {
  const months = new Map<string, MediaItem[]>();
  for (const item of items) {
    const month = monthOf(item.timestamp);
    const list = months.get(month);
    if (list) list.push(item);
    else months.set(month, [item]);
  }
  return [...months];
}

export function GalleryScreen({ route }: { route: Route }) {
  if (route.name !== "media") return null;
  const { phone, jid, kind } = route;
  return <Gallery key={`${phone}/${jid}`} phone={phone} jid={jid} kind={kind} />;
}

function Gallery({ phone, jid, kind }: { phone: string | null; jid: string | null; kind: MediaKind }) {
  const { page, error, more, again } = useMedia(phone, jid, kind);
  const [chat, setChat] = useState<ChatDetails | null>(null);
  useEffect(() => {
    if (phone && jid) get<ChatDetails>(chatPath(phone, jid)).then(setChat, () => {});
  }, []);
  const scope = phone && jid ? { phone, jid } : null;
  const name = chat?.name ?? (jid ? words.phoneNumber(jid) : "");
  const views = (page?.items ?? []).map(ofItem).filter((view): view is Viewed => view !== null);
  return (
    <section
      class="sheet page"
      tabIndex={-1}
      onScroll={(event) => {
        const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
        if (scrollHeight - scrollTop < clientHeight * 3) more();
      }}
    >
      <div class="head">
        <div>
          {scope && (
            <a class="btn bare" href={to.chat(scope.phone, scope.jid)}>
              <Icon name="back" /> <bdi>{name}</bdi>
            </a>
          )}
          <h1 class="title">{scope ? words.gallery.titleOf(name) : words.gallery.title}</h1>
          {chat?.counts && <p class="note num">{words.gallery.counts(chat.counts)}</p>}
        </div>
      </div>
      <nav class="row-of-chips" aria-label={words.gallery.title}>
        {KINDS.map((one) => (
          <a
            key={one.kind}
            class="chip"
            href={to.media(scope, one.kind)}
            aria-current={one.kind === kind ? "page" : undefined}
          >
            <Icon name={one.icon} /> {words.gallery.kinds[one.kind]}
          </a>
        ))}
      </nav>
      {byMonth(page?.items ?? []).map(([month, items]) => (
        <section key={month} class="month-of">
          <div class="month">
            <h2>{show("month", startOfMonth(month))}</h2>
          </div>
          {kind === "picture" ? (
            <div class="tiles">
              {items.map((item) => (
                <Tile key={item.key} item={item} />
              ))}
            </div>
          ) : (
            <ul class="media-list">
              {items.map((item) => (
                <Line key={item.key} item={item} kind={kind} isNamed={!scope} />
              ))}
            </ul>
          )}
        </section>
      ))}
      {error ? (
        <Failure error={error} again={again} />
      ) : !page ? (
        <Waiting />
      ) : (
        !page.items.length && <Blank icon="media" title={words.gallery.none[kind]} />
      )}
      {page?.next && (
        <button type="button" class="btn bare" onClick={more}>
          {words.more}
        </button>
      )}
      {open.value && (
        <Viewer
          messageKey={open.value}
          views={views}
          onClose={() => {
            open.value = null;
          }}
        />
      )}
    </section>
  );
}

function Tile({ item }: { item: MediaItem }) {
  const [isBroken, setBroken] = useState(false);
  const { file } = item;
  const isVideo = item.kind === "video" || item.kind === "video_note";
  const source = file?.thumbnail ?? (isVideo ? null : file?.url);
  const who = item.from_me ? words.you : words.somebody(item.sender);
  const label = `${isVideo ? words.message.video(who) : words.message.picture(who)}, ${show("moment", item.timestamp)}`;
  const style = { "--r": String(file ? ratio(file) : 1) };
  if (!file?.url || isBroken) {
    const state = isBroken && file?.state === "held" ? "missing" : (file?.state ?? "missing");
    return (
      <a
        class="tile lost"
        style={style}
        href={to.chat(item.phone, item.chat.chat_id, { at: item.key })}
        aria-label={`${label}. ${words.gallery.notHere[state]}`}
      >
        {source && !isBroken ? (
          <img src={source} alt="" loading="lazy" onError={() => setBroken(true)} />
        ) : (
          <Icon name="gap" />
        )}
        <span>{words.gallery.notHere[state]}</span>
      </a>
    );
  }
  return (
    <button
      type="button"
      class="tile"
      style={style}
      aria-label={label}
      onClick={() => {
        open.value = item.key;
      }}
    >
      {source ? (
        <img src={source} alt="" loading="lazy" decoding="async" onError={() => setBroken(true)} />
      ) : (
        <span class="no-poster" />
      )}
      {isVideo && (
        <span class="badge num">
          <Icon name="play" />
          {file.duration !== null ? clock(file.duration) : ""}
        </span>
      )}
    </button>
  );
}

function Line({ item, kind, isNamed }: { item: MediaItem; kind: MediaKind; isNamed: boolean }) {
  const who = item.from_me ? words.you : words.somebody(item.sender);
  const { file } = item;
  return (
    <li>
      <Avatar id={item.sender?.jid ?? item.chat.chat_id} name={who} />
      <div class="media-what">
        {kind === "voice" && file && <Voice messageKey={item.key} kind={item.kind} file={file} />}
        {kind === "document" &&
          file &&
          (file.url ? (
            <a href={file.url} download={file.filename ?? ""}>
              <bdi>{file.filename ?? words.message.unnamed}</bdi>
            </a>
          ) : (
            <span>
              <bdi>{file.filename ?? words.message.unnamed}</bdi>{" "}
              <span class="tag">{words.message.states[file.state]}</span>
            </span>
          ))}
        {kind === "link" && <Links item={item} />}
        <p class="note">
          <bdi>{who}</bdi>
          {isNamed ? (
            <>
              {" "}
              · <bdi>{item.chat.name ?? words.phoneNumber(item.chat.chat_id)}</bdi>
            </>
          ) : null}
          {file?.size ? ` · ${words.byte(file.size)}` : ""}
        </p>
      </div>
      <a class="note num" href={to.chat(item.phone, item.chat.chat_id, { at: item.key })} title={words.gallery.toChat}>
        <time dateTime={item.timestamp}>{show("moment", item.timestamp)}</time>
      </a>
    </li>
  );
}

/** The links of a message, and the text around them if there is any. */
function Links({ item }: { item: MediaItem }) {
  const around = plain(item.text ?? "")
    .replace(LINK, " ")
    .replace(/\s+/g, " ")
    .trim();
  return (
    <>
      {item.links.slice(0, MAX_LINKS).map((link, at) => (
        <a key={at} class="url" href={link} target="_blank" rel="noreferrer noopener" dir="ltr">
          {link}
        </a>
      ))}
      {item.links.length > MAX_LINKS && (
        <span class="note">{words.gallery.andMore(item.links.length - MAX_LINKS)}</span>
      )}
      {around && (
        <span class="around" dir="auto">
          {around}
        </span>
      )}
    </>
  );
}
