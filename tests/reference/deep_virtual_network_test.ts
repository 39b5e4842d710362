import { assert, assertEquals } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import {
  type Batch,
  blockLayouts,
  cutNetwork,
  cutParameters,
  type DeepVirtualNetwork,
  deepVirtualNetwork,
  type DvnParameters,
  initialStatistics,
  randomParameters,
  type Target,
} from "./deep_virtual_network.ts";
import { assertGradient } from "./numerical_grad.ts";
import { random } from "./random.ts";
import { residualNetwork } from "./residual_network.ts";
import { softmaxCrossEntropyGrad } from "./softmax_cross_entropy.ts";
import {
  activeChannels,
  gatherBlocks,
  maskedBlocks,
  placeChannels,
  selectChannels,
} from "./unit_blocks.ts";

const ROUNDING = { rtol: 1e-11, atol: 1e-11 };

/** Two tasks, two levels; units of uneven width; images of two sizes and depths. */
const DVN: DeepVirtualNetwork = {
  tasks: [
    { shape: [2, 4, 4, 1], stemStride: 1, classes: 2 },
    { shape: [3, 8, 7, 2], stemStride: 2, classes: 3 },
  ],
  stem: { channels: 2, kernel: 3, padding: 1 },
  widths: [[2, 1], [2, 3]],
  blocks: 1,
  stemMap: Int32Array.of(0, 1, 0), // a slice for unit 0, the first channel again for unit 1
  networks: [
    { task: 0, units: [0] },
    { task: 0, units: [0, 1] },
    { task: 1, units: [1] },
    { task: 1, units: [0, 1] },
  ],
  batchNorm: { epsilon: 1e-5, momentum: 0.9 },
};
const PARAMETERS = randomParameters(DVN, 1);
const RUNNING = initialStatistics(DVN);
const BATCHES: Batch[] = [
  { images: random(DVN.tasks[0]!.shape, 51), labels: [1, 0] },
  { images: random(DVN.tasks[1]!.shape, 52), labels: [2, 0, 1] },
];

function named(parameters: DvnParameters): [string, Float64Array][] {
  const list = (name: string, arrays: Float64Array[]) =>
    arrays.map((array, i): [string, Float64Array] => [`${name} ${i}`, array]);
  return [
    ...list("stem", parameters.stems),
    ...list("convolution", parameters.convs),
    ...parameters.networks.flatMap(({ affines, headWeight, headBias }, i) => [
      ...list(`network ${i}, affine`, affines),
      ...list(`network ${i}, head`, [headWeight, headBias]),
    ]),
  ];
}

/** A matrix of so many columns, turned over. */
function transpose(matrix: Float64Array, columns: number): Float64Array {
  const rows = matrix.length / columns;
  return matrix.map((_, i) => matrix[i % rows * columns + Math.floor(i / rows)]!);
}

const GRADIENTS = deepVirtualNetwork(DVN, PARAMETERS, RUNNING, BATCHES)
  .backward();

/** Levels of the first task have teachers, as in eq. (6); losses count unequally. */
const TARGETS: Target[] = [
  { teacher: { logits: random([2, 2], 53), temperature: 2 } },
  { teacher: { logits: random([2, 2], 54), temperature: 3 }, weight: 0.5 },
  {},
  { weight: 2 },
];

for (const [equation, targets] of [["eq. (4)", []], ["eq. (6)", TARGETS]] as const) {
  const step = () => deepVirtualNetwork(DVN, PARAMETERS, RUNNING, BATCHES, [...targets]);
  const gradients = named(step().backward());
  named(PARAMETERS).forEach(([name, array], i) => {
    Deno.test(`${equation}: the gradient of ${name} agrees with differences`, () => {
      const start = array.slice();
      assertGradient(gradients[i]![1], (values) => {
        array.set(values);
        return step().losses
          .map((loss, network) => loss * (targets[network]?.weight ?? 1))
          .reduce((a, b) => a + b);
      }, start);
      array.set(start);
    });
  });
}

Deno.test("cutNetwork() keeps the active units' widths and shortcuts", () => {
  const { shape, stem, blocks, classes } = cutNetwork({ ...DVN, blocks: 2 }, 2); // unit 1 of task 1
  assertEquals({ shape, stem, classes }, {
    shape: [3, 8, 7, 2],
    stem: { co: 2, kernel: 3, padding: 1, stride: 2 },
    classes: 3,
  });
  assertEquals(blocks, [
    { co: 1, stride: 1, map: Int32Array.of(0) }, // of the stem, as stemMap says
    { co: 1, stride: 1, map: Int32Array.of(0) },
    { co: 3, stride: 2, map: Int32Array.of(0, -1, -1) },
    { co: 3, stride: 1, map: Int32Array.of(0, 1, 2) },
  ]);
  const both = cutNetwork(DVN, 3).blocks.map(({ map }) => map);
  assertEquals(both, [Int32Array.of(0, 1, 0), Int32Array.of(0, 1, 2, -1, -1)]);
});

