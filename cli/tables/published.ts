/**
 * The numbers the paper reports for each of its scenarios. All are of one run: it repeats none and has no
 * error bars.
 *
 * Source: Kim, Ahn, Torr and Oh, "Deep Virtual Networks for Memory Efficient Inference of Multiple
 * Tasks", CVPR 2019.
 *
 * @module
 */

/** What the paper says about a network of each task, of one method and level. */
export interface PublishedNetwork extends PublishedCosts {
  /** Our name of the method. */
  method: string;
  /** From 1; none where each task has one network. */
  level?: number;
  /** Top-1 accuracy of each task, percent. */
  accuracy: readonly number[];
}

interface PublishedCosts {
  /** What the paper calls the network, where that tells more than its method and level. */
  name?: string;
  /** Convolution weights of one task's network, rounded; for all tasks alike or of each. */
  parameters?: number | readonly number[];
  /** Those of all tasks' networks together. */
  parametersOfAll?: number;
  /** Parameters over those of the whole network; for all tasks alike or of each. */
  density?: number | readonly number[];
  /** On a TITAN Xp with TensorFlow; in which batches is not said. */
  msPerImage?: number;
  /** Over the top level. */
  speedUp?: number;
  /** The same accuracies as a later paper prints them. */
  reprinted?: readonly number[];
}

/** What the paper says about one of its scenarios. */
export interface PublishedScenario {
  /** The built-in scenarios that stand for it. */
  scenarios: readonly string[];
  /** Where its accuracies are. */
  table: string;
  /** Where its costs are, if elsewhere. */
  costTable?: string;
  /** How the accuracies were got, and how far they are to be trusted. */
  source: string;
  /** Whether it also prints averages over the tasks. */
  printsAverages: boolean;
  /** Images of each task. */
  images: readonly { train: number; test: number }[];
  /** The task that was timed, index from 0; default: not said. */
  timedTask?: number;
  networks: readonly PublishedNetwork[];
  /** What else is known about these numbers. */
  remarks: readonly string[];
}

const ONE_RUN = "of one run, without error bars";
const CIFAR = { train: 50_000, test: 10_000 };
const HALF_CIFAR_10 = { train: 25_000, test: 5_000 };
const TINY_IMAGENET = { train: 100_000, test: 10_000 };
const QUARTER_TINY_IMAGENET = { train: 25_000, test: 2_500 };

/** What NestedNet and PackNet+ give tasks 1 and 2. */
const J1_NESTED = { density: [1 / 2, 1] };

const j1: PublishedScenario = {
  scenarios: ["J1"],
  table: "Table 1",
  source: `printed in Table 1, ${ONE_RUN}`,
  printsAverages: true,
  images: [CIFAR, CIFAR],
  networks: [
    single("baseline", [94.8, 76.4], { parametersOfAll: 14.8e6, density: 1 }),
    single("packnet", [94.5, 75.3], J1_NESTED),
    single("nestednet", [94.7, 76.7], J1_NESTED),
    dvn(1, [94.6, 75.0], { name: "unit", parameters: 1.9e6, density: 0.25, msPerImage: 0.11 }),
    dvn(2, [95.1, 77.3], { name: "all", parameters: 7.4e6, density: 1, msPerImage: 0.30 }),
  ],
  remarks: [
    "The group's own results for CIFAR-100 on WRN-32-4 alone scatter: 76.4 here, 75.7 in Table 3, 75.0 " +
    "and 76.3 in Deep Elastic Networks (ICCV 2019).",
  ],
};

/** What NestedNet and PackNet+ give tasks 1 to 4. */
const J2_NESTED = { density: [1 / 4, 2 / 4, 3 / 4, 1] };

const j2: PublishedScenario = {
  scenarios: ["J2"],
  table: "Figure 5",
  costTable: "Table 2",
  source: `read off the vector graphics of Figure 5, ±0.1; ${ONE_RUN}`,
  printsAverages: false,
  images: Array(4).fill(QUARTER_TINY_IMAGENET),
  networks: [
    single("baseline", [67.6, 67.2, 66.4, 63.1], { density: 1 }),
    single("packnet", [66.2, 65.2, 64.6, 63.3], J2_NESTED),
    single("nestednet", [68.8, 70.8, 69.7, 66.2], J2_NESTED),
    nestedPerTask(1, [63.7, 64.5, 62.9, 62.8], { density: 1 / 16 }),
    nestedPerTask(2, [68.2, 66.7, 67.1, 66.2], { density: 4 / 16 }),
    nestedPerTask(3, [68.6, 68.1, 68.3, 67.2], { density: 9 / 16 }),
    nestedPerTask(4, [68.8, 68.4, 68.7, 67.9], { density: 1 }),
    dvn(1, [68.8, 68.5, 66.1, 62.9], {
      parameters: 1.9e6,
      density: 0.064,
      msPerImage: 0.18,
      speedUp: 5.8,
    }),
    dvn(2, [70.8, 70.3, 69.2, 67.7], {
      parameters: 7.5e6,
      density: 0.252,
      msPerImage: 0.38,
      speedUp: 2.8,
    }),
    dvn(3, [71.2, 72.5, 70.5, 68.4], {
      parameters: 16.8e6,
      density: 0.564,
      msPerImage: 0.67,
      speedUp: 1.6,
    }),
    dvn(4, [72.2, 72.9, 71.7, 69.4], {
      parameters: 29.8e6,
      density: 1,
      msPerImage: 1.05,
      speedUp: 1,
    }),
  ],
  remarks: [],
};

