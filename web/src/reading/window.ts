/** A window of rows in normal flow: pages are added at both ends, far rows removed; the reader's place does not move.
 *
 * The scroller needs `overflow-anchor: none` and `position: relative`, the list `display: flow-root`, because its margin is
 * set here; each row is a child of `list` with `data-id`.
 * `draw` must be synchronous and keyed, so that a remaining row keeps its element.
 */
export interface Page<T> {
  items: T[];
  older: boolean;
  newer: boolean;
  /** The row that was asked for, if it has another id by now. */
  target?: string;
}
export interface Row {
  id: string;
}
export type Side = "older" | "newer";
export type Ask = { around: string } | { at: string } | { before: string } | { after: string } | Record<string, never>;

export interface Parts<T extends Row> {
  scroller: HTMLElement;
  list: HTMLElement;
  get: (ask: Ask) => Promise<Page<T>>;
  draw: (items: readonly T[], ends: { older: boolean; newer: boolean }) => void;
  /** The position of a row in time, for rows that arrive by themselves. */
  compare: (a: T, b: T) => number;
  failed: (side: Side, error: unknown) => void;
  moved: (first: HTMLElement | null, follows: boolean) => void;
}

const AHEAD = 2; // screens fetched in advance
const KEEP = 3; // screens kept behind
const MAX_ROWS = 200; // while they fill the screens above
const MAX_HELD_ROWS = 600; // while one of them has the focus or a selection
const BATCH = 20; // rows drawn in one task
const FLING_MS = 120;
const MIN_MOVE = 1 / 128; // px; browsers lay out in steps of 1/64 or 1/60
// On phones, WebKit ignores scroll positions set by a page during a fling.
const IGNORES_WRITES =
  typeof navigator !== "undefined" &&
  /^((?!chrome|android|crios|fxios).)*safari/i.test(navigator.userAgent) &&
  navigator.maxTouchPoints > 1;

export class ScrollWindow<T extends Row> {
  #items: T[] = [];
  #ends = { older: false, newer: false };
  #busy = { older: false, newer: false };
  #failed = { older: false, newer: false }; // after a failure at an end, the reader has to ask again
  #epoch = 0;
  #asked = 0; // requests under way
  #arrived: T[] = []; // rows that arrived meanwhile: an answer may be older than they are
  #anchor: { row: HTMLElement; top: number; scrolled: number } | null = null;
  #shift = 0; // the list's margin in px: rows have fractional heights, scroll positions are whole pixels of the screen
  #target: HTMLElement | null = null;
  #follows = false;
  #filled = -1; // height at the last filling; the same height is not filled again, or a hidden list would load for ever
  #scrolledAt = 0;
  readonly #observer: ResizeObserver;
  readonly #parts: Parts<T>;

