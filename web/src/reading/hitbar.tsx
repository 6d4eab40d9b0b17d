import { useEffect } from "preact/hooks";
import { hits } from "../hits.ts";
import { Icon } from "../parts/icon.tsx";
import { navigate, to } from "../router.ts";
import { number } from "../time.ts";
import { words } from "../words.ts";

/** The results of a search, for moving from one to the next in their chats. */
export function HitBar({ index }: { index: number }) {
  const known = hits.value;
  const go = (at: number) => {
    const found = known?.found[at];
    if (found) navigate(to.chat(found.phone, found.jid, { at: found.key, hit: String(at) }));
  };
  useEffect(() => {
    if (known?.more && index >= known.found.length - 3) void known.more();
  }, [index, known?.found.length]);
  if (!known || !known.found[index]) return null;
  const of =
    known.total === null ? `${number(known.found.length)}+` : `${number(known.total)}${known.isExact ? "" : "+"}`;
  return (
    <div class="hit-bar btn" role="group" aria-label={words.titles.search}>
      <button
        type="button"
        class="icon"
        aria-label={words.chat.previousHit}
        disabled={index === 0}
        onClick={() => go(index - 1)}
      >
        <Icon name="up" />
      </button>
      <span class="num">{words.chat.hit(index + 1, of)}</span>
      <button
        type="button"
        class="icon"
        aria-label={words.chat.nextHit}
        disabled={index + 1 >= known.found.length}
        onClick={() => go(index + 1)}
      >
        <Icon name="down" />
      </button>
      <a class="icon" href={to.search(known.q)} aria-label={words.chat.closeHits}>
        <Icon name="close" />
      </a>
    </div>
  );
}

const MARK = "backscroll-hit";
interface Highlights {
  set: (name: string, value: unknown) => void;
  delete: (name: string) => void;
}

/** Highlight the words that were searched for, without changing the DOM that the components draw. */
export function useMarks(list: { current: HTMLElement | null }, wanted: string[] | null): void {
  const key = wanted?.join("\n") ?? "";
  useEffect(() => {
    const highlights = (CSS as unknown as { highlights?: Highlights }).highlights;
    const Highlight = (globalThis as unknown as { Highlight?: new (...ranges: Range[]) => unknown }).Highlight;
    if (!highlights || !Highlight || !wanted?.length || !list.current) return;
    const element = list.current;
    const mark = () => highlights.set(MARK, new Highlight(...rangesOf(element, wanted)));
    mark();
    const observer = new MutationObserver(mark);
    observer.observe(element, { childList: true, subtree: true });
    return () => {
      observer.disconnect();
      highlights.delete(MARK);
    };
  }, [key]);
}

function rangesOf(element: HTMLElement, wanted: string[]): Range[] {
  const ranges: Range[] = [];
  const lower = wanted.map((word) => word.toLowerCase()).filter(Boolean);
  for (const said of element.querySelectorAll(".said")) {
    const walker = document.createTreeWalker(said, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.textContent?.toLowerCase() ?? "";
      for (const word of lower) {
        for (
          let at = text.indexOf(word);
          at >= 0 && at + word.length <= (node.textContent?.length ?? 0);
          at = text.indexOf(word, at + word.length)
        ) {
          const range = document.createRange();
          range.setStart(node, at);
          range.setEnd(node, at + word.length);
          ranges.push(range);
        }
      }
    }
  }
  return ranges;
}
