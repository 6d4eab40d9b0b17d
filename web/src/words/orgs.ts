/** Texts of organisations. */
import { words as common } from "../words.ts";

export const words = {
  ...common,
  orgs: {
    title: "Organisations",
    help: "Each organisation sees only its own phones, messages and tokens. You see the names of the others, nothing they hold.",
    name: "Name",
    create: "Create organisation",
    created: (name: string) => `${name} is there`,
    once: "Sign in with this token to import into it, link its phones and make more tokens. It is not shown again.",
    current: "yours",
    since: (day: string) => `since ${day}`,
    rename: "Rename",
    renameTitle: "Rename organisation",
    renameHelp: "Its id stays, and with it every token and every link.",
    save: "Save",
    done: "Done",
  },
};
