import { words } from "../words.ts";
import { Dialog } from "./dialog.tsx";
import { toast } from "./toast.tsx";

/** A value to copy elsewhere: shown in full, selected by a click, copied by a button. */
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

/** Shows a secret that was just created, because it is not shown again. */
export function NewSecret({
  title,
  text,
  value,
  onClose,
}: {
  title: string;
  text: string;
  value: string;
  onClose: () => void;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <Secret value={value} />
      <p class="row-of-chips end">
        <button type="button" class="btn main" onClick={onClose}>
          {words.done}
        </button>
      </p>
    </Dialog>
  );
}
