/** The results of the last search, so that a chat can go from one to the next. */
import { signal } from "@preact/signals";

export interface Found {
  phone: string;
  jid: string;
  key: string;
  at: number;
  words: string[];
}
export interface Hits {
  q: string;
  found: Found[];
  total: number | null;
  isExact: boolean;
  more: (() => Promise<void>) | null;
}
export const hits = signal<Hits | null>(null);

/** Names of chats that were shown, so that a filter such as in:…@g.us can be shown with its name. */
export const chatNames = new Map<string, string>();
