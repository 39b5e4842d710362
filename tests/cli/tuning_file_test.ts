import { assertEquals, assertMatch } from "@std/assert";
import { TuningFile } from "../../cli/tuning_file.ts";
import type { TunedChoice } from "../../nn/gpu/autotune.ts";
import { choicesOf, pinRemembered } from "../../nn/gpu/choice_store.ts";
import { Tuning } from "../../nn/gpu/tuning.ts";
import { tuningKey } from "../../nn/gpu/tuning_key.ts";
import { testGpu } from "../gpu.ts";
import { inTemporaryFolder } from "./archives.ts";

const tuned = (rows: number): TunedChoice => ({
  choice: { algorithm: "direct", tile: { rows, columns: 1 } },
  milliseconds: 1.5,
  standard: { choice: { algorithm: "direct", tile: { rows: 8, columns: 1 } }, milliseconds: 2 },
});

/** A file in a folder that is not there yet, and what it warns of. */
const withFile = (test: (file: TuningFile, warnings: string[]) => Promise<void>) =>
  inTemporaryFolder(async (path) => {
    const warnings: string[] = [];
    await test(
      new TuningFile(`${path}/cache/tuning.json`, (line) => warnings.push(line)),
      warnings,
    );
  });

Deno.test("choices are kept for each adapter, and added to those that are there", () =>
  withFile(async (file, warnings) => {
    assertEquals(await file.load("a"), {});
    await file.save("a", { one: tuned(1), two: tuned(2) });
    await file.save("b", { one: tuned(3) });
    await file.save("a", { two: tuned(4), three: tuned(5) });
    const again = new TuningFile(file.path, file.warn);
    assertEquals(await again.load("a"), { one: tuned(1), two: tuned(4), three: tuned(5) });
    assertEquals(await again.load("b"), { one: tuned(3) });
    await file.forget("a");
    assertEquals(await again.load("a"), {});
    assertEquals(await again.load("b"), { one: tuned(3) });
    assertEquals(warnings, []);
    assertEquals([...Deno.readDirSync(file.path.replace(/[^/]*$/, ""))].length, 1);
  }));

Deno.test("processes that save at once lose nothing of each other's", () =>
  withFile(async (file) => {
    const script = (name: string) => `
      import { TuningFile } from ${JSON.stringify(import.meta.resolve("../../cli/tuning_file.ts"))};
      const file = new TuningFile(${JSON.stringify(file.path)});
      for (let i = 0; i < 8; i++) {
        await file.save("a", { ["${name}" + i]: ${JSON.stringify(tuned(1))} });
      }`;
    const children = ["x", "y", "z"].map((name) =>
      new Deno.Command(Deno.execPath(), { args: ["eval", script(name)] }).output()
    );
    for (const { success, stderr } of await Promise.all(children)) {
      assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
    }
    assertEquals(Object.keys(await file.load("a")).length, 24);
  }));

for (const content of ["", "{ broken", "[]", "null", "7"]) {
  Deno.test(`a damaged file is told of, and replaced: ${content || "empty"}`, () =>
    withFile(async (file, warnings) => {
      await file.save("a", { one: tuned(1) });
      await Deno.writeTextFile(file.path, content);
      assertEquals(await file.load("a"), {});
      assertEquals(warnings, [
        `${file.path} is damaged: kernels are chosen by default, until "deno task tune" replaces it`,
      ]);
      await file.save("a", { two: tuned(2) });
      warnings.length = 0;
      assertEquals(await file.load("a"), { two: tuned(2) });
      assertEquals(warnings, []);
    }));
}

Deno.test("entries of another form are left out, the rest is used", () =>
  withFile(async (file, warnings) => {
    const good = tuned(2);
    const { choice, milliseconds, standard } = good;
    await file.save("a", {});
    await Deno.writeTextFile(
      file.path,
      JSON.stringify({
        a: {
          good,
          noTime: { choice, standard },
          noStandard: { choice, milliseconds },
          noTile: { choice: { algorithm: "direct" }, milliseconds, standard },
          zeroTile: { ...good, choice: { ...choice, tile: { rows: 0, columns: 1 } } },
          text: { ...good, choice: { ...choice, splits: "2" } },
          nothing: null,
          list: [],
        },
        b: "nothing",
      }),
    );
    assertEquals(await file.load("a"), { good });
    assertEquals(await file.load("b"), {});
    assertEquals(await file.load("toString"), {});
    assertEquals(warnings, []);
  }));

Deno.test("of many adapters those saved last are kept", () =>
  withFile(async (file) => {
    for (let i = 0; i < 20; i++) await file.save(`key ${i}`, { one: tuned(1) });
    const all = JSON.parse(await Deno.readTextFile(file.path));
    assertEquals(Object.keys(all), Array.from({ length: 16 }, (_, i) => `key ${i + 4}`));
  }));

Deno.test("a file that cannot be read or written is told of, and nothing fails", () =>
  inTemporaryFolder(async (path) => {
    await Deno.writeTextFile(`${path}/file`, "");
    const warnings: string[] = [];
    const file = new TuningFile(`${path}/file/tuning.json`, (line) => warnings.push(line));
    await file.save("a", { one: tuned(1) });
    assertEquals(await file.load("a"), {});
    assertMatch(
      warnings[0]!,
      /tuning\.json cannot be written \(.+\): what was measured is not kept$/,
    );
    assertMatch(warnings[1]!, /tuning\.json cannot be read \(.+\): kernels are chosen by default$/);
    assertEquals(warnings.length, 2);
  }));

Deno.test("what is remembered of this adapter is pinned, what of another is not", () =>
  withFile(async (file) => {
    const gpu = await testGpu();
    const { info } = gpu;
    const [mine, other] = (["lavapipe", "gpu"] as const).map((driver) => ({
      info,
      driver,
      tuning: new Tuning(driver),
    }));
    await file.save(tuningKey(mine!), { one: tuned(1) });
    await file.save(tuningKey(other!), { one: tuned(2), two: tuned(2) });
    await pinRemembered(mine as never, file);
    assertEquals(mine!.tuning.state.pinned, choicesOf({ one: tuned(1) }));
    assertMatch(tuningKey(gpu), /; tuned as \w+; kernels [0-9a-f]{8}$/);
  }));
