import type { ComponentChildren } from "preact";
import { Avatar } from "../../parts/avatar.tsx";
import { Icon, type IconName } from "../../parts/icon.tsx";
import { to } from "../../router.ts";
import { ms, show } from "../../time.ts";
import type { Card, Kind, Message, Place, Poll, TopicCard } from "../../types.ts";
import { words } from "../../words.ts";

function Sealed({ icon, title, children }: { icon: IconName; title: ComponentChildren; children?: ComponentChildren }) {
  return (
    <div class="sealed">
      <Icon name={icon} />
      <span>
        <b>{title}</b>
        {children}
      </span>
    </div>
  );
}

export function PlaceCard({ place }: { place: Place }) {
  const spot = `${place.latitude.toFixed(5)}, ${place.longitude.toFixed(5)}`;
  const query = `mlat=${place.latitude}&mlon=${place.longitude}#map=16/${place.latitude}/${place.longitude}`;
  return (
    <a
      class="file place"
      href={`https://www.openstreetmap.org/?${query}`}
      target="_blank"
      rel="noreferrer noopener"
      title={words.message.openMap}
    >
      <span class="map">
        <Icon name="pin" />
      </span>
      <bdi class="name">{place.name ?? (place.live ? words.message.livePlace : words.message.place)}</bdi>
      <small>
        {place.address ? (
          <>
            <bdi>{place.address}</bdi> ·{" "}
          </>
        ) : null}
        {spot}
      </small>
    </a>
  );
}

export function Cards({ cards }: { cards: Card[] }) {
  return (
    <>
      {cards.map((card, key) => {
        const name = card.name ?? card.numbers[0] ?? words.message.card;
        const inside = (
          <>
            <Avatar id={card.jid ?? card.numbers[0] ?? name} name={name} />
            <bdi class="name">{name}</bdi>
            <small>{[...card.numbers, card.jid ? words.message.chatsWith : ""].filter(Boolean).join(" · ")}</small>
            <Icon name="people" />
          </>
        );
        return card.jid ? (
          <a key={key} class="file" href={to.contacts(card.jid)}>
            {inside}
          </a>
        ) : (
          <div key={key} class="file">
            {inside}
          </div>
        );
      })}
    </>
  );
}

const MAX_FACES = 5;

export function PollCard({ poll }: { poll: Poll }) {
  const most = Math.max(0, ...poll.options.map((option) => option.votes));
  const voters = poll.voters ?? 0;
  return (
    <div class="poll">
      <p class="question" dir="auto">
        {poll.name}
      </p>
      <p class="note">
        {words.message.poll(poll.selectable)}
        {voters ? ` · ${words.message.voted(voters)}` : ""}
      </p>
      <ul>
        {poll.options.map((option, key) => {
          const share = voters ? option.votes / voters : most ? option.votes / most : 0;
          return (
            <li key={key}>
              <bdi class={option.votes && option.votes === most ? "leads" : ""}>{option.text}</bdi>
              <span class="faces" title={option.voters.map((voter) => words.somebody(voter)).join(", ")}>
                {option.voters.slice(0, MAX_FACES).map((voter) => (
                  <Avatar key={voter.jid} id={voter.jid} name={words.somebody(voter)} small />
                ))}
                <b class="num" aria-label={words.message.votes(option.votes)}>
                  {option.votes}
                </b>
              </span>
              <span class="track">
                <i style={{ inlineSize: `${Math.min(100, share * 100)}%` }} />
              </span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

const ICONS: Partial<Record<Kind, IconName>> = { album: "media", interactive: "list" };
const TOPICS: Partial<Record<Kind, IconName>> = {
  event: "calendar",
  group_invite: "people",
  order: "list",
  product: "list",
};

/** An event, an order, a product, or an invitation to a group. */
export function Topic({ message, card }: { message: Message; card: TopicCard }) {
  const { kind, body } = message;
  const title = card.title ?? (body && body.length < MAX_TITLE ? body : null);
  const facts = [
    card.starts_at &&
      words.message.from(show("moment", card.starts_at), card.ends_at ? show("moment", card.ends_at) : null),
    card.place,
    card.price,
    !card.items.length && card.item_count ? words.message.items(card.item_count) : null,
    card.order_id && words.message.orderNumber(card.order_id),
    card.expires_at && words.message.inviteUntil(show("date", card.expires_at), ms(card.expires_at) < Date.now()),
  ].filter((fact): fact is string => !!fact);
  return (
    <div class="topic">
      <Icon name={TOPICS[kind] ?? "list"} />
      <div>
        <span class="note">
          {words.kinds[kind]}
          {card.canceled ? ` · ${words.message.canceled}` : ""}
        </span>
        {title && (
          <b dir="auto" class={card.canceled ? "struck" : ""}>
            {title}
          </b>
        )}
        {card.items.length > 0 && (
          <ul>
            {card.items.map((item, key) => (
              <li key={key}>
                <bdi>
                  {item.quantity === null
                    ? item.name
                    : words.message.times(item.quantity, item.name ?? words.kinds.product)}
                </bdi>
                {item.price && <span class="num">{item.price}</span>}
              </li>
            ))}
          </ul>
        )}
        {facts.map((fact) => (
          <span key={fact} dir="auto">
            {fact}
          </span>
        ))}
        {card.text && card.text !== title && card.text !== body && (
          <p dir="auto" class="note">
            {card.text}
          </p>
        )}
        {card.url && (
          <a href={card.url} target="_blank" rel="noreferrer noopener" dir="ltr">
            {card.url}
          </a>
        )}
      </div>
    </div>
  );
}

const MAX_TITLE = 120;

/** Whether the card already shows the text of its message. */
export const saysAll = ({ body, card }: Message): boolean =>
  card !== null && body !== null && (body === card.title || (card.title === null && body.length < MAX_TITLE));

/** Kinds that are described rather than shown: view once, undecryptable, orders, invitations, events, unknown. */
export function Told({ message }: { message: Message }) {
  const { kind } = message;
  if (message.view_once && !message.file?.url) {
    const title =
      kind === "video"
        ? words.message.viewOnceVideo
        : kind === "image"
          ? words.message.viewOncePhoto
          : kind === "voice"
            ? words.message.viewOnceVoice
            : words.message.viewOnce;
    return (
      <Sealed icon="once" title={title}>
        {words.message.viewOnceText}
      </Sealed>
    );
  }
  if (kind === "ciphertext")
    return (
      <Sealed icon="lock" title={words.message.encrypted}>
        {words.message.encryptedText}
      </Sealed>
    );
  if (message.body || message.file) return null;
  if (kind === "unknown")
    return (
      <Sealed icon="box" title={words.message.unknown}>
        {words.message.unknownText}
      </Sealed>
    );
  const icon = ICONS[kind];
  return icon ? (
    <Sealed icon={icon} title={words.kinds[kind]}>
      {words.message.otherKindText}
    </Sealed>
  ) : null;
}
