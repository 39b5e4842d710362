/** What the page asks of the server behind it, if there is one. */
import type { InputPicture } from "./protocol.ts";

/** A run that the server offers. */
export interface ServerRun {
  name: string;
  tasks: {
    name: string;
    classes: string[];
    levels: { level: number; bytes: number; parameters: number; macs: number }[];
  }[];
  bytes: number;
  /** Why it cannot be used; it then has no tasks. */
  problem?: string;
}

/** The server's answer to a picture. */
export interface ServerAnswer {
  level: number;
  classes: { name: string; probability: number }[];
  milliseconds: number;
}

/** The server's runs; none where plain files are served. */
export async function listRuns(): Promise<ServerRun[] | undefined> {
  try {
    const response = await fetch("runs", { headers: { accept: "application/json" } });
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.includes("json")) return undefined;
    return await response.json();
  } catch {
    return undefined;
  }
}

export function weightsUrl(run: string): string {
  return new URL(`runs/${encodeURIComponent(run)}/model.safetensors`, document.baseURI).href;
}

/** @throws {Error} With the server's own words, if it gives no answer. */
export async function predictOnServer(
  run: string,
  task: string,
  level: number,
  { width, height, channels, bytes }: InputPicture,
): Promise<ServerAnswer> {
  // Not all at once: large pictures have more bytes than a call may have arguments.
  const data = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  const response = await fetch("predict", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ run, task, level, image: { width, height, channels, data } }),
  });
  const answer = await response.json().catch(() => undefined);
  if (response.ok && answer) return answer;
  throw new Error(answer?.error?.message ?? `the server says ${response.status}`);
}
