import { useEffect, useState } from "preact/hooks";
import { get, session } from "../api.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Icon } from "../parts/icon.tsx";
import { Blank, Failure, Waiting } from "../parts/states.tsx";
import { type Route, to } from "../router.ts";
import { show } from "../time.ts";
import type { Contact, ContactDetails, Page } from "../types.ts";
import { words } from "../words/lists.ts";
import { lastLine, nameOf } from "./chats.tsx";

const PAGE = 60;
const ownPhone = (jid: string) => session.value?.phones.find(({ phone }) => jid.startsWith(`${phone}@`));
const called = (contact: Contact) =>
  contact.display_name ??
  ownPhone(contact.jid)?.name ??
  contact.name ??
  contact.push_name ??
  contact.business_name ??
  words.phoneNumber(contact.jid);

function useContacts(q: string) {
  const [page, setPage] = useState<Page<Contact> | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    setError(null);
    get<Page<Contact>>("/api/contacts", { q, limit: PAGE }, gone.signal).then(setPage, (problem: unknown) => {
      if (!gone.signal.aborted) setError(problem);
    });
    return () => gone.abort();
  }, [q, tries]);
  const more = () => {
    const cursor = page?.next;
    if (!cursor) return;
    setPage({ ...page, next: null });
    get<Page<Contact>>("/api/contacts", { q, limit: PAGE, cursor }).then(
      (next) => setPage({ ...next, total: page.total, items: [...page.items, ...next.items] }),
      setError,
    );
  };
  return { page, error, more, again: () => setTries(tries + 1) };
}

export function ContactsScreen({ route }: { route: Route }) {
  const jid = route.name === "contacts" ? route.jid : null;
  const [q, setQ] = useState("");
  const { page, error, more, again } = useContacts(q);
  return (
    <section class={`sheet split${jid ? " chosen" : ""}`}>
      <h1 class="unseen">{words.contacts.title}</h1>
      <div class="split-list">
        <p class="title" aria-hidden="true">
          {words.contacts.title}
        </p>
        <label class="field">
          <Icon name="search" />
          <span class="unseen">{words.contacts.filter}</span>
          <input
            data-search
            type="search"
            placeholder={words.contacts.filter}
            value={q}
            onInput={(event) => setQ(event.currentTarget.value)}
          />
        </label>
        {page?.total ? <p class="note num">{words.contacts.count(page.total)}</p> : null}
        <ul
          class="contact-list"
          tabIndex={0}
          aria-label={words.contacts.title}
          onScroll={(event) => {
            const { scrollTop, clientHeight, scrollHeight } = event.currentTarget;
            if (scrollHeight - scrollTop < clientHeight * 3) more();
          }}
        >
          {page?.items.map((contact) => (
            <li key={contact.jid}>
              <a class="chat" href={to.contacts(contact.jid)} aria-current={contact.jid === jid ? "true" : undefined}>
                <Avatar id={contact.jid} name={called(contact)} />
                <b>
                  <bdi>{called(contact)}</bdi>
                </b>
                <span />
                <p>{contact.number && contact.number !== called(contact) && <bdi dir="ltr">{contact.number}</bdi>}</p>
                <span class="end">
                  {contact.is_business && <span class="tag">{words.contacts.business}</span>}
                  {ownPhone(contact.jid) && <span class="tag">{words.contacts.own}</span>}
                </span>
              </a>
            </li>
          ))}
        </ul>
        {error ? (
          <Failure error={error} again={again} />
        ) : !page ? (
          <Waiting />
        ) : (
          !page.items.length && <p class="note none">{words.contacts.none}</p>
        )}
      </div>
      <div class="split-main" tabIndex={-1}>
        {jid ? <About key={jid} jid={jid} /> : <Blank icon="people" title={words.contacts.choose} />}
      </div>
    </section>
  );
}

function About({ jid }: { jid: string }) {
  const [contact, setContact] = useState<ContactDetails | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () => {
    setError(null);
    get<ContactDetails>(`/api/contacts/${encodeURIComponent(jid)}`).then(setContact, setError);
  };
  useEffect(load, []);
  if (error)
    return (
      <>
        <a class="btn bare narrow-only" href={to.contacts()}>
          {words.contacts.back}
        </a>
        <Failure error={error} again={load} />
      </>
    );
  if (!contact) return <Waiting />;
  const name = called(contact);
  return (
    <article class="contact">
      <a class="btn bare narrow-only" href={to.contacts()}>
        <Icon name="back" /> {words.contacts.back}
      </a>
      <header>
        <Avatar id={contact.jid} name={name} />
        <div>
          <h2 class="title">
            <bdi>{name}</bdi>
          </h2>
          <p class="note num">
            {contact.number && contact.number !== name && <bdi dir="ltr">{contact.number}</bdi>}
            {contact.is_business && <span class="tag">{words.contacts.business}</span>}
            {ownPhone(contact.jid) && <span class="tag">{words.contacts.own}</span>}
          </p>
        </div>
      </header>
      {contact.names.length > 0 && (
        <section>
          <h3>{words.contacts.names}</h3>
          <ul class="plain-list">
            {contact.names.map((one, key) => (
              <li key={key}>
                <b>
                  <bdi>{one.name}</bdi>
                </b>
                <span class="note">
                  {[
                    words.contacts.nameKinds[one.kind] ?? one.kind,
                    one.source ? (words.sourceTypes[one.source] ?? one.source) : "",
                    one.last_at ? words.contacts.asOf(one.last_at) : "",
                  ]
                    .filter(Boolean)
                    .join(" · ")}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {contact.jids.length > 1 && (
        <section>
          <h3>{words.contacts.addresses}</h3>
          <ul class="plain-list">
            {contact.jids.map((one) => (
              <li key={one}>
                <span class="id">{one}</span>
                {one.endsWith("@lid") && <span class="note">{words.contacts.lid}</span>}
              </li>
            ))}
          </ul>
        </section>
      )}
      {contact.shared.length > 0 && (
        <section>
          <h3>{words.contacts.shared}</h3>
          <ul>
            {contact.shared.map((chat) => (
              <li key={`${chat.phone}/${chat.chat_id}`}>
                <a class="chat" href={to.chat(chat.phone, chat.chat_id)}>
                  <Avatar id={chat.chat_id} name={nameOf(chat)} />
                  <b dir="auto">{nameOf(chat)}</b>
                  {chat.last_message_at ? (
                    <time dateTime={chat.last_message_at}>{show("short", chat.last_message_at)}</time>
                  ) : (
                    <span />
                  )}
                  <p dir="auto">{lastLine(chat)}</p>
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
    </article>
  );
}
