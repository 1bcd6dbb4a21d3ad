// Numbers, times and words as people read them.

const context: HostContext = {};

function number(value: number): string {
  const large = Math.abs(value) >= 100_000;
  const options: Intl.NumberFormatOptions = large
    ? { notation: "compact", maximumFractionDigits: 1 }
    : { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 };
  return new Intl.NumberFormat(known(Intl.NumberFormat, context.locale), options).format(value);
}

/** A locale the browser takes; a host may send anything. */
function known(of: { supportedLocalesOf(locale: string): string[] }, locale?: string): string | undefined {
  try {
    return locale ? of.supportedLocalesOf(locale)[0] : undefined;
  } catch {
    return undefined;
  }
}

function clock(at: number): string {
  const options: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  const locale = known(Intl.DateTimeFormat, context.locale);
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone: context.timeZone }).format(at);
  } catch {
    return new Intl.DateTimeFormat(locale, options).format(at);
  }
}

function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** `elements_processed` as `Elements processed`. */
function words(name: string): string {
  const text = name.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How a state is coloured. */
function tone(state: string): string {
  switch (state) {
    case "RUNNING":
    case "IN_PROGRESS":
    case "UPDATING":
      return "run";
    case "FINISHED":
    case "DRAINED":
    case "UPDATED":
    case "SUCCEEDED":
      return "done";
    case "FAILED":
    case "LOST":
    case "SUBMIT_UNKNOWN":
    case "UNKNOWN":
      return "bad";
    case "CANCELED":
      return "off";
    default:
      return "wait";
  }
}
