import { assertEquals } from "@std/assert";
import type { TaskData } from "../../dvn/data.ts";
import type { TrainEvent } from "../../dvn/events.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario, SequentialSpec } from "../../dvn/scenario.ts";
import { train, type TrainOptions } from "../../dvn/trainer.ts";
import { testGpu } from "../gpu.ts";
import { tinyData } from "./tiny.ts";

/** Tasks that arrive one after another, as the parser fills it in. */
export const SEQUENTIAL: SequentialSpec = {
  firstStage: "full",
  temperature: 2,
  teacherLevel: "top",
  newTask: "copy",
  warmupEpochs: 0,
};

/** Events of one type. */
type EventOf<T extends TrainEvent["type"]> = Extract<TrainEvent, { type: T }>;

export type Checkpoint = EventOf<"checkpoint">;

/** The events of one type. */
export function ofType<T extends TrainEvent["type"]>(events: TrainEvent[], type: T) {
  return events.filter((event): event is EventOf<T> => event.type === type);
}

export function lastCheckpoint(events: TrainEvent[]): Checkpoint {
  return ofType(events, "checkpoint").at(-1)!;
}

/** What events say, without how long things took and what machine they ran on. */
export function said(events: TrainEvent[]): unknown[] {
  const timeless = ["seconds", "secondsLeft", "imagesPerSecond", "weights", "state"];
  return events.filter(({ type }) => type === "step" || type === "evaluation")
    .map((event) => Object.entries(event).filter(([key]) => !timeless.includes(key)));
}

/**
 * Trains a fresh network to the end, or until some steps are done. In the end all memory is given
 * back, whatever happens.
 */
export async function trainFresh(
  scenario: Scenario,
  { data = tinyData, stopAfter, onEvent, ...options }: TrainOptions & {
    data?: Record<string, TaskData>;
    /** Steps, from the first that is done. */
    stopAfter?: number;
    onEvent?: (event: TrainEvent) => void;
  } = {},
): Promise<TrainEvent[]> {
  const gpu = await testGpu();
  const held = gpu.bytesHeld;
  const net = await DeepVirtualNetwork.create(gpu, scenario, data);
  const events: TrainEvent[] = [];
  let steps = 0;
  const signal = {
    get aborted() {
      return steps++ === stopAfter; // asked before each step
    },
  } as AbortSignal;
  try {
    for await (const event of train(net, data, { ...options, signal })) {
      events.push(event);
      onEvent?.(event);
    }
  } finally {
    net.destroy();
    assertEquals(gpu.bytesHeld, held);
  }
  return events;
}
