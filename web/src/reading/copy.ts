import { toast } from "../parts/toast.tsx";
import { to } from "../router.ts";
import { words } from "../words.ts";

/** A link to one message, which survives merges. */
export async function copyLink(phone: string, jid: string, key: string): Promise<void> {
  const href = new URL(to.chat(phone, jid, { at: key }), location.origin).href;
  try {
    await navigator.clipboard.writeText(href);
    toast(words.copied);
  } catch {
    toast(words.notCopied);
  }
}
