/** WhatsApp's formatting and links as a tree, which the page draws. A message is never turned into HTML. */
import { signal } from "@preact/signals";

/** Finds links once its module is loaded; until then they are plain text. A link is as wide as its text. */
export const linker = signal<typeof import("./links.ts").linksIn | null>(null);
export const loadLinker = async (): Promise<void> => {
  linker.value = (await import("./links.ts")).linksIn;
};

export type Inline =
  | string
  | { type: "strong" | "em" | "s"; children: Inline[] }
  | { type: "code" | "hit"; text: string }
  | { type: "link"; href: string; text: string }
  | { type: "mention"; jid: string; text: string }
  | { type: "number"; digits: string; text: string };
export type Block =
  | { type: "p"; lines: Inline[] }
  | { type: "quote"; lines: Inline[] }
  | { type: "ul"; items: Inline[][] }
  | { type: "ol"; start: number; items: Inline[][] }
  | { type: "pre"; text: string };

export interface Mention {
  jid: string;
  name: string | null;
  as: string | null;
}

type Atom = Exclude<Inline, string>;
type Unit = string | Atom;

const MARKS: Record<string, "strong" | "em" | "s"> = { "*": "strong", _: "em", "~": "s" };
const PHONE = /\+\d[\d ().\u00a0/-]{6,18}\d/g;
const WORD = /[\p{L}\p{N}]/u;
const EMOJI_ONLY =
  /^(?:\s*(?:\p{RI}\p{RI}|\p{Emoji}(?:\p{EMod}|\uFE0F\u20E3?|[\u{E0020}-\u{E007E}]+\u{E007F})?(?:\u200D\p{Emoji}(?:\p{EMod}|\uFE0F)?)*)){1,3}\s*$/u;

