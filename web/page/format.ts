/** Figures as people read them. */

export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let power = 0;
  while (bytes >= 999.5 && power < units.length - 1) {
    bytes /= 1000;
    power++;
  }
  return `${power === 0 ? Math.round(bytes) : digits(bytes)} ${units[power]}`;
}

/** 422 k, 1.27 M. */
export function formatLarge(value: number): string {
  const units = ["", " k", " M", " G"];
  let power = 0;
  while (value >= 999.5 && power < units.length - 1) {
    value /= 1000;
    power++;
  }
  return `${power === 0 ? Math.round(value) : digits(value)}${units[power]}`;
}

export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en");
}

export function formatPercent(value: number, decimals = 1): string {
  return `${(100 * value).toFixed(decimals)} %`;
}

/** 95 µs, 1.2 ms, 4.0 s, 3 min 20 s. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "–";
  if (milliseconds < 1) return `${digits(1000 * milliseconds)} µs`;
  if (milliseconds < 1000) return `${digits(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}

/** Three significant digits. */
function digits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}
