/** Messages of the open chat: each a frozen object in its own signal, so that an event redraws only its row. */
import { type Signal, signal } from "@preact/signals";
import { dayOf, ms } from "../time.ts";
import type { Message } from "../types.ts";
import type { Row } from "./window.ts";

export interface Item extends Row {
  at: number;
  /** The calendar day in the viewer's time zone. */
  day: string;
  uid: string;
  message: Signal<Message>;
}

export class Items {
  readonly #known = new Map<string, WeakRef<Item>>();

  of(message: Message): Item {
    const known = this.get(message.key);
    if (known) {
      known.message.value = message;
      return known;
    }
    const item: Item = {
      id: message.key,
      at: ms(message.timestamp),
      day: dayOf(message.timestamp),
      uid: message.unique_id,
      message: signal(message),
    };
    this.#known.set(message.key, new WeakRef(item));
    return item;
  }

  get(key: string): Item | undefined {
    return this.#known.get(key)?.deref();
  }
}

/** The archive's order: time, then WhatsApp's id. */
export const compare = (a: Item, b: Item): number => a.at - b.at || (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0);

const RUN_MS = 5 * 60_000;

/** Whether a message continues the one before: same sender, within five minutes. */
export function continues(message: Message, before: Message | undefined): boolean {
  if (!before || isEvent(message) || isEvent(before)) return false;
  return (
    before.from_me === message.from_me &&
    before.sender?.jid === message.sender?.jid &&
    ms(message.timestamp) - ms(before.timestamp) < RUN_MS
  );
}

export const isEvent = (message: Message): boolean => message.kind === "notice" || message.kind === "call";
