/** Every sentence of the page. To translate it, write this file anew. */
import { and, bytes, clock, number, plural, show, span } from "./time.ts";
import type { Call, ChatKind, File, Gap, Kind, Notice } from "./types.ts";

const name = (person: { name: string | null; jid: string } | null | undefined): string =>
  person ? (person.name ?? phoneNumber(person.jid)) : "Somebody";

/** What to call an address that nobody has named: a number where it is one. */
export function phoneNumber(jid: string): string {
  const [user = jid, server = ""] = jid.split("@");
  if (/^(c\.us|s\.whatsapp\.net)$/.test(server) && /^\d+$/.test(user)) return `+${user}`;
  if (server === "lid") return `Unknown number (${user.slice(-4)})`;
  if (server === "g.us") return "Group without a name";
  if (server === "newsletter") return "Channel without a name";
  if (server === "broadcast") return user === "status" ? "Status updates" : "Broadcast list";
  return jid;
}

const gapDays = ({ from, to }: Gap): string => {
  const [first, last] = span(from, to);
  return first === last || show("date", from) === show("date", to) ? show("date", to) : `${first} to ${last}`;
};

const GAP_REASONS: Record<string, string> = {
  phone_off: "The linked phone was off, and no export reaches into this time.",
  not_linked: "No phone was linked, and no export reaches into this time.",
  no_export: "No export reaches into this time.",
};

