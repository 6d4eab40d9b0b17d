/** State and actions of one open chat: its window, its place in time, its jumps. The components only display it. */
import { type Signal, signal } from "@preact/signals";
import { ApiError, chatPath, get } from "../api.ts";
import { type Told, onChange } from "../events.ts";
import { toast } from "../parts/toast.tsx";
import { cameFrom, keepPlace, navigate, placeOf, rename, to } from "../router.ts";
import { addDays, addMonths, dayOf, monthOf, show, startOfDay, startOfMonth, ZONE } from "../time.ts";
import type { ChatDetails, Gap, Message, MessagesPage, SpineData, SpineMonth } from "../types.ts";
import { words } from "../words.ts";
import { compare, type Item, Items } from "./items.ts";
import { indexOfFirst, numberRows } from "./numbers.ts";
import type { Setting } from "./rows.tsx";
import { type Ask, type Page, ScrollWindow, type Side } from "./window.ts";

const PAGE = 50;
const AROUND = 70; // after a jump: rows of the view and next to it on both sides
const KEEP_MS = 500;
const REFRESH_MS = 3000;
const NUMBER_MS = 400;

export interface Where {
  at: string | null;
  on: string | null;
}
export type Draw = (items: readonly Item[], setting: Setting, knowsOldest: boolean) => void;

export class Reader {
  readonly items = new Items();
  readonly details = signal<ChatDetails | null>(null);
  readonly spine = signal<SpineData | null>(null);
  readonly month = signal<SpineMonth | null>(null);
  readonly now = signal(Date.now());
  readonly picked = signal<string | null>(null);
  readonly here = signal<string | null>(null);
  /** The panel that is open beside the messages. */
  readonly panel = signal<"message" | "chat" | null>(null);
  readonly state = signal<"loading" | "shown" | "none" | "failed">("loading");
  readonly error = signal<unknown>(null);
  readonly edges = signal<{ older: unknown; newer: unknown }>({ older: null, newer: null });
  readonly ends = signal({ older: true, newer: true });
  readonly fresh = signal(0);
  readonly follows = signal(true);
  readonly back = signal<number | null>(null);
  readonly said = signal("");
  #window: ScrollWindow<Item> | null = null;
  #draw: Draw = () => {};
  #counts = new Map<string, Signal<number | null>>();
  #gaps: readonly Gap[] = [];
  #setting: Setting;
  #keepTimer = 0;
  #refreshTimer = 0;
  #numberTimer = 0;
  #list: HTMLElement | null = null;
  #wasErased = false;
  /** The answer that says that the archive has no such chat; its messages are an empty list and no error. */
  #unknown: ApiError | null = null;
  #stopEvents: () => void = () => {};

  constructor(
    readonly phone: string,
    public jid: string,
  ) {
    this.#setting = this.#makeSetting();
  }

  get isGroup(): boolean {
    return !/@(c\.us|s\.whatsapp\.net|lid)$/.test(this.jid);
  }

