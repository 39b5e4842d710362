import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  AdapterError,
  DeviceLostError,
  OutOfMemoryError,
  ShaderError,
  ValidationError,
} from "../../nn/gpu/errors.ts";
import { Gpu } from "../../nn/gpu/gpu.ts";
import type { Plan } from "../../nn/gpu/plan.ts";
import { relu } from "../../nn/ops/elementwise.ts";
import { Tape } from "../../nn/tape.ts";
import type { Tensor } from "../../nn/tensor.ts";
import { elementwiseKernel } from "../../shaders/elementwise.ts";
import { defineKernel } from "../../shaders/kernel.ts";
import { testGpu } from "../gpu.ts";

/** y = max(x, 0) of a range of a buffer. */
async function reluOf(
  gpu: Gpu,
  buffer: GPUBuffer,
  { length = 4, offset = 0 } = {},
): Promise<{ plan: Plan; y: Tensor }> {
  const tape = new Tape(gpu);
  const x = tape.bound("x", [length], buffer, offset);
  const y = tape.output(tape.scope("here", () => relu(tape, x)));
  return { plan: await tape.compile("plan"), y };
}

/** Replaces a property while `work` runs. */
async function replaced<T extends object>(
  object: T,
  key: keyof T,
  value: unknown,
  work: () => Promise<void>,
): Promise<void> {
  Object.defineProperty(object, key, { value, configurable: true });
  try {
    await work();
  } finally {
    delete object[key]; // what the prototype has shows again
  }
}

Deno.test("Gpu.open() says what is missing where there is no WebGPU or no adapter", async () => {
  await testGpu(); // loads the driver
  await replaced(navigator, "gpu", undefined, async () => {
    const error = await assertRejects(() => Gpu.open(), AdapterError);
    assert(error.message.startsWith("Gpu.open: this runtime has no WebGPU"));
  });
  const none = { requestAdapter: () => Promise.resolve(null) };
  await replaced(navigator, "gpu", none, async () => {
    const error = await assertRejects(() => Gpu.open(), AdapterError);
    assert(error.message.startsWith("Gpu.open: no WebGPU adapter; install"));
  });
});

Deno.test("limits are WebGPU's defaults or the adapter's, as asked", async () => {
  const { device: { limits } } = await testGpu();
  const gpu = await Gpu.open();
  try {
    const adapter = (await navigator.gpu.requestAdapter())!;
    assertEquals(gpu.device.limits.maxBufferSize, adapter.limits.maxBufferSize);
    assertEquals(limits.maxBufferSize, 2 ** 28);
    assertEquals(
      gpu.device.limits.maxComputeInvocationsPerWorkgroup,
      limits.maxComputeInvocationsPerWorkgroup,
    );
  } finally {
    gpu.destroy();
  }
});

Deno.test("a pipeline is compiled once for each kernel and its constants", async () => {
  const gpu = await testGpu();
  const kernel = (value: number) =>
    defineKernel({
      label: "same name",
      wgsl: `const N: u32 = 1u;
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = f32(N) * ${value}.0; }`,
      bindings: { y: "write" },
      constants: (_, n: number) => ({ N: n }),
      workgroups: () => [1, 1, 1],
    });
  const [one, ten] = [kernel(1), kernel(10)];
  const before = gpu.pipelineCount;
  const tape = new Tape(gpu);
  const ys = [[one, 2], [one, 2], [one, 3], [ten, 2]] as const;
  const outputs = ys.map(([kernel, n]) => tape.output(tape.run(kernel, {}, { y: [1] }, n).y));
  const plan = await tape.compile("plan");
  plan.run();
  const values = await Promise.all(outputs.map((y) => plan.read(y)));
  plan.destroy();
  assertEquals(values.map(([value]) => value), [2, 2, 3, 20]);
  assertEquals(gpu.pipelineCount, before + 3);
});

Deno.test("a pipeline that failed to compile is compiled again when asked for again", async () => {
  const gpu = await testGpu();
  const kernel = defineKernel({
    label: "later",
    wgsl: "@compute @workgroup_size(1) fn main() {}",
    bindings: {},
    workgroups: () => [1, 1, 1],
  });
  const before = gpu.pipelineCount;
  const fail = () => Promise.reject(new Error("made up"));
  await replaced(gpu.device, "createComputePipelineAsync", fail, async () => {
    await assertRejects(() => gpu.pipeline(kernel, {}), ShaderError, "made up");
  });
  assertEquals(gpu.pipelineCount, before);
  assertEquals(await gpu.pipeline(kernel, {}), await gpu.pipeline(kernel, {}));
  assertEquals(gpu.pipelineCount, before + 1);
});

Deno.test("a shader's error tells kernel, line and source", async () => {
  const tape = new Tape(await testGpu());
  const kernel = defineKernel({
    label: "broken",
    wgsl: "@compute @workgroup_size(1)\nfn main() {\n  let x: u32 = 1.5;\n}",
    bindings: {},
    workgroups: () => [1, 1, 1],
  });
  tape.run(kernel, {}, {}, undefined);
  const { message, operation } = await assertRejects(
    () => tape.compile("plan"),
    ShaderError,
  );
  assertEquals(operation, "broken");
  assert(message.startsWith("broken: does not compile:\n  line 3: "), message);
  assert(message.includes("let x: u32 = 1.5;"), message);
});

