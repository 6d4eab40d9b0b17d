import { signal } from "@preact/signals";
import { Component, type ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { mayImport, openSession, session } from "./api.ts";
import { isOver, watchDrops } from "./drop.ts";
import { connected, onChange, startEvents, stopEvents } from "./events.ts";
import { useKeys } from "./keys.ts";
import { ChatList, QuickSwitch } from "./lists/chats.tsx";
import { Welcome } from "./lists/welcome.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { Icon, type IconName, Logo } from "./parts/icon.tsx";
import { Alert, Blank, Failure, Waiting } from "./parts/states.tsx";
import { later } from "./parts/later.tsx";
import { Toasts } from "./parts/toast.tsx";
import { ChatScreen } from "./reading/chat.tsx";
import { navigate, type Route, route, to } from "./router.ts";
import { SignIn } from "./signin.tsx";
import { words } from "./words.ts";

/** Screens that are not needed for reading are loaded when they are first opened. */
type Screen = { route: Route };
const screens = {
  search: later<Screen>(() => import("./lists/screens.ts").then((module) => module.SearchScreen)),
  media: later<Screen>(() => import("./lists/screens.ts").then((module) => module.GalleryScreen)),
  contacts: later<Screen>(() => import("./lists/screens.ts").then((module) => module.ContactsScreen)),
  sources: later<Screen>(() => import("./manage/screens.ts").then((module) => module.SourcesScreen)),
  imports: later<Screen>(() => import("./manage/screens.ts").then((module) => module.ImportsScreen)),
  manage: later<Screen>(() => import("./manage/screens.ts").then((module) => module.ManageScreen)),
};

/** Shows an error in place of a screen that throws; the other screens keep working. */
class Guard extends Component<{ of: string; children: ComponentChildren }, { error: unknown }> {
  override state = { error: null as unknown };
  static override getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override componentDidUpdate(before: { of: string }) {
    if (before.of !== this.props.of && this.state.error) this.setState({ error: null });
  }
  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <section class="sheet page">
        <Alert text={words.problem.broken} action={words.tryAgain} onAction={() => this.setState({ error: null })} />
      </section>
    );
  }
}

const switching = signal(false);
const helping = signal(false);
const PLACES: { name: Route["name"]; href: string; icon: IconName; label: string }[] = [
  { name: "chats", href: to.chats, icon: "chat", label: words.nav.chats },
  { name: "search", href: to.search(), icon: "search", label: words.nav.search },
  { name: "media", href: to.media(), icon: "media", label: words.nav.media },
  { name: "contacts", href: to.contacts(), icon: "people", label: words.nav.contacts },
  { name: "sources", href: to.sources(), icon: "phone", label: words.nav.sources },
  { name: "manage", href: to.manage(), icon: "gear", label: words.nav.manage },
];

function Rail({ current }: { current: Route }) {
  const name = { chat: "chats", imports: "sources" }[current.name as string] ?? current.name;
  return (
    <nav class="rail" aria-label={words.nav.label}>
      <a class="logo desk-only" href={to.chats}>
        <span class="unseen">{words.app}</span>
        <Logo />
      </a>
      {PLACES.map((place) => (
        <a
          key={place.name}
          href={place.href}
          class={place.name === "manage" ? "push" : ""}
          aria-current={name === place.name ? "page" : undefined}
        >
          <Icon name={place.icon} />
          {place.label}
        </a>
      ))}
    </nav>
  );
}

export function App() {
  const [error, setError] = useState<unknown>(null);
  const open = () => {
    setError(null);
    openSession().catch(setError);
  };
  useEffect(open, []);
  const who = session.value,
    current = route.value;
  useEffect(() => {
    if (!who) return;
    startEvents(who.seq);
    // The token was revoked, or gives access to other phones: asking for the session again restarts the stream too.
    const stopListening = onChange((told) => {
      if (told.type === "bye") void openSession().catch(() => {});
    });
    return () => {
      stopListening();
      stopEvents();
    };
  }, [who]);
  if (error)
    return (
      <main class="alone">
        <Failure error={error} again={open} />
      </main>
    );
  if (who === undefined)
    return (
      <main class="alone">
        <Waiting />
      </main>
    );
  if (who === null || current.name === "sign-in")
    return (
      <>
        <SignIn />
        <Toasts />
      </>
    );
  return <Inside current={current} />;
}

