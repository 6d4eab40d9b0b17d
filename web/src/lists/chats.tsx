import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { chatPath, get, session } from "../api.ts";
import { onChange } from "../events.ts";
import { plain } from "../format.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { Failure, Waiting } from "../parts/states.tsx";
import { navigate, route, to } from "../router.ts";
import { briefly, number } from "../time.ts";
import type { Chat, Page } from "../types.ts";
import { words } from "../words.ts";

type Filter = "all" | "people" | "groups" | "archived";
const FILTERS: Filter[] = ["all", "people", "groups", "archived"];
const filter = signal<Filter>("all");
const phone = signal<string | null>(null);
const PAGE = 50;

const idOf = (chat: Chat) => `${chat.phone}/${chat.chat_id}`;
export const nameOf = (chat: Pick<Chat, "name" | "chat_id">) => chat.name ?? words.phoneNumber(chat.chat_id);

function question(q: string) {
  const kind = filter.value === "people" ? "user" : filter.value === "groups" ? "group" : null;
  // A search by name includes archived chats; otherwise they are listed separately.
  const archived = filter.value === "archived" ? true : q ? null : false;
  return { kind, archived, phone: phone.value, q, limit: PAGE };
}

interface Listed {
  items: Chat[];
  next: string | null;
  total: number | null;
}

/** The matching chats, page by page, kept up to date by events. */
function useChats(q: string) {
  const [listed, setListed] = useState<Listed | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [tries, setTries] = useState(0);
  const busy = useRef(false);
  const asked = JSON.stringify(question(q));
  useEffect(() => {
    const gone = new AbortController();
    setError(null);
    busy.current = false;
    get<Page<Chat>>("/api/chats", question(q), gone.signal).then(setListed, (problem: unknown) => {
      if (!gone.signal.aborted) setError(problem);
    });
    return () => gone.abort();
  }, [asked, tries]);
  const more = () => {
    if (!listed?.next || busy.current) return;
    busy.current = true;
    get<Page<Chat>>("/api/chats", { ...question(q), cursor: listed.next }).then(
      (page) => {
        setListed(
          (known) =>
            known && {
              ...page,
              total: known.total,
              items: [
                ...known.items,
                ...page.items.filter((chat) => !known.items.some((old) => idOf(old) === idOf(chat))),
              ],
            },
        );
        busy.current = false;
      },
      (problem: unknown) => {
        busy.current = false;
        setError(problem);
      },
    );
  };
  useEffect(() => listen(q, setListed, () => setTries((count) => count + 1)), [asked]);
  return { listed, error, more, again: () => setTries(tries + 1) };
}

const SOON_MS = 250;
const RELOAD_MS = 2000;
type SetListed = (change: (known: Listed | null) => Listed | null) => void;

/** Fetches changed chats again, and puts each in the position of its newest message. */
function listen(q: string, setListed: SetListed, reload: () => void): () => void {
  const changed = new Map<string, [string, string]>();
  let timer = 0,
    reloading = 0;
  const refresh = async () => {
    timer = 0;
    const ids = [...changed.values()];
    changed.clear();
    const chats = await Promise.all(ids.map(([of, jid]) => get<Chat>(chatPath(of, jid)).catch(() => null)));
    setListed(
      (known) =>
        known && {
          ...known,
          items: placed(
            known.items,
            chats.filter((chat) => chat !== null),
            q,
          ),
        },
    );
  };
  const stop = onChange((told) => {
    if (told.type === "bye" || told.type === "import") return;
    // Names may have changed, and chats may have been merged.
    if (told.type !== "change" || told.change.type === "contact.updated")
      reloading ||= window.setTimeout(() => {
        reloading = 0;
        reload();
      }, RELOAD_MS);
    else if (told.change.phone && told.change.chat_id && /^(message|chat)\./.test(told.change.type)) {
      changed.set(`${told.change.phone}/${told.change.chat_id}`, [told.change.phone, told.change.chat_id]);
      timer ||= window.setTimeout(() => void refresh(), SOON_MS);
    }
  });
  return () => {
    clearTimeout(timer);
    clearTimeout(reloading);
    stop();
  };
}

