/** Texts for linking a phone. */
import { words as common } from "../words.ts";

export const words = {
  ...common,

  link: {
    title: "Link a phone",
    help: "Backscroll becomes one of the phone's linked devices and keeps what arrives from then on, and the history that the phone sends.",
    which: "Phone",
    newPhone: "A phone that is not here yet",
    name: "What to call it",
    byCode: "Use a pairing code instead of a QR code",
    number: "Number of the phone",
    example: "+91 98765 43210",
    start: "Show the code",
    qr: "QR code to scan with WhatsApp",
    steps: [
      "On the phone open WhatsApp, Settings, Linked devices.",
      "Tap “Link a device”.",
      "Point the camera at this code.",
    ],
    codeSteps: [
      "On the phone open WhatsApp, Settings, Linked devices.",
      "Tap “Link a device”, then “Link with phone number instead”.",
      "Type this code.",
    ],
    listens: "A new code appears by itself. Backscroll only listens: it sends no messages and no read receipts.",
    connected: "The phone is linked",
    showCode: "Show the code",
    unlink: "Unlink the phone",
    unlinkSure: "Unlink this device from WhatsApp? Nothing more is received from the phone. What has arrived stays.",
    retries: (time: string) => `Next attempt on ${time}.`,
    line: (state: string, last: string | null, history: number | null): string =>
      [state, history === null ? "" : `history ${history} %`, last ? `last event ${last}` : ""]
        .filter(Boolean)
        .join(", "),
    states: {
      starting: "Starting",
      pairing: "Waiting for the phone",
      connecting: "Connecting",
      connected: "Connected",
      waiting: "Trying again",
      expired: "Not scanned in time",
      logged_out: "Unlinked on the phone",
      banned: "Blocked by WhatsApp for a time",
      outdated: "Needs an update",
      replaced: "Taken over by another program",
      wrong_phone: "Another phone scanned the code",
      refused: "Refused by WhatsApp",
      unavailable: "Not installed",
    } as Record<string, string>,
  },
};
