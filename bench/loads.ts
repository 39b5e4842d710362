/**
 * What a vec4 costs to load and to store on this adapter, by where it lies: the numbers that decide how
 * kernels read on software adapters.
 *
 *     deno task bench:loads
 *
 * A lane loads 36 vectors and sums them up, or stores 36; 2^13 lanes, so 4.7 MB in all, which stay in a
 * processor's cache. Least of ten runs of 16 dispatches each, on all cores.
 *
 * @module
 */
import { prepareAdapter } from "../cli/adapter.ts";
import { runCommand } from "../cli/args.ts";
import { Gpu } from "../nn/gpu/gpu.ts";

const LANES = 2 ** 13;
const EACH = 36;
const DISPATCHES = 16;
const RUNS = 10;
/** Vectors in a row of a texture. */
const WIDTH = 1024;

type Place = "buffer" | "sampled texture" | "storage texture";

const PLACES: readonly Place[] = ["buffer", "sampled texture", "storage texture"];

/** WGSL's declaration, and an access to the vector that `index` tells. */
function access(place: Place, stores: boolean) {
  const at = (index: string) => `vec2u((${index}) % ${WIDTH}u, (${index}) / ${WIDTH}u)`;
  switch (place) {
    case "buffer":
      return {
        declaration: stores
          ? "var<storage, read_write> a: array<vec4f>;"
          : "var<storage, read> a: array<vec4f>;",
        load: (index: string) => `a[${index}]`,
        store: (index: string) => `a[${index}] = value;`,
      };
    case "sampled texture":
      return {
        declaration: "var a: texture_2d<f32>;",
        load: (index: string) => `textureLoad(a, ${at(index)}, 0)`,
      };
    case "storage texture":
      return {
        declaration: `var a: texture_storage_2d<rgba32float, ${stores ? "write" : "read"}>;`,
        load: (index: string) => `textureLoad(a, ${at(index)})`,
        store: (index: string) => `textureStore(a, ${at(index)}, value);`,
      };
  }
}

function layoutOf(place: Place, stores: boolean): Omit<GPUBindGroupLayoutEntry, "binding"> {
  const visibility = GPUShaderStage.COMPUTE;
  if (place === "buffer") {
    return { visibility, buffer: { type: stores ? "storage" : "read-only-storage" } };
  }
  return place === "sampled texture"
    ? { visibility, texture: { sampleType: "unfilterable-float" } }
    : {
      visibility,
      storageTexture: { access: stores ? "write-only" : "read-only", format: "rgba32float" },
    };
}

/** Nanoseconds of one vector, all cores together; undefined where the place cannot do that. */
async function measure(gpu: Gpu, place: Place, stores: boolean): Promise<number | undefined> {
  const { device } = gpu;
  const { declaration, load, store } = access(place, stores);
  if (stores && !store) return undefined;
  const indices = Array.from({ length: EACH }, (_, k) => `i + ${k * LANES}u`);
  const body = stores
    ? indices.map((index) => store!(index))
    : indices.map((index) => `value += ${load(index)};`);
  const code = `
@group(0) @binding(0) ${declaration}
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  var value = vec4f(f32(i));
  ${body.join("\n  ")}
  y[i] = value;
}`;
  const layout = device.createBindGroupLayout({
    entries: [
      { binding: 0, ...layoutOf(place, stores) },
      { binding: 1, visibility: GPUShaderStage.COMPUTE, buffer: { type: "storage" } },
    ],
  });
  const pipeline = await device.createComputePipelineAsync({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
  });
  const buffer = gpu.buffer("vectors", place === "buffer" ? LANES * EACH * 16 : 16);
  const y = gpu.buffer("sums", LANES * 16);
  const texture = device.createTexture({
    size: [WIDTH, LANES * EACH / WIDTH],
    format: "rgba32float",
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.STORAGE_BINDING,
  });
  const bindGroup = device.createBindGroup({
    layout,
    entries: [
      { binding: 0, resource: place === "buffer" ? { buffer } : texture.createView() },
      { binding: 1, resource: { buffer: y } },
    ],
  });
  let least = Infinity;
  for (let run = 0; run <= RUNS; run++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    for (let k = 0; k < DISPATCHES; k++) pass.dispatchWorkgroups(LANES / 64);
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await gpu.settle();
    if (run > 0) least = Math.min(least, performance.now() - start); // the first one compiles
  }
  texture.destroy();
  gpu.free(buffer);
  gpu.free(y);
  return least * 1e6 / (DISPATCHES * LANES * EACH);
}

async function main(): Promise<number> {
  const { line } = await prepareAdapter();
  console.log(`${line}\n`);
  const gpu = await Gpu.open();
  console.log(`ns a vec4        load   store`);
  for (const place of PLACES) {
    const times = [await measure(gpu, place, false), await measure(gpu, place, true)];
    const cells = times.map((ns) => (ns === undefined ? "-" : ns.toFixed(2)).padStart(6));
    console.log(`${place.padEnd(15)}${cells.join("  ")}`);
  }
  gpu.destroy();
  return 0;
}

if (import.meta.main) await runCommand(main);