Deno.test("a binding that is wrong is an error that names its dispatch", async () => {
  const gpu = await testGpu("gpu"); // which binds buffers
  const buffer = gpu.buffer("small", 1024);
  for (const range of [{ offset: 16 }, { length: 4096 }]) {
    const held = gpu.bytesHeld;
    const { operation } = await assertRejects(
      () => reluOf(gpu, buffer, range),
      ValidationError,
    );
    assertEquals(operation, "elementwise here");
    assertEquals(gpu.bytesHeld, held, "the plan's memory is given back");
  }
  gpu.check(); // nothing is left over
  gpu.free(buffer);
});

Deno.test("a run that is wrong is an error of the next read or run, that names the plan", async () => {
  const gpu = await testGpu();
  for (const next of ["read", "run"] as const) {
    const buffer = gpu.buffer("short-lived", 1024);
    const { plan, y } = await reluOf(gpu, buffer);
    gpu.free(buffer);
    plan.run();
    const { operation, message } = await assertRejects(async () => {
      if (next === "run") await gpu.device.queue.onSubmittedWorkDone();
      await (next === "read" ? plan.read(y) : plan.run());
    }, ValidationError);
    assertEquals(operation, "run plan");
    assert(message.includes("short-lived"), message);
    plan.destroy();
    await gpu.settle(); // the error was told once
  }
});

Deno.test("guard() and uncaptured errors tell lack of memory from misuse", async () => {
  const gpu = await testGpu();
  const scopes: (GPUError | null)[] = [new GPUValidationError("invalid"), null];
  const error = () => assertRejects(() => gpu.guard("work", () => {}), Error);
  await replaced(gpu.device, "popErrorScope", () => {
    return Promise.resolve(scopes.shift());
  }, async () => {
    assertEquals((await error()).message, "work: invalid");
    // A buffer that could not be had is invalid, too: the lack of memory is the cause.
    scopes.push(
      new GPUValidationError("invalid"),
      new GPUOutOfMemoryError("full"),
    );
    const lack = await error();
    assert(lack instanceof OutOfMemoryError);
    assertEquals(
      lack.message,
      "work: full; use a smaller batch or a smaller network",
    );
  });
  gpu.device.dispatchEvent(
    new GPUUncapturedErrorEvent("uncapturederror", {
      error: new GPUOutOfMemoryError("full"),
      cancelable: true,
    }),
  );
  assertThrows(() => gpu.check(), OutOfMemoryError, "device: full");
  gpu.check();
});

Deno.test("what no buffer or binding can hold is refused before memory is taken", async () => {
  const gpu = await testGpu();
  const held = gpu.bytesHeld;
  assertEquals(
    assertThrows(() => gpu.buffer("huge", 2 ** 40), OutOfMemoryError).message,
    "huge: needs 1099511627776 bytes, and a buffer of this device holds at most 268435456; use a " +
      "smaller batch or a smaller network",
  );
  const tape = new Tape(gpu);
  const x = tape.input("x", [4]);
  const shape = [2 ** 12, 2 ** 13 + 4];
  tape.scope("stage1", () => {
    tape.run(elementwiseKernel, { a: x, b: x }, { y: shape }, { op: "add" });
  });
  const { message } = await assertRejects(
    () => tape.compile("plan"),
    OutOfMemoryError,
  );
  assertEquals(
    message,
    "elementwise stage1: elementwise stage1: y [4096,8196] has 134283264 bytes, and this device " +
      "binds at most 134217728 at once; use a smaller batch or a smaller network",
  );
  assertEquals(gpu.bytesHeld, held);
});

Deno.test("a lost device is told by whatever comes next", async (t) => {
  await testGpu(); // loads the driver
  const ways = {
    "gpu.destroy()": (gpu: Gpu) => gpu.destroy(),
    "its driver": (gpu: Gpu) => gpu.device.destroy(),
  };
  const calls: Record<
    string,
    (gpu: Gpu, plan: Plan, y: Tensor) => Promise<unknown>
  > = {
    run: async (gpu, plan) => {
      plan.run(); // may be the call that finds out
      await gpu.settle();
    },
    read: (_, plan, y) => plan.read(y),
    compile: (gpu) => reluOf(gpu, gpu.buffer("x", 16)),
    guard: (gpu) => gpu.guard("work", () => gpu.buffer("x", 16)),
  };
  for (const [way, lose] of Object.entries(ways)) {
    for (const [name, call] of Object.entries(calls)) {
      await t.step(`${name}, after ${way} took it`, async () => {
        const gpu = await Gpu.open();
        const { plan, y } = await reluOf(gpu, gpu.buffer("x", 16));
        plan.run();
        await plan.read(y);
        lose(gpu);
        const error = await assertRejects(
          () => call(gpu, plan, y),
          DeviceLostError,
        );
        assert(
          error.message.endsWith(
            "open a new Gpu and load the last checkpoint",
          ),
          error.message,
        );
        assertThrows(() => plan.run(), DeviceLostError);
      });
    }
  }
});
