/** Objects of the native API. Times are ISO 8601 in UTC; unknown values are null. */

export interface Page<T> {
  items: T[];
  next: string | null;
  total: number | null;
}
export interface Person {
  jid: string;
  name: string | null;
}

export interface Phone {
  phone: string;
  jid: string;
  phone_id: string;
  name: string | null;
}
export interface Session {
  org: { id: string; name: string };
  token: { id: string; scopes: string[]; phones: string[] | null };
  phones: Phone[];
  messages: number;
  chats: number;
  version: string;
  seq: number;
}

export type ChatKind = "user" | "group" | "newsletter" | "broadcast" | "status" | "unknown";
interface LastMessage {
  key: string;
  kind: Kind;
  text: string | null;
  from_me: boolean;
  sender_name: string | null;
  deleted: boolean;
  duration: number | null;
  filename: string | null;
}
export interface Chat {
  phone: string;
  chat_id: string;
  lid: string | null;
  kind: ChatKind;
  name: string | null;
  image: string | null;
  unread: number | null;
  archived: boolean | null;
  pinned: boolean | null;
  muted: boolean | null;
  messages: number;
  last_message_at: string | null;
  last: LastMessage | null;
}
interface Member extends Person {
  is_admin: boolean;
  is_super_admin: boolean;
}
/** A time that no source covers; without an end it is still open. */
export interface Gap {
  from: string;
  to: string | null;
  reason: string;
  messages: number;
}
interface GapDetails extends Gap {
  text: string;
  evidence: { code: string; text: string }[];
  remedy: { code: string; text: string; command: string | null };
}
export interface Span {
  from: string;
  to: string;
  scope: "chat" | "phone";
  live: boolean;
  ended: string | null;
  source: { id: string; how: string; kind: string; name: string | null };
}
export interface Covered {
  covered_from: string | null;
  covered_until: string | null;
  spans: Span[];
  gaps: GapDetails[];
  more_spans: boolean;
  more_gaps: boolean;
}
export interface PhoneCoverage extends Covered {
  phone: string;
  name: string | null;
  first_message_at: string | null;
  last_message_at: string | null;
  messages: number;
}
export interface ChatCoverage extends PhoneCoverage {
  chat_id: string;
  kind: ChatKind;
}
export interface ChatDetails extends Chat {
  description: string | null;
  created_at: string | null;
  ephemeral_seconds: number | null;
  is_exited: boolean | null;
  members: Member[];
  members_total: number | null;
  first_message_at: string | null;
  counts?: Record<string, number | null>;
  coverage: Covered;
}

export type Kind =
  | "text"
  | "image"
  | "video"
  | "video_note"
  | "audio"
  | "voice"
  | "document"
  | "sticker"
  | "location"
  | "live_location"
  | "contact"
  | "contacts"
  | "poll"
  | "event"
  | "group_invite"
  | "order"
  | "product"
  | "interactive"
  | "album"
  | "ciphertext"
  | "unknown"
  | "call"
  | "notice";

export interface File {
  state: "held" | "fetchable" | "omitted" | "missing";
  url: string | null;
  thumbnail: string | null;
  width: number | null;
  height: number | null;
  duration: number | null;
  waveform: number[] | null;
  pages: number | null;
  size: number | null;
  filename: string | null;
  mimetype: string | null;
  animated?: boolean | null;
}
export interface Quoted {
  key: string | null;
  id: string | null;
  sender: Person | null;
  from_me: boolean;
  kind: Kind | null;
  text: string | null;
  thumbnail: string | null;
}
interface Reaction {
  emoji: string;
  sender: Person;
  from_me: boolean;
  at: string | null;
}
export interface Receipts {
  of: number | null;
  delivered: number;
  read: number;
  played: number;
}
export interface Place {
  latitude: number;
  longitude: number;
  name: string | null;
  address: string | null;
  url: string | null;
  live: boolean | null;
}
export interface Card {
  name: string | null;
  numbers: string[];
  jid: string | null;
}
interface PollOption {
  text: string;
  votes: number;
  voters: Person[];
}
export interface Poll {
  name: string;
  selectable: number | null;
  voters: number | null;
  options: PollOption[];
}
interface CardItem {
  name: string | null;
  quantity: number | null;
  price: string | null;
}
/** The contents of an event, an order, a product or an invitation to a group. */
export interface TopicCard {
  title: string | null;
  text: string | null;
  place: string | null;
  starts_at: string | null;
  ends_at: string | null;
  expires_at: string | null;
  canceled: boolean;
  items: CardItem[];
  item_count: number | null;
  price: string | null;
  order_id: string | null;
  chat_id: string | null;
  url: string | null;
}
export interface Call {
  video: boolean | null;
  outgoing: boolean | null;
  result: string | null;
  duration: number | null;
}
export interface Notice {
  type: string | null;
  author: Person | null;
  recipients: Person[];
  text: string | null;
  metadata: Record<string, unknown> | null;
}