  constructor(parts: Parts<T>) {
    this.#parts = parts;
    this.#observer = new ResizeObserver(() => {
      // A script may have scrolled in this frame; its scroll event comes in the next one.
      this.#hold(parts.scroller.scrollTop - (this.#anchor?.scrolled ?? 0));
      this.#fill();
    });
    this.#observer.observe(parts.list);
    this.#observer.observe(parts.scroller);
    parts.scroller.addEventListener("scroll", this.#onScroll, { passive: true });
  }

  close(): void {
    this.#epoch++;
    this.#observer.disconnect();
    this.#parts.scroller.removeEventListener("scroll", this.#onScroll);
  }

  get items(): readonly T[] {
    return this.#items;
  }
  get ends() {
    return this.#ends;
  }
  get follows() {
    return this.#follows;
  }

  #onScroll = () => {
    this.#filled = -1;
    this.#scrolledAt = performance.now();
    this.#note();
    this.#fill();
    this.#tell();
  };

  /** The newest rows, or those for `ask`, with row `target` at the fraction `at` of the height or `top` px from it. */
  async show(
    ask: Ask,
    place: { target?: (page: Page<T>) => string | null; at?: number; top?: number } = {},
  ): Promise<T | "none" | "late"> {
    const epoch = ++this.#epoch;
    const page = await this.#get(ask);
    if (epoch !== this.#epoch) return "late";
    this.#busy = { older: false, newer: false };
    this.#failed = { older: false, newer: false };
    this.#filled = -1;
    this.#anchor = null;
    this.#follows = false;
    this.#ends = { older: page.older, newer: page.newer };
    this.#put(page.items);
    const id = place.target?.(page) ?? null;
    this.#target = id === null ? null : this.rowOf(id);
    this.#place(place.at ?? 0.3, place.top);
    this.#note();
    this.#fill();
    this.#tell();
    this.#catchUp();
    return page.items.find((item) => item.id === id) ?? "none";
  }

  #place(at: number, top: number | undefined): void {
    const { scroller } = this.#parts;
    if (!this.#target) scroller.scrollTop = scroller.scrollHeight;
    else if (top !== undefined) scroller.scrollTop = this.#target.offsetTop - top;
    else
      scroller.scrollTop = this.#target.offsetTop - Math.max(0, scroller.clientHeight - this.#target.offsetHeight) * at;
  }

  /** Go to a row that is already in the window; false if it is not. */
  reveal(id: string, at = 0.3, top?: number): boolean {
    const row = this.rowOf(id);
    if (!row) return false;
    this.#epoch++;
    this.#busy = { older: false, newer: false };
    this.#target = row;
    this.#anchor = null;
    this.#follows = false;
    this.#place(at, top);
    this.#note();
    this.#fill();
    this.#tell();
    return true;
  }

  /** Add rows that arrived by themselves, if they belong in the window. Returns how many were added. */
  insert(rows: readonly T[]): number {
    if (this.#asked) this.#arrived.push(...rows);
    return this.#insert(rows);
  }

  async #get(ask: Ask): Promise<Page<T>> {
    this.#asked++;
    try {
      return await this.#parts.get(ask);
    } finally {
      this.#asked--;
    }
  }

  /** Add again the rows that arrived during a request and are not in its answer yet. */
  #catchUp(): void {
    const rows = this.#arrived;
    if (!this.#asked) this.#arrived = [];
    this.#insert(rows);
  }

  #insert(rows: readonly T[]): number {
    const { compare } = this.#parts;
    const held = new Set(this.#items.map((item) => item.id));
    const [first, last] = [this.#items[0], this.#items.at(-1)];
    const fits = rows.filter(
      (row) =>
        !held.has(row.id) &&
        (!this.#ends.newer || (last && compare(row, last) < 0)) &&
        (!this.#ends.older || (first && compare(row, first) > 0)),
    );
    if (!fits.length) return 0;
    this.#change(() => this.#put(this.#trim([...this.#items, ...fits].sort(compare), "newer")));
    return fits.length;
  }

  drop(id: string): boolean {
    this.#arrived = this.#arrived.filter((item) => item.id !== id);
    if (!this.#items.some((item) => item.id === id)) return false;
    this.#change(() => this.#put(this.#items.filter((item) => item.id !== id)));
    return true;
  }

  /** Draw again, because something about a row other than its own signal has changed. */
  redraw(): void {
    this.#change(() => this.#put(this.#items));
  }

  #change(change: () => void): void {
    this.#note();
    change();
    this.#hold();
    this.#tell();
  }

  /** Something around the list has changed its height. */
  settle(): void {
    this.#hold();
    this.#fill();
  }

  retry(side: Side): void {
    this.#failed[side] = false;
    this.#filled = -1;
    void this.#more(side);
  }

  rowOf(id: string): HTMLElement | null {
    return this.#parts.list.querySelector<HTMLElement>(`:scope > [data-id="${CSS.escape(id)}"]`);
  }

  /** The row at the top of the view and how far its top is from it. */
  place(): { row: HTMLElement; top: number } | null {
    const row = this.#rowAt(this.#parts.scroller.scrollTop);
    return row && { row, top: row.offsetTop - this.#parts.scroller.scrollTop };
  }

  #put(items: T[]): void {
    const { list, scroller } = this.#parts;
    const focused = list.contains(document.activeElement);
    this.#items = items;
    this.#parts.draw(items, this.#ends);
    if (focused && !list.contains(document.activeElement)) scroller.focus({ preventScroll: true });
  }

  /** Remember which row the reader looks at, and its position. */
  #note(): void {
    this.#undoMove();
    const { scrollTop, clientHeight, scrollHeight } = this.#parts.scroller;
    this.#follows = !this.#ends.newer && scrollHeight - scrollTop - clientHeight < 4;
    const top = this.#target?.isConnected ? this.#target.offsetTop - scrollTop : -1;
    const row = top >= 0 && top < clientHeight ? this.#target : this.#rowAt(scrollTop);
    this.#anchor = row ? { row, top: this.#topOf(row), scrolled: scrollTop } : null;
  }

  /** Undo what a change of heights has moved since the last look, before a new position would take it for granted. */
  #undoMove(): void {
    if (!this.#anchor?.row.isConnected || this.#follows) return;
    const { row, top, scrolled } = this.#anchor;
    this.#pull(this.#topOf(row) - top + this.#parts.scroller.scrollTop - scrolled);
  }

  /** Where a row is in the view, exactly: `offsetTop` rounds, and rounding errors would add up to a drift. */
  #topOf(row: HTMLElement): number {
    return row.getBoundingClientRect().top - this.#parts.scroller.getBoundingClientRect().top;
  }

  #tell(): void {
    this.#parts.moved(this.#rowAt(this.#parts.scroller.scrollTop), this.#follows);
  }

  #rowAt(y: number): HTMLElement | null {
    const rows = this.#parts.list.children as HTMLCollectionOf<HTMLElement>;
    let low = 0,
      high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1,
        row = rows[middle]!;
      if (row.offsetTop + row.offsetHeight <= y) low = middle + 1;
      else high = middle;
    }
    return rows[low] ?? null;
  }

  /** Move the remembered row back to its position before the next paint, so that no movement is visible.
   *
   * `scrolled`: by how many pixels the view was scrolled since the position was noted.
   */
  #hold(scrolled = 0): void {
    const { scroller } = this.#parts;
    if (this.#follows) {
      scroller.scrollTop = scroller.scrollHeight;
      return;
    }
    if (!this.#anchor?.row.isConnected) return;
    this.#pull(this.#topOf(this.#anchor.row) - this.#anchor.top + scrolled);
    this.#anchor.top = this.#topOf(this.#anchor.row);
    this.#anchor.scrolled = scroller.scrollTop;
  }

  /** Move the rows up by exactly `px`: whole pixels by scrolling, the rest by the margin above them. */
  #pull(px: number): void {
    const { scroller, list } = this.#parts;
    if (Math.abs(px) < MIN_MOVE || !scroller.clientHeight) return;
    const distance = px - this.#shift;
    const before = scroller.scrollTop;
    scroller.scrollBy({ top: Math.ceil(distance), behavior: "instant" });
    const rest = scroller.scrollTop - before - distance;
    // Outside these bounds an end of the list was reached.
    this.#shift = rest >= 0 && rest < 2 ? rest : 0;
    list.style.marginTop = `${this.#shift}px`;
  }

  #fill(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.#parts.scroller;
    if (!clientHeight) return;
    if (scrollTop < clientHeight * AHEAD) void this.#more("older");
    if (scrollHeight - scrollTop - clientHeight < clientHeight * AHEAD) void this.#more("newer");
  }

  async #more(side: Side): Promise<void> {
    const { list } = this.#parts;
    if (this.#busy[side] || this.#failed[side] || !this.#ends[side] || !this.#items.length) return;
    if (list.offsetHeight === this.#filled) return;
    this.#busy[side] = true;
    const epoch = this.#epoch;
    try {
      const page = await this.#get(
        side === "older" ? { before: this.#items[0]!.id } : { after: this.#items.at(-1)!.id },
      );
      if (side === "older") await this.#rest();
      if (epoch !== this.#epoch) return;
      const height = list.offsetHeight;
      if (!(await this.#add(page, side, epoch))) return;
      this.#catchUp();
      this.#filled = list.offsetHeight === height ? height : -1;
    } catch (error) {
      if (epoch === this.#epoch) {
        this.#failed[side] = true;
        this.#parts.failed(side, error);
      }
      return;
    } finally {
      if (epoch === this.#epoch) this.#busy[side] = false;
    }
    this.#fill();
  }

  /** Add the rows of a page, nearest first, a few per task so that frames are drawn in between; false after a jump.
   *
   * At the newest end all at once: otherwise a message that arrives meanwhile could not be placed.
   */
  async #add(page: Page<T>, side: Side, epoch: number): Promise<boolean> {
    const isOlder = side === "older";
    let rest = page.items;
    do {
      const count = isOlder || page.newer ? BATCH : rest.length;
      const held = new Set(this.#items.map((item) => item.id));
      const items = (isOlder ? rest.slice(-count) : rest.slice(0, count)).filter((item) => !held.has(item.id));
      rest = isOlder ? rest.slice(0, -count) : rest.slice(count);
      if (!rest.length) this.#ends[side] = page[side];
      this.#note();
      this.#follows = false;
      this.#put(this.#trim(isOlder ? [...items, ...this.#items] : [...this.#items, ...items], side));
      this.#hold();
      this.#tell();
      if (rest.length) await new Promise((resolve) => setTimeout(resolve));
    } while (rest.length && epoch === this.#epoch);
    return epoch === this.#epoch;
  }

  /** If scroll positions are ignored in a fling: wait for its end, unless the reader is about to reach the edge. */
  async #rest(): Promise<void> {
    const { scroller } = this.#parts;
    while (
      IGNORES_WRITES &&
      performance.now() - this.#scrolledAt < FLING_MS &&
      scroller.scrollTop > scroller.clientHeight
    ) {
      await new Promise((resolve) => setTimeout(resolve, FLING_MS));
    }
  }

  /** Remove rows far from the view, at the end opposite to the one that grew. */
  #trim(items: T[], grew: Side): T[] {
    const { scrollTop, clientHeight } = this.#parts.scroller;
    const rows = this.#parts.list.children as HTMLCollectionOf<HTMLElement>;
    let gone = 0;
    while (items.length - gone > MAX_ROWS && gone < rows.length) {
      const row = grew === "older" ? rows[rows.length - 1 - gone]! : rows[gone]!;
      const far =
        grew === "older" ? row.offsetTop - scrollTop - clientHeight : scrollTop - row.offsetTop - row.offsetHeight;
      if (far < clientHeight * KEEP || (items.length - gone <= MAX_HELD_ROWS && isHeld(row))) break;
      gone++;
    }
    if (!gone) return items;
    this.#ends[grew === "older" ? "newer" : "older"] = true;
    return grew === "older" ? items.slice(0, -gone) : items.slice(gone);
  }
}

/** A row that has the focus or a selection is kept, because the reader is using it. */
function isHeld(row: HTMLElement): boolean {
  const selection = getSelection();
  return (
    row.contains(document.activeElement) || (!!selection && !selection.isCollapsed && selection.containsNode(row, true))
  );
}
