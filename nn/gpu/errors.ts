/** Something the GPU refused or lost; `operation` names the op or object it happened in. */
export class GpuError extends Error {
  /** Survives minifiers. */
  override name = "GpuError";
  /** Of a failure. @param operation What failed. @param message Why, and what to do. */
  constructor(readonly operation: string, message: string) {
    super(`${operation}: ${message}`);
  }
}

/** No adapter, or one that lacks what is needed. */
export class AdapterError extends GpuError {
  /** Survives minifiers. */
  override name = "AdapterError";
}

/** A call broke WebGPU's rules: an error in this library or in a caller's shapes. */
export class ValidationError extends GpuError {
  /** Survives minifiers. */
  override name = "ValidationError";
}

/** A shader did not compile. */
export class ShaderError extends GpuError {
  /** Survives minifiers. */
  override name = "ShaderError";
}

/** An allocation exceeds what the device has left, or what it can hold or bind at once. */
export class OutOfMemoryError extends GpuError {
  /** Survives minifiers. */
  override name = "OutOfMemoryError";
}

/** The device is gone: driver reset, tab discarded, or `destroy()`. All its buffers are lost. */
export class DeviceLostError extends GpuError {
  /** Survives minifiers. */
  override name = "DeviceLostError";
}

/** Extents that do not fit an op. */
export class ShapeError extends Error {
  /** Survives minifiers. */
  override name = "ShapeError";
}