for (const blocks of [1, 2]) {
  Deno.test(`a level of ${blocks} blocks a stage is the full network with inactive channels times 0`, () => {
    const dvn = { ...DVN, blocks }, parameters = randomParameters(dvn, 2);
    const layouts = blockLayouts(dvn), running = initialStatistics(dvn);
    // Units' widths at the stem and at each convolution's output.
    const widths = [[2], ...layouts.map(({ outWidths }) => outWidths)];
    const count = widths.map((stage) => stage.reduce((a, b) => a + b));
    const inputs = (i: number, units: number[]) => i === 0 ? [0] : units;

    dvn.networks.forEach(({ task, units }, index) => {
      const { shape: [n], classes } = dvn.tasks[task]!;
      const { images, labels } = BATCHES[task]!;
      const active = widths.map((stage, i) => activeChannels(stage, inputs(i, units)));
      const cut = cutParameters(dvn, parameters, index);
      const columns = placeChannels(
        transpose(cut.headWeight, classes),
        count.at(-1)!,
        active.at(-1)!,
      );
      const masked = {
        ...cut,
        convs: parameters.convs.map((flat, i) =>
          maskedBlocks(flat, layouts[i]!, units, inputs(i, units))
        ),
        // A scale and a shift of 0 mask what a normalisation gives.
        affines: cut.affines.map((affine, i) => placeChannels(affine, count[i]!, active[i]!)),
        headWeight: transpose(columns, count.at(-1)!),
      };
      const whole = cutNetwork(
        { ...dvn, networks: [{ task, units: [0, 1] }] },
        0,
      );
      const zeros = count.map((c) => new Float64Array(2 * c));

      const level = residualNetwork(
        cutNetwork(dvn, index),
        cut,
        running[index]!,
        images,
      );
      const full = residualNetwork(whole, masked, zeros, images);
      assertClose(full.logits, level.logits, ROUNDING);

      const dlogits = softmaxCrossEntropyGrad(
        level.logits,
        [n, classes],
        labels,
      );
      const dlevel = level.backward(dlogits), dfull = full.backward(dlogits);
      assertClose(dfull.stem, dlevel.stem, ROUNDING);
      dfull.affines.forEach((affine, i) => {
        const want = selectChannels(affine, count[i]!, active[i]!);
        assertClose(dlevel.affines[i]!, want, ROUNDING);
      });
      dfull.convs.forEach((dense, i) => {
        const want = new Set(active[i]!), co = count[i + 1]!;
        const rows = dense.filter((_, at) => want.has(Math.floor(at / co) % count[i]!));
        assertClose(
          dlevel.convs[i]!,
          selectChannels(rows, co, active[i + 1]!),
          ROUNDING,
        );
      });
    });
  });
}

Deno.test("eq. (5): the joint gradient is the sum of each network's own", () => {
  const sum = PARAMETERS.convs.map((flat) => new Float64Array(flat.length));
  DVN.networks.forEach((network, index) => {
    const alone = deepVirtualNetwork(
      { ...DVN, networks: [network] },
      { ...PARAMETERS, networks: [PARAMETERS.networks[index]!] },
      [RUNNING[index]!],
      BATCHES,
    ).backward();
    alone.convs.forEach((flat, i) => flat.forEach((value, at) => sum[i]![at]! += value));
    // Each block (out unit, in unit) has a gradient if, and only if, both are active.
    blockLayouts(DVN).forEach((layout, i) => {
      for (const out of [0, 1]) {
        for (const input of layout.inWidths.keys()) {
          const block = gatherBlocks(alone.convs[i]!, layout, [out], [input]);
          const active = network.units.includes(out) &&
            (i === 0 || network.units.includes(input));
          assertEquals(block.some((value) => value !== 0), active);
        }
      }
    });
  });
  sum.forEach((flat, i) => assertClose(GRADIENTS.convs[i]!, flat, ROUNDING));
});

Deno.test("running statistics are those of each network's own batch", () => {
  const { running } = deepVirtualNetwork(DVN, PARAMETERS, RUNNING, BATCHES);
  running.forEach((network, index) => {
    const { units } = DVN.networks[index]!;
    const channels = DVN.widths.map((stage) => activeChannels(stage, units).length);
    const [first, second] = channels as [number, number];
    assertEquals(network.map((array) => array.length / 2), [
      2,
      first,
      first,
      second,
      second,
    ]);
    network.forEach((array, i) => {
      assert(
        array.every((value) => Number.isFinite(value) && value !== 0 && value !== 1),
      );
      const variances = array.subarray(array.length / 2);
      assert(variances.every((value) => value >= 0.9), `normalisation ${i}`);
    });
  });
  assertEquals(RUNNING, initialStatistics(DVN)); // the old ones are not touched
});