function placed(items: Chat[], chats: Chat[], q: string): Chat[] {
  const wanted = question(q);
  const known = new Set(items.map(idOf));
  const fits = (chat: Chat) =>
    known.has(idOf(chat)) ||
    (!q &&
      (wanted.kind === null || wanted.kind === chat.kind) &&
      (wanted.phone === null || wanted.phone === chat.phone) &&
      (wanted.archived === null || wanted.archived === !!chat.archived));
  const anew = new Map(chats.filter(fits).map((chat) => [idOf(chat), chat]));
  return [...items.filter((chat) => !anew.has(idOf(chat))), ...anew.values()].sort((a, b) =>
    (b.last_message_at ?? "").localeCompare(a.last_message_at ?? ""),
  );
}

export function ChatList() {
  const [q, setQ] = useState("");
  const { listed, error, more, again } = useChats(q);
  const input = useRef<HTMLInputElement>(null);
  const phones = session.value?.phones ?? [];
  // Next to an open chat, the page's main heading is that of the chat.
  const Heading = route.value.name === "chats" ? "h1" : "h2";
  const open = route.value.name === "chat" ? `${route.value.phone}/${route.value.jid}` : null;
  return (
    <section class="chats" aria-label={words.chats.title}>
      <div class="chats-top">
        <Heading>{words.chats.title}</Heading>
        {phones.length > 1 && <PhoneChoice />}
      </div>
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          if (q.trim()) navigate(to.search(q.trim()));
        }}
      >
        <label class="field">
          <Icon name="search" />
          <span class="unseen">{words.chats.search(0)}</span>
          <input
            ref={input}
            data-search
            type="search"
            placeholder={words.chats.search(session.value?.messages ?? 0)}
            value={q}
            onInput={(event) => setQ(event.currentTarget.value)}
            autocomplete="off"
          />
          {!q && <kbd aria-hidden="true">/</kbd>}
        </label>
      </form>
      <div class="row-of-chips" role="group" aria-label={words.chats.filter}>
        {FILTERS.map((name) => (
          <button
            type="button"
            key={name}
            class="chip"
            aria-pressed={filter.value === name}
            onClick={() => {
              filter.value = name;
            }}
          >
            {words.chats[name]}
          </button>
        ))}
      </div>
      <div
        class="chat-list"
        role="group"
        aria-label={words.chats.list(listed?.total ?? null)}
        onScroll={(event) => {
          const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
          if (scrollHeight - scrollTop < clientHeight * 3) more();
        }}
      >
        {q.trim() && (
          <a class="chat look" href={to.search(q.trim())}>
            <span class="face">
              <Icon name="search" />
            </span>
            <b>{words.chats.searchFor(q.trim())}</b>
          </a>
        )}
        {listed?.items.map((chat) => (
          <ChatLine
            key={idOf(chat)}
            chat={chat}
            isOpen={open === idOf(chat)}
            isNamed={phones.length > 1 && !phone.value}
          />
        ))}
        {error ? (
          <Failure error={error} again={again} />
        ) : !listed ? (
          <Waiting />
        ) : (
          !listed.items.length && (
            <p class="note none">{filter.value === "archived" && !q ? words.chats.noneArchived : words.chats.none}</p>
          )
        )}
        {listed?.next && (
          <button type="button" class="btn bare" onClick={more}>
            {words.more}
          </button>
        )}
      </div>
    </section>
  );
}

function PhoneChoice() {
  const phones = session.value?.phones ?? [];
  return (
    <label class="chip choice">
      <Icon name="phone" />
      <span class="unseen">{words.nav.sources}</span>
      <select
        value={phone.value ?? ""}
        onChange={(event) => {
          phone.value = event.currentTarget.value || null;
        }}
      >
        <option value="">{words.chats.phones(phones.length)}</option>
        {phones.map((own) => (
          <option key={own.phone} value={own.phone}>
            {own.name ?? `+${own.phone}`}
          </option>
        ))}
      </select>
    </label>
  );
}

