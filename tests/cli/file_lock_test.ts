import { assertEquals, assertRejects } from "@std/assert";
import { withFreeLock, withLock } from "../../cli/file_lock.ts";
import { inTemporaryFolder } from "./archives.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("withLock() lets one at a time work, and leaves nothing", () =>
  inTemporaryFolder(async (path) => {
    let atWork = 0, most = 0, waited = 0, done = 0;
    await Promise.all(
      Array.from(
        { length: 8 },
        () =>
          withLock(`${path}/lock`, () => waited++, async () => {
            most = Math.max(most, ++atWork);
            await pause(5);
            atWork--;
            done++;
          }),
      ),
    );
    assertEquals([most, done], [1, 8]);
    assertEquals(waited > 0, true);
    assertEquals([...Deno.readDirSync(path)], []);
  }));

Deno.test("withLock() returns what the work does, and ends with it when it fails", () =>
  inTemporaryFolder(async (path) => {
    const onBusy = () => {
      throw new Error("busy");
    };
    const lock = <T>(work: () => Promise<T>) => withLock(`${path}/lock`, onBusy, work);
    assertEquals(await lock(() => Promise.resolve(7)), 7);
    await assertRejects(
      () => lock(() => Promise.reject(new Error("failed"))),
      Error,
      "failed",
    );
    assertEquals(await lock(() => Promise.resolve(8)), 8);
    await lock(async () => {
      await assertRejects(() => lock(() => Promise.resolve(9)), Error, "busy");
    });
  }));

Deno.test("withLock() is not held up by what a killed process left", () =>
  inTemporaryFolder(async (path) => {
    const script = `
      import { withLock } from ${JSON.stringify(import.meta.resolve("../../cli/file_lock.ts"))};
      await withLock(${JSON.stringify(`${path}/lock`)}, () => {}, () => new Promise((resolve) => {
        console.log("locked");
        setTimeout(resolve, 60_000);
      }));`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    const busy = () => Promise.reject(new Error("not locked"));
    await assertRejects(
      () =>
        withLock(`${path}/lock`, () => {
          throw new Error("busy");
        }, busy),
      Error,
      "busy",
    );
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assertEquals(await Deno.stat(`${path}/lock`).then(() => true), true);
    const result = await withLock(
      `${path}/lock`,
      () => {},
      () => Promise.resolve("mine"),
    );
    assertEquals(result, "mine");
  }));

Deno.test("withFreeLock() does the work or says that another is at it", () =>
  inTemporaryFolder(async (path) => {
    const lock = `${path}/lock`;
    await withLock(lock, () => {}, async () => {
      const work = () => Promise.reject(new Error("not locked"));
      assertEquals(await withFreeLock(lock, work), undefined);
    });
    assertEquals(await withFreeLock(lock, () => Promise.resolve(undefined)), { result: undefined });
    const fails = () => withFreeLock(lock, () => Promise.reject(new Error("failed")));
    await assertRejects(fails, Error, "failed");
    assertEquals([...Deno.readDirSync(path)], []);
  }));
