import { useRef } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { words } from "../words/imports.ts";
import { type Named, named } from "./upload.ts";

/** Choosing files, as an alternative to dropping them. */
export function Choose({
  onChosen,
  isBusy = false,
  title = words.imports.drop,
  help = words.imports.dropHelp,
}: {
  onChosen: (files: Named[]) => void;
  isBusy?: boolean;
  title?: string;
  help?: string;
}) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <div class="drop">
      <Icon name="box" />
      <div>
        <b>{title}</b>
        <span class="note">{help}</span>
      </div>
      <label class="btn main choose">
        {words.imports.choose}
        <input
          ref={field}
          type="file"
          multiple
          disabled={isBusy}
          onChange={() => {
            if (field.current?.files) onChosen(named(field.current.files));
            if (field.current) field.current.value = "";
          }}
        />
      </label>
    </div>
  );
}
