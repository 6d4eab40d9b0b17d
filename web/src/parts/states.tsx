import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, Unreachable } from "../api.ts";
import { words } from "../words.ts";
import { Icon, type IconName } from "./icon.tsx";

/** Errors for which the server's own message is the most helpful one. */
const SAYS_ENOUGH = new Set(["TOO_MANY_IMPORTS", "STORAGE_FULL", "TOO_LARGE", "NOT_IMPLEMENTED", "UNSUPPORTED"]);

/** Names of exceptions that browsers throw when a file cannot be read. */
const UNREADABLE = new Set(["NotReadableError", "NotFoundError", "SecurityError", "EncodingError"]);

/** An error in words that say what can be done. */
export function explain(error: unknown): string {
  if (error instanceof Unreachable) return words.problem.unreachableShort;
  if (error instanceof ApiError) {
    if (error.status === 403) return words.problem.forbidden;
    if (error.status === 404) return words.problem.notFound;
    if (SAYS_ENOUGH.has(error.code)) return error.message;
    if (error.status === 429 || error.status === 503) return words.problem.busy;
    if (error.status >= 500) return words.problem.server;
    return error.message;
  }
  if (error instanceof DOMException && UNREADABLE.has(error.name)) return words.problem.unreadable;
  return words.problem.broken;
}

export function Alert({ text, action, onAction }: { text: string; action?: string; onAction?: () => void }) {
  return (
    <div class="alert" role="alert">
      <Icon name="info" />
      <span>{text}</span>
      {action && (
        <button type="button" class="btn" onClick={onAction}>
          {action}
        </button>
      )}
    </div>
  );
}

export function Failure({ error, again }: { error: unknown; again?: () => void }) {
  return <Alert text={explain(error)} {...(again ? { action: words.tryAgain, onAction: again } : {})} />;
}

export function Blank({
  icon,
  title,
  children,
  level = 2,
}: {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
  level?: 1 | 2;
}) {
  const Heading = `h${level}` as "h1" | "h2";
  return (
    <div class="blank">
      <Icon name={icon} />
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}

const PATIENCE_MS = 300;

/** Grey placeholder lines, only when loading takes noticeably long. */
export function Waiting({ text = words.loading }: { text?: string }) {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!isLong) return null;
  return (
    <div class="ghost" role="status">
      <span class="unseen">{text}</span>
      <i />
      <i />
      <i />
      <i />
      <i />
      <i />
    </div>
  );
}
