import { signal } from "@preact/signals";

export type MediaKind = "picture" | "voice" | "document" | "link";
export type Sort = "newest" | "relevance";
export type Route =
  | { name: "sign-in" }
  | { name: "chats" }
  | { name: "chat"; phone: string; jid: string; at: string | null; on: string | null; hit: string | null }
  | { name: "media"; phone: string | null; jid: string | null; kind: MediaKind }
  | { name: "search"; q: string; sort: Sort; phone: string | null }
  | { name: "contacts"; jid: string | null }
  | { name: "sources"; phone: string | null }
  | { name: "imports"; id: string | null }
  | { name: "manage"; section: string | null }
  | { name: "nowhere" };

const MEDIA_KINDS: readonly string[] = ["picture", "voice", "document", "link"];

/** The screen for an address. */
export function parse(address: string): Route {
  const url = new URL(address, "http://page.invalid");
  const parts = segments(url.pathname);
  if (!parts) return { name: "nowhere" };
  if (parts.length === 0) return { name: "chats" };
  const [root, screen, ...rest] = parts;
  if (root !== "read" || screen === undefined) return { name: "nowhere" };
  return below(screen, rest, url.searchParams) ?? { name: "nowhere" };
}

function below(screen: string, rest: string[], query: URLSearchParams): Route | null {
  const [first, second, third] = rest;
  const kind = MEDIA_KINDS.includes(query.get("kind") ?? "") ? (query.get("kind") as MediaKind) : "picture";
  switch (screen) {
    case "sign-in":
      return rest.length ? null : { name: "sign-in" };
    case "chat":
      if (!first || !second || rest.length > 3) return null;
      if (third === "media") return { name: "media", phone: first, jid: second, kind };
      if (third !== undefined) return null;
      return {
        name: "chat",
        phone: first,
        jid: second,
        at: query.get("at"),
        on: query.get("on"),
        hit: query.get("hit"),
      };
    case "media":
      return rest.length ? null : { name: "media", phone: null, jid: null, kind };
    case "search":
      return rest.length
        ? null
        : {
            name: "search",
            q: query.get("q") ?? "",
            sort: query.get("sort") === "relevance" ? "relevance" : "newest",
            phone: query.get("phone"),
          };
    case "contacts":
      return rest.length > 1 ? null : { name: "contacts", jid: first ?? null };
    case "sources":
      return rest.length > 1 ? null : { name: "sources", phone: first ?? null };
    case "imports":
      return rest.length > 1 ? null : { name: "imports", id: first ?? null };
    case "manage":
      return rest.length > 1 ? null : { name: "manage", section: first ?? null };
    default:
      return null;
  }
}

function segments(path: string): string[] | null {
  try {
    return path.split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    return null;
  }
}

const part = encodeURIComponent;
const tail = (query: Record<string, string | null | undefined>) => {
  const pairs = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
};

export const to = {
  chats: "/",
  chat: (phone: string, jid: string, query: { at?: string | null; on?: string | null; hit?: string | null } = {}) =>
    `/read/chat/${part(phone)}/${part(jid)}${tail(query)}`,
  media: (chat?: { phone: string; jid: string } | null, kind: MediaKind = "picture") =>
    `${chat ? `/read/chat/${part(chat.phone)}/${part(chat.jid)}/media` : "/read/media"}${tail({ kind: kind === "picture" ? null : kind })}`,
  search: (q = "", sort: Sort = "newest", phone: string | null = null) =>
    `/read/search${tail({ q, sort: sort === "newest" ? null : sort, phone })}`,
  contacts: (jid?: string | null) => (jid ? `/read/contacts/${part(jid)}` : "/read/contacts"),
  sources: (phone?: string | null) => (phone ? `/read/sources/${part(phone)}` : "/read/sources"),
  imports: (id?: string | null) => (id ? `/read/imports/${part(id)}` : "/read/imports"),
  manage: (section?: string | null) => (section ? `/read/manage/${part(section)}` : "/read/manage"),
};

const here = () => (typeof location === "undefined" ? "/" : location.pathname + location.search);
export const address = signal(here());
export const route = signal<Route>(parse(here()));

/** The reader's position in a list, saved with the entry of the history so that going back restores it. */
interface ReadingPlace {
  key: string;
  top: number;
}
export const placeOf = (): ReadingPlace | null => (history.state as { place?: ReadingPlace } | null)?.place ?? null;
export function keepPlace(place: ReadingPlace | null): void {
  history.replaceState({ ...(history.state as object | null), place }, "");
}

/** Increases with each history entry that is shown, even if two have the same address. */
export const visit = signal(0);

function show(): void {
  address.value = here();
  route.value = parse(here());
  visit.value++;
}

/** Go to an address. `from` is the time that the previous entry shows in the same chat, for "Back to 2 September". */
export function navigate(
  href: string,
  { replace = false, from = null }: { replace?: boolean; from?: number | null } = {},
): void {
  if (replace) history.replaceState(history.state, "", href);
  else if (href !== here() || from !== null) history.pushState(from === null ? null : { from }, "", href);
  show();
}

export const cameFrom = (): number | null => (history.state as { from?: number } | null)?.from ?? null;

/** Change the address without drawing another screen. */
export function rename(href: string): void {
  history.replaceState(history.state, "", href);
  address.value = here();
}

/** Links within the page are followed without loading it again; the browser handles all others, and new tabs. */
function onClick(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const link = (event.target as Element | null)?.closest?.("a");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (parse(link.pathname + link.search).name === "nowhere") return;
  event.preventDefault();
  navigate(link.pathname + link.search);
}

export function startRouter(): void {
  history.scrollRestoration = "manual";
  addEventListener("popstate", show);
  document.addEventListener("click", onClick);
}
