// Dates as the lists show them, in UTC.

/** `yyyy-MM-dd HH:mm:ss` of milliseconds since 1970. */
export const shown = (at) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');

/** Milliseconds since 1970 of such a date, of one without a time, or of RFC 3339; `undefined` where it is none. */
export function read(text) {
  const local = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(:\d{2})?)?$/.exec(text.trim());
  const at = Date.parse(local ? `${local[1]}T${local[2] ?? '00:00'}${local[3] ?? ':00'}Z` : text.trim());
  return Number.isNaN(at) ? undefined : at;
}
