/** Training in the worker: pausing is a checkpoint, and so is what a lost device goes on from. */
import {
  type CheckpointFiles,
  DeepVirtualNetwork,
  digitsScenario,
  type Gpu,
  type NetworkScore,
  parseScenario,
  type Scenario,
  scenarioWithEpochs,
  type TaskData,
  train,
  type TrainEvent,
} from "../../mod.ts";
import { isLost, type Networks } from "./networks.ts";
import type { PlainTrainEvent, TrainState, WorkerEvent } from "./protocol.ts";

/** The network that is trained here. */
export const TRAINED = "trained";

/** Devices that may be lost one after another without a step between before it is given up. */
const MOST_LOSSES = 3;

export class Training {
  #state: TrainState = "idle";
  #scenario: Scenario = digitsScenario;
  /** What is trained; others see it from its first checkpoint on, and until then the one before it. */
  #net: DeepVirtualNetwork | undefined;
  #scores: NetworkScore[] = [];
  #checkpoint: CheckpointFiles | undefined;
  #checkpointStep = 0;
  #abort = new AbortController();
  /** What pausing or stopping ends in. */
  #goal: "paused" | "stopped" = "paused";
  #running: Promise<void> | undefined;

  constructor(
    readonly networks: Networks,
    readonly data: Readonly<Record<string, TaskData>>,
    readonly tell: (event: WorkerEvent) => void,
  ) {}

  get isActive(): boolean {
    return this.#running !== undefined;
  }

  /** Begins anew. @throws {ScenarioError} If epochs or seed are none. */
  async start(epochs: number, seed: number): Promise<void> {
    const scenario = parseScenario({ ...scenarioWithEpochs(digitsScenario, epochs), seed });
    await this.#end("stopped");
    this.#scenario = scenario;
    this.#scores = [];
    this.#checkpoint = undefined;
    this.#checkpointStep = 0;
    this.#go();
  }

  /** Stops after the current step, with a checkpoint. */
  pause(): Promise<void> {
    return this.#end("paused");
  }

  resume(): void {
    if (this.#state === "paused") this.#go();
  }

  /** Stops for good; what has been learned stays. */
  async stop(): Promise<void> {
    await this.#end("stopped");
    if (this.#state !== "paused") return;
    this.#set("stopped");
    this.#release();
  }

  async #end(goal: "paused" | "stopped"): Promise<void> {
    if (!this.#running) return;
    this.#goal = goal;
    this.#set("pausing");
    this.#abort.abort();
    await this.#running;
  }

  #set(state: TrainState, note?: string): void {
    this.#state = state;
    this.tell({ type: "state", state, note });
  }

  #go(): void {
    this.#abort = new AbortController();
    this.#set("building");
    this.#running = this.#run()
      .catch((error: Error) => {
        // What a checkpoint holds is not lost.
        if (this.#checkpointStep === 0) this.#set("failed", error.message);
        else {
          const step = this.#checkpointStep;
          this.tell({ type: "rewind", step });
          this.#set("paused", `${error.message}. "Resume" goes on from step ${step}.`);
        }
      })
      .finally(() => {
        this.#running = undefined;
        if (this.#state !== "paused") this.#release();
      });
  }

  /** Trains to the end or to an abort, through losses of the device. */
  async #run(): Promise<void> {
    let losses = 0;
    while (true) {
      const gpu = await this.#open(losses);
      try {
        const net = await this.#network();
        const options = {
          resume: this.#checkpoint,
          checkpointEvery: 1,
          signal: this.#abort.signal,
        };
        for await (const event of train(net, this.data, options)) {
          if (event.type === "start" && this.#state !== "pausing") this.#set("running");
          if (event.type === "step") losses = 0;
          if (event.type === "evaluation") this.#scores = event.networks;
          if (event.type === "checkpoint") {
            const { weights, state } = event;
            this.#checkpoint = { weights, state };
            this.#checkpointStep = event.step;
            this.#publish(net, weights);
          }
          this.tell({ type: "train", event: withoutBytes(event), bytesHeld: gpu.bytesHeld });
          if (event.type === "end") this.#set(event.interrupted ? this.#goal : "done");
        }
        return;
      } catch (error) {
        if (!await isLost(gpu)) throw error;
        await this.networks.forget(gpu);
        if (++losses > MOST_LOSSES) {
          throw new Error(
            `the graphics device was lost ${losses} times without a step between; reload the page, ` +
              "or close other pages that use the GPU",
          );
        }
        const step = this.#checkpointStep;
        this.tell({ type: "rewind", step });
        this.#set(
          "recovering",
          step > 0
            ? `The graphics device was lost. Going on from the last checkpoint, step ${step}.`
            : "The graphics device was lost before the first checkpoint. Starting again.",
        );
      }
    }
  }

  /** The device. After a loss the next one may not be there at once. */
  async #open(losses: number): Promise<Gpu> {
    for (const delay of losses > 0 ? [1000, 4000] : []) {
      try {
        return await this.networks.gpu();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
    return await this.networks.gpu();
  }

  /** The network on the device that is open: the same one after a pause, a new one else. */
  async #network(): Promise<DeepVirtualNetwork> {
    const gpu = await this.networks.gpu();
    if (this.#checkpoint && this.#net?.gpu === gpu) return this.#net;
    this.#release();
    return this.#net = await DeepVirtualNetwork.create(gpu, this.#scenario, this.data);
  }

  /** Nothing will go on with it. One without a checkpoint is nobody else's either. */
  #release(): void {
    if (this.networks.entry(TRAINED).net === this.#net) this.networks.release(TRAINED);
    else this.#net?.destroy();
    this.#net = undefined;
  }

  /** From here on the network in training is the one that is used. */
  #publish(net: DeepVirtualNetwork, weights: Uint8Array): void {
    if (this.networks.entry(TRAINED).net === net) this.networks.keep(TRAINED, weights);
    else this.networks.set(TRAINED, "Trained here", this.#scenario, net.tasks, weights, net);
    this.networks.scores(TRAINED, this.#scores);
  }
}

function withoutBytes(event: TrainEvent): PlainTrainEvent {
  if (event.type !== "checkpoint") return event;
  const { weights: _weights, state: _state, ...rest } = event;
  return rest;
}
