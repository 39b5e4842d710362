/** What to tell someone whose machine lacks a Vulkan driver: the command that installs one. */

export interface Platform {
  os: typeof Deno.build.os;
  arch: typeof Deno.build.arch;
  /** The text of `/etc/os-release`; empty where there is none. */
  osRelease: string;
}

/** Mesa's lavapipe by distribution, keyed by `ID` or a member of `ID_LIKE`. */
const LAVAPIPE: Readonly<Record<string, string>> = {
  debian: "apt-get install mesa-vulkan-drivers",
  ubuntu: "apt-get install mesa-vulkan-drivers",
  fedora: "dnf install mesa-vulkan-drivers",
  arch: "pacman -S vulkan-swrast",
  suse: "zypper install libvulkan_lvp",
  alpine: "apk add mesa-vulkan-swrast",
};

/** This machine. */
export function currentPlatform(): Platform {
  let osRelease = "";
  try {
    osRelease = Deno.readTextFileSync("/etc/os-release");
  } catch { /* only Linux has one, and not everywhere */ }
  return { os: Deno.build.os, arch: Deno.build.arch, osRelease };
}

/** The command that installs lavapipe here, as root; Debian's, and for whom it is, if unknown. */
export function lavapipeCommand({ osRelease }: Platform): string {
  const words = [...osRelease.matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].flatMap((
    [, value],
  ) => value!.replaceAll(/["']/g, "").split(/\s+/));
  const known = words.find((word) => Object.hasOwn(LAVAPIPE, word));
  return known
    ? LAVAPIPE[known]!
    : `${LAVAPIPE.debian} (Debian, Ubuntu; elsewhere the package with Mesa's lavapipe)`;
}

/** How a machine without any adapter gets one. */
export function adapterAdvice(platform: Platform): string {
  switch (platform.os) {
    case "linux":
      return `install your GPU's Vulkan driver, or a software one: ${lavapipeCommand(platform)}`;
    case "darwin":
      return "WebGPU needs Metal here: run on the machine itself or in a virtual machine with a GPU";
    case "windows":
      return "WebGPU needs DirectX 12 or Vulkan here: update Windows and the graphics driver";
    default:
      return `install a Vulkan driver for ${platform.os}`;
  }
}
