import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api.ts";
import { Failure, Waiting } from "../parts/states.tsx";

/** The answer of an API address, and a function to fetch it again. */
export function useLoaded<T>(path: string) {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    setError(null);
    get<T>(path, {}, gone.signal).then(setData, (problem: unknown) => {
      if (!gone.signal.aborted) setError(problem);
    });
    return () => gone.abort();
  }, [path, tries]);
  return { data, error, again: () => setTries((count) => count + 1) };
}

export function Loaded<T>({
  of,
  children,
}: {
  of: { data: T | null; error: unknown; again: () => void };
  children: (data: T) => ComponentChildren;
}) {
  if (of.error && !of.data) return <Failure error={of.error} again={of.again} />;
  if (!of.data) return <Waiting />;
  return (
    <>
      {of.error ? <Failure error={of.error} again={of.again} /> : null}
      {children(of.data)}
    </>
  );
}
