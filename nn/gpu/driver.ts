/** What kernels are tuned for; a software adapter that is not known counts as SwiftShader. */
export type Driver = "gpu" | "lavapipe" | "swiftshader";
