import type { TaskData } from "./data.ts";
import type { Scenario } from "./scenario.ts";
import { list, number, type Reader, record, text, wholeNumber } from "./schema.ts";

/** What a network knows of a task: enough to classify images without the dataset. */
export interface TaskInfo {
  /** Of the scenario's task. */
  name: string;
  /** In label order. */
  classes: string[];
  /** Rows of pixels. */
  height: number;
  /** Pixels in a row. */
  width: number;
  /** 1 to 4. */
  channels: number;
  /** The largest byte value a picture can hold. */
  maximum: number;
  /** Network input = byte * scale + shift, for each channel. */
  scale: number[];
  /** See `scale`. */
  shift: number[];
}

const name = text("some text", /./);
const perChannel = list("a number for each channel", number());

/** Reads tasks that were written as JSON. */
export const taskInfos: Reader<TaskInfo[]> = list(
  "a list of tasks",
  record<TaskInfo>({
    name,
    classes: list("a list of class names", name),
    height: wholeNumber(1, 2 ** 16),
    width: wholeNumber(1, 2 ** 16),
    channels: wholeNumber(1, 4),
    maximum: wholeNumber(1, 255),
    scale: perChannel,
    shift: perChannel,
  }),
);

/** Images read at a time. */
const BATCH = 256;

/** Describes a task; where asked, measures mean and deviation of each channel over its training images. */
export function describeTask(
  name: string,
  data: TaskData,
  normalization: Scenario["normalization"],
): TaskInfo {
  const { classes, height, width, channels, maximum } = data;
  if (channels < 1 || channels > 4) {
    throw new RangeError(
      `task ${name}: pictures must have 1 to 4 channels, got ${channels}`,
    );
  }
  const info = {
    name,
    classes: [...classes],
    height,
    width,
    channels,
    maximum,
  };
  if (normalization === "unit") {
    const each = <T>(value: T) => new Array<T>(channels).fill(value);
    return { ...info, scale: each(1 / maximum), shift: each(0) };
  }
  const sums = new Array<number>(channels).fill(0);
  const squares = new Array<number>(channels).fill(0);
  const { train } = data;
  const bytes = new Uint8Array(BATCH * height * width * channels);
  const labels = new Uint32Array(BATCH);
  for (let first = 0; first < train.length; first += BATCH) {
    const count = Math.min(BATCH, train.length - first);
    const part = bytes.subarray(0, count * height * width * channels);
    const indices = Uint32Array.from({ length: count }, (_, i) => first + i);
    train.read(indices, part, labels.subarray(0, count));
    part.forEach((byte, i) => {
      sums[i % channels]! += byte;
      squares[i % channels]! += byte * byte;
    });
  }
  const pixels = train.length * height * width;
  const means = sums.map((sum) => sum / pixels);
  const deviations = squares.map((square, c) => Math.sqrt(square / pixels - means[c]! ** 2));
  // A channel that never changes carries nothing: leave its scale at 1.
  const scale = deviations.map((deviation) => 1 / (deviation || 1));
  return { ...info, scale, shift: means.map((mean, c) => -mean * scale[c]!) };
}
