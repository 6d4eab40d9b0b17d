import { signal } from "@preact/signals";
import type { Session } from "./types.ts";

/** Who is signed in: undefined until the server has answered, null when nobody is. */
export const session = signal<Session | null | undefined>(undefined);
/** True once an open session has ended: the sign-in page then says so instead of greeting. */
export const ended = signal(false);

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field: string | null = null,
  ) {
    super(message);
  }
}

/** The server could not be reached, or the connection broke off. */
export class Unreachable extends Error {}

type Value = string | number | boolean | null | undefined;
type Query = Record<string, Value | readonly string[]>;

export function withQuery(path: string, query: Query = {}): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) pairs.append(name, one);
    else if (value !== null && value !== undefined && value !== "") pairs.append(name, String(value));
  }
  const text = pairs.toString();
  return text ? `${path}?${text}` : path;
}

const BUSY_TRIES = 3;
const MAX_WAIT_S = 5;

async function send(path: string, init: RequestInit): Promise<Response> {
  for (let tries = 1; ; tries++) {
    let response: Response;
    try {
      response = await fetch(path, { credentials: "same-origin", ...init });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new Unreachable(String(error));
    }
    const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
    const isBusy = response.status === 429 || response.status === 503;
    if (!isBusy || !(wait <= MAX_WAIT_S) || tries >= BUSY_TRIES || (init.method ?? "GET") !== "GET") return response;
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}

async function refusal(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => ({}))) as { code?: string; message?: string; field?: string };
  return new ApiError(response.status, body.code ?? "ERROR", body.message ?? response.statusText, body.field ?? null);
}

export async function ask(path: string, init: RequestInit): Promise<Response> {
  const response = await send(path, init);
  if (response.ok) return response;
  const error = await refusal(response);
  if (error.status === 401 && session.peek()) {
    ended.value = true;
    session.value = null;
  }
  throw error;
}

export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  const response = await ask(withQuery(path, query), {
    ...(signal ? { signal } : {}),
    headers: { accept: "application/json" },
  });
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable(String(error));
  }
}

export async function post<T>(path: string, body: unknown, method = "POST"): Promise<T | null> {
  const response = await ask(path, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.status === 204 ? null : ((await response.json()) as T);
}

export async function remove(path: string): Promise<void> {
  await ask(path, { method: "DELETE" });
}

export function mayDo(scope: string): boolean {
  return session.value?.token.scopes.includes(scope) ?? false;
}

/** Whether the token may import: an import reaches contacts and chats of the whole organisation. */
export const mayImport = (): boolean => mayDo("write") && session.value?.token.phones === null;

/** Whether the token may manage the whole organisation: a token limited to some phones may not. */
export const manages = (): boolean => mayDo("admin") && session.value?.token.phones === null;

export const chatPath = (phone: string, jid: string) =>
  `/api/chats/${encodeURIComponent(phone)}/${encodeURIComponent(jid)}`;
export const messagePath = (key: string) => `/api/messages/${encodeURIComponent(key)}`;

export async function openSession(): Promise<void> {
  try {
    session.value = await get<Session>("/api/session");
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    ended.value ||= !!session.peek();
    session.value = null;
  }
}

export async function signIn(credential: { token: string } | { once: string }): Promise<void> {
  const opened = await post<Session>("/api/session", credential);
  ended.value = false;
  session.value = opened;
}

export async function signOut(): Promise<void> {
  await remove("/api/session");
  ended.value = false;
  session.value = null;
}
