/** Texts of the panel about a message or a chat. */
import { number, plural, show } from "../time.ts";
import type { Covered, Span } from "../types.ts";
import { words as common } from "../words.ts";

export const words = {
  ...common,

  about: {
    message: "This message",
    chat: "About this chat",
    sources: "Sources",
    versions: "Versions",
    now: "now",
    first: "first",
    seen: "Receipts",
    reactions: "Reactions",
    pinned: "Pin",
    pinnedBy: (who: string | null, on: string) => `Pinned${who ? ` by ${who}` : ""} on ${on}.`,
    pinnedUntil: (until: string, past: boolean) => `It ${past ? "stayed" : "stays"} pinned until ${until}.`,
    readAt: (time: string) => `read ${time}`,
    deliveredAt: (time: string) => `delivered ${time}`,
    playedAt: (time: string) => `played ${time}`,
    andMore: (count: number) => `and ${number(count)} more`,
    copy: "Copy link",
    download: "Download this chat",
    downloads: { text: "Text", zip: "Text and files", jsonl: "JSON lines" },
    original: "As received",
    received: "As received",
    receivedFrom: (source: string, time: string) => `${source}, ${time}`,
    exact: "exact to the second",
    minute: "exact to the minute",
    arrived: (time: string) => `arrived ${time}`,
    otherText: "reported a different text",
    id: "WhatsApp id",
    details: "Details",
    sent: "Sent",
    type: "Type",
    members: (count: number) => plural(count, "member", "members"),
    admin: "Admin",
    owner: "Owner",
    description: "Description",
    since: "First message",
    last: "Last message",
    phone: "Phone",
    created: "Created",
    ephemeral: (seconds: number) =>
      `Messages disappear from phones after ${seconds >= 86400 ? plural(Math.round(seconds / 86400), "day", "days") : plural(Math.round(seconds / 3600), "hour", "hours")}`,
    exited: "You are no longer in this group.",
    inside: "In this chat",
    file: "File",
    notFetched: "The file has not been fetched yet.",
    tries: (count: number) => (count ? `${plural(count, "attempt", "attempts")}.` : ""),
    nextTry: (time: string) => `Next attempt on ${time}.`,
    givenUp: "There will be no further attempt. To try again:",
    coverage: "Coverage",
    covered: ({ covered_from, covered_until }: Covered): string =>
      covered_from && covered_until
        ? `Sources cover ${show("date", covered_from)} to ${show("date", covered_until)}.`
        : "It is not known which period is complete: there may be messages that no source has reported.",
    span: ({ from, to, live }: Span): string => `${show("short", from)} to ${live ? "now" : show("short", to)}`,
  },
};
