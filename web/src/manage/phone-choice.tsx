import { session } from "../api.ts";

/** Which of one's own phones something is for; "" means all of them, and is labelled `all`. */
export function PhoneChoice({
  value,
  all,
  onChange,
}: {
  value: string;
  all: string;
  onChange: (phone: string) => void;
}) {
  return (
    <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      <option value="">{all}</option>
      {session.value?.phones.map((own) => (
        <option key={own.phone} value={own.phone}>
          {own.name ?? `+${own.phone}`}
        </option>
      ))}
    </select>
  );
}
