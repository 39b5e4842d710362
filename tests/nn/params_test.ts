import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { OutOfMemoryError } from "../../nn/gpu/errors.ts";
import { rows, xavier, zeros } from "../../nn/init.ts";
import { blockRange, ParamStore } from "../../nn/params.ts";
import { testGpu } from "../gpu.ts";

const decay = { decay: true };

Deno.test("blockRange(): the blocks of a weight lie end to end, out unit by out unit", () => {
  const layout = { taps: 9, inWidths: [2, 1, 4], outWidths: [3, 5] };
  let end = 0;
  for (let out = 0; out < 2; out++) {
    for (let unit = 0; unit < 3; unit++) {
      const { start, length } = blockRange(layout, out, unit);
      assertEquals(start, end);
      assertEquals(length, 9 * layout.inWidths[unit]! * layout.outWidths[out]!);
      end = start + length;
    }
  }
  assertEquals(end, 9 * 7 * 8);
});

Deno.test("ParamStore cuts its arenas into pages that can be bound; no parameter straddles two", async () => {
  const gpu = await testGpu();
  const store = new ParamStore(gpu, 1, 1024); // 256 floats
  const places = [100, 90, 256, 1, 70, 64].map((length, i) => {
    const param = store.param(`p${i}`, [length], xavier(1, 1), decay);
    return [param.page, param.offset];
  });
  assertEquals(places, [[0, 0], [0, 128], [1, 0], [2, 0], [2, 64], [2, 192]]);
  const before = gpu.bytesHeld;
  await store.allocate();
  try {
    assertEquals(
      store.pages.map(({ values }) => values.size),
      [1024, 1024, 1024],
    );
    assertEquals(store.parameterBytes, 3 * 1024);
    const written = new Map<string, Float32Array>();
    for (const { name, length } of store.params.values()) {
      const values = Float32Array.from({ length }, (_, i) => length + i);
      written.set(name, values);
      store.write(name, values);
      store.write(name, values.map((value) => -value), "momentum");
    }
    assertEquals(await store.read(), written);
    const momentum = await store.read("momentum");
    for (const [name, values] of written) {
      assertEquals(momentum.get(name), values.map((value) => -value));
    }
    const gradients = await store.read("gradients");
    assert([...gradients.values()].every((g) => g.every((value) => !value)));
  } finally {
    store.destroy();
  }
  assertEquals(gpu.bytesHeld, before);
});

Deno.test("ParamStore: initial values follow from seed and name, not from order", async () => {
  const gpu = await testGpu();
  const initial = async (seed: number, names: string[]) => {
    const store = new ParamStore(gpu, seed);
    for (const name of names) store.param(name, [8], xavier(4, 4), decay);
    store.state("running", [2, 2], rows(0, 1));
    await store.allocate();
    const values = await store.read();
    store.destroy();
    return values;
  };
  const first = await initial(1, ["a", "b"]);
  const second = await initial(1, ["b", "a"]);
  assertEquals(first.get("a"), second.get("a"));
  assertEquals(first.get("b"), second.get("b"));
  assertNotEquals(first.get("a"), first.get("b"));
  assertNotEquals(first.get("a"), (await initial(2, ["a"])).get("a"));
  assertEquals(first.get("running"), Float32Array.of(0, 0, 1, 1));
  assertEquals([...first.keys()], ["a", "b", "running"]);
});

/** A store of two pages and a state, all of whose numbers differ. */
async function numberedStore(): Promise<ParamStore> {
  const store = new ParamStore(await testGpu(), 1, 1024);
  for (const name of ["first", "second"]) store.param(name, [200], zeros, decay);
  store.state("running", [2, 2], rows(0, 1));
  await store.allocate();
  fill(store, 1);
  return store;
}

/** Counts up from a number through values, states and momenta. */
function fill(store: ParamStore, from: number): void {
  for (const { name, length } of [...store.params.values(), ...store.states.values()]) {
    store.write(name, new Float32Array(length).map(() => from++));
  }
  for (const { name, length } of store.params.values()) {
    store.write(name, new Float32Array(length).map(() => from++), "momentum");
  }
}

