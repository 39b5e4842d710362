/**
 * Networks as files: opened while they arrive, level by level, or one (task, level) cut out.
 *
 * @module
 */
export { cutOut } from "./dvn/cut_out.ts";
export {
  openStreaming,
  StreamingNetwork,
  type StreamingOptions,
  type StreamingProgress,
} from "./dvn/streaming.ts";
export { type FetchOptions, StreamingError, type StreamingProblem } from "./dvn/streaming_file.ts";
