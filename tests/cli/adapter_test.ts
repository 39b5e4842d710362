import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { packTar } from "modern-tar";
import { dirname, join } from "node:path";
import { hasEmbedded, noAdapter, notEmbedded, prepareAdapter } from "../../cli/adapter.ts";
import { currentPlatform, lavapipeCommand } from "../../cli/adapter/advice.ts";
import { defaultCacheDir, installSwiftShader } from "../../cli/adapter/swiftshader.ts";
import { UsageError } from "../../cli/args.ts";
import { AdapterError } from "../../nn/gpu/errors.ts";
import type { Found } from "./adapter_child.ts";

const FILES = [
  "libvk_swiftshader.so",
  "libvulkan.so.1",
  "vk_swiftshader_icd.json",
];
const ARM = { os: "linux", arch: "aarch64", osRelease: "" } as const;

/** Set where the tests themselves run on a driver that was chosen for them. */
const CHOICES = [
  "DVN_ADAPTER",
  "DENO_WEBGPU_BACKEND",
  "VK_DRIVER_FILES",
  "VK_ICD_FILENAMES",
  "XDG_RUNTIME_DIR",
];

/** What installs SwiftShader runs where it can; the first to do so downloads 70 MB. */
function embeddedTest(name: string, body: (cache: string) => Promise<void>) {
  Deno.test({
    name,
    ignore: !hasEmbedded(currentPlatform()),
    fn: async () => {
      const cache = await Deno.makeTempDir();
      try {
        await body(cache);
      } finally {
        await Deno.remove(cache, { recursive: true });
      }
    },
  });
}

async function runChild(variables: Record<string, string>, cache: string) {
  const env = Deno.env.toObject();
  for (const name of CHOICES) delete env[name];
  const child = join(import.meta.dirname!, "adapter_child.ts");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", child, cache],
    clearEnv: true,
    env: { ...env, ...variables, NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const errors = decoder.decode(stderr);
  return { code, stdout: decoder.decode(stdout), errors };
}

async function find(
  variables: Record<string, string>,
  cache: string,
): Promise<Found> {
  const { code, stdout, errors } = await runChild(variables, cache);
  assertEquals({ code, errors }, { code: 0, errors: "" });
  return JSON.parse(stdout);
}

async function withEnvironment(
  variables: Record<string, string>,
  body: () => Promise<void> | void,
): Promise<void> {
  const names = Object.keys(variables);
  const before = names.map((name) => Deno.env.get(name));
  for (const name of names) Deno.env.set(name, variables[name]!);
  try {
    await body();
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) Deno.env.delete(name);
      else Deno.env.set(name, before[i]);
    });
  }
}

function listFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test({
  name: "drivers say nothing on stderr where the cache's parents are missing, or cannot be made",
  ignore: currentPlatform().os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    // Deno would look for its packages in that cache too.
    const packages = Deno.env.get("DENO_DIR") ?? join(dirname(defaultCacheDir()), "deno");
    try {
      for (const cache of [join(folder, "no", "such", "cache"), "/proc/none"]) {
        const { kind } = await find(
          { XDG_CACHE_HOME: cache, DENO_DIR: packages },
          join(folder, "ours"),
        );
        assert(kind.length > 0);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

embeddedTest("DVN_ADAPTER=embedded computes on SwiftShader", async (cache) => {
  const variables = { DVN_ADAPTER: "embedded" };
  const first = await find(variables, cache);
  assertEquals(first.kind, "embedded software");
  assertEquals(first.correct, 1000);
  assertStringIncludes(first.line, "SwiftShader");
  assertStringIncludes(first.line, "timestamp-query");
  assertStringIncludes(first.line, lavapipeCommand(currentPlatform()));
  assert(first.nanoseconds! > 0);
  assertEquals(first.log.length, 1);
  assertStringIncludes(first.log[0]!, "70 MB");

  const second = await find(variables, cache);
  assertEquals(second.correct, 1000);
  assertEquals(second.log, []);
});

embeddedTest(
  "a driver that has no device is as good as none",
  async (cache) => {
    const manifest = join(cache, "absent_icd.json");
    await Deno.writeTextFile(
      manifest,
      '{"file_format_version": "1.0.0", "ICD": ' +
        '{"library_path": "/absent.so", "api_version": "1.1.0"}}',
    );
    const found = await find(
      { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest },
      cache,
    );
    assertEquals(found.kind, "embedded software");
    assertEquals(found.correct, 1000);
  },
);

embeddedTest("two processes may fill one cache at once", async (cache) => {
  const both = await Promise.all([1, 2].map(() => {
    return find({ DVN_ADAPTER: "embedded" }, cache);
  }));
  assertEquals(both.map(({ correct }) => correct), [1000, 1000]);
  const folders = listFiles(cache);
  assertEquals(folders.length, 1);
  assertEquals(listFiles(join(cache, folders[0]!)), FILES);
});

embeddedTest("a damaged cache is repaired", async (cache) => {
  const log: string[] = [];
  const install = () => installSwiftShader(cache, (line) => log.push(line));
  const folder = await install();
  const driver = join(folder, "libvk_swiftshader.so");
  const intact = await Deno.readFile(driver);

  const altered = intact.slice();
  altered[1_000_000]! ^= 1;
  await Deno.writeFile(driver, altered);
  assertEquals(await install(), folder);
  assertEquals(await Deno.readFile(driver), intact);

  await Deno.truncate(driver, 1000);
  await Deno.remove(join(folder, "vk_swiftshader_icd.json"));
  assertEquals(await install(), folder);
  assertEquals(await Deno.readFile(driver), intact);
  assertEquals(listFiles(folder), FILES);

  assertEquals(log.length, 3);
  await install();
  assertEquals(log.length, 3);
});

embeddedTest(
  "a cache that cannot be written is done without",
  async (cache) => {
    const file = join(cache, "file");
    const temporary = join(cache, "tmp");
    await Deno.writeTextFile(file, "");
    await Deno.mkdir(temporary);
    const found = await find(
      { DVN_ADAPTER: "embedded", TMPDIR: temporary },
      join(file, "cache"),
    );
    assertEquals(found.correct, 1000);
    assertStringIncludes(found.log[1]!, "cannot be written");
    assertEquals(listFiles(temporary), []);
  },
);

embeddedTest("no network: the error says what to do", async (cache) => {
  await withEnvironment(
    { NPM_CONFIG_REGISTRY: "http://127.0.0.1:9/", DENO_DIR: cache },
    async () => {
      const error = await assertRejects(
        () => installSwiftShader(cache, () => {}),
        AdapterError,
        "could not be downloaded",
      );
      assertStringIncludes((error as Error).message, "check the network");
    },
  );
});

embeddedTest("a package with other bytes is refused", async (cache) => {
  const body = new TextEncoder().encode("not a Vulkan loader");
  const inner = await packTar([
    { header: { name: "libvulkan.so.1", size: body.length }, body },
  ]);
  await using registry = await serveRegistry(inner);
  await withEnvironment(
    { NPM_CONFIG_REGISTRY: registry.url, DENO_DIR: join(cache, "deno") },
    async () => {
      const error = await assertRejects(
        () => installSwiftShader(cache, () => {}),
        AdapterError,
        "is not the file published",
      );
      assertStringIncludes((error as Error).message, "libvulkan.so.1");
    },
  );
  assertEquals(listFiles(cache), ["deno"]);
});

/** A registry that has the package, with `archive` as its SwiftShader. */
async function serveRegistry(archive: Uint8Array<ArrayBuffer>) {
  const manifest = { name: "@sparticuz/chromium", version: "153.0.0" };
  const files = {
    "package/package.json": new TextEncoder().encode(JSON.stringify(manifest)),
    "package/bin/swiftshader.tar.br": await compress(archive, "brotli"),
  };
  const entries = Object.entries(files).map(([name, body]) => {
    return { header: { name, size: body.length }, body };
  });
  const tarball = await compress(await packTar(entries), "gzip");
  const server = Deno.serve({ port: 0, onListen() {} }, ({ url }) => {
    if (url.endsWith(".tgz")) return new Response(tarball);
    const dist = { tarball: new URL("/package.tgz", url).href };
    return Response.json({
      name: manifest.name,
      "dist-tags": { latest: manifest.version },
      versions: { [manifest.version]: { ...manifest, dist } },
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function compress(
  bytes: Uint8Array<ArrayBuffer>,
  format: CompressionFormat,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream();
  return await new Response(
    stream.pipeThrough(new CompressionStream(format)),
  ).bytes();
}

embeddedTest("DVN_ADAPTER=system leaves SwiftShader alone", async (cache) => {
  const { code, errors } = await runChild({
    DVN_ADAPTER: "system",
    DENO_WEBGPU_BACKEND: "vulkan",
    VK_DRIVER_FILES: "/absent.json",
    VK_ICD_FILENAMES: "/absent.json",
  }, cache);
  assertNotEquals(code, 0);
  assertStringIncludes(errors, "no WebGPU adapter on linux x86_64; ");
  assertEquals(listFiles(cache), []);
});

Deno.test("another DVN_ADAPTER is a mistake", async () => {
  await withEnvironment({ DVN_ADAPTER: "swiftshader" }, async () => {
    await assertRejects(
      () => prepareAdapter(),
      UsageError,
      'DVN_ADAPTER is "swiftshader"; it must be "embedded" or "system"',
    );
  });
});

Deno.test("without an adapter, each system is told what it can do", () => {
  const linux = { ...ARM, arch: "x86_64" } as const;
  assertStringIncludes(noAdapter(linux, false), "DVN_ADAPTER=embedded");
  assert(!noAdapter(linux, true).includes("DVN_ADAPTER"));
  assertEquals(
    noAdapter({ ...ARM, osRelease: "ID=fedora" }, false),
    "no WebGPU adapter on linux aarch64; install your GPU's Vulkan driver, " +
      "or a software one: dnf install mesa-vulkan-drivers",
  );
  assertStringIncludes(
    noAdapter({ ...ARM, os: "darwin" }, false),
    "no WebGPU adapter on darwin aarch64; WebGPU needs Metal",
  );
  assertStringIncludes(
    noAdapter({ ...ARM, os: "windows" }, false),
    "graphics driver",
  );
  assertStringIncludes(
    notEmbedded(ARM),
    "DVN_ADAPTER=embedded needs linux x86_64, and this is linux aarch64",
  );
});

Deno.test("lavapipe's package is named as the distribution names it", () => {
  const command = (osRelease: string) => lavapipeCommand({ ...ARM, osRelease });
  const debian = "apt-get install mesa-vulkan-drivers";
  assertEquals(command('NAME="Debian GNU/Linux"\nID=debian\n'), debian);
  assertEquals(command("ID=linuxmint\nID_LIKE='ubuntu debian'"), debian);
  assertEquals(
    command('ID="rocky"\nID_LIKE="rhel centos fedora"'),
    "dnf install mesa-vulkan-drivers",
  );
  assertEquals(
    command('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"'),
    "zypper install libvulkan_lvp",
  );
  assertEquals(command("ID=arch"), "pacman -S vulkan-swrast");
  assertStringIncludes(command("ID=plan9"), "elsewhere");
  assertStringIncludes(command("ID=constructor"), "elsewhere");
});

Deno.test("the cache follows XDG_CACHE_HOME where it is absolute", async () => {
  await withEnvironment({ XDG_CACHE_HOME: "/some/cache" }, () => {
    assertEquals(defaultCacheDir(), join("/some/cache", "dvn"));
  });
  await withEnvironment({ XDG_CACHE_HOME: "cache", HOME: "/home/her" }, () => {
    assertEquals(defaultCacheDir(), join("/home/her", ".cache", "dvn"));
  });
});