/** One line of the newest message, without links and formatting. */
export function lastLine({ last, kind }: Chat): string {
  if (!last) return "";
  const who = last.from_me ? words.you : kind === "group" ? last.sender_name : null;
  if (last.kind === "call") return words.call(null, last.sender_name ?? words.somebody(null), last.from_me);
  if (last.kind === "notice") return words.notice(null, last.from_me ? words.you : last.sender_name, last.text);
  const text = last.text && plain(last.text);
  const gist = words.gist(last.kind, text, last);
  return who ? words.chats.by(who, gist) : gist;
}

function ChatLine({ chat, isOpen, isNamed }: { chat: Chat; isOpen: boolean; isNamed: boolean }) {
  const name = nameOf(chat);
  // Only chats of other phones than the first are marked with their phone.
  const phones = session.value?.phones ?? [];
  const own = isNamed && chat.phone !== phones[0]?.phone ? phones.find((one) => one.phone === chat.phone) : null;
  const line = lastLine(chat);
  return (
    <a class="chat" href={to.chat(chat.phone, chat.chat_id)} aria-current={isOpen ? "true" : undefined}>
      <Avatar id={chat.chat_id} name={name} />
      <b dir="auto">{name}</b>
      {chat.last_message_at ? <time dateTime={chat.last_message_at}>{briefly(chat.last_message_at)}</time> : <span />}
      <p dir="auto" class={chat.last?.deleted ? "deleted" : ""}>
        {line}
      </p>
      <span class="end">
        {own && <span class="tag own">{own.name ?? `+${own.phone.slice(-4)}`}</span>}
        {chat.pinned && (
          <span title={words.chats.pinned}>
            <Icon name="tack" />
            <span class="unseen">{words.chats.pinned}</span>
          </span>
        )}
        {chat.unread ? (
          <span class="unread num">
            {number(chat.unread)}
            <span class="unseen"> {words.chats.unread}</span>
          </span>
        ) : null}
      </span>
    </a>
  );
}

/** Ctrl K: go to a chat by a part of its name. */
export function QuickSwitch({ onClose }: { onClose: () => void }) {
  const [q, setQ] = useState("");
  const [found, setFound] = useState<Chat[]>([]);
  const [at, setAt] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    get<Page<Chat>>("/api/chats", { q, limit: 12 }, gone.signal).then(
      (page) => {
        setFound(page.items);
        setAt(0);
      },
      () => {},
    );
    return () => gone.abort();
  }, [q]);
  const go = (chat: Chat | undefined) => {
    if (!chat) return;
    onClose();
    navigate(to.chat(chat.phone, chat.chat_id));
  };
  return (
    <Dialog title={words.chats.switch} onClose={onClose} kind="switch">
      <label class="field">
        <Icon name="search" />
        <span class="unseen">{words.chats.switchHint}</span>
        <input
          autofocus
          role="combobox"
          aria-expanded="true"
          aria-controls="switch-list"
          aria-activedescendant={found[at] ? `switch-${at}` : undefined}
          placeholder={words.chats.switchHint}
          value={q}
          onInput={(event) => setQ(event.currentTarget.value)}
          onKeyDown={(event) => {
            const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
            if (step) {
              event.preventDefault();
              setAt(Math.min(found.length - 1, Math.max(0, at + step)));
            } else if (event.key === "Enter") {
              event.preventDefault();
              go(found[at]);
            }
          }}
        />
      </label>
      <ul id="switch-list" role="listbox" aria-label={words.chats.title}>
        {found.map((chat, index) => (
          <li
            key={idOf(chat)}
            id={`switch-${index}`}
            role="option"
            aria-selected={index === at}
            class="chat"
            onClick={() => go(chat)}
          >
            <Avatar id={chat.chat_id} name={nameOf(chat)} />
            <b dir="auto">{nameOf(chat)}</b>
            <span />
            <p dir="auto">{lastLine(chat)}</p>
          </li>
        ))}
      </ul>
      {!found.length && <p class="note none">{words.chats.none}</p>}
    </Dialog>
  );
}
