/**
 * Every text of the page is here and in `words/`: to translate the page, rewrite these files. Screens that are loaded
 * when they are opened have separate files (`words/lists.ts`, `words/manage.ts`).
 */
import { and, bytes, number, plural } from "./time.ts";
import type { ChatKind } from "./types.ts";
import { name, phoneNumber } from "./words/people.ts";
import { reading } from "./words/reading.ts";

export const words = {
  app: "Backscroll",
  title: (screen: string) => (screen ? `${screen} · Backscroll` : "Backscroll"),
  skip: "Skip to the content",
  you: "You",
  somebody: name,
  phoneNumber,
  and,
  close: "Close",
  done: "Done",
  cancel: "Cancel",
  tryAgain: "Try again",
  more: "Show more",
  showAll: (letters: number) => `Show all ${number(letters)} characters`,
  loading: "Loading …",
  dropToImport: "Drop files to import them",
  copied: "Link copied",
  copy: "Copy",
  copiedText: "Copied",
  notCopiedText: "The browser did not allow copying. Select the text and copy it by hand.",
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

  titles: {
    search: "Search",
    media: "Media",
    contacts: "Contacts",
    sources: "Phones and sources",
    imports: "Imports",
    manage: "Settings",
  },

  signIn: {
    title: "Sign in",
    token: "Token",
    open: "Open the archive",
    help: "Create one with",
    command: "backscroll token create",
    help2: "or ask the person who runs this archive. You stay signed in on this browser for 30 days.",
    wrong: "This token is not valid. It may have expired or been revoked.",
    onceUsed:
      "This sign-in link has been used or has expired. Restart the server for a new one, or sign in with a token.",
    ended: "You have been signed out. Sign in again to continue where you were.",
    tooMany: "Too many attempts. Wait a minute, then try again.",
    signOut: "Sign out",
  },

  problem: {
    unreachable: "The server does not answer. You can continue reading what is already loaded.",
    unreachableShort: "The server does not answer.",
    server: "The server could not answer. Its log says why.",
    busy: "The server is busy. Try again in a moment.",
    forbidden: "This token may not do that.",
    offline: "No connection. New messages appear once the server answers again.",
    notFound: "There is nothing at this address.",
    notFoundHelp: "The link may be incomplete, or its target was erased.",
    toChats: "Go to chats",
    broken: "This part of the page failed.",
    unreadable: "A file could not be read. Was it moved, renamed or deleted?",
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
    text: "Import your first messages on the machine where this server runs. They appear here by themselves; everything stays on that machine.",
    drop: "Drop a chat that was exported from a phone anywhere on this page. It is read on the machine where this server runs, and stays there.",
    choose: "Choose files",
    others: "Or import messages on that machine:",
    ways: [
      ["A chat exported from a phone", 'backscroll import export "WhatsApp Chat with Ana.zip" --phone 919876543210'],
      ["The database of a GOWA gateway", "backscroll import gowa chatstorage.db"],
      ["Periskope, or a server with its API", "backscroll import periskope --help"],
      ["Another Backscroll", "backscroll import jsonl archive.jsonl"],
    ] as [string, string][],
  },

  ...reading,

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
