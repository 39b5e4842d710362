const CREATE_INFO_BYTES = 64;
const STRUCTURE_TYPE_INSTANCE_CREATE_INFO = 1;
const SUCCESS = 0;

/**
 * Counts the devices that the installed Vulkan drivers offer, of which a software driver's CPU is one.
 *
 * WebGPU cannot be asked first: its only instance is made by the first `requestAdapter`, and a driver
 * that is loaded after that stays unseen. A file in `icd.d` proves nothing either: distributions install
 * the drivers of all vendors together. So this asks the Vulkan loader, as WebGPU will, through an
 * instance of its own. It takes about 40 ms with lavapipe, most of it reading the driver from disk, which
 * WebGPU then need not do.
 *
 * @returns 0 if there is no Vulkan loader, no driver, or no driver that finds its device.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi`.
 */
export function countVulkanDevices(): number {
  let loader;
  try {
    loader = Deno.dlopen("libvulkan.so.1", {
      vkCreateInstance: {
        parameters: ["buffer", "pointer", "buffer"],
        result: "i32",
      },
      vkEnumeratePhysicalDevices: {
        parameters: ["pointer", "buffer", "pointer"],
        result: "i32",
      },
      vkDestroyInstance: { parameters: ["pointer", "pointer"], result: "void" },
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return 0;
  }
  try {
    const { vkCreateInstance, vkEnumeratePhysicalDevices, vkDestroyInstance } = loader.symbols;
    const createInfo = new Uint32Array(CREATE_INFO_BYTES / 4); // no layers, no extensions
    createInfo[0] = STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
    const handle = new BigUint64Array(1);
    if (vkCreateInstance(createInfo, null, handle) !== SUCCESS) return 0;
    const instance = Deno.UnsafePointer.create(handle[0]!);
    const count = new Uint32Array(1);
    const result = vkEnumeratePhysicalDevices(instance, count, null);
    vkDestroyInstance(instance, null);
    return result === SUCCESS ? count[0]! : 0;
  } finally {
    loader.close();
  }
}
