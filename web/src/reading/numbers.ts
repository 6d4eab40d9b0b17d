import type { SpineMonth } from "../types.ts";

interface Dated {
  day: string;
}

/**
 * How many messages of the chat come before the first of `items`; null if that is not certain: the window
 * touches neither end of the chat, and no day of the counted month begins in it.
 */
export function indexOfFirst(
  items: readonly Dated[],
  ends: { older: boolean; newer: boolean },
  total: number,
  month: SpineMonth | null,
): number | null {
  if (!ends.older) return 0;
  if (!ends.newer) return Math.max(0, total - items.length);
  if (!month) return null;
  const begins = items.findIndex(
    (item, at) => at > 0 && items[at - 1]!.day !== item.day && item.day.startsWith(month.month),
  );
  if (begins < 0) return null;
  const before = month.days.reduce((sum, [day, count]) => (day < items[begins]!.day ? sum + count : sum), month.before);
  return before >= begins ? before - begins : null;
}

/** Give each row its position and the total number of messages for screen readers; neither if they are not known. */
export function numberRows(list: HTMLElement, first: number | null, total: number): void {
  let at = first;
  for (const row of list.children) {
    const article = row.querySelector("article");
    if (article && at !== null) {
      article.setAttribute("aria-posinset", String(at + 1));
      article.setAttribute("aria-setsize", String(Math.max(total, at + 1)));
    } else {
      article?.removeAttribute("aria-posinset");
      article?.removeAttribute("aria-setsize");
    }
    if (at !== null) at++;
  }
}
