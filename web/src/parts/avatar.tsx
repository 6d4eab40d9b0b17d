/** Which of the eight colours somebody has: always the same one, on every device. */
export function colour(id: string): number {
  let hash = 2166136261;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 16777619);
  return ((hash >>> 0) % 8) + 1;
}

/** Up to two initials of a name; the last two digits of a number. */
function initials(name: string): string {
  if (/^\+[\d ]+$/.test(name)) return name.replace(/\D/g, "").slice(-2);
  const letters = name
    .split(/\s+/)
    .map((word) => [...word].find((letter) => /[\p{L}\p{N}]/u.test(letter)))
    .filter((letter) => letter !== undefined);
  const first = letters[0] ?? [...name.trim()][0] ?? "?";
  const second =
    letters.length > 1 && /[\p{Lu}\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}]/u.test(first)
      ? letters.at(-1)
      : "";
  return (first + (second ?? "")).toUpperCase();
}

export function Avatar({ id, name, small = false }: { id: string; name: string; small?: boolean }) {
  return (
    <span class={`face f${colour(id)}${small ? " small" : ""}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