/** A message is pinned in its chat for everyone, also if `until` has passed. */
export interface Pin {
  by: Person | null;
  at: string;
  until: string | null;
}

/** A message: Periskope's fields (those that the page reads) and the native ones. */
export interface Message {
  key: string;
  phone: string;
  chat_id: string;
  kind: Kind;
  timestamp: string;
  body: string | null;
  from_me: boolean;
  unique_id: string;
  message_type: string;
  ack: string | null;
  is_deleted: boolean | null;
  sender: Person | null;
  precision: "second" | "minute" | null;
  edited_at: string | null;
  edits: number;
  deleted_at: string | null;
  deleted_by: Person | null;
  forwarded: boolean | null;
  forwarding_score: number | string | null;
  starred: boolean | null;
  view_once: boolean | null;
  gif: boolean | null;
  expires_at: string | null;
  mentions: { jid: string; name: string | null; as: string | null }[];
  quoted: Quoted | null;
  reactions: Reaction[];
  receipts: Receipts | null;
  pinned: Pin | null;
  file: File | null;
  place: Place | null;
  contacts: Card[];
  poll: Poll | null;
  card: TopicCard | null;
  call: Call | null;
  notice: Notice | null;
}
export interface MessagesPage {
  items: Message[];
  found_oldest: boolean;
  found_newest: boolean;
  target: string | null;
  seq: number;
}
interface Telling {
  source: string;
  name?: string | null;
  sent_at: string;
  precision: "second" | "minute" | null;
  received_at?: string | null;
  text: string | null;
}
export interface MessageDetails extends Message {
  chat: { phone: string; chat_id: string; name: string | null };
  versions: { text: string | null; at: string | null }[];
  receipt_list: (Person & { delivered_at: string | null; read_at: string | null; played_at: string | null })[];
  tellings: Telling[];
  has_original: boolean;
  fetch: Fetch | null;
}
/** How often fetching a file from its source was tried, and when it is tried next. */
export interface Fetch {
  tries: number;
  next_at: string | null;
  problem: string | null;
  given_up: boolean;
}

export interface SpineData {
  months: [string, number][];
  gaps: Gap[];
  covered_from: string | null;
  covered_until: string | null;
  first_at: string | null;
  last_at: string | null;
  total: number;
}
export interface SpineMonth {
  month: string;
  days: [string, number][];
  before: number;
}

export interface MediaItem {
  key: string;
  phone: string;
  chat: { chat_id: string; name: string | null };
  sender: Person | null;
  from_me: boolean;
  timestamp: string;
  kind: Kind;
  file: File | null;
  text: string | null;
  links: string[];
}

export interface Contact {
  jid: string;
  lid: string | null;
  number: string | null;
  name: string | null;
  push_name: string | null;
  business_name: string | null;
  display_name: string | null;
  is_business: boolean | null;
  is_saved: boolean | null;
  image: string | null;
}
export interface ContactDetails extends Contact {
  names: { name: string; kind: string; source: string | null; last_at: string | null }[];
  jids: string[];
  shared: Chat[];
}

export interface Problem {
  code: string;
  text: string;
  remedy: string | null;
  at: string | null;
}
export interface Source {
  id: string;
  type: string;
  phone: string | null;
  state: "waiting" | "live" | "silent" | "failing";
  last_event_at: string | null;
  synced_at: string | null;
  created_at: string;
  silent_after_seconds: number | null;
  upstream: string | null;
  every_seconds: number | null;
  previous_secret_until: string | null;
  refused: number;
  problem: Problem | null;
}
export interface NewSource extends Source {
  url: string;
  secret: string;
  verify_token: string | null;
  how: string;
}
export interface PhoneDetails extends Phone {
  device_id: string | null;
  created_at: string | null;
  state: string | null;
  messages: number;
  chats: number;
  files?: number | null;
  file_bytes?: number | null;
  first_message_at: string | null;
  last_message_at: string | null;
}

