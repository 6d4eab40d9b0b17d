/** How people and numbers are named. */
export const name = (person: { name: string | null; jid: string } | null | undefined): string =>
  person ? (person.name ?? phoneNumber(person.jid)) : "Somebody";

/** The name shown for a JID without a name: its number if it has one. */
export function phoneNumber(jid: string): string {
  const [user = jid, server = ""] = jid.split("@");
  if (/^(c\.us|s\.whatsapp\.net)$/.test(server) && /^\d+$/.test(user)) return `+${user}`;
  if (server === "lid") return `Unknown number (${user.slice(-4)})`;
  if (server === "g.us") return "Group without a name";
  if (server === "newsletter") return "Channel without a name";
  if (server === "broadcast") return user === "status" ? "Status updates" : "Broadcast list";
  return jid;
}
