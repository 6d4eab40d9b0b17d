import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, messagePath } from "../api.ts";
import { Icon } from "./icon.tsx";
import { Failure, Waiting } from "./states.tsx";
import { to } from "../router.ts";
import { show } from "../time.ts";
import type { Kind, MediaItem, Message, Page, Person } from "../types.ts";
import { words } from "../words.ts";
import { stop } from "./player.ts";
import { Words } from "./words.tsx";

export interface Viewed {
  key: string;
  phone: string;
  jid: string;
  kind: Kind;
  url: string;
  thumbnail: string | null;
  filename: string | null;
  gif: boolean;
  sender: Person | null;
  from_me: boolean;
  timestamp: string;
  text: string | null;
}

export const ofItem = (item: MediaItem): Viewed | null =>
  item.file?.url
    ? {
        key: item.key,
        phone: item.phone,
        jid: item.chat.chat_id,
        kind: item.kind,
        url: item.file.url,
        thumbnail: item.file.thumbnail,
        filename: item.file.filename,
        gif: item.file.animated ?? false,
        sender: item.sender,
        from_me: item.from_me,
        timestamp: item.timestamp,
        text: item.text,
      }
    : null;
export const ofMessage = (message: Message): Viewed | null =>
  message.file?.url
    ? {
        key: message.key,
        phone: message.phone,
        jid: message.chat_id,
        kind: message.kind,
        url: message.file.url,
        thumbnail: message.file.thumbnail,
        filename: message.file.filename,
        gif: message.gif ?? false,
        sender: message.sender,
        from_me: message.from_me,
        timestamp: message.timestamp,
        text: message.body,
      }
    : null;

const PAGE = 30;
const isShown = (view: Viewed | null): view is Viewed =>
  view !== null && ["image", "video", "video_note"].includes(view.kind);

/** The pictures of a chat from one of them on, newest first; older ones are fetched as they are needed. */
function useNeighbours(first: Viewed | null): { list: Viewed[]; more: () => void } {
  const [list, setList] = useState<Viewed[]>(first ? [first] : []);
  const [next, setNext] = useState<string | null>(null);
  useEffect(() => {
    if (!first) return;
    const gone = new AbortController();
    const scope = { kind: "picture", phone: first.phone, chat: first.jid, limit: PAGE };
    get<Page<MediaItem>>("/api/media", { ...scope, at: first.timestamp }, gone.signal).then(
      (page) => {
        const older = page.items.map(ofItem).filter(isShown);
        setList(older.some((view) => view.key === first.key) ? older : [first, ...older]);
        setNext(page.next);
      },
      () => {},
    );
    return () => gone.abort();
  }, [first?.key]);
  const more = () => {
    if (!next || !first) return;
    setNext(null);
    get<Page<MediaItem>>("/api/media", {
      kind: "picture",
      phone: first.phone,
      chat: first.jid,
      limit: PAGE,
      cursor: next,
    }).then(
      (page) => {
        setList((known) => [...known, ...page.items.map(ofItem).filter(isShown)]);
        setNext(page.next);
      },
      () => {},
    );
  };
  return { list, more };
}

/** Pictures and videos above the page. `views` come from a gallery; without them, those of the chat are fetched. */
export function Viewer({
  messageKey,
  views,
  onClose,
}: {
  messageKey: string;
  views?: readonly Viewed[];
  onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [first, setFirst] = useState<Viewed | null>(views?.find((view) => view.key === messageKey) ?? null);
  const [error, setError] = useState<unknown>(null);
  const [current, setCurrent] = useState(messageKey);
  useLayoutEffect(() => {
    stop();
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      dialog.current?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  useEffect(() => {
    if (!first) get<Message>(messagePath(messageKey)).then((message) => setFirst(ofMessage(message)), setError);
  }, [messageKey]);
  const own = useNeighbours(views ? null : first);
  const list = views ?? own.list;
  const at = list.findIndex((view) => view.key === current);
  const view = list[at] ?? first;
  useEffect(() => {
    if (at >= 0 && at > list.length - 5) own.more();
  }, [at, list.length]);
  const older = at >= 0 ? list[at + 1] : undefined,
    newer = at > 0 ? list[at - 1] : undefined;
  const onKey = (event: KeyboardEvent) => {
    const isRtl = getComputedStyle(document.documentElement).direction === "rtl";
    const target = {
      ArrowRight: isRtl ? older : newer,
      ArrowLeft: isRtl ? newer : older,
      ArrowUp: older,
      ArrowDown: newer,
    }[event.key];
    if (target && !(event.target instanceof HTMLVideoElement)) {
      event.preventDefault();
      setCurrent(target.key);
    }
  };
  const who = view && (view.from_me ? words.you : words.somebody(view.sender));
  return (
    <dialog
      ref={dialog}
      class="viewer"
      aria-label={words.viewer.label}
      onKeyDown={onKey}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header>
        {view && (
          <p>
            <b>
              <bdi>{who}</bdi>
            </b>{" "}
            <time dateTime={view.timestamp}>{show("moment", view.timestamp)}</time>
          </p>
        )}
        {view && (
          <a
            class="icon"
            href={to.chat(view.phone, view.jid, { at: view.key })}
            aria-label={words.viewer.inChat}
            title={words.viewer.inChat}
            onClick={onClose}
          >
            <Icon name="chat" />
          </a>
        )}
        {view && (
          <a
            class="icon"
            href={view.url}
            download={view.filename ?? ""}
            aria-label={words.viewer.download}
            title={words.viewer.download}
          >
            <Icon name="download" />
          </a>
        )}
        <button type="button" class="icon" aria-label={words.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div class="stage">
        {error ? <Failure error={error} /> : view ? <Stage key={view.key} view={view} /> : <Waiting />}
        {older && (
          <button
            type="button"
            class="icon side before"
            aria-label={words.viewer.previous}
            onClick={() => setCurrent(older.key)}
          >
            <Icon name="back" />
          </button>
        )}
        {newer && (
          <button
            type="button"
            class="icon side after"
            aria-label={words.viewer.next}
            onClick={() => setCurrent(newer.key)}
          >
            <Icon name="next" />
          </button>
        )}
      </div>
      {view?.text && (
        <div class="caption prose">
          <Words text={view.text} />
        </div>
      )}
    </dialog>
  );
}

function Stage({ view }: { view: Viewed }) {
  const [isBroken, setBroken] = useState(false);
  if (isBroken) return <p class="broken">{words.viewer.failed}</p>;
  const who = view.from_me ? words.you : words.somebody(view.sender);
  if (view.kind === "image")
    return <img src={view.url} alt={view.text || words.message.picture(who)} onError={() => setBroken(true)} />;
  return (
    <video
      src={view.url}
      poster={view.thumbnail ?? undefined}
      controls={!view.gif}
      autoplay
      loop={view.gif}
      muted={view.gif}
      playsInline
      aria-label={words.message.video(who)}
      onError={() => setBroken(true)}
    />
  );
}
