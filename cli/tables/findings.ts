/** Accuracies and speeds by network, published or measured: what comparisons are made of. */
import type { PublishedNetwork, PublishedScenario } from "./published.ts";
import { averageBySeed, type BySeed, meanOf } from "./statistics.ts";

/** The networks that a method gives the tasks, one each. */
export interface NetworkKey {
  method: string;
  /** From 1; none where each task has one network only. */
  level?: number;
}

/** What the methods have reached in a scenario. */
export interface Findings {
  /** Names of the tasks. */
  readonly tasks: readonly string[];
  /** Those there are, method by method, from the lowest level up. */
  networks(): readonly NetworkKey[];
  /** On the test images, percent. Empty if there is none. @param task Index from 0. */
  accuracy(network: NetworkKey, task: number): BySeed;
  /** Over the task's top level, averaged over tasks. Empty if there is none. */
  speedUp(network: NetworkKey): BySeed;
  /** Parameters over those of the whole network, averaged over tasks; undefined if not known. */
  density(network: NetworkKey): number | undefined;
}

export function isSameNetwork(a: NetworkKey, b: NetworkKey): boolean {
  return a.method === b.method && a.level === b.level;
}

/** The networks of a method, from the lowest level up. */
export function networksOf(findings: Findings, method: string): NetworkKey[] {
  return findings.networks().filter((network) => network.method === method);
}

/** Accuracy averaged over the tasks, percent. Empty if a task has none. */
export function averageAccuracy(findings: Findings, network: NetworkKey): BySeed {
  return averageBySeed(findings.tasks.map((_, task) => findings.accuracy(network, task)));
}

/** Of some networks the one of the best average accuracy; undefined if none has one. */
export function bestOf(
  findings: Findings,
  networks: readonly NetworkKey[],
): NetworkKey | undefined {
  const score = (network: NetworkKey) => meanOf([...averageAccuracy(findings, network).values()]);
  return networks.filter((network) => !Number.isNaN(score(network)))
    .toSorted((a, b) => score(b) - score(a))[0];
}

/** The paper's, as those of a single seed. */
export function publishedFindings(
  { networks }: PublishedScenario,
  tasks: readonly string[],
): Findings {
  const find = (key: NetworkKey) => networks.find((network) => isSameNetwork(network, key));
  return {
    tasks,
    networks: () => networks.map(({ method, level }) => ({ method, level })),
    accuracy: (key, task) => once(find(key)?.accuracy[task]),
    speedUp: (key) => once(publishedSpeedUp(networks, find(key))),
    density: (key) => {
      const density = find(key)?.density;
      return density === undefined ? undefined : meanOf([density].flat());
    },
  };
}

/** As printed, or what follows from the printed times. */
function publishedSpeedUp(
  networks: readonly PublishedNetwork[],
  network: PublishedNetwork | undefined,
): number | undefined {
  if (network?.speedUp || !network?.msPerImage) return network?.speedUp;
  const top = networks.findLast(({ method }) => method === network.method)!;
  return top.msPerImage! / network.msPerImage;
}

function once(value: number | undefined): BySeed {
  return new Map(value === undefined ? [] : [[0, value]]);
}