/** What NestedNet and PackNet+ give tasks 1 to 3. */
const J3_NESTED = { density: [4 / 16, 9 / 16, 1] };

const j3: PublishedScenario = {
  scenarios: ["J3", "J3-thirds"],
  table: "Figure 6",
  source: "read off Figure 6, ±0.4, in brackets as Auto-VirtualNet (Neurocomputing 2021) prints " +
    `what it says are the same results; ${ONE_RUN}`,
  printsAverages: false,
  images: [TINY_IMAGENET, CIFAR, { train: 5_000, test: 8_000 }],
  timedTask: 2,
  networks: [
    single("baseline", [55.8, 72.8, 71.5], { density: 1, reprinted: [55.8, 72.7, 71.5] }),
    single("packnet", [54.1, 69.7, 73.9], { ...J3_NESTED, reprinted: [54.1, 69.6, 73.9] }),
    single("nestednet", [55.8, 71.4, 75.4], { ...J3_NESTED, reprinted: [55.5, 71.9, 74.3] }),
    dvn(1, [55.6, 72.9, 76.5], {
      parameters: 7.5e6,
      density: 4 / 16,
      msPerImage: 0.65,
      reprinted: [55.5, 73.2, 76.6],
    }),
    dvn(2, [58.5, 73.7, 77.4], {
      parameters: 16.8e6,
      density: 9 / 16,
      msPerImage: 1.02,
      reprinted: [57.9, 74.0, 77.4],
    }),
    dvn(3, [59.1, 74.5, 78.0], {
      parameters: 29.8e6,
      density: 1,
      msPerImage: 1.51,
      reprinted: [58.8, 74.5, 77.9],
    }),
  ],
  remarks: [
    "Auto-VirtualNet also has one network with a head for each task (45.5, 58.6, 70.7) and its own " +
    "best (59.3, 74.2, 82.5).",
    "The group's later runs on ResNet-42 (Deep Elastic Networks, ICCV 2019) differ from these by more " +
    "than the margins between methods: baseline 57.22, 75.05, 76.25; NestedNet 56.71, 74.53, 82.54.",
  ],
};

const h1: PublishedScenario = {
  scenarios: ["H1"],
  table: "Table 3",
  source: `printed in Table 3, ${ONE_RUN}`,
  printsAverages: false,
  images: [CIFAR, CIFAR],
  networks: [
    single("baseline-narrow", [82.1, 73.4], {
      name: "WRN-32-2",
      parameters: 1.8e6,
      density: 0.25,
    }),
    single("baseline", [84.9, 75.7], { name: "WRN-32-4", parameters: 7.4e6, density: 1 }),
    single("nestednet", [83.7, 76.6], { parameters: [1.8e6, 7.4e6], density: [0.25, 1] }),
    dvn(1, [84.1, 74.9], { name: "unit", parameters: 1.8e6, density: 0.25 }),
    dvn(2, [86.1, 76.9], { name: "all", parameters: 7.4e6, density: 1 }),
  ],
  remarks: ["82.1, 75.7, 83.7 and 76.6 equal those in NestedNet's own table (CVPR 2018)."],
};

const LEFT_AND_RIGHT =
  "The paper's left and right are taken to be a single unit and all units, as the text on Table 5 " +
  "says; the caption of Table 4 says the reverse.";

const s1: PublishedScenario = {
  scenarios: ["S1"],
  table: "Table 4",
  source: `printed in Table 4, ${ONE_RUN}`,
  printsAverages: true,
  images: [HALF_CIFAR_10, HALF_CIFAR_10],
  networks: [
    single("feature-extraction", [96.3, 85.7]),
    single("da-cnn", [96.3, 90.1]),
    single("lwf", [95.3, 97.1]),
    single("nestednet", [93.9, 98.2]),
    dvn(1, [95.4, 97.7], { name: "left" }),
    dvn(2, [95.8, 98.1], { name: "right" }),
  ],
  remarks: [LEFT_AND_RIGHT],
};

const s2: PublishedScenario = {
  scenarios: ["S2"],
  table: "Table 5",
  source: `printed in Table 5, ${ONE_RUN}`,
  printsAverages: true,
  images: [CIFAR, CIFAR],
  networks: [
    single("feature-extraction", [94.9, 53.2]),
    single("da-cnn", [94.9, 57.4]),
    single("lwf", [93.4, 77.2]),
    single("nestednet", [93.1, 77.9]),
    dvn(1, [93.1, 78.0], { name: "left" }),
    dvn(2, [93.4, 78.7], { name: "right" }),
  ],
  remarks: [LEFT_AND_RIGHT],
};

/** Joint, hierarchical, sequential. */
export const published: readonly PublishedScenario[] = [j1, j2, j3, h1, s1, s2];

/** A method that has one network for each task. */
function single(
  method: string,
  accuracy: readonly number[],
  costs: PublishedCosts = {},
): PublishedNetwork {
  return { method, accuracy, ...costs };
}

function dvn(
  level: number,
  accuracy: readonly number[],
  costs: PublishedCosts,
): PublishedNetwork {
  return { method: "dvn", level, accuracy, ...costs };
}

/** A NestedNet of each task alone. */
function nestedPerTask(
  level: number,
  accuracy: readonly number[],
  costs: PublishedCosts,
): PublishedNetwork {
  return { method: "nestednet-per-task", level, accuracy, ...costs };
}
