import type { File } from "../types.ts";

const MIN_RATIO = 0.4,
  MAX_RATIO = 3;

/** The shape of a picture's placeholder before it loads; a square if no source reported its size. */
export function ratio(file: File): number {
  if (!file.width || !file.height) return 1;
  return Math.min(MAX_RATIO, Math.max(MIN_RATIO, file.width / file.height));
}
