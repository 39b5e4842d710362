/** The server's own worker, which loses as many devices as `?losses` says; see server_predict_test.ts. */
import "../../web/server/predict_worker.ts";

let losses = Number(new URL(import.meta.url).searchParams.get("losses"));
const lost = new WeakSet<GPUDevice>();

const { popErrorScope } = GPUDevice.prototype;
GPUDevice.prototype.popErrorScope = function () {
  if (!lost.has(this)) {
    if (losses === 0) return popErrorScope.call(this);
    losses--;
    lost.add(this);
    this.destroy();
  }
  // As the standard has it, and not as the library's own error.
  return Promise.reject(new DOMException("the device is lost", "OperationError"));
};
