/** Texts of phones, sources and settings. */
import { number, plural, show } from "../time.ts";
import { words as common } from "../words.ts";

export const words = {
  ...common,

  since: (time: string) => `(${time})`,

  sources: {
    title: common.titles.sources,
    summary: (messages: number, phones: number, sources: number) =>
      `${plural(messages, "message", "messages")} of ${plural(phones, "phone", "phones")}. ${sources ? `${plural(sources, "live source", "live sources")}.` : "No live source is set up."}`,
    states: {
      connected: "Connected",
      connecting: "Connecting",
      disconnected: "Disconnected",
      waiting: "Waiting for the first event",
      silent: "Silent",
      failing: "Failing",
      archive: "Archive only",
      live: "Live",
    } as Record<string, string>,
    sourceState: (state: string, last: string | null): string => {
      const name = words.sources.states[state] ?? state;
      return last ? `${name}, last event ${last}` : name;
    },
    lastEvent: (time: string) => `last event ${time}`,
    lastMessage: (time: string) => `last message ${time}`,
    nothingYet: "nothing received yet",
    messages: "Messages",
    files: "Files",
    chats: "Chats",
    begins: "Since",
    gaps: (count: number) => (count ? plural(count, "gap", "gaps") : "no gaps"),
    noSources: "No live source is set up for this phone.",
    others: "Other sources",
    gapList: "Chats with gaps",
    noGaps: "No gap is known in the latest chats of this phone.",
    unknownCoverage: (count: number) =>
      `Of ${plural(count, "chat", "chats")} it is not known which period is complete, because no import or live source covers them.`,
    none: "No phones yet",
    noneHelp: "A phone appears here as soon as a source has reported messages for it.",
    more: "One more phone?",
    moreHelp: "Link it, or import its backup or its exported chats.",
    coverage: "Coverage",
    coveredSince: (time: string) => `complete since ${show("short", time)}`,
    all: "All phones",
    import: "Import files",
    link: "Link a phone",
    upstream: "Asked for messages that its webhooks missed:",
    synced: (time: string) => `last complete ${time}`,
    change: (name: string) => `Change the source ${name}`,
    remove: (name: string) => `Remove the source ${name}`,
    removeTitle: "Remove source",
    removeSure: (name: string) =>
      `Remove ${name}? Nothing more is accepted from it, and its secret is deleted. Its messages stay.`,
  },

  addSource: {
    title: "Add a source",
    made: "Source added",
    help: "A gateway pushes messages into the archive as they happen. After this you enter an address and a secret there.",
    kind: "Gateway",
    kinds: {
      gowa: "go-whatsapp-web-multidevice",
      waha: "WhatsApp HTTP API",
      evolution: "Version 2 and later",
      periskope: "Webhooks of your Periskope organisation",
      cloud: "Meta's own interface for businesses",
      events: "Any program, in the archive's own JSON format",
    } as Record<string, string>,
    phone: "Number of the phone that it is linked to",
    phoneOptional: "Number of the phone, if it is only one",
    example: "+91 98765 43210",
    secrets: {
      periskope: "Signing key of the webhook, as Periskope shows it",
      cloud: "App secret, as Meta's dashboard shows it",
    } as Record<string, string>,
    silence: "Report it as silent after",
    silences: { "": "never", "1h": "1 hour", "6h": "6 hours", "1d": "1 day", "1w": "1 week" } as Record<string, string>,
    add: "Add source",
    once: "Enter these values in the gateway now. The secret is not shown again.",
    address: "Address",
    secret: "Secret",
    verifyToken: "Verify token",
    how: "What to do there",
  },

  health: {
    title: "Health",
    well: "All is well",
    wellText: "Nothing needs your attention.",
    attention: (count: number) =>
      count === 1 ? "One thing needs your attention" : `${number(count)} things need your attention`,
    again: "Look again",
    facts: "Archive",
    organisation: "Organisation",
    messages: "Messages",
    chats: "Chats",
    phones: "Phones",
    lastStored: "Last stored",
    stored: (time: string, source: string | undefined) => (source ? `${time}, from: ${source}` : time),
    nothing: "nothing yet",
    database: "Database",
    engines: { sqlite: "SQLite", postgresql: "PostgreSQL" },
    disk: "Disk",
    free: (free: string, all: string) => `${free} free of ${all}`,
    search: "Search index",
    complete: "complete",
    building: "being built",
    version: "Version",
    of: (version: string, schema: number) => `Backscroll ${version}, schema ${schema}`,
    archive: "Archive id",
    check: "Last check",
    checked: (time: string, findings: number, media: boolean) =>
      `${time}${media ? ", with media files" : ""}: ${findings ? `${plural(findings, "finding", "findings")}` : "the archive is whole"}.`,
    notChecked: "The archive has not been checked on this machine yet. To check it, run",
    imports: "Latest imports",
    noImports: "Nothing has been imported yet.",
    importStates: {
      running: "Running, or interrupted",
      done: "Done",
      failed: "Failed",
      undoing: "Being undone",
      undone: "Undone",
    } as Record<string, string>,
  },

  exports: {
    title: "Exports",
    help: "A file is created while it is sent. If a download ends with an error, the file is incomplete: start it again.",
    zip: "To read: text and files",
    zipText:
      "A folder for each chat, with its text in the format of WhatsApp's own exports, and the photos, videos, voice messages and documents that the archive has.",
    jsonl: "To keep or to move: JSON lines",
    jsonlText:
      "Everything that sources have reported, which another Backscroll can import without loss. Media files are not included: also copy the folder media of the data directory.",
    everything: "All phones",
    download: "Download",
    oneChat: "To download one chat, open it and choose “About this chat”.",
  },

  manage: {
    title: common.titles.manage,
    browser: "This browser",
    webhooks: "Webhooks",
    orgs: "Organisations",
    theme: "Appearance",
    themes: { system: "Like the system", light: "Light", dark: "Dark" } as Record<string, string>,
    letters: "Single-letter shortcuts",
    lettersHelp: "Letters such as j, k and g work while no field has the focus.",
    account: "Signed in",
    organisation: "Organisation",
    orgId: (id: string) => `Id ${id}`,
    orgHelp:
      "A token belongs to one organisation. To see another organisation of this archive, sign in with one of its tokens.",
    signedInAs: (token: string) => `With the token ${token}`,
    scopes: (scopes: string[]): string =>
      `May ${common.and(
        Object.entries(words.tokens.may)
          .filter(([scope]) => scopes.includes(scope))
          .map(([, may]) => may),
      )}`,
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
    may: { read: "read", write: "import", admin: "manage", operator: "run the archive" } as Record<string, string>,
    lives: {
      "": "never",
      "1": "in a day",
      "30": "in 30 days",
      "90": "in 90 days",
      "365": "in a year",
    } as Record<string, string>,
    phones: "Phones",
    expires: "Expires",
    lastUsed: "Last used",
    notUsed: "not used yet",
    create: "Create token",
    created: "Copy the token now. It is not shown again.",
    revoke: "Revoke",
    revoked: "Revoked",
    expired: "Expired",
    current: "this session",
    sure: (name: string) => `Revoke “${name}”? Programs that use it lose access at once.`,
    none: "No tokens yet.",
    nameless: "without a name",
  },
};