function Inside({ current }: { current: Route }) {
  const isReading = current.name === "chat" || current.name === "chats";
  const isEmpty = session.value?.chats === 0;
  useEffect(() => {
    if (current.name !== "chat") document.title = words.title(titleOf(current));
  }, [current]);
  useEffect(() => (mayImport() ? watchDrops() : undefined), [session.value]);
  useKeys({
    "/": () => {
      const field = document.querySelector<HTMLInputElement>("[data-search]");
      if (field?.offsetParent) {
        field.focus();
        field.select();
      } else navigate(to.search());
    },
    "Ctrl+k": () => {
      switching.value = true;
    },
    "?": () => {
      helping.value = true;
    },
  });
  return (
    <div
      class={`app${isReading && !isEmpty ? "" : " wide"}`}
      data-pane={current.name === "chats" && !isEmpty ? "chats" : "chat"}
      data-screen={current.name}
    >
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>("main .scroller, main .page, main")?.focus();
        }}
      >
        {words.skip}
      </a>
      <Rail current={current} />
      <main id="content" tabIndex={-1}>
        {isReading && !isEmpty && <ChatList />}
        <Guard of={current.name + (current.name === "chat" ? current.jid : "")}>{screen(current, isEmpty)}</Guard>
      </main>
      {!connected.value && (
        <p class="offline" role="status">
          {words.problem.offline}
        </p>
      )}
      {switching.value && (
        <QuickSwitch
          onClose={() => {
            switching.value = false;
          }}
        />
      )}
      {helping.value && (
        <Keys
          onClose={() => {
            helping.value = false;
          }}
        />
      )}
      {isOver.value && (
        <div class="drop-over" aria-hidden="true">
          <p>
            <Icon name="box" /> {words.dropToImport}
          </p>
        </div>
      )}
      <Toasts />
    </div>
  );
}

function screen(current: Route, isEmpty: boolean) {
  switch (current.name) {
    case "chats":
      return isEmpty ? (
        <Welcome />
      ) : (
        <section class="sheet">
          <Blank icon="book" title={words.chats.open} />
        </section>
      );
    case "chat":
      return (
        <section class="sheet">
          <ChatScreen phone={current.phone} jid={current.jid} at={current.at} on={current.on} hit={current.hit} />
        </section>
      );
    case "search":
    case "media":
    case "contacts":
    case "sources":
    case "imports":
    case "manage": {
      const Shown = screens[current.name];
      return <Shown key={current.name} route={current} />;
    }
    default:
      return (
        <section class="sheet page">
          <Blank icon="search" title={words.problem.notFound} level={1}>
            <p>{words.problem.notFoundHelp}</p>
            <a class="btn" href={to.chats}>
              {words.problem.toChats}
            </a>
          </Blank>
        </section>
      );
  }
}

function titleOf(current: Route): string {
  switch (current.name) {
    case "search":
      return current.q ? `${current.q} · ${words.titles.search}` : words.titles.search;
    case "media":
      return words.titles.media;
    case "contacts":
      return words.titles.contacts;
    case "sources":
      return words.titles.sources;
    case "imports":
      return words.titles.imports;
    case "manage":
      return words.titles.manage;
    case "nowhere":
      return words.problem.notFound;
    default:
      return "";
  }
}

function Keys({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={words.keys.title} onClose={onClose} kind="keys">
      <dl>
        {words.keys.list.map(([key, what]) => (
          <div key={what}>
            <dt>
              {key.split("  ").map((one) => (
                <kbd key={one}>{one}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
