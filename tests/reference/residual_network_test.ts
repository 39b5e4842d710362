import { assertClose } from "./assert_close.ts";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";
import {
  type ResidualNetwork,
  residualNetwork,
  residualNetworkInference,
  type ResidualParameters,
} from "./residual_network.ts";

const NETWORK: ResidualNetwork = {
  shape: [3, 5, 6, 2],
  stem: { co: 3, kernel: 3, stride: 1, padding: 1 },
  blocks: [
    { co: 3, stride: 1, map: Int32Array.of(2, -1, 0) },
    { co: 3, stride: 1, map: Int32Array.of(0, 1, 2) },
  ],
  classes: 4,
  batchNorm: { epsilon: 1e-5, momentum: 0 },
};
const PARAMETERS: ResidualParameters = {
  stem: random([9, 2, 3], 1),
  convs: [2, 3, 4, 5].map((seed) => random([9, 3, 3], seed)),
  affines: [6, 7, 8, 9, 10].map((seed) => random([2, 3], seed, { offZero: 0.2 })),
  headWeight: random([3, 4], 11),
  headBias: random([4], 12),
};
const RUNNING = PARAMETERS.affines.map(() => new Float64Array(6));
const IMAGES = random(NETWORK.shape, 13);

Deno.test("residualNetwork() gradients agree with differences on odd sides", () => {
  const dlogits = random([3, 4], 14);
  const run = () => residualNetwork(NETWORK, PARAMETERS, RUNNING, IMAGES);
  const gradient = run().backward(dlogits);
  const arrays = (p: ResidualParameters) => [
    p.stem,
    ...p.convs,
    ...p.affines,
    p.headWeight,
    p.headBias,
  ];
  arrays(PARAMETERS).forEach((array, i) => {
    const start = array.slice();
    assertGradient(arrays(gradient)[i]!, (values) => {
      array.set(values);
      return dot(run().logits, dlogits);
    }, start);
    array.set(start);
  });
});

Deno.test("residualNetworkInference() with the batch's own statistics equals training", () => {
  const { logits, running } = residualNetwork(
    NETWORK,
    PARAMETERS,
    RUNNING,
    IMAGES,
  );
  const count = 3 * 5 * 6;
  const biased = running.map((statistics) =>
    statistics.map((value, i) => i < 3 ? value : value * (count - 1) / count)
  );
  assertClose(
    residualNetworkInference(NETWORK, PARAMETERS, biased, IMAGES),
    logits,
    { rtol: 1e-12, atol: 1e-12 },
  );
});

Deno.test("residualNetwork() chains its parts as worked by hand for one channel", () => {
  // Kernels whose centre alone is not 0 leave arithmetic on each pixel by itself.
  const centre = (value: number) => new Float64Array(9).fill(value, 4, 5);
  const map = Int32Array.of(0);
  const network: ResidualNetwork = {
    shape: [1, 3, 5, 1],
    stem: { co: 1, kernel: 3, stride: 1, padding: 1 },
    blocks: [{ co: 1, stride: 1, map }, { co: 1, stride: 1, map }],
    classes: 2,
    batchNorm: { epsilon: 0.01, momentum: 0 },
  };
  const weights = [1.5, 0.7, -0.4, 2];
  const affines = [[1, 0.3], [2, -0.1], [0.5, 0.2], [-1, 0.4], [1.2, 0]];
  const images = random([15], 15);
  const { logits } = residualNetwork(
    network,
    {
      stem: centre(3),
      convs: weights.map(centre),
      affines: affines.map((affine) => Float64Array.from(affine)),
      headWeight: Float64Array.of(2, -5),
      headBias: Float64Array.of(0.25, 1),
    },
    affines.map(() => new Float64Array(2)),
    images,
  );

  const mean = (x: Float64Array) => x.reduce((a, b) => a + b) / x.length;
  const batchNormRelu = (i: number, x: Float64Array) => {
    const middle = mean(x),
      variance = mean(x.map((value) => (value - middle) ** 2));
    const [scale, shift] = affines[i] as [number, number];
    return x.map((value) =>
      Math.max(0, (value - middle) / Math.sqrt(variance + 0.01) * scale + shift)
    );
  };
  const conv = (i: number, x: Float64Array) => x.map((value) => value * weights[i]!);
  const plus = (a: Float64Array, b: Float64Array) => a.map((value, i) => value + b[i]!);

  const x = batchNormRelu(0, images.map((value) => 3 * value));
  const y = plus(conv(1, batchNormRelu(1, conv(0, x))), x);
  const z = plus(conv(3, batchNormRelu(3, conv(2, batchNormRelu(2, y)))), y);
  const pooled = mean(batchNormRelu(4, z));
  assertClose(logits, [2 * pooled + 0.25, -5 * pooled + 1], {
    rtol: 1e-12,
    atol: 0,
  });
});
