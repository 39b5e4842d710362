import { assert, assertEquals } from "@std/assert";
import { batchNormLayers, convLayers } from "../../dvn/backbone.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import * as reference from "../reference/mod.ts";

/** What becomes of an array that several levels have: those of a task's stem's batch norm. */
type Join = (a: Float64Array, b: Float64Array) => Float64Array;

const first: Join = (a) => a;

/** The float64 arrays of all networks, by the names that the library gives them. */
export class ReferenceNames {
  /** @param dvn The scenario's networks, task by task and level by level. */
  constructor(readonly scenario: Scenario, readonly dvn: reference.DeepVirtualNetwork) {}

  /** @param index Of the network. */
  #names(index: number): { task: string; prefix: string } {
    const { networks } = this.dvn;
    const { task } = networks[index]!;
    const level = index - networks.findIndex((network) => network.task === task) + 1;
    const { name } = this.scenario.tasks[task]!;
    return { task: name, prefix: `${name}.level${level}` };
  }

  parameters(
    { stems, convs, networks }: reference.DvnParameters,
    join: Join = first,
  ): Map<string, Float64Array> {
    const { backbone, stem, tasks } = this.scenario;
    const result = new Map<string, Float64Array>();
    stems.forEach((weight, task) => {
      result.set(`stem.${tasks[task]!.name}.conv.weight`, weight);
    });
    convLayers(backbone, stem).forEach(({ name }, i) => {
      result.set(`${name}.weight`, convs[i]!);
    });
    networks.forEach(({ headWeight, headBias }, index) => {
      const { prefix } = this.#names(index);
      result.set(`${prefix}.head.weight`, headWeight);
      result.set(`${prefix}.head.bias`, headBias);
    });
    return this.#norms(networks.map(({ affines }) => affines), "affine", join, result);
  }

  /** @param running Running statistics, `[network][normalisation]`. */
  statistics(running: Float64Array[][]): Map<string, Float64Array> {
    return this.#norms(running, "running", first, new Map());
  }

  #norms(
    networks: Float64Array[][],
    kind: "affine" | "running",
    join: Join,
    result: Map<string, Float64Array>,
  ): Map<string, Float64Array> {
    const layers = batchNormLayers(this.scenario.backbone, this.scenario.stem);
    networks.forEach((arrays, index) => {
      assertEquals(arrays.length, layers.length);
      const { task, prefix } = this.#names(index);
      layers.forEach(({ name, split }, i) => {
        const full = split ? `${prefix}.${name}.${kind}` : `stem.${task}.bn.${kind}`;
        const other = result.get(full);
        result.set(full, other ? join(other, arrays[i]!) : arrays[i]!);
      });
    });
    return result;
  }

  /** Random parameters; levels of a task share its stem, batch norm included. */
  randomParameters(seed: number): reference.DvnParameters {
    const parameters = reference.randomParameters(this.dvn, seed);
    this.#shareStem(parameters.networks.map(({ affines }) => affines));
    return parameters;
  }

  /** Random statistics that a float32 holds: means near 0, variances in [0.5, 1.5]. */
  randomStatistics(seed: number): Float64Array[][] {
    const statistics = reference.initialStatistics(this.dvn).map((arrays) =>
      arrays.map((array) => {
        const noise = reference.random([array.length], seed++);
        return array.map((value, c) => Math.fround(value + noise[c]! / 2));
      })
    );
    this.#shareStem(statistics);
    return statistics;
  }

  #shareStem(norms: Float64Array[][]): void {
    const { networks } = this.dvn;
    norms.forEach((arrays, index) => {
      const { task } = networks[index]!;
      arrays[0] = norms[networks.findIndex((network) => network.task === task)]![0]!;
    });
  }
}

/** Throws unless a store's arrays are those of the reference, none missing, none all zeros. */
export function assertAllClose(
  got: Map<string, Float32Array>,
  want: Map<string, Float64Array>,
): void {
  assertEquals([...got.keys()].sort(), [...want.keys()].sort());
  for (const [name, values] of want) {
    // Some thirty ops one after another: their errors add up.
    const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    assert(most > 0, `${name} is all zeros`);
    try {
      reference.assertClose(got.get(name)!, values, { rtol: 1e-4, atol: 1e-5 * most });
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`);
    }
  }
}
