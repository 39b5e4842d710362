/** Numbers for people: the same wording in the terminal and in the report. */

const COUNT = new Intl.NumberFormat("en-US");

/** 12345 -> "12,345". */
export function formatCount(value: number): string {
  return COUNT.format(Math.round(value));
}

/** 1234567 -> "1.23 M"; below 1000 as it is. */
export function formatLarge(value: number): string {
  return withPrefix(value, ["", "k", "M", "G", "T"]).trimEnd();
}

/** 49380 -> "49.4 kB", of 1000 bytes. */
export function formatBytes(bytes: number): string {
  return withPrefix(bytes, ["B", "kB", "MB", "GB", "TB"]);
}

function withPrefix(value: number, units: string[]): string {
  let power = 0;
  // 999.5 would print as 1000 in three digits.
  while (value >= 999.5 && power < units.length - 1) {
    value /= 1000;
    power++;
  }
  const digits = power === 0 ? String(Math.round(value)) : threeDigits(value);
  return `${digits} ${units[power]}`;
}

function threeDigits(value: number): string {
  return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

/** 0.9312 -> "93.1 %". */
export function formatPercent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

/** 0.0123 -> "12.3 µs"; 1.5 -> "1.50 ms". */
export function formatMilliseconds(ms: number): string {
  return ms < 0.9995 ? `${threeDigits(1000 * ms)} µs` : `${threeDigits(ms)} ms`;
}

/** 4.2 -> "4.2 s"; 75 -> "1:15 min"; 4000 -> "1:06 h". */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${seconds.toFixed(0)} s`;
  const [whole, part, unit] = seconds < 3569.5 ? [60, 1, "min"] : [3600, 60, "h"];
  const parts = Math.round(seconds / part);
  const base = whole / part;
  return `${Math.floor(parts / base)}:${String(parts % base).padStart(2, "0")} ${unit}`;
}

/** 1.5 -> "1.5x". */
export function formatRatio(ratio: number): string {
  return `${ratio.toFixed(ratio < 9.95 ? 1 : 0)}x`;
}

/** plural(1, "image") -> "1 image"; plural(2000, "image") -> "2,000 images". */
export function plural(
  count: number,
  noun: string,
  nouns = `${noun}s`,
): string {
  return `${formatCount(count)} ${count === 1 ? noun : nouns}`;
}
