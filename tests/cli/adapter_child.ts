/**
 * Prepares an adapter, squares 1000 numbers on it, and prints what it found as one line of JSON.
 *
 *     deno run -A tests/cli/adapter_child.ts [cache folder]
 *
 * A process can choose its driver only once, so each test of the choice runs this in a process of its
 * own; it also shows by hand what a machine offers.
 *
 * @module
 */
import { prepareAdapter, type PreparedAdapter } from "../../cli/adapter.ts";

export interface Found extends PreparedAdapter {
  /** GPU time of the dispatch in nanoseconds; absent without timestamp-query. */
  nanoseconds?: number;
  /** How many of the squares were right. */
  correct: number;
  /** What was logged. */
  log: string[];
  /** From the call of `prepareAdapter` to its answer. */
  milliseconds: number;
}

const COUNT = 1000;
const SQUARE = `
  @group(0) @binding(0) var<storage, read_write> x: array<f32>;
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&x)) { x[id.x] *= x[id.x]; }
  }`;

async function squareOnAdapter(): Promise<
  { correct: number; nanoseconds?: number }
> {
  const adapter = (await navigator.gpu.requestAdapter())!;
  const timed = adapter.features.has("timestamp-query");
  const device = await adapter.requestDevice({
    requiredFeatures: timed ? ["timestamp-query"] : [],
  });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ, QUERY_RESOLVE } = GPUBufferUsage;
  const input = Float32Array.from({ length: COUNT }, (_, i) => i / 8);
  const x = device.createBuffer({
    size: input.byteLength,
    usage: STORAGE | COPY_SRC | COPY_DST,
  });
  device.queue.writeBuffer(x, 0, input);
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module: device.createShaderModule({ code: SQUARE }) },
  });
  const querySet = timed ? device.createQuerySet({ type: "timestamp", count: 2 }) : undefined;
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass(
    querySet && {
      timestampWrites: {
        querySet,
        beginningOfPassWriteIndex: 0,
        endOfPassWriteIndex: 1,
      },
    },
  );
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer: x } }],
    }),
  );
  pass.dispatchWorkgroups(Math.ceil(COUNT / 64));
  pass.end();
  const times = device.createBuffer({
    size: 16,
    usage: QUERY_RESOLVE | COPY_SRC,
  });
  if (querySet) encoder.resolveQuerySet(querySet, 0, 2, times, 0);
  const read = device.createBuffer({
    size: 16 + input.byteLength,
    usage: MAP_READ | COPY_DST,
  });
  encoder.copyBufferToBuffer(times, 0, read, 0, 16);
  encoder.copyBufferToBuffer(x, 0, read, 16, input.byteLength);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const bytes = read.getMappedRange();
  const [begin, end] = new BigUint64Array(bytes.slice(0, 16));
  const output = new Float32Array(bytes.slice(16));
  const correct = output.filter((value, i) => value === input[i]! ** 2).length;
  device.destroy();
  return { correct, ...(timed && { nanoseconds: Number(end! - begin!) }) };
}

if (import.meta.main) {
  const log: string[] = [];
  const start = performance.now();
  const prepared = await prepareAdapter({
    cacheDir: Deno.args[0],
    log: (line) => log.push(line),
  });
  const milliseconds = Math.round(performance.now() - start);
  const found: Found = {
    ...prepared,
    ...await squareOnAdapter(),
    log,
    milliseconds,
  };
  console.log(JSON.stringify(found));
}
