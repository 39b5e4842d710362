/**
 * The packages that the benchmark compares with. They are imported through these constants, not by name,
 * so that neither `deno check` nor deno.lock knows of them: Deno downloads all that the lock file has.
 *
 * @module
 */
export const JAX_JS = "npm:@jax-js/jax@0.1.25";
export const TENSORFLOW = "npm:@tensorflow/tfjs@4.22.0";
export const TENSORFLOW_WEBGPU = "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";