export interface ImportLine {
  id: number;
  kind: string;
  file: string | null;
  state: string;
  started_at: string;
  finished_at: string | null;
}
/** Where events are sent. */
export interface Webhook {
  id: string;
  name: string | null;
  url: string;
  format: string;
  types: string[];
  phones: string[] | null;
  imports: boolean;
  enabled: boolean;
  state: string;
  failing_since: string | null;
  last_success_at: string | null;
  last_failure_at: string | null;
  last_error: string | null;
  counts: { waiting: number; parked: number };
}
export interface Delivery {
  event: string;
  type: string;
  state: string;
  phone: string | null;
  chat_id: string | null;
  key: string | null;
  created_at: string;
  attempts: number;
  next_attempt_at: string | null;
  status: number | null;
  error: string | null;
}
export interface Trial {
  ok: boolean;
  status: number | null;
  error: string | null;
  milliseconds: number;
}
/** Backscroll as a linked device of a phone. */
export interface DeviceLink {
  id: string;
  phone: string | null;
  phone_name: string | null;
  state: string;
  message: string | null;
  since: string;
  retry_at: string | null;
  pairing: {
    method: string;
    qr: string | null;
    rows: string[] | null;
    code: string | null;
    expires_at: string | null;
  } | null;
  history_progress: number | null;
  silent_after_seconds: number | null;
  last_event_at: string | null;
  created_at: string;
}
/** An import: its files, what was recognised in them, and its result. */
export interface ImportJob {
  id: string;
  origin: string;
  state:
    | "uploading"
    | "recognising"
    | "asking"
    | "queued"
    | "running"
    | "done"
    | "failed"
    | "cancelling"
    | "cancelled"
    | "undoing"
    | "undone";
  kind: string | null;
  name: string;
  created_at: string;
  updated_at: string;
  finished_at: string | null;
  expires_at: string | null;
  phone: string | null;
  size: number | null;
  files: { no: number; name: string; size: number; received: number }[];
  progress: {
    phase: string;
    item: number | null;
    items: number | null;
    done: number;
    total: number | null;
    new: number | null;
    known: number | null;
  } | null;
  found: ImportFound[] | null;
  questions: ImportQuestion[];
  answers: Record<string, unknown>;
  imports: { id: number; item: number | null; file: string | null; state: string; replaces: number[] }[];
  report: {
    new: number | null;
    known: number | null;
    files: number | null;
    imported: number;
    failed: { item: number; file: string; error: string }[];
    notes: string[];
  } | null;
  error: { code: string; message: string; field: string | null } | null;
  can: string[];
}
export interface ImportFound {
  item: number;
  kind: string;
  file: string;
  label: string;
  title: string | null;
  chat_id: string | null;
  is_group: boolean | null;
  phones: string[];
  messages: number | null;
  first_at: string | null;
  last_at: string | null;
  participants: string[];
  attachments: number | null;
  samples: { sent_at: string | null; author: string | null; text: string | null; kind: string }[];
  replaces: number[];
  repeats: number | null;
  notes: string[];
  error: string | null;
  skip: boolean;
}
export interface ImportQuestion {
  name: string;
  items: number[];
  type: "choice" | "text" | "confirm" | "secret";
  required: boolean;
  text: string;
  candidates: { value: string; label: string; evidence: string | null }[];
  suggested: string | null;
  free: boolean;
  evidence: string[];
}
export interface UndoPlan {
  messages: number;
  kept: number;
  chats: number;
  contacts: number;
  files: number;
}
export interface Health {
  version: string;
  archive: string;
  schema: number;
  engine: "sqlite" | "postgresql";
  database_bytes: number | null;
  disk_bytes: number | null;
  disk_free_bytes: number | null;
  messages: number;
  chats: number;
  phones: number;
  last_stored_at: string | null;
  last_source: string | null;
  search_complete: boolean;
  quarantined: number;
  quarantined_waiting: number;
  imports: ImportLine[];
  sources: Source[];
  check: { at: string; media: boolean; findings: number; first: string[] } | null;
  problems: Problem[];
}

export interface Change {
  seq: number;
  type: string;
  phone: string | null;
  chat_id: string | null;
  key: string | null;
  message?: Message;
}

export interface Hit {
  message: Message;
  highlights: { field: string; parts: [string, boolean][] }[];
  /** The messages right before and after it in its chat, oldest first. */
  context: Message[];
}
export interface Facets {
  chats: { chat_id: string; name: string | null; count: number }[];
  phones: { phone_id: string; org_phone: string | null; name: string | null; count: number }[];
  months: { month: string; count: number }[];
  complete: boolean;
}
export interface SearchAnswer {
  items: Hit[];
  total: number;
  total_is_exact: boolean;
  complete: boolean;
  ignored: string[];
  next: string | null;
  facets: Facets | null;
}
