/** What a result depends on besides contender and adapter. */
export interface Environment {
  /** When the run began. */
  date: string;
  /** Short hash; says if files differ from it. */
  commit: string;
  /** Of the adapter, as far as it can be found out. */
  driver: string;
  deno: string;
  /** Of the processor. */
  cores: number;
}

/** Finds out now. @returns Gives it for an adapter. */
export async function environment(): Promise<(it: { adapter: string }) => Environment> {
  const git = ["-C", import.meta.dirname!];
  const [commit, changes, nvidia, mesa] = await Promise.all([
    output("git", ...git, "rev-parse", "--short", "HEAD"),
    output("git", ...git, "status", "--porcelain"),
    output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
    output("dpkg-query", "--show", "--showformat=${Version}", "mesa-vulkan-drivers"),
  ]);
  const date = new Date().toISOString();
  return ({ adapter }) => ({
    date,
    commit: commit + (changes ? " and changes" : ""),
    driver: /nvidia/i.test(adapter) ? nvidia : /llvmpipe|mesa|radv/i.test(adapter) ? mesa : "",
    deno: Deno.version.deno,
    cores: navigator.hardwareConcurrency,
  });
}

/** What a command prints; nothing if it fails or is not there. */
async function output(command: string, ...args: string[]): Promise<string> {
  try {
    const child = await new Deno.Command(command, { args, stderr: "null" }).output();
    return child.success ? new TextDecoder().decode(child.stdout).trim() : "";
  } catch {
    return "";
  }
}