/** One to three emoji and nothing else: shown large. */
export const isBig = (text: string): boolean => text.length <= 60 && !/^[\d#*\s]+$/.test(text) && EMOJI_ONLY.test(text);

/** The href of a link that may be followed: http, https and mailto only. */
export function safeHref(href: string): string | null {
  try {
    const url = new URL(href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

export function parse(text: string, mentions: readonly Mention[] = []): Block[] {
  const blocks: Block[] = [];
  // Pieces with an odd index were between ``` and ```.
  const pieces = text.split("```");
  const whole = pieces.length % 2 === 0 ? [...pieces.slice(0, -2), `${pieces.at(-2)}\`\`\`${pieces.at(-1)}`] : pieces;
  whole.forEach((piece, index) => {
    if (index % 2) blocks.push({ type: "pre", text: piece.replace(/^\n|\n$/g, "") });
    else if (piece.trim()) blocks.push(...blocksOf(index ? piece.replace(/^\n/, "") : piece, mentions));
  });
  return blocks;
}

function blocksOf(text: string, mentions: readonly Mention[]): Block[] {
  const blocks: Block[] = [];
  let plain: string[] = [];
  const flush = () => {
    while (plain.length && !plain[0]!.trim()) plain.shift();
    while (plain.length && !plain.at(-1)!.trim()) plain.pop();
    if (plain.length) blocks.push({ type: "p", lines: inline(plain.join("\n"), mentions) });
    plain = [];
  };
  for (const line of text.split("\n")) {
    const last = plain.length ? undefined : blocks.at(-1);
    const quote = /^> (.*)$/.exec(line),
      bullet = /^\s*[*-] (\S.*)$/.exec(line),
      step = /^\s*(\d{1,9})\. (\S.*)$/.exec(line);
    if (quote) {
      flush();
      const words = inline(quote[1]!, mentions);
      if (last?.type === "quote") last.lines.push("\n", ...words);
      else blocks.push({ type: "quote", lines: words });
    } else if (bullet) {
      flush();
      const words = inline(bullet[1]!, mentions);
      if (last?.type === "ul") last.items.push(words);
      else blocks.push({ type: "ul", items: [words] });
    } else if (step) {
      flush();
      const words = inline(step[2]!, mentions);
      if (last?.type === "ol" && last.start + last.items.length === Number(step[1])) last.items.push(words);
      else blocks.push({ type: "ol", start: Number(step[1]), items: [words] });
    } else plain.push(line);
  }
  flush();
  return blocks;
}

function inline(text: string, mentions: readonly Mention[]): Inline[] {
  return marked(units(text, mentions));
}

/** Characters, and as one unit each what a mark must not split: code, links, mentions, numbers. */
function units(text: string, mentions: readonly Mention[]): Unit[] {
  const found: Unit[] = [];
  text.split(/(`[^`\n]+`)/).forEach((piece, index) => {
    if (index % 2) found.push({ type: "code", text: piece.slice(1, -1) });
    else for (const unit of linked(piece)) found.push(...(typeof unit === "string" ? named(unit, mentions) : [unit]));
  });
  return found;
}

function linked(text: string): Unit[] {
  const linksIn = linker.value;
  if (!linksIn || !/[.:@]/.test(text)) return [text];
  const found: Unit[] = [];
  let last = 0;
  for (const { start, end, href } of linksIn(text)) {
    // Closing marks right after a link are not part of it.
    const marks = /[*_~]*$/.exec(text.slice(start, end))![0].length;
    const safe = safeHref(href.slice(0, href.length - marks));
    if (!safe) continue;
    found.push(text.slice(last, start), { type: "link", href: safe, text: text.slice(start, end - marks) });
    last = end - marks;
  }
  return [...found, text.slice(last)];
}

function named(text: string, mentions: readonly Mention[]): Unit[] {
  for (const { jid, name, as } of mentions) {
    if (!as || !text.includes(as)) continue;
    return text
      .split(as)
      .flatMap((piece, index) => [
        ...(index ? [{ type: "mention", jid, text: name ? `@${name}` : as } as const] : []),
        ...named(piece, mentions),
      ]);
  }
  return numbered(text);
}

function numbered(text: string): Unit[] {
  if (!text.includes("+")) return [...text];
  const found: Unit[] = [];
  let last = 0;
  for (const match of text.matchAll(PHONE)) {
    const digits = match[0].replace(/\D/g, "");
    if (digits.length < 8 || digits.length > 15 || WORD.test(text[match.index - 1] ?? " ")) continue;
    found.push(...text.slice(last, match.index), { type: "number", digits, text: match[0] });
    last = match.index + match[0].length;
  }
  found.push(...text.slice(last));
  return found;
}

const isSpace = (unit: Unit | undefined) => unit === undefined || (typeof unit === "string" && /\s/.test(unit));
const isWord = (unit: Unit | undefined) => typeof unit === "string" && WORD.test(unit);

/** For each position the next one at which its mark may close on the same line, or -1. One pass, from the end. */
function closers(all: Unit[], from: number, until: number): Int32Array {
  const next = new Int32Array(until - from);
  const seen: Record<string, number> = {};
  for (let at = until - 1; at >= from; at--) {
    const unit = all[at]!;
    next[at - from] = -1;
    if (unit === "\n") for (const mark of Object.keys(seen)) delete seen[mark];
    else if (typeof unit === "string" && unit in MARKS) {
      next[at - from] = seen[unit] ?? -1;
      if (at > from && !isSpace(all[at - 1]) && all[at - 1] !== unit && !(at + 1 < until && isWord(all[at + 1])))
        seen[unit] = at;
    }
  }
  return next;
}

const MAX_DEPTH = 8;
function marked(all: Unit[], from = 0, until = all.length, depth = 0): Inline[] {
  const found: Inline[] = [];
  const next = depth < MAX_DEPTH ? closers(all, from, until) : null;
  let words = "";
  const say = (item: Atom) => {
    if (words) found.push(words);
    words = "";
    found.push(item);
  };
  for (let at = from; at < until; at++) {
    const unit = all[at]!;
    if (typeof unit !== "string") {
      say(unit);
      continue;
    }
    const type = MARKS[unit];
    const end = type && next ? next[at - from]! : -1;
    const opens =
      end > at + 1 && !isWord(at > from ? all[at - 1] : undefined) && !isSpace(all[at + 1]) && all[at + 1] !== unit;
    if (type && opens) {
      say({ type, children: marked(all, at + 1, end, depth + 1) });
      at = end;
    } else words += unit;
  }
  if (words) found.push(words);
  return found;
}

const LINE = 600; // characters of a text that is shown as one line

/** The beginning of a text without formatting, for lists and labels. */
export function plain(text: string, mentions: readonly Mention[] = []): string {
  const flat = (items: Inline[]): string =>
    items
      .map((item) => (typeof item === "string" ? item : "children" in item ? flat(item.children) : item.text))
      .join("");
  return flat(matched([[text.slice(0, LINE), false]], mentions))
    .replace(/\s+/g, " ")
    .trim();
}

export type Part = readonly [text: string, isHit: boolean];

/**
 * The text of a search result as one line, formatted and with what was found; nothing in it can be followed.
 * Of a long text what surrounds the first hit.
 */
export function matched(parts: readonly Part[], mentions: readonly Mention[] = []): Inline[] {
  const near = around(parts);
  const text = near.map(([piece]) => piece).join("");
  const hits = near.flatMap(([piece, isHit]) => Array<boolean>(piece.length).fill(isHit));
  let at = 0;
  // What is shown consists of the letters of the text, in their order, without the formatting characters.
  const split = (shown: string): Inline[] => {
    const found: Part[] = shown.split("").map((letter) => {
      at = Math.max(at, text.indexOf(letter, at));
      return [letter, hits[at++] ?? false];
    });
    return joined(found).map(([piece, isHit]) => (isHit ? { type: "hit", text: piece } : piece));
  };
  const named = (name: string, as: string): Inline => {
    const start = Math.max(at, text.indexOf(as, at));
    at = start + as.length;
    return hits.slice(start, at).includes(true) ? { type: "hit", text: name } : name;
  };
  const walk = (items: Inline[]): Inline[] =>
    items.flatMap((item): Inline[] => {
      if (typeof item === "string") return split(item);
      if ("children" in item) return [{ ...item, children: walk(item.children) }];
      if (item.type !== "mention") return split(item.text);
      return [named(item.text, mentions.find(({ jid }) => jid === item.jid)?.as ?? "")];
    });
  const blocks = parse(text, mentions);
  return blocks.flatMap((block, index) => {
    const isApart = block.type !== "pre" && blocks[index - 1]?.type !== "pre";
    const lines = "lines" in block ? [block.lines] : "items" in block ? block.items : [[block.text]];
    return lines.flatMap((items, line) => [...(line ? [" · "] : index ? [isApart ? " · " : " "] : []), ...walk(items)]);
  });
}

function joined(parts: readonly Part[]): Part[] {
  const found: [string, boolean][] = [];
  for (const [text, isHit] of parts) {
    const last = found.at(-1);
    if (last?.[1] === isHit) last[0] += text;
    else found.push([text, isHit]);
  }
  return found;
}

/** The parts around the first hit, if all of them would be too long. */
function around(parts: readonly Part[]): readonly Part[] {
  const text = parts.map(([piece]) => piece).join("");
  if (text.length <= LINE) return parts;
  const first = parts
    .slice(
      0,
      parts.findIndex(([, isHit]) => isHit),
    )
    .reduce((sum, [piece]) => sum + piece.length, 0);
  // At spaces, unless a word is longer than the line.
  const from = first < LINE / 2 ? 0 : Math.max(first - LINE / 2, text.lastIndexOf(" ", first - LINE / 4) + 1);
  const end = text.indexOf(" ", from + LINE * 0.8);
  const until = end < 0 ? Math.min(text.length, from + LINE) : Math.min(end, from + LINE);
  let at = 0;
  const near = parts.map(([piece, isHit]): Part => {
    const start = at;
    at += piece.length;
    return [piece.slice(Math.max(0, from - start), Math.max(0, until - start)), isHit];
  });
  return [["… ", false] as const, ...near, ["  …", false] as const].slice(
    from ? 0 : 1,
    until < text.length ? undefined : -1,
  );
}

interface Piece {
  text: string;
  change: "same" | "added" | "gone";
}
const MAX_DIFF_WORDS = 600;
const WORD_ENDS = /(\s+|[^\s\p{L}\p{N}\p{M}]+)/u;

/** What changed between two versions, word by word; for very long ones, only that they differ. */
export function difference(before: string, after: string): Piece[] {
  const [a, b] = [before, after].map((text) => text.split(WORD_ENDS).filter(Boolean)) as [string[], string[]];
  if (a.length > MAX_DIFF_WORDS || b.length > MAX_DIFF_WORDS) return [{ text: after, change: "same" }];
  const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i]![j] = a[i] === b[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!);
  const pieces: Piece[] = [];
  const say = (text: string, change: Piece["change"]) => {
    const last = pieces.at(-1);
    if (last?.change === change) last.text += text;
    else if (text) pieces.push({ text, change });
  };
  let i = 0,
    j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      say(a[i]!, "same");
      (i++, j++);
    } else if (i < a.length && (j === b.length || longest[i + 1]![j]! >= longest[i]![j + 1]!)) say(a[i++]!, "gone");
    else say(b[j++]!, "added");
  }
  return pieces;
}
