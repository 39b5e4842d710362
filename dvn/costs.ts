/** What one (task, level) costs. */
export interface NetworkCost {
  task: string;
  /** From 1. */
  level: number;
  /** Active unit IDs, from 1, in the order they joined. */
  units: number[];
  parameters: {
    /** Convolution weights of the split layers: the paper's "memory". */
    trunk: number;
    stem: number;
    head: number;
    /** Scales and shifts, and the running means and variances that inference reads. */
    batchNorm: number;
    total: number;
  };
  /** 4 bytes for each of `parameters.total`. */
  bytes: number;
  /** Multiply-accumulates of the convolutions and the head, for one image. */
  macs: number;
  /** `parameters.trunk` over that of the whole network. */
  density: number;
}
