import { words } from "../words.ts";
import { toast } from "./toast.tsx";

/** A value to take elsewhere: shown whole, selected by a click, copied by a button. */
export function Secret({ label, value }: { label?: string; value: string }) {
  return (
    <div class="secret">
      {label && <span>{label}</span>}
      <code>{value}</code>
      <button
        type="button"
        class="btn"
        aria-label={label ? `${words.copy}: ${label}` : words.copy}
        onClick={() =>
          void navigator.clipboard.writeText(value).then(
            () => toast(words.copiedText),
            () => toast(words.notCopiedText),
          )
        }
      >
        {words.copy}
      </button>
    </div>
  );
}
