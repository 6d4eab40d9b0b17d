/** Texts for changing a live source. */
import { show } from "../time.ts";
import { words as more } from "./manage.ts";

export const words = {
  ...more,
  changeSource: {
    title: (name: string) => `Change ${name}`,
    upstream: "Where the gateway itself answers",
    upstreamExample: "http://127.0.0.1:3000",
    upstreamHelp: "It is asked for what its webhooks missed, and for what needs WhatsApp itself. Leave empty for none.",
    token: "What opens it",
    tokenExamples: {
      gowa: "user:password",
      periskope: "API key",
    } as Record<string, string>,
    tokenKept: "kept, unless you enter another",
    tokenAnew: "Another address needs it anew.",
    every: "Ask it for what was missed",
    everies: {
      "": "never",
      "15m": "every 15 minutes",
      "1h": "every hour",
      "6h": "every 6 hours",
      "1d": "every day",
    } as Record<string, string>,
    save: "Save",
    rotateTitle: "New secret",
    rotateHelp: "The address stays the same, except where it holds the secret. The new one is shown once.",
    graces: { "24": "for a day more", "168": "for a week more", "0": "no longer" } as Record<string, string>,
    grace: "The old one counts",
    rotate: "Make a new secret",
    take: "Take this secret",
    previous: (until: string) => `The secret from before counts until ${show("moment", until)}.`,
    rotated: "New secret",
  },
};