Deno.test("ParamStore: a frozen copy keeps values and states, in a third of the memory; it can be written back", async () => {
  const gpu = await testGpu();
  const empty = gpu.bytesHeld;
  const store = await numberedStore();
  const before = await store.read();
  const held = gpu.bytesHeld - empty;
  const copy = await store.frozenCopy();
  try {
    const stateBytes = store.stateBuffer.size;
    assertEquals(gpu.bytesHeld - empty - held, (held - stateBytes) / 3 + stateBytes);
    assertEquals(await copy.read(), before);
    assertEquals([copy.params, copy.states], [store.params, store.states]);

    fill(store, 5000);
    const changed = await store.read(), momentum = await store.read("momentum");
    assertNotEquals(changed, before);
    assertEquals(await copy.read(), before); // of its own memory
    store.copyFrom(copy);
    assertEquals(await store.read(), before);
    assertEquals(await store.read("momentum"), momentum);
    copy.write("second", changed.get("second")!);
    assertEquals((await copy.read()).get("second"), changed.get("second"));
    assertEquals(await store.read(), before);

    await assertRejects(
      () => copy.read("gradients"),
      Error,
      "a frozen network has no gradients; train the one it was made of",
    );
    assertThrows(
      () => copy.clearMomentum(),
      Error,
      "a frozen network has no momentum; train the one it was made of",
    );
  } finally {
    store.destroy();
    copy.destroy();
  }
  assertEquals(gpu.bytesHeld, empty);
});

Deno.test("ParamStore: momenta are cleared on all pages, and nothing else", async () => {
  const store = await numberedStore();
  const before = await store.read();
  store.clearMomentum();
  const momentum = [...(await store.read("momentum")).values()];
  assertEquals(momentum, [new Float32Array(200), new Float32Array(200)]);
  assertEquals(await store.read(), before);
  store.destroy();
});

Deno.test("ParamStore: what cannot be had in full is given back", async () => {
  const gpu = await testGpu();
  const empty = gpu.bytesHeld;
  const store = await numberedStore();
  const { guard } = gpu;
  gpu.guard = async <T>(operation: string, work: () => T): Promise<T> => {
    await guard.call(gpu, operation, work);
    throw new OutOfMemoryError(operation, "there is none left");
  };
  try {
    const held = gpu.bytesHeld;
    await assertRejects(() => store.frozenCopy(), OutOfMemoryError, "copy parameters");
    assertEquals(gpu.bytesHeld, held);
    await assertRejects(() => numberedStore(), OutOfMemoryError, "allocate parameters");
    assertEquals(gpu.bytesHeld, held);
  } finally {
    gpu.guard = guard;
    store.destroy();
  }
  assertEquals(gpu.bytesHeld, empty);
});

Deno.test("ParamStore says what it cannot hold, and what comes too early or too late", async () => {
  const gpu = await testGpu();
  const store = new ParamStore(gpu, 1, 1024);
  const refuses = (
    work: () => unknown,
    type: new (message: string) => Error,
    message: string,
  ) => assertEquals(assertThrows(work, type).message, message);
  refuses(
    () => store.param("wide", [2, 129], zeros, decay),
    RangeError,
    "parameter wide [2,129] has 258 floats; this adapter can bind 256 at once; use fewer channels",
  );
  store.param("a", [4], zeros, decay);
  store.state("s", [2], zeros);
  refuses(
    () => store.param("a", [4], zeros, decay),
    RangeError,
    "two parameters are named a",
  );
  refuses(
    () => store.state("a", [4], zeros),
    RangeError,
    "two parameters are named a",
  );
  refuses(
    () => store.pages,
    Error,
    "ParamStore: call allocate() before using the parameters",
  );
  refuses(
    () => store.stateBuffer,
    Error,
    "ParamStore: call allocate() before using the states",
  );
  await store.allocate();
  try {
    refuses(
      () => store.param("b", [4], zeros, decay),
      Error,
      "b: declared after the store's buffers were made",
    );
    refuses(
      () => store.write("a", new Float32Array(3)),
      RangeError,
      "a: has 4 values, got 3",
    );
    refuses(
      () => store.write("c", new Float32Array(4)),
      RangeError,
      "no parameter is named c",
    );
    refuses(
      () => store.write("s", new Float32Array(2), "momentum"),
      RangeError,
      "no parameter is named s",
    );
  } finally {
    store.destroy();
  }
});
