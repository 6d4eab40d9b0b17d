/** Texts of media, contacts and search. */
import { number, plural, show } from "../time.ts";
import type { File } from "../types.ts";
import { words as common } from "../words.ts";

export const words = {
  ...common,

  gallery: {
    title: common.titles.media,
    titleOf: (chat: string) => `Media of ${chat}`,
    kinds: { picture: "Photos and videos", voice: "Voice and audio", document: "Documents", link: "Links" },
    counts: (counts: Record<string, number | null>) => {
      const of: [string, string, string][] = [
        ["picture", "photo", "photos"],
        ["video", "video", "videos"],
        ["voice", "voice message", "voice messages"],
        ["document", "document", "documents"],
        ["link", "link", "links"],
      ];
      return of
        .filter(([kind]) => counts[kind])
        .map(([kind, one, many]) => plural(counts[kind]!, one, many))
        .join(", ");
    },
    none: {
      picture: "No photos or videos here.",
      voice: "No voice messages or audio here.",
      document: "No documents here.",
      link: "No links here.",
    },
    andMore: (count: number) => `and ${plural(count, "more link", "more links")}`,
    notHere: {
      fetchable: "Not downloaded yet",
      omitted: "Left out of the export",
      missing: "File missing",
      held: "",
    } as Record<File["state"], string>,
    toChat: "Show in chat",
  },

  contacts: {
    title: common.titles.contacts,
    filter: "Name or number",
    none: "No contacts match.",
    count: (count: number) => plural(count, "contact", "contacts"),
    own: "own phone",
    business: "Business",
    names: "Names",
    nameKinds: { saved: "saved on the phone", chosen: "chosen by the person", business: "business name" } as Record<
      string,
      string
    >,
    asOf: (time: string) => `as of ${show("short", time)}`,
    addresses: "Known as",
    lid: "hidden number (LID)",
    shared: "Chats",
    choose: "Choose a contact.",
    back: "Back to contacts",
  },

  search: {
    title: common.titles.search,
    label: "Search messages",
    newest: "Newest first",
    best: "Best match first",
    media: "With media",
    links: "With links",
    starred: "Starred",
    deleted: "Deleted",
    found: (total: number, exact: boolean) => `${exact ? "" : "At least "}${number(total)} found`,
    inChat: (count: number) => `${number(count)} in this chat`,
    when: "When",
    chats: "Chats",
    phones: "Phones",
    what: "What was searched",
    scope: (chats: number, phones: number) =>
      `The text of messages, file names, poll options and contact cards in ${plural(chats, "chat", "chats")} of ${plural(phones, "phone", "phones")}.`,
    noProof: "Messages that no source has provided cannot be found.",
    narrow: "Narrow down",
    latestOnly: "These figures count the latest 50,000 hits.",
    nothing: (q: string) => `Nothing found for “${q}”`,
    incomplete: "The index is being rebuilt. Some older messages are not found yet.",
    ignored: (items: string[]) => `Not used: ${items.join(" ")}`,
    removeFilter: (filter: string) => `Remove ${filter}`,
    withoutDates: "Search without dates",
    help: 'Try a word, an "exact phrase", part* of a word, or leave words out with -word. Narrow down with from:, in:, before:, after:, on:, has: or is:, as in from:Ana after:2024-06.',
    unavailable: "This server does not offer search yet.",
    month: (month: string, count: number) => `${month}: ${number(count)}`,
  },
};