  open(scroller: HTMLElement, list: HTMLElement, draw: Draw): void {
    this.#draw = draw;
    this.#list = list;
    this.#window = new ScrollWindow<Item>({
      scroller,
      list,
      compare,
      get: (ask) => this.#get(ask),
      draw: (items, ends) => {
        this.ends.value = { ...ends };
        this.#draw(items, this.#setting, !ends.older);
        this.#countDays(items, ends);
        this.#numberSoon();
      },
      failed: (side, error) => this.#setEdge(side, error),
      moved: (row, follows) => this.#moved(row, follows),
    });
    this.#stopEvents = onChange((told) => this.#hear(told));
    void this.#loadDetails();
  }

  close(): void {
    clearTimeout(this.#keepTimer);
    clearTimeout(this.#refreshTimer);
    clearTimeout(this.#numberTimer);
    this.#stopEvents();
    this.#window?.close();
    this.#window = null;
  }

  #makeSetting(): Setting {
    return {
      phone: this.phone,
      jid: this.jid,
      isGroup: this.isGroup,
      gaps: this.#gaps,
      picked: this.picked,
      here: this.here,
      countOf: (day) => this.#countSignal(day),
      open: (key) => this.about(key),
      jump: (key) => this.jump(key),
    };
  }

  async #get(ask: Ask): Promise<Page<Item>> {
    const isWide = "around" in ask || "at" in ask;
    const page = await get<MessagesPage>(`${chatPath(this.phone, this.jid)}/messages`, {
      ...ask,
      limit: isWide ? AROUND : PAGE,
    });
    return {
      items: page.items.map((message) => this.items.of(message)),
      older: !page.found_oldest,
      newer: !page.found_newest,
      ...(page.target ? { target: page.target } : {}),
    };
  }

  /** Show what an address refers to: the place saved with it, a message, a day, else the newest end. */
  async show({ at, on }: Where): Promise<void> {
    const place = placeOf();
    this.here.value = place ? null : at;
    this.back.value = cameFrom();
    this.fresh.value = 0;
    const day = on ? startOfDay(on) : null;
    try {
      if (place) await this.#showKey(place.key, { top: place.top });
      else if (at) await this.#showKey(at, { mark: true });
      else if (day !== null) await this.#showMoment(day);
      else await this.#run({}, {});
    } catch (error) {
      if ((place || at) && error instanceof ApiError && error.status === 404 && error.field) {
        toast(words.chat.gone);
        keepPlace(null);
        await this.#run({}, {}).catch((next: unknown) => this.#fail(next));
      } else this.#fail(error);
    }
    void this.#loadSpine();
  }

  #fail(error: unknown): void {
    if (this.state.value === "shown") {
      toast(words.problem.unreachable);
      return;
    }
    this.#set("failed", error);
  }

  #set(state: "shown" | "none" | "failed", error: unknown = null): void {
    this.error.value = error;
    this.state.value = state;
  }

  async #showKey(key: string, { top, mark = false }: { top?: number; mark?: boolean }): Promise<void> {
    if (mark) this.here.value = key;
    if (this.state.value === "shown" && this.#window?.reveal(key, 0.3, top)) {
      if (mark) this.#arrive(key);
      return;
    }
    // A message's key from before a merge leads to the message, which has another key now.
    const target = (page: Page<Item>) => page.target ?? key;
    const shown = await this.#run({ around: key }, { target, ...(top === undefined ? {} : { top }) });
    if (mark && shown) {
      this.here.value = shown.id;
      this.#arrive(shown.id);
    }
  }

  #arrive(key: string): void {
    const row = this.#window?.rowOf(key);
    row?.querySelector<HTMLElement>(".m")?.focus({ preventScroll: true });
    const item = this.items.get(key);
    if (item) this.said.value = show("moment", item.at);
  }

  async #showMoment(at: number): Promise<void> {
    const target = (page: Page<Item>) => (page.items.find((item) => item.at >= at) ?? page.items.at(-1))?.id ?? null;
    const shown = await this.#run({ at: new Date(at).toISOString() }, { target, at: 0 });
    if (shown) this.said.value = show("day", shown.at);
  }

  async #run(ask: Ask, place: Parameters<ScrollWindow<Item>["show"]>[1]): Promise<Item | null> {
    const shown = await this.#window?.show(ask, place);
    if (!shown || shown === "late") return null;
    this.edges.value = { older: null, newer: null };
    if (this.#window?.items.length) this.#set("shown");
    else this.#set(this.#unknown ? "failed" : "none", this.#unknown);
    return shown === "none" ? null : shown;
  }

  #setEdge(side: Side, error: unknown): void {
    this.edges.value = { ...this.edges.value, [side]: error };
  }

  retry(side: Side): void {
    this.#setEdge(side, null);
    this.#window?.retry(side);
  }

  settle(): void {
    this.#window?.settle();
  }

  #moved(row: HTMLElement | null, follows: boolean): void {
    const item = row ? this.items.get(row.dataset["id"] ?? "") : undefined;
    if (item) this.now.value = item.at;
    this.follows.value = follows;
    if (follows) this.fresh.value = 0;
    if (!this.#keepTimer)
      this.#keepTimer = window.setTimeout(() => {
        this.#keepTimer = 0;
        this.#keep();
      }, KEEP_MS);
  }

  #keep(): void {
    if (!this.#window || this.state.value !== "shown") return;
    const place = this.#window.place();
    keepPlace(
      place && !this.#window.follows ? { key: place.row.dataset["id"] ?? "", top: Math.round(place.top) } : null,
    );
    const month = monthOf(this.now.value);
    if (this.month.value?.month !== month) void this.#loadMonth(month);
  }

  // Jumps. Each adds an entry to the history, so that the back button returns from it.

  jump(key: string): void {
    this.#leave(to.chat(this.phone, this.jid, { at: key }));
  }

  goToDay(day: string): void {
    this.#leave(to.chat(this.phone, this.jid, { on: day }));
  }

  #leave(href: string): void {
    clearTimeout(this.#keepTimer);
    this.#keepTimer = 0;
    this.#keep();
    navigate(href, { from: this.now.value });
  }

  goToMoment(at: number): void {
    void this.#showMoment(at).catch(() => toast(words.problem.unreachable));
  }

  newest(): void {
    this.fresh.value = 0;
    keepPlace(null);
    void this.#run({}, {}).catch(() => toast(words.problem.unreachable));
  }

  oldest(): void {
    this.goToMoment(0);
  }

  async stepDay(way: 1 | -1): Promise<void> {
    const day = dayOf(this.now.value);
    if (way > 0) this.goToMoment(startOfDay(addDays(day, 1)) ?? 0);
    else this.goToMoment(startOfDay((await this.#dayBefore(day)) ?? day) ?? 0);
  }

  /** The day to go back to: this one, unless its first message is at the top already. */
  async #dayBefore(day: string): Promise<string | null> {
    const top = this.#window?.place()?.row.dataset["id"];
    const items = this.#window?.items ?? [];
    const at = items.findIndex((item) => item.id === top);
    const item = items[at];
    if (!item || (at > 0 && dayOf(items[at - 1]!.at) === day)) return day;
    const page = await get<MessagesPage>(`${chatPath(this.phone, this.jid)}/messages`, {
      before: item.id,
      limit: 1,
    }).catch(() => null);
    return page?.items[0] ? dayOf(page.items[0].timestamp) : day;
  }

  stepMonth(way: 1 | -1): void {
    const month = monthOf(this.now.value);
    const months = (this.spine.value?.months ?? []).map(([name]) => name);
    if (way > 0) this.goToMoment(startOfMonth(addMonths(month, 1)));
    else this.goToMoment(startOfMonth(months.filter((name) => name < month).at(-1) ?? month));
  }

  about(key: string): void {
    this.picked.value = key;
    this.panel.value = "message";
    // The panel makes the list narrower, which may have moved the message out of view.
    const show = () => this.#window?.rowOf(key)?.scrollIntoView({ block: "nearest" });
    requestAnimationFrame(() => requestAnimationFrame(show));
  }

  closePanel(): void {
    this.picked.value = null;
    this.panel.value = null;
  }

  // Other requests to the server.

  async #loadDetails(): Promise<void> {
    try {
      const details = await get<ChatDetails>(chatPath(this.phone, this.jid));
      this.#unknown = null;
      const isMerged = details.chat_id !== this.jid;
      if (isMerged) {
        rename(
          location.pathname.replace(encodeURIComponent(this.jid), encodeURIComponent(details.chat_id)) +
            location.search,
        );
        this.jid = details.chat_id;
      }
      const [known, found] = [JSON.stringify(this.#gaps), JSON.stringify(details.coverage.gaps)];
      this.details.value = details;
      this.#gaps = details.coverage.gaps;
      if (isMerged || known !== found) {
        this.#setting = this.#makeSetting();
        this.#window?.redraw();
      }
      // Messages of a chat that was merged into another have other keys now; the old ones still lead to them.
      if (isMerged && this.state.value === "shown") await this.#reload();
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        this.#unknown = error;
        this.#set("failed", error);
      }
    }
  }

  async #loadSpine(): Promise<void> {
    const spine = await get<SpineData>(`${chatPath(this.phone, this.jid)}/spine`, { zone: ZONE }).catch(() => null);
    if (spine) this.spine.value = spine;
    this.#numberSoon();
  }

  async #loadMonth(month: string): Promise<SpineMonth | null> {
    const found = await get<SpineMonth>(`${chatPath(this.phone, this.jid)}/spine`, { month, zone: ZONE }).catch(
      () => null,
    );
    if (!found) return null;
    for (const [day, count] of found.days) this.#countSignal(day).value = count;
    if (month === monthOf(this.now.value)) this.month.value = found;
    this.#numberSoon();
    return found;
  }

  #countSignal(day: string): Signal<number | null> {
    let known = this.#counts.get(day);
    if (!known) this.#counts.set(day, (known = signal(null)));
    return known;
  }

  /** How many messages a day has, once all of it has been in the window; until then its month has the number. */
  #countDays(items: readonly Item[], ends: { older: boolean; newer: boolean }): void {
    for (let start = 0, end = 0; start < items.length; start = end) {
      const { day } = items[start]!;
      while (items[end]?.day === day) end++;
      const isWhole = (start > 0 || !ends.older) && (end < items.length || !ends.newer);
      if (isWhole) this.#countSignal(day).value = end - start;
    }
  }

  /** Not while rows are added and removed: screen readers read the numbers only afterwards. */
  #numberSoon(): void {
    clearTimeout(this.#numberTimer);
    this.#numberTimer = window.setTimeout(() => {
      const total = this.spine.value?.total;
      if (!this.#window || !this.#list || total === undefined) return;
      const { items, ends } = this.#window;
      numberRows(this.#list, indexOfFirst(items, ends, total, this.month.value), total);
    }, NUMBER_MS);
  }

  // Live changes.

  #hear(told: Told): void {
    if (told.type === "reset") {
      void this.#loadDetails();
      if (this.follows.value) this.newest();
      return;
    }
    if (told.type !== "change") return;
    const { change } = told;
    // A contact may have got another name, or may have been merged with the one of this chat.
    if (change.type === "contact.updated") this.#refresh();
    if (change.type === "message.erased") this.#refresh(true);
    if (change.phone !== this.phone || change.chat_id !== this.jid) return;
    if (change.key && change.type !== "message.erased") void this.#take(change.key, change.type, change.message);
    this.#refresh();
  }

  async #take(key: string, type: string, told: Message | undefined): Promise<void> {
    const known = this.items.get(key);
    if (!known && type !== "message.created") return;
    const message = told ?? (await get<Message>(`/api/messages/${encodeURIComponent(key)}`).catch(() => null));
    if (!message) return;
    const item = this.items.of(message);
    if (known || !this.#window) return;
    this.#count(message);
    const isLater = item.at >= (this.#window.items.at(-1)?.at ?? 0);
    const wasFollowing = this.follows.value;
    if (this.state.value === "none" || this.state.value === "failed") await this.#run({}, {});
    else this.#window.insert([item]);
    if (isLater && !wasFollowing) this.fresh.value++;
  }

  #count(message: Message): void {
    const day = dayOf(message.timestamp);
    const known = this.#counts.get(day);
    if (known && known.value !== null) known.value++;
  }

  /** Soon, and once for many changes: refresh what surrounds the messages, and after an erasure the messages too. */
  #refresh(isErased = false): void {
    this.#wasErased ||= isErased;
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = window.setTimeout(() => {
      const reloads = this.#wasErased && this.state.value === "shown";
      this.#wasErased = false;
      void this.#loadDetails();
      void this.#loadSpine();
      if (reloads) void this.#reload().catch(() => {});
    }, REFRESH_MS);
  }

  /** Fetch the same stretch again, without moving what the reader looks at. */
  async #reload(): Promise<void> {
    const place = this.#window?.place();
    const key = place?.row.dataset["id"];
    if (!place || !key || this.#window?.follows) await this.#run({}, {});
    else await this.#run({ around: key }, { target: (page) => page.target ?? key, top: place.top });
  }
}