export const words = {
  app: "Backscroll",
  title: (screen: string) => (screen ? `${screen} · Backscroll` : "Backscroll"),
  skip: "Skip to the content",
  you: "You",
  somebody: name,
  phoneNumber,
  and,
  close: "Close",
  cancel: "Cancel",
  tryAgain: "Try again",
  more: "Show more",
  showAll: (letters: number) => `Show all ${number(letters)} characters`,
  loading: "Loading …",
  copied: "Link copied",
  notCopied: "The browser did not allow copying. The link is in the address bar.",
  byte: bytes,

  nav: {
    label: "Main",
    chats: "Chats",
    search: "Search",
    media: "Media",
    contacts: "Contacts",
    sources: "Sources",
    manage: "Settings",
  },

  signIn: {
    title: "Sign in",
    token: "Token",
    open: "Open the archive",
    help: "Create one with",
    command: "backscroll token create",
    help2: "or ask whoever runs this archive. You stay signed in on this browser for 30 days.",
    wrong: "This token is not valid. It may have expired or been revoked.",
    onceUsed:
      "This sign-in link has been used or has expired. Restart the server for a new one, or sign in with a token.",
    ended: "You have been signed out. Sign in again to continue where you were.",
    tooMany: "Too many attempts. Wait a minute, then try again.",
    signOut: "Sign out",
  },

  problem: {
    unreachable: "The server does not answer. You can go on reading what is already loaded.",
    unreachableShort: "The server does not answer.",
    server: "The server could not answer. Its log says why.",
    busy: "The server is busy. Try again in a moment.",
    forbidden: "This token may not do that.",
    offline: "No connection. New messages appear once the server answers again.",
    notFound: "There is nothing at this address.",
    notFoundHelp: "The link may be cut off, or what it led to was erased.",
    toChats: "Go to chats",
    broken: "This part of the page failed.",
    row: "This message cannot be displayed. It is kept in the archive.",
  },

  chats: {
    title: "Chats",
    all: "All",
    people: "People",
    groups: "Groups",
    archived: "Archived",
    filter: "Filter chats",
    phones: (count: number) => (count === 1 ? "1 phone" : `All ${count} phones`),
    search: (messages: number) => (messages ? `Search ${plural(messages, "message", "messages")}` : "Search"),
    searchFor: (q: string) => `Search messages for “${q}”`,
    list: (count: number | null) => (count === null ? "Chats" : plural(count, "chat", "chats")),
    none: "No chats match.",
    noneArchived: "No archived chats.",
    unread: "unread",
    pinned: "Pinned",
    by: (who: string, text: string) => `${who}: ${text}`,
    open: "Choose a chat to read it.",
    switch: "Go to chat",
    switchHint: "Name or number",
  },

  empty: {
    title: "Nothing here yet",
    text: "Bring your first messages in on the machine where this server runs. They appear here by themselves; everything stays on that machine.",
    ways: [
      ["A chat exported from a phone", 'backscroll import export "WhatsApp Chat with Ana.zip" --phone 919876543210'],
      ["The database of a GOWA gateway", "backscroll import gowa chatstorage.db"],
      ["Periskope, or a server that speaks its API", "backscroll import periskope --help"],
      ["Another Backscroll", "backscroll import jsonl archive.jsonl"],
    ] as [string, string][],
  },

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
    first: "The first message of this chat in the archive. There may be older ones that no source has told of.",
    none: "No messages in this chat.",
    noneHelp: "The archive knows of this chat, but no source has told of any message in it.",
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
    title: (gap: Gap) => `No source covers ${gapDays(gap)}`,
    text: (gap: Gap) =>
      `${GAP_REASONS[gap.reason ?? ""] ?? "No source reaches into this time."} Messages may be missing here.`,
    fill: "How to fill it",
  },

  message: {
    edited: (times: number) => (times > 1 ? `Edited ${times === 2 ? "twice" : `${number(times)} times`}` : "Edited"),
    forwarded: (score: number | null) => ((score ?? 0) >= 5 ? "Forwarded many times" : "Forwarded"),
    starred: "Starred",
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
      `Deleted${who ? ` by ${who}` : ""}${when ? ` ${when}` : ""}. ${kept ? "The text is kept." : "No source had seen the text."}`,
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
      missing: "No source brought this file.",
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
    viewOnce: "View once",
    viewOnceText:
      "WhatsApp gives such messages to the phone only. If a backup or another source holds it, it appears here.",
    viewOncePhoto: "Photo to view once",
    viewOnceVideo: "Video to view once",
    viewOnceVoice: "Voice message to listen to once",
    encrypted: "Could not be decrypted",
    encryptedText: "No source had the key to this message. If one brings it later, the text appears here.",
    otherKindText: "Its content is kept as it was received: see “As received” in the details.",
    unknown: "A kind of message that Backscroll does not know",
    unknownText: "It is kept as it was received and will be displayed once a version knows it.",
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
        return said || words.kinds[kind];
      case "poll":
        return `Poll: ${said || "without a question"}`;
      case "voice":
      case "audio":
      case "video_note":
        return said || (duration ? `${words.kinds[kind]}, ${clock(duration)}` : words.kinds[kind]);
      case "document":
        return said || filename || words.kinds[kind];
      case "image":
      case "video":
        return said || words.kinds[kind];
      default:
        return said || words.kinds[kind] || words.kinds.unknown;
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

  /** A group event in words; the source's own sentence where the type says nothing to us. */
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
        return body ?? notice?.text ?? "A change of the chat that no source describes";
    }
  },

  about: {
    message: "This message",
    chat: "About this chat",
    sources: "Sources",
    versions: "Versions",
    now: "now",
    first: "first",
    seen: "Receipts",
    reactions: "Reactions",
    readAt: (time: string) => `read ${time}`,
    deliveredAt: (time: string) => `delivered ${time}`,
    playedAt: (time: string) => `played ${time}`,
    andMore: (count: number) => `and ${number(count)} more`,
    copy: "Copy link",
    original: "As received",
    received: "As received",
    receivedFrom: (source: string, time: string) => `${source}, ${time}`,
    exact: "exact to the second",
    minute: "exact to the minute",
    arrived: (time: string) => `arrived ${time}`,
    otherText: "told another text",
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
    gaps: "Gaps",
  },

  sourceTypes: {
    linked: "Linked phone",
    cloud: "WhatsApp Cloud API",
    periskope: "Periskope",
    webhook: "Gateway webhook",
    backup: "Phone backup",
    gowa: "Gateway database",
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

  gallery: {
    title: "Media",
    titleOf: (chat: string) => `Media of ${chat}`,
    kinds: { picture: "Photos and videos", voice: "Voice and audio", document: "Documents" },
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
    },
    notHere: {
      fetchable: "Not downloaded yet",
      omitted: "Left out of the export",
      missing: "File missing",
      held: "",
    } as Record<File["state"], string>,
    toChat: "Show in chat",
  },

  contacts: {
    title: "Contacts",
    filter: "Name or number",
    none: "No contacts match.",
    count: (count: number) => plural(count, "contact", "contacts"),
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
    title: "Search",
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
    noProof: "What no source has brought is not found.",
    narrow: "Narrow down",
    latestOnly: "The figures beside count the latest 50,000 hits.",
    nothing: (q: string) => `Nothing found for “${q}”`,
    incomplete: "The index is being rebuilt. Some older messages are not found yet.",
    ignored: (items: string[]) => `Not used: ${items.join(" ")}`,
    removeFilter: (filter: string) => `Remove ${filter}`,
    withoutDates: "Search without dates",
    help: 'Try a word, an "exact phrase", part* of a word, or leave words out with -word. Narrow down with from:, in:, before:, after:, on:, has: and is:.',
    unavailable: "This server does not offer search yet.",
    month: (month: string, count: number) => `${month}: ${number(count)}`,
  },

  sources: {
    title: "Phones and sources",
    summary: (messages: number, phones: number, sources: number) =>
      `${plural(messages, "message", "messages")} of ${plural(phones, "phone", "phones")}${sources ? ` from ${plural(sources, "source", "sources")}` : ""}.`,
    states: {
      connected: "Connected",
      waiting: "Waiting to be linked",
      disconnected: "Disconnected",
      silent: "Silent",
      failing: "Failing",
      archive: "Archive only",
      live: "Live",
      ok: "Working",
      done: "Done",
      off: "Off",
    } as Record<string, string>,
    silentFor: (days: number) => `Silent for ${plural(days, "day", "days")}`,
    lastEvent: (time: string) => `last event ${time}`,
    lastMessage: (time: string) => `last message ${time}`,
    nothingYet: "nothing received yet",
    messages: "Messages",
    files: "Files",
    chats: "Chats",
    gaps: (count: number) => (count ? plural(count, "gap", "gaps") : "no gaps"),
    noSources: "No source is set up for this phone.",
    since: (time: string) => `since ${time}`,
    gapList: "Gaps",
    gapHelp: "An export or a phone backup that reaches into this time fills the gap.",
    none: "No phones yet",
    noneHelp: "A phone appears here as soon as a source has told of its messages.",
    coverage: "Coverage",
    all: "All phones",
  },

  manage: {
    title: "Settings",
    browser: "This browser",
    theme: "Appearance",
    themes: { system: "As the system", light: "Light", dark: "Dark" } as Record<string, string>,
    letters: "Single-letter shortcuts",
    lettersHelp: "Letters such as j, k and g act while no field has the focus.",
    account: "Signed in",
    signedInAs: (token: string, org: string) => `${org}, with the token ${token}`,
    scopes: (scopes: string[]) => `May: ${scopes.join(", ")}`,
    allPhones: "All phones",
    version: (version: string) => `Backscroll ${version}`,
    licences: "Licences of the fonts and libraries",
    api: "API reference",
    keys: "Keyboard shortcuts",
  },

  tokens: {
    title: "Tokens",
    help: "Programs and browsers sign in with tokens.",
    name: "Name",
    scopes: "May",
    phones: "Phones",
    expires: "Expires",
    lastUsed: "Last used",
    notUsed: "not used yet",
    create: "Create token",
    created: "Copy the token now. It is not shown again.",
    copy: "Copy",
    done: "Done",
    revoke: "Revoke",
    revoked: "Revoked",
    expired: "Expired",
    current: "this session",
    sure: (name: string) => `Revoke “${name}”? Programs that use it lose access at once.`,
    none: "No tokens yet.",
    nameless: "without a name",
  },

  keys: {
    title: "Keyboard shortcuts",
    list: [
      ["/", "Search"],
      ["Ctrl K", "Go to chat"],
      ["↑ ↓  j k", "Previous, next message"],
      ["Page Up  Page Down", "Scroll by a screen"],
      ["Home  End", "First, newest message"],
      ["[  ]", "Previous, next day"],
      ["{  }", "Previous, next month"],
      ["g", "Go to date"],
      ["Enter", "About the message"],
      ["q", "Go to the quoted message"],
      ["b", "Back to where you were"],
      ["n  N", "Next, previous search result"],
      ["m", "Media of this chat"],
      ["c", "Copy a link to the message"],
      ["Space", "Play, pause"],
      ["?", "This list"],
      ["Esc", "Close"],
    ] as [string, string][],
  },

  chatKinds: {
    user: "Person",
    group: "Group",
    newsletter: "Channel",
    broadcast: "Broadcast",
    status: "Status",
    unknown: "Chat",
  } satisfies Record<ChatKind, string>,
};

/** The new name of a group, under whichever word a source tells it. */
const nameIn = (metadata: Record<string, unknown> | null): string | null => {
  const found = metadata && (metadata["subject"] ?? metadata["new_name"] ?? metadata["name"] ?? metadata["new"]);
  return typeof found === "string" && found ? found : null;
};

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
