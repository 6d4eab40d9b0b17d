import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { words } from "../words.ts";
import { Icon } from "./icon.tsx";

/** A modal dialog; the browser keeps the focus inside and restores it afterwards. */
export function Dialog({
  title,
  onClose,
  children,
  kind = "",
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  kind?: string;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  // At once, not in the next frame: keys typed right after the one that opens the dialog must reach it.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return;
    const before = document.activeElement;
    if (!element.open) element.showModal();
    return () => {
      element.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={`dialog ${kind}`}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div class="dialog-in">
        <header class="dialog-head">
          <h2>{title}</h2>
          <button type="button" class="icon" aria-label={words.close} onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before something irreversible is done; `act` is the label of the button that does it. */
export function Sure({
  title,
  act,
  onClose,
  onSure,
  children,
}: {
  title: string;
  act: string;
  onClose: () => void;
  onSure: () => void;
  children: ComponentChildren;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <p class="row-of-chips end">
        <button type="button" class="btn" onClick={onClose}>
          {words.cancel}
        </button>
        <button type="button" class="btn danger" onClick={onSure}>
          {act}
        </button>
      </p>
    </Dialog>
  );
}
