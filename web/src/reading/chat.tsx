import { useSignal } from "@preact/signals";
import { type ComponentProps, render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { ApiError } from "../api.ts";
import { chatNames, hits } from "../hits.ts";
import { useKeys } from "../keys.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Icon } from "../parts/icon.tsx";
import { later } from "../parts/later.tsx";
import { Alert, Blank, explain, Failure, Waiting } from "../parts/states.tsx";
import { valued } from "../query.ts";
import { navigate, to, visit } from "../router.ts";
import { show } from "../time.ts";
import { words } from "../words.ts";
import { copyLink } from "./copy.ts";
import { HitBar, useMarks } from "./hitbar.tsx";
import { viewed } from "./kinds/media.tsx";
import { Reader } from "./reader.ts";
import { Rows } from "./rows.tsx";
import { Spine } from "./spine.tsx";

type Panels = typeof import("./panels.ts");
const panels = () => import("./panels.ts");
const AboutMessage = later<ComponentProps<Panels["AboutMessage"]>>(() =>
  panels().then((module) => module.AboutMessage),
);
const AboutChat = later<ComponentProps<Panels["AboutChat"]>>(() => panels().then((module) => module.AboutChat));
const DatePicker = later<ComponentProps<Panels["DatePicker"]>>(() => panels().then((module) => module.DatePicker));
const Viewer = later<ComponentProps<Panels["Viewer"]>>(() => panels().then((module) => module.Viewer));

interface Parts {
  phone: string;
  jid: string;
  at: string | null;
  on: string | null;
  hit: string | null;
}

export function ChatScreen(parts: Parts) {
  return <OpenChat key={`${parts.phone}/${parts.jid}`} {...parts} />;
}

function OpenChat({ phone, jid, at, on, hit }: Parts) {
  const reader = useMemo(() => new Reader(phone, jid), []);
  const scroller = useRef<HTMLDivElement>(null),
    list = useRef<HTMLDivElement>(null);
  const dating = useSignal(false);
  useLayoutEffect(() => {
    const element = list.current!;
    reader.open(scroller.current!, element, (items, setting, knowsOldest) =>
      render(<Rows items={items} setting={setting} knowsOldest={knowsOldest} />, element),
    );
    return () => {
      reader.close();
      render(null, element);
    };
  }, []);
  useEffect(() => {
    void reader.show({ at, on });
  }, [visit.value]);
  useLayoutEffect(() => reader.settle(), [reader.edges.value, reader.ends.value]);
  useMarks(list, hit === null ? null : (hits.value?.found[Number(hit)]?.words ?? null));
  const name = reader.details.value?.name ?? words.phoneNumber(jid);
  useEffect(() => {
    document.title = words.title(name);
    chatNames.set(jid, name);
  }, [name]);
  useReadingKeys(reader, scroller, () => {
    dating.value = true;
  });

  const state = reader.state.value;
  const isGone = state === "failed" && reader.error.value instanceof ApiError && reader.error.value.status === 404;
  const panel = reader.panel.value;
  return (
    <div class={`reading${panel ? " about" : ""}`}>
      <Head
        reader={reader}
        name={name}
        onDate={() => {
          dating.value = true;
        }}
      />
      <div class="scroller" ref={scroller} tabIndex={0} role="region" aria-label={words.chat.messages}>
        <div class="fill" />
        <div class="column">
          <Beginning reader={reader} />
          <div ref={list} class="rows" />
          {reader.edges.value.newer ? (
            <Alert
              text={`${words.chat.edgeNewer} ${explain(reader.edges.value.newer)}`}
              action={words.tryAgain}
              onAction={() => reader.retry("newer")}
            />
          ) : null}
          {state === "loading" && <Waiting />}
          {state === "none" && (
            <Blank icon="chat" title={words.chat.none}>
              <p>{words.chat.noneHelp}</p>
            </Blank>
          )}
          {isGone && (
            <Blank icon="chat" title={words.problem.notFound}>
              <p>{words.problem.notFoundHelp}</p>
              <a class="btn" href={to.chats}>
                {words.problem.toChats}
              </a>
            </Blank>
          )}
          {state === "failed" && !isGone && (
            <Failure error={reader.error.value} again={() => void reader.show({ at, on })} />
          )}
        </div>
      </div>
      {reader.spine.value && reader.spine.value.months.length > 0 ? (
        <Spine
          data={reader.spine.value}
          now={reader.now}
          days={reader.month}
          hits={
            hit === null
              ? []
              : (hits.value?.found ?? [])
                  .filter((found) => found.phone === phone && found.jid === jid)
                  .map((found) => found.at)
          }
          go={(moment) => reader.goToMoment(moment)}
        />
      ) : (
        <div class="spine" aria-hidden="true" />
      )}
      {panel === "message" && reader.picked.value && (
        <AboutMessage
          messageKey={reader.picked.value}
          version={reader.items.get(reader.picked.value)?.message.value}
          onClose={() => reader.closePanel()}
        />
      )}
      {panel === "chat" && reader.details.value && (
        <AboutChat chat={reader.details.value} name={name} onClose={() => reader.closePanel()} />
      )}
      <Floats reader={reader} hit={hit} />
      <p class="unseen" role="status" aria-live="polite">
        {reader.said.value}
      </p>
      {dating.value && reader.spine.value && (
        <DatePicker
          phone={phone}
          jid={reader.jid}
          data={reader.spine.value}
          start={reader.now.value}
          onClose={() => {
            dating.value = false;
          }}
          onGo={(day) => {
            dating.value = false;
            reader.goToDay(day);
          }}
        />
      )}
      {viewed.value && (
        <Viewer
          messageKey={viewed.value.key}
          onClose={() => {
            viewed.value = null;
          }}
        />
      )}
    </div>
  );
}

function Head({ reader, name, onDate }: { reader: Reader; name: string; onDate: () => void }) {
  const chat = reader.details.value,
    spine = reader.spine.value;
  const total = spine?.total ?? chat?.messages;
  const members = chat?.kind === "group" ? (chat.members_total ?? chat.members.length) : 0;
  const facts = [
    members ? words.chat.people(members) : "",
    total !== undefined && total !== null
      ? words.chat.total(total, chat?.first_message_at ?? spine?.first_at ?? null)
      : "",
    chat?.coverage.gaps.length ? words.chat.gaps(chat.coverage.gaps.length) : "",
  ].filter(Boolean);
  const toggle = () => {
    reader.picked.value = null;
    reader.panel.value = reader.panel.value === "chat" ? null : "chat";
  };
  return (
    <header class="chat-head">
      <a class="icon back" href={to.chats} aria-label={words.chat.back}>
        <Icon name="back" />
      </a>
      <Avatar id={reader.jid} name={name} />
      <div class="grow">
        <h1>
          <bdi>{name}</bdi>
        </h1>
        <p class="note num">{facts.join(" · ")}</p>
      </div>
      <button type="button" class="btn wide-only" onClick={onDate}>
        <Icon name="calendar" /> {words.chat.date}
      </button>
      <button type="button" class="icon narrow-only" aria-label={words.chat.date} onClick={onDate}>
        <Icon name="calendar" />
      </button>
      <a
        class="icon"
        href={to.search(valued("in", reader.jid))}
        aria-label={words.chat.searchIn}
        title={words.chat.searchIn}
      >
        <Icon name="search" />
      </a>
      <a
        class="icon wide-only"
        href={to.media({ phone: reader.phone, jid: reader.jid })}
        aria-label={words.chat.media}
        title={words.chat.media}
      >
        <Icon name="media" />
      </a>
      <button
        type="button"
        class="icon"
        aria-label={words.chat.about}
        title={words.chat.about}
        aria-expanded={reader.panel.value === "chat"}
        disabled={!chat}
        onClick={toggle}
      >
        <Icon name="info" />
      </button>
    </header>
  );
}

/** What is shown above the first row: a failed request, or the beginning of what is known. */
function Beginning({ reader }: { reader: Reader }) {
  if (reader.edges.value.older)
    return (
      <Alert
        text={`${words.chat.edgeOlder} ${explain(reader.edges.value.older)}`}
        action={words.tryAgain}
        onAction={() => reader.retry("older")}
      />
    );
  if (reader.state.value !== "shown" || reader.ends.value.older) return null;
  return <p class="beginning note">{words.chat.first}</p>;
}

function Floats({ reader, hit }: { reader: Reader; hit: string | null }) {
  const { back, fresh, follows, state } = reader;
  return (
    <div class="floats">
      {hit !== null && <HitBar index={Number(hit)} />}
      {back.value !== null && (
        <button type="button" class="btn" onClick={() => history.back()}>
          <Icon name="back" /> <span class="wide-only">{words.chat.backTo}</span> {show("short", back.value)}
        </button>
      )}
      {!follows.value && state.value === "shown" && (
        <button
          type="button"
          class="btn newest"
          aria-label={fresh.value ? words.chat.newMessages(fresh.value) : words.chat.newest}
          onClick={() => reader.newest()}
        >
          <Icon name="down" />
          {fresh.value ? (
            <span>{words.chat.newMessages(fresh.value)}</span>
          ) : (
            <span class="label">{words.chat.newest}</span>
          )}
        </button>
      )}
    </div>
  );
}

/** Keyboard shortcuts of a chat. Rows take the focus one by one; the view scrolls only as far as needed to show one. */
function useReadingKeys(reader: Reader, scroller: { current: HTMLDivElement | null }, onDate: () => void): void {
  const focused = () =>
    document.activeElement?.closest?.(".scroller") === scroller.current
      ? (document.activeElement?.closest<HTMLElement>(".m") ?? null)
      : null;
  const keyOf = (row: HTMLElement | null) => row?.closest<HTMLElement>(".row")?.dataset["id"] ?? null;
  const current = () => keyOf(focused()) ?? reader.picked.value ?? reader.here.value;
  const isElsewhere = () => {
    const active = document.activeElement;
    return active !== null && active !== document.body && !scroller.current?.contains(active);
  };
  const step = (way: 1 | -1) => {
    if (isElsewhere()) return false;
    const rows = [...(scroller.current?.querySelectorAll<HTMLElement>(".m") ?? [])];
    const at = rows.indexOf(focused()!);
    const top = scroller.current!.getBoundingClientRect();
    const next =
      at >= 0
        ? rows[at + way]
        : way > 0
          ? rows.find((row) => row.getBoundingClientRect().top >= top.top)
          : rows.findLast((row) => row.getBoundingClientRect().bottom <= top.bottom);
    if (!next) return true;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    return true;
  };
  const screen = (way: 1 | -1) => {
    if (isElsewhere()) return false;
    scroller.current?.scrollBy({ top: way * scroller.current.clientHeight * 0.9 });
    return true;
  };
  const press = (what: string) => {
    const element = focused()?.querySelector<HTMLElement>(what);
    element?.click();
    return element !== null && element !== undefined;
  };
  const end = (go: () => void) => {
    if (isElsewhere()) return false;
    go();
    return true;
  };
  useKeys({
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    j: () => step(1),
    k: () => step(-1),
    PageDown: () => screen(1),
    PageUp: () => screen(-1),
    Home: () => end(() => reader.oldest()),
    End: () => end(() => reader.newest()),
    "[": () => void reader.stepDay(-1),
    "]": () => void reader.stepDay(1),
    "{": () => reader.stepMonth(-1),
    "}": () => reader.stepMonth(1),
    g: onDate,
    Enter: () => {
      const key = keyOf(focused());
      if (!key || document.activeElement !== focused()) return false;
      reader.about(key);
      return true;
    },
    q: () => press("[data-quoted]"),
    b: () => {
      if (reader.back.value === null) return false;
      history.back();
      return true;
    },
    n: () => stepHit(1),
    N: () => stepHit(-1),
    m: () => navigate(to.media({ phone: reader.phone, jid: reader.jid })),
    c: () => {
      const key = current();
      if (!key) return false;
      void copyLink(reader.phone, reader.jid, key);
      return true;
    },
    " ": () => press("[data-play]"),
    Escape: () => {
      if (!reader.panel.value) return false;
      reader.closePanel();
      return true;
    },
  });
}

function stepHit(way: 1 | -1): boolean {
  const index = Number(new URLSearchParams(location.search).get("hit") ?? Number.NaN);
  return Number.isInteger(index) && goToHit(index + way);
}

function goToHit(index: number): boolean {
  const found = hits.value?.found[index];
  if (!found) return false;
  navigate(to.chat(found.phone, found.jid, { at: found.key, hit: String(index) }));
  return true;
}
