/** Texts of webhooks. */
import { number, plural, show } from "../time.ts";
import type { Delivery, Trial, Webhook } from "../types.ts";
import { words as common } from "../words.ts";

export const words = {
  ...common,

  webhooks: {
    title: "Webhooks",
    help: "Backscroll sends signed requests to addresses of your choice as messages arrive and change. Requests that a receiver does not accept are repeated for three days.",
    notDelivering: "This server does not send webhooks (setting webhook_delivery).",
    none: "No webhooks yet.",
    add: "Add a webhook",
    url: "Address",
    name: "Name (optional)",
    format: "Format",
    formats: { native: "Backscroll", periskope: "Periskope" } as Record<string, string>,
    types: "Events",
    allTypes: "If none is chosen, all events are sent.",
    everything: "all events",
    phones: "Phones",
    allPhones: "all phones",
    imports: "Also history: imports, and messages from long ago",
    secretTitle: "Signing secret",
    secretOnce: "Give this secret to the receiver, so that it can check the signatures. It is not shown again.",
    states: { ok: "Working", failing: "Failing", off: "Switched off" } as Record<string, string>,
    counts: ({ waiting, parked }: Webhook["counts"]): string =>
      [waiting ? `${number(waiting)} waiting` : "", parked ? `${number(parked)} given up` : ""]
        .filter(Boolean)
        .join(", "),
    lastSuccess: (time: string) => `last delivered ${time}`,
    failingSince: (time: string) => `Failing since ${time}. It is retried automatically.`,
    test: "Send a test",
    tried: ({ ok, status, error, milliseconds }: Trial): string =>
      ok
        ? `The receiver answered ${status} after ${number(milliseconds)} ms.`
        : (error ?? "The receiver did not accept it."),
    switchOff: "Switch off",
    switchOn: "Switch on",
    rotate: "New secret",
    remove: "Delete",
    sure: (name: string) => `Delete “${name}”? Its waiting events are dropped.`,
    deliveries: "Deliveries",
    deliveryStates: {
      "": "All",
      waiting: "Waiting",
      delivered: "Delivered",
      parked: "Given up",
      dropped: "Dropped",
    } as Record<string, string>,
    noDeliveries: "No deliveries.",
    reload: "Reload",
    attempts: ({ attempts, next_attempt_at, state }: Delivery): string =>
      `${plural(attempts, "attempt", "attempts")}${state === "waiting" && next_attempt_at ? `, next ${show("moment", next_attempt_at)}` : ""}`,
    redeliver: "Send again",
    redeliverAll: "Send given-up events again",
    message: "Message",
  },
};
