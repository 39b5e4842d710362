/** What the page and its worker say to each other. The worker owns the GPU; the page owns the document. */
import type {
  ConvLayer,
  NetworkCost,
  NetworkScore,
  Scenario,
  TaskInfo,
  TrainEvent,
} from "../../mod.ts";

/** A task as the page needs it. */
export type TaskView = Pick<
  TaskInfo,
  "name" | "classes" | "height" | "width" | "channels" | "maximum"
>;

/** A convolution of the trunk and how units cut it. */
export interface LayerView extends Pick<ConvLayer, "name"> {
  /** Channels of each unit; one entry where the input is the whole stem. */
  inWidths: number[];
  outWidths: number[];
}

/** A set of weights that the page can look into and use. */
export interface NetworkView {
  id: string;
  /** As shown. */
  name: string;
  scenario: Pick<Scenario, "name" | "description" | "units" | "levels">;
  tasks: TaskView[];
  /** Of each task: unit IDs, from 1, in the order they join. */
  orders: number[][];
  layers: LayerView[];
  costs: NetworkCost[];
  /** On test images, where they are known. */
  scores: NetworkScore[];
  /** Whether `test` can score it: its tasks are those of the built-in digits. */
  testable: boolean;
  /** Whether there are weights to use: a network that is not trained has costs alone. */
  trained: boolean;
}

/** Where the training is. */
export type TrainState =
  | "idle"
  | "building"
  | "running"
  | "pausing"
  | "paused"
  | "recovering"
  | "stopped"
  | "done"
  | "failed";

type Plain<Event> = Event extends { type: "checkpoint" } ? Omit<Event, "weights" | "state"> : Event;

/** A training event without the checkpoint's bytes, which stay in the worker. */
export type PlainTrainEvent = Plain<TrainEvent>;

/** What the worker tells unasked. */
export type WorkerEvent =
  | { type: "state"; state: TrainState; note?: string }
  /** The run goes on from here: what was told of later steps is void. */
  | { type: "rewind"; step: number }
  | { type: "train"; event: PlainTrainEvent; bytesHeld: number }
  | { type: "notice"; text: string }
  /** What is told of a network that arrives begins here, perhaps anew. */
  | { type: "streamBegins" }
  | { type: "stream"; event: StreamEvent };

/** A network that arrives: after its first blocks, and after each later level's. */
export interface StreamEvent {
  /** Levels there so far: 0 before the first answer. */
  level: number;
  bytes: number;
  /** Of the whole task's network. */
  totalBytes: number;
  /** Since it was asked for. */
  milliseconds: number;
  answer?: StreamAnswer;
}

export interface StreamAnswer extends Pick<Answer, "probabilities"> {
  /** What was classified. */
  of: "the picture above" | "a test picture" | "a blank picture";
}

export type LevelChoice = { budget: number } | { level: number };

/** A picture as it comes: a file, pixels drawn on the page, or what a network reads. */
export type PictureSource =
  | { kind: "file"; file: Blob }
  | { kind: "pixels"; pixels: ImageData }
  | { kind: "test"; index: number };

/** What a network reads. */
export interface InputPicture {
  width: number;
  height: number;
  channels: number;
  maximum: number;
  bytes: Uint8Array;
  /** For ink on a page: which was seen. */
  ink?: "light" | "dark";
}

export interface Answer {
  level: number;
  bytes: number;
  /** One for each class, in the task's order. */
  probabilities: Float32Array;
  milliseconds: number;
}

/** What the page asks of the worker: arguments and result of each request. */
export interface Requests {
  open(): { adapter?: string; problem?: string; software: boolean; network: NetworkView };
  train(options: { epochs: number; seed: number }): void;
  pause(): void;
  resume(): void;
  stop(): void;
  load(
    options: { id: string; name: string; bytes: ArrayBuffer } | {
      id: string;
      name: string;
      url: string;
    },
  ): NetworkView;
  view(options: { id: string }): NetworkView;
  test(options: { id: string }): NetworkScore[];
  measure(options: { id: string; task: string }): {
    level: number;
    msPerImage: number;
    source: "timestamp-query" | "wall clock";
  }[];
  picture(options: { id: string; task: string; source: PictureSource }): InputPicture;
  predict(options: { id: string; task: string; choice: LevelChoice; bytes: Uint8Array }): Answer;
  checkpoint(options: { id: string }): Uint8Array;
  cut(options: { id: string; task: string; level: number }): Uint8Array;
  /** @param options.picture What to classify, if it fits; else a test picture, or a blank one. */
  stream(options: { url: string; task: string; picture?: InputPicture }): void;
  stopStream(): void;
  /** For tests of what follows: destroys the device as a driver reset would. */
  loseDevice(): void;
}

export type RequestName = keyof Requests;
export type Arguments<Name extends RequestName> = Parameters<Requests[Name]>[0];
export type Result<Name extends RequestName> = ReturnType<Requests[Name]>;

export type ToWorker = { id: number; name: RequestName; args: unknown };
export type FromWorker =
  | { id: number; result: unknown }
  | { id: number; error: { name: string; message: string } }
  | { event: WorkerEvent };
