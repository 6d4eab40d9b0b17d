import { session } from "../api.ts";

/** Which own phone something is for; "" is all of them, which are called `all`. */
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
