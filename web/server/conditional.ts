/** Conditional and partial requests: ETags and ranges, by RFC 9110. */

/** Whether `If-None-Match` says that the client has this version. */
export function hasVersion({ headers }: Request, etag: string): boolean {
  const known = headers.get("if-none-match");
  if (known === null) return false;
  const plain = (tag: string) => tag.trim().replace(/^W\//, "");
  return known.trim() === "*" || known.split(",").some((tag) => plain(tag) === plain(etag));
}

/** Bytes `[start, end)`. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * What part of a file a request is for.
 *
 * @param size Of the file, in bytes.
 * @param etag And its version: a range of another is no use, so then the whole is for the client.
 * @returns "whole" also where the range cannot be understood or there are several, which a server may
 *   pass over; "none" if the file does not reach that far.
 */
export function requestedRange(
  { method, headers }: Request,
  size: number,
  etag: string,
): ByteRange | "whole" | "none" {
  const version = headers.get("if-range");
  const range = headers.get("range");
  if (method !== "GET" || range === null || version !== null && version !== etag) return "whole";
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range.trim()) ?? [];
  if (!first && !last) return "whole";
  if (!first) { // the last so many
    const count = Math.min(Number(last), size);
    return count > 0 ? { start: size - count, end: size } : "none";
  }
  const [start, end] = [Number(first), last ? Number(last) + 1 : size];
  if (last && end <= start) return "whole";
  return start < size ? { start, end: Math.min(end, size) } : "none";
}
