/** A worker that misbehaves as the task's name says, once or always; see server_predict_test.ts. */
import type { Job } from "../../web/server/predict_worker.ts";

let count = 0;

const worker = globalThis as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(outcome: unknown): void;
};
worker.onmessage = ({ data: { task } }) => {
  count++;
  if (task === "hang") return;
  if (task === "spin") { while (true); }
  if (task === "crash") throw new Error("the worker broke");
  if (task === "lost" || task === "lost once" && count === 1) {
    return worker.postMessage({ kind: "lost", code: "device_lost", message: "the device is gone" });
  }
  if (task === "memory") {
    return worker.postMessage({ kind: "failed", code: "out_of_memory", message: "too large" });
  }
  worker.postMessage({ kind: "done", probabilities: Float32Array.of(count), milliseconds: 1 });
};
