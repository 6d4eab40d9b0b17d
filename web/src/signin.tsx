import { useEffect, useState } from "preact/hooks";
import { ApiError, ended, signIn } from "./api.ts";
import { Logo } from "./parts/icon.tsx";
import { Alert, explain } from "./parts/states.tsx";
import { navigate, route, to } from "./router.ts";
import { words } from "./words.ts";

const refused = (error: unknown, isLink: boolean): string => {
  if (!(error instanceof ApiError)) return explain(error);
  if (error.status === 429) return words.signIn.tooMany;
  if (error.status === 401 || error.status === 403) return isLink ? words.signIn.onceUsed : words.signIn.wrong;
  return error.message;
};

/** A link of `make serve` contains a code that signs in once; it is removed from the address before anything else. */
function takeOnce(): string | null {
  const once = new URLSearchParams(location.hash.slice(1)).get("once");
  if (once) history.replaceState(null, "", location.pathname + location.search);
  return once;
}

export function SignIn() {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const enter = async (credential: { token: string } | { once: string }) => {
    setBusy(true);
    setProblem("");
    try {
      await signIn(credential);
      // The address that needed a session is shown now; the address of this form leads to the chats.
      if (route.peek().name === "sign-in") navigate(to.chats, { replace: true });
    } catch (error) {
      setProblem(refused(error, "once" in credential));
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    document.title = words.title(words.signIn.title);
    const once = takeOnce();
    if (once) void enter({ once });
  }, []);
  return (
    <main class="alone">
      <form
        class="sign-in state-box"
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim()) void enter({ token: token.trim() });
        }}
      >
        <span class="logo">
          <Logo />
        </span>
        <h1>{words.app}</h1>
        {ended.value && <p class="note">{words.signIn.ended}</p>}
        <label>
          {words.signIn.token}
          <span class="field">
            <input
              type="password"
              name="token"
              autocomplete="current-password"
              spellcheck={false}
              autofocus
              value={token}
              aria-describedby="token-help"
              onInput={(event) => setToken(event.currentTarget.value)}
            />
          </span>
        </label>
        {problem && <Alert text={problem} />}
        <button type="submit" class="btn main" disabled={isBusy}>
          {words.signIn.open}
        </button>
        <p class="note" id="token-help">
          {words.signIn.help} <code>{words.signIn.command}</code>, {words.signIn.help2}
        </p>
      </form>
    </main>
  );
}
