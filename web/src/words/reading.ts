/** Texts of a chat: its messages, positions in time, details. */
import { and, clock, number, plural, show, span } from "../time.ts";
import type { Call, Gap, Kind, Notice } from "../types.ts";
import { name } from "./people.ts";

const gapDays = (from: string, to: string): string => {
  const [first, last] = span(from, to);
  return first === last || show("date", from) === show("date", to) ? show("date", to) : `${first} to ${last}`;
};

const GAP_REASONS: Record<string, string> = {
  disconnected: "The gateway was not connected to WhatsApp.",
  server_down: "This server was not running.",
  silence: "The source reported nothing for longer than usual.",
  sequence: "Some of the gateway's events did not arrive.",
  export_short: "An export begins or ends within this period.",
  removed: "The source was removed.",
  uncovered: "Neither a live source nor an import covers this period.",
};

export const reading = {
  chat: {
    people: (count: number) => plural(count, "person", "people"),
    total: (count: number, since: string | null) =>
      `${plural(count, "message", "messages")}${since ? ` since ${show("date", since)}` : ""}`,
    gaps: (count: number) => plural(count, "gap", "gaps"),
    back: "Back to chats",
    date: "Go to date",
    searchIn: "Search in this chat",
    media: "Media of this chat",
    about: "About this chat",
    newest: "Newest",
    newMessages: (count: number) => plural(count, "new message", "new messages"),
    backTo: "Back to",
    messages: "Messages",
    day: (count: number) => plural(count, "message", "messages"),
    first: "The first message of this chat in the archive. There may be older ones that no source has reported.",
    none: "No messages in this chat.",
    noneHelp: "The archive knows this chat, but no source has reported any message in it.",
    edgeOlder: "Older messages could not be loaded.",
    edgeNewer: "Newer messages could not be loaded.",
    gone: "This message is no longer in the archive.",
    hit: (at: number, of: string) => `${at} of ${of}`,
    nextHit: "Next result",
    previousHit: "Previous result",
    closeHits: "Leave the results",
  },

  gap: {
    label: "Gap",
    title: ({ from, to }: Gap): string =>
      to === null
        ? `No source has covered anything since ${show("date", from)}`
        : `No source covers ${gapDays(from, to)}`,
    text: ({ reason, messages }: Gap): string => {
      const known = messages
        ? `${plural(messages, "message", "messages")} of it ${messages === 1 ? "is" : "are"} in the archive nevertheless.`
        : "Messages may be missing here.";
      return `${GAP_REASONS[reason] ?? GAP_REASONS["uncovered"]} ${known}`;
    },
    fill: "How to fill it",
    bringExport: "Export the chat on the phone and import the file.",
    import: "Import files",
    more: "There are more gaps, further back.",
    remedies: {
      sync: "Ask the gateway for its whole history:",
      export: "Export the chat on the phone and import the file:",
      reconnect: "Make sure that the gateway is running, is connected to WhatsApp, and sends to this server:",
    } as Record<string, string>,
  },

  message: {
    edited: (times: number) => (times > 1 ? `Edited ${times === 2 ? "twice" : `${number(times)} times`}` : "Edited"),
    forwarded: (score: number | null) => ((score ?? 0) >= 5 ? "Forwarded many times" : "Forwarded"),
    starred: "Starred",
    pinned: "Pinned",
    failed: "Not sent",
    pending: "Not yet sent",
    sent: "Sent",
    delivered: "Delivered",
    read: "Read",
    played: "Played",
    deliveredBy: (count: number, of: number) =>
      count >= of ? `Delivered to all ${of}` : `Delivered to ${count} of ${of}`,
    readBy: (count: number, of: number) => (count >= of ? `Read by all ${of}` : `Read by ${count} of ${of}`),
    playedBy: (count: number, of: number) => (count >= of ? `Played by all ${of}` : `Played by ${count} of ${of}`),
    readCount: (count: number) => `Read by ${number(count)}`,
    playedCount: (count: number) => `Played by ${number(count)}`,
    deliveredCount: (count: number) => `Delivered to ${number(count)}`,
    vanished: (at: string, past: boolean) =>
      past
        ? `Disappeared from phones on ${show("date", at)}; kept here`
        : `Disappears from phones on ${show("date", at)}; kept here`,
    deleted: (who: string | null, when: string | null, kept: boolean) =>
      `Deleted${who ? ` by ${who}` : ""}${when ? ` ${when}` : ""}. ${kept ? "The text is kept." : "No source had the text."}`,
    deletedFile: (who: string | null, when: string | null) =>
      `Deleted${who ? ` by ${who}` : ""}${when ? ` ${when}` : ""}. It is kept here.`,
    deletedAt: (time: string) => `at ${time}`,
    deletedOn: (date: string) => `on ${date}`,
    open: (time: string) => `About the message of ${time}`,
    reactions: "Reactions",
    quoted: "Quoted:",
    searchNumber: (digits: string) => `Search for ${digits}`,
    missing: "File missing",
    states: {
      fetchable: "not downloaded yet",
      omitted: "left out of the export",
      missing: "not in the archive",
    } as Record<string, string>,
    missingText: {
      fetchable: "Not downloaded yet. A connected phone may still have it.",
      omitted: "The export was made without media.",
      missing: "No source provided this file.",
    } as Record<string, string>,
    pages: (count: number) => plural(count, "page", "pages"),
    download: (file: string) => `Download ${file}`,
    unnamed: "File without a name",
    gif: "GIF",
    play: (what: string, length: string) => `Play ${what}${length ? `, ${length}` : ""}`,
    pause: "Pause",
    position: "Position",
    speed: (rate: number) => `Speed ${rate}×`,
    picture: (who: string) => `Photo from ${who}`,
    video: (who: string) => `Video from ${who}`,
    sticker: "Sticker",
    place: "Location",
    livePlace: "Live location",
    openMap: "Open in OpenStreetMap",
    card: "Contact card",
    chatsWith: "In your contacts",
    poll: (selectable: number | null) =>
      selectable === 1
        ? "One answer each"
        : selectable
          ? `Up to ${number(selectable)} answers each`
          : "Any number of answers",
    voted: (count: number) => `${number(count)} voted`,
    votes: (count: number) => plural(count, "vote", "votes"),
    canceled: "Canceled",
    from: (time: string, until: string | null) => (until ? `${time} to ${until}` : time),
    items: (count: number) => plural(count, "item", "items"),
    orderNumber: (id: string) => `Order ${id}`,
    inviteUntil: (time: string, past: boolean) => (past ? `Expired on ${time}` : `Valid until ${time}`),
    times: (count: number, name: string) => `${number(count)} × ${name}`,
    viewOnce: "View once",
    viewOnceText:
      "WhatsApp sends such messages only to the phone. If a backup or another source has it, it appears here.",
    viewOncePhoto: "Photo to view once",
    viewOnceVideo: "Video to view once",
    viewOnceVoice: "Voice message to listen to once",
    encrypted: "Could not be decrypted",
    encryptedText: "No source had the key to this message. If one provides it later, the text appears here.",
    otherKindText: "Its content is kept as received: see “As received” in the details.",
    unknown: "A kind of message that Backscroll does not know",
    unknownText: "It is kept as received and will be displayed once a version of Backscroll supports it.",
    empty: "A message without text",
  },

  kinds: {
    text: "Message",
    image: "Photo",
    video: "Video",
    video_note: "Video message",
    audio: "Audio",
    voice: "Voice message",
    document: "Document",
    sticker: "Sticker",
    location: "Location",
    live_location: "Live location",
    contact: "Contact",
    contacts: "Contacts",
    poll: "Poll",
    event: "Event",
    group_invite: "Group invitation",
    order: "Order",
    product: "Product",
    interactive: "Interactive message",
    album: "Album",
    ciphertext: "Encrypted message",
    unknown: "Unknown message",
    call: "Call",
    notice: "Notice",
  } satisfies Record<Kind, string> as Record<Kind, string>,

  /** One line for lists and quotes: "Voice message, 0:48". */
  gist: (
    kind: Kind,
    text: string | null,
    { duration, filename }: { duration?: number | null; filename?: string | null } = {},
  ): string => {
    const said = text?.trim();
    switch (kind) {
      case "text":
      case "interactive":
        return said || reading.kinds[kind];
      case "poll":
        return `Poll: ${said || "without a question"}`;
      case "voice":
      case "audio":
      case "video_note":
        return said || (duration ? `${reading.kinds[kind]}, ${clock(duration)}` : reading.kinds[kind]);
      case "document":
        return said || filename || reading.kinds[kind];
      case "image":
      case "video":
        return said || reading.kinds[kind];
      default:
        return said || reading.kinds[kind] || reading.kinds.unknown;
    }
  },

  call: (call: Call | null, who: string, mine: boolean): string => {
    const video = call?.video ? "video" : "voice";
    const outgoing = call?.outgoing ?? mine;
    const length = call?.duration
      ? ` · ${call.duration < 60 ? `${Math.round(call.duration)} s` : `${Math.round(call.duration / 60)} min`}`
      : "";
    switch (call?.result) {
      case "missed":
      case "unavailable":
        return outgoing ? `${sentence(video)} call to ${who}, not answered` : `Missed ${video} call from ${who}`;
      case "rejected":
      case "declined":
        return outgoing ? `${sentence(video)} call to ${who}, declined` : `Declined ${video} call from ${who}`;
      case "failed":
        return `${sentence(video)} call failed`;
      default:
        return outgoing ? `You called · ${video}${length}` : `${who} called · ${video}${length}`;
    }
  },

  /** A group event as a sentence; the source's own text if the type is unknown. */
  notice: (notice: Notice | null, who: string | null, body: string | null): string => {
    const they = and((notice?.recipients ?? []).map(name));
    const actor = who ?? "Somebody";
    const newName = nameIn(notice?.metadata ?? null);
    switch (notice?.type) {
      case "add":
        return they ? `${actor} added ${they}` : `${actor} was added`;
      case "invite":
      case "linked_group_join":
      case "join":
        return they ? `${they} joined` : `${actor} joined`;
      case "remove":
        return they ? `${actor} removed ${they}` : `${actor} was removed`;
      case "leave":
        return `${they || actor} left`;
      case "promote":
        return `${they || actor} became an admin`;
      case "demote":
        return `${they || actor} is no longer an admin`;
      case "create":
        return `${actor} created the group${newName ? ` “${newName}”` : ""}`;
      case "subject":
        return newName ? `${actor} changed the name to “${newName}”` : (body ?? `${actor} changed the name`);
      case "description":
        return `${actor} changed the description`;
      case "picture":
      case "icon":
        return `${actor} changed the picture`;
      case "pin":
        return `${actor} pinned a message`;
      case "ephemeral":
        return body ?? `${actor} changed how long messages stay`;
      case "e2e":
      case "e2e_notification":
      case "encrypt":
        return body ?? "Messages are end-to-end encrypted";
      case "number":
      case "change_number":
        return body ?? `${actor} changed their phone number`;
      default:
        return body ?? notice?.text ?? "A change in the chat that no source describes";
    }
  },

  sourceTypes: {
    linked: "Linked phone",
    cloud: "WhatsApp Cloud API",
    periskope: "Periskope",
    webhook: "Gateway webhook",
    backup: "Phone backup",
    database: "Another program's archive",
    gowa: "GOWA",
    waha: "WAHA",
    evolution: "Evolution API",
    events: "Your own program",
    jsonl: "JSON lines",
    export: "Exported chat",
  } as Record<string, string>,

  spine: {
    label: "Place in time",
    value: (day: string, at: number, of: number) => `${day}, about message ${number(at)} of ${number(of)}`,
  },

  dates: {
    title: "Go to date",
    previousMonth: "Previous month",
    nextMonth: "Next month",
    previousYear: "Previous year",
    nextYear: "Next year",
    some: (date: string) => `${date}, messages`,
    go: "Go",
    type: "Date",
  },

  viewer: {
    label: "Viewer",
    previous: "Previous",
    next: "Next",
    download: "Download",
    inChat: "Show in chat",
    failed: "The file could not be displayed. It can still be downloaded.",
  },
};

/** The new name of a group, under whichever key a source reports it. */
const nameIn = (metadata: Record<string, unknown> | null): string | null => {
  const found = metadata && (metadata["subject"] ?? metadata["new_name"] ?? metadata["name"] ?? metadata["new"]);
  return typeof found === "string" && found ? found : null;
};

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
