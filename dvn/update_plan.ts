import type { Plan } from "../nn/gpu/plan.ts";
import { crossEntropy, distillation } from "../nn/ops/cross_entropy.ts";
import type { LossScale } from "../nn/optim/loss_scale.ts";
import { sgd } from "../nn/optim/sgd.ts";
import { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import { type BatchInput, recordImages, recordInput } from "./batch_input.ts";
import { taskLevels } from "./hierarchy.ts";
import type { LossTerm, Phase } from "./method.ts";
import type { DeepVirtualNetwork } from "./network.ts";

/** One update, compiled: some losses, forward and backward, and the change of the weights. */
export interface UpdatePlan {
  plan: Plan;
  /** [3]: learning rate, momentum, weight decay. */
  hyper: Tensor;
  /** One for each task whose images are shown; `labels` where a loss asks for them. */
  batches: { task: number; input: BatchInput; labels?: Tensor }[];
}

/** Task whose images a loss shows, index from 0. */
export function shownTask({ task, images }: LossTerm): number {
  return images ?? task;
}

/**
 * Records and compiles an update.
 *
 * @throws {RangeError} As {@linkcode checkLosses}; or if a loss compares with the old network, and
 *   there is none, or activations are to be 16-bit, and the losses have no scale.
 */
export async function compileUpdate(
  label: string,
  net: DeepVirtualNetwork,
  losses: readonly LossTerm[],
  context: UpdateContext,
): Promise<UpdatePlan> {
  checkLosses(net, losses);
  const { activations } = net.scenario.training;
  if (activations === "f16" && !context.lossScale) {
    throw new RangeError("16-bit activations need a loss scale: small gradients would be lost");
  }
  const tape = new Tape(net.gpu, activations);
  const inputs = recordUpdate(tape, net, losses, context);
  return { plan: await tape.compile(label), ...inputs };
}

/** What an update needs of the phase that it is part of. */
interface UpdateContext {
  /** The network as it was when the phase began, for losses that compare with it. */
  old?: DeepVirtualNetwork;
  frozen: Phase["frozen"];
  /** Where activations are stored in 16 bits. */
  lossScale?: LossScale;
  /** Gives those of a network, for its losses to add to. */
  counters: (tape: Tape, loss: LossTerm) => Tensor;
}

/** Records some losses, forward and backward, and the change of the weights. */
export function recordUpdate(
  tape: Tape,
  net: DeepVirtualNetwork,
  losses: readonly LossTerm[],
  { old, frozen, lossScale, counters }: UpdateContext,
): Omit<UpdatePlan, "plan"> {
  const { batchSize } = net.scenario.training;
  const scaling = lossScale?.tensor(tape);
  const hyper = tape.input("learning rate, momentum, weight decay", [3]);
  const batches = [...new Set(losses.map(shownTask))].map((shown) => {
    const info = net.tasks[shown]!;
    const input = recordInput(tape, info, batchSize);
    const here = losses.filter((loss) => shownTask(loss) === shown);
    const labels = here.some(({ target }) => !target || target.kind === "labels")
      ? tape.input(`${info.name} labels`, [batchSize])
      : undefined;
    for (const task of new Set(here.map((loss) => loss.task))) {
      const images = recordImages(tape, input, net.tasks[task]!);
      const own = here.filter((loss) => loss.task === task);
      recordLosses(tape, net, own, images, { labels, old, scaling, counters });
    }
    return { task: shown, input, labels };
  });
  sgd(tape, net.store, hyper, { frozen, scaling });
  return { hyper, batches };
}

/** Records some losses of one task on one batch of images, forward and backward. */
function recordLosses(
  tape: Tape,
  net: DeepVirtualNetwork,
  losses: readonly LossTerm[],
  images: Tensor,
  { labels, old, scaling, counters }: {
    labels?: Tensor;
    old?: DeepVirtualNetwork;
    scaling?: Tensor;
    counters: (tape: Tape, loss: LossTerm) => Tensor;
  },
): void {
  const { task } = losses[0]!;
  // Computed at most once, and only if a loss needs them.
  const stem = once(() => net.stem(tape, task, images, "training"));
  const frozenStem = once(() =>
    tape.withoutGradient(() => net.stem(tape, task, images, "inference"))
  );
  const oldStem = once(() =>
    tape.withoutGradient(() => old!.stem(tape, task, images, "inference"))
  );
  const oldLogits = new Map<number, Tensor>();
  const oldAnswer = (level: number) => {
    if (!old) throw new RangeError("a loss compares with the old network, and there is none");
    let answer = oldLogits.get(level);
    if (!answer) {
      answer = tape.scope(
        "old",
        () => tape.withoutGradient(() => old.forward(tape, task, level, oldStem(), "inference")),
      );
      oldLogits.set(level, answer);
    }
    return answer;
  };
  const logitsAt = new Map<number, Tensor>();
  // Its backward pass comes after those of all levels, so its rules must be there before theirs.
  if (losses.some(({ learns }) => learns !== "head")) stem();
  // From the highest level down, so that higher levels can teach lower ones.
  for (const loss of [...losses].sort((a, b) => b.level - a.level)) {
    const { level, weight, learns = "all", target = { kind: "labels" } } = loss;
    // What has no gradient comes first, before there are activations to be kept.
    const teacher = target.kind === "old-network" ? oldAnswer(target.level) : undefined;
    const features = learns === "head"
      ? tape.withoutGradient(() => net.features(tape, task, level, frozenStem(), "inference"))
      : undefined;
    // Back to the stem after each level: the activations of one level are alive at a time.
    const mark = tape.mark();
    const logits = features
      ? net.head(tape, task, level, features)
      : net.forward(tape, task, level, stem(), "training");
    logitsAt.set(level, logits);
    const options = { counters: counters(tape, loss), weight, scaling };
    if (target.kind === "labels") {
      crossEntropy(tape, logits, labels!, options);
    } else {
      const { temperature } = target;
      const answer = teacher ?? logitsAt.get(target.level)!;
      distillation(tape, logits, answer, { ...options, temperature });
    }
    tape.backward(mark);
  }
  tape.backward();
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => made ??= make();
}

/**
 * Checks some losses that are to be summed.
 *
 * @throws {RangeError} If one is of a level that its task has not, shows its task images of another
 *   shape than its own, or is to learn from what is not there.
 */
export function checkLosses(
  { tasks, scenario }: Pick<DeepVirtualNetwork, "tasks" | "scenario">,
  losses: readonly LossTerm[],
): void {
  const shape = ({ height, width, channels }: typeof tasks[number]) =>
    `${height}x${width}x${channels}`;
  for (const loss of losses) {
    const { task, level, target } = loss;
    const [mine, theirs] = [tasks[task]!, tasks[shownTask(loss)]!];
    const levels = taskLevels(scenario, task);
    const used = target && target.kind !== "labels" ? [level, target.level] : [level];
    const missing = used.find((each) => !levels.includes(each));
    if (missing !== undefined) {
      throw new RangeError(
        `task ${mine.name}: a loss is of level ${missing}, and there are ${levels.join(", ")}`,
      );
    }
    if (shape(mine) !== shape(theirs)) {
      throw new RangeError(
        `task ${mine.name} takes pictures of ${shape(mine)}, and those of ${theirs.name} are ` +
          `${shape(theirs)}: it cannot be shown them; use datasets with pictures of one size`,
      );
    }
    if (target?.kind !== "level") continue;
    const teaches = (other: LossTerm) =>
      other.task === task && other.level === target.level && shownTask(other) === shownTask(loss);
    if (target.level <= level || !losses.some(teaches)) {
      throw new RangeError(
        `task ${mine.name}: level ${level} is to learn from level ${target.level}, which must be a ` +
          "higher one of the same update",
      );
    }
  }
}
