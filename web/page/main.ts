/** The page: joins its parts and the worker. */
import { Client } from "./client.ts";
import { acceptDrops, byId, download, refuseOtherDrops, setOptions } from "./dom.ts";
import { formatBytes } from "./format.ts";
import { LookView } from "./look_view.ts";
import type { NetworkView, WorkerEvent } from "./protocol.ts";
import { listRuns, type ServerRun, weightsUrl } from "./server.ts";
import { StreamView } from "./stream_view.ts";
import { setUpTheme } from "./theme.ts";
import { TrainView } from "./train_view.ts";
import { UseView } from "./use_view.ts";

/** The network that is trained in this tab. */
const TRAINED = "trained";

/** Ids of networks that come from the server begin so. */
const RUN = "run:";

const client = new Client(take, fail);
/** All that can be chosen; the server's runs are loaded when they are. */
const networks = new Map<string, NetworkView>();
const choices = new Map<string, string>([[TRAINED, "Trained here"]]);
let current = TRAINED;
let hasGpu = false;

setUpTheme(byId<HTMLButtonElement>("theme"));
refuseOtherDrops();
const look = new LookView(client);
const stream = new StreamView(client);
const use = new UseView(client, (picture) => stream.picture = picture);
const train = new TrainView(
  client,
  (scores) => {
    const network = networks.get(TRAINED)!;
    network.scores = scores;
    network.trained = true;
    if (current === TRAINED) look.show(network);
  },
  (state) => {
    look.canMeasure = hasGpu && ["idle", "paused", "stopped", "done", "failed"].includes(state);
    // From the first paused state on there are weights to use; after a failure, those from before.
    if (["paused", "stopped", "done", "failed"].includes(state)) refresh().catch(() => {});
  },
);

function take(event: WorkerEvent): void {
  if (event.type === "stream") stream.take(event.event);
  else if (event.type === "streamBegins") stream.begin();
  else if (event.type === "notice") showNotice(event.text);
  else train.take(event);
}

function showProblem(text: string): void {
  const problem = byId("problem");
  problem.textContent = text;
  problem.hidden = false;
}

/** The worker is gone, and with it what was trained. */
function fail({ message }: Error): void {
  showProblem(`${message}. Reload the page.`);
  train.fail(message);
}

function showNotice(text: string): void {
  const notice = byId("notice");
  notice.textContent = text;
  notice.hidden = false;
}

/** Takes over what the worker knows of the network that was trained. */
async function refresh(): Promise<void> {
  const network = await client.ask("view", { id: TRAINED });
  networks.set(TRAINED, network);
  if (current === TRAINED) show(network);
}

function show(network: NetworkView): void {
  const run = network.id.startsWith(RUN) ? network.id.slice(RUN.length) : undefined;
  look.show(network);
  use.show(network, hasGpu, run);
  byId<HTMLButtonElement>("get-checkpoint").disabled = !network.trained;
}

function listChoices(): void {
  const select = byId<HTMLSelectElement>("network");
  setOptions(select, [...choices].map(([value, label]) => ({ value, label })));
  select.value = current;
}

/** Counts choices, so that a network that loads slowly does not replace one chosen after it. */
let chosen = 0;

/**
 * Makes a network the one in use. The one before stays if that fails.
 *
 * @param load Called if it is not there yet, or with `again`.
 */
async function choose(
  id: string,
  load: () => Promise<NetworkView>,
  again = false,
): Promise<void> {
  const choice = ++chosen;
  const status = byId("network-status");
  status.classList.remove("bad");
  try {
    let network = again ? undefined : networks.get(id);
    if (!network) {
      status.textContent = "Loading.";
      networks.set(id, network = await load());
      choices.set(id, choices.get(id) ?? network.name);
    }
    if (choice !== chosen) return;
    current = id;
    show(network);
    const { tasks, costs, scenario } = network;
    status.textContent = `${scenario.description ?? scenario.name}. ` +
      `${tasks.length} ${tasks.length === 1 ? "task" : "tasks"}, ${costs.length} networks, ` +
      `the largest of ${formatBytes(Math.max(...costs.map(({ bytes }) => bytes)))}.`;
  } catch (error) {
    if (choice !== chosen) return;
    status.textContent = (error as Error).message;
    status.classList.add("bad");
  }
  listChoices();
}

function chooseFile(file: File | undefined): void {
  if (!file) return;
  const id = `file:${file.name}`;
  // The file may be another than last time.
  choose(id, async () => {
    const bytes = await file.arrayBuffer();
    return await client.ask("load", { id, name: file.name, bytes });
  }, true);
}

function setUpChoice(runs: readonly ServerRun[]): void {
  byId<HTMLSelectElement>("network").addEventListener("change", (event) => {
    const id = (event.target as HTMLSelectElement).value;
    const name = choices.get(id)!;
    const run = id.slice(RUN.length);
    const problem = runs.find(({ name }) => name === run)?.problem;
    choose(
      id,
      () =>
        problem
          ? Promise.reject(new Error(`${name} cannot be used: ${problem}`))
          : client.ask("load", { id, name, url: weightsUrl(run) }),
    );
  });
  const input = byId<HTMLInputElement>("model-file");
  byId("open-file").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    chooseFile(input.files?.[0]);
    input.value = "";
  });
  acceptDrops(byId("choice"), chooseFile);
  byId("get-checkpoint").addEventListener("click", async () => {
    const status = byId("network-status");
    try {
      const bytes = await client.ask("checkpoint", { id: current });
      download("model.safetensors", "application/octet-stream", bytes);
      status.textContent =
        `model.safetensors, ${formatBytes(bytes.length)}: all tasks and levels. ` +
        "deno task infer reads it.";
    } catch (error) {
      status.textContent = (error as Error).message;
    }
  });
}

/** What to do where there is no WebGPU. */
function explain(problem: string): string {
  if (!globalThis.isSecureContext) {
    return "Browsers give WebGPU to secure pages only: open this page through https, or at localhost.";
  }
  // The first browsers that had it lack what names the adapter, and colours of this page.
  if (!("gpu" in navigator && "info" in GPUAdapter.prototype)) {
    return "This browser has no WebGPU, or an early one. Chrome and Edge have what this page needs from " +
      "version 127 on, Safari from 26, Firefox from 141 on Windows and from 145 on macOS. On Linux, " +
      "Chrome may need chrome://flags/#enable-unsafe-webgpu. You can still look inside the networks.";
  }
  return `WebGPU is there, but no adapter could be opened (${problem}). Turn on hardware ` +
    "acceleration in the browser's settings, update the graphics driver, or try another browser. " +
    "You can still look inside the networks.";
}

async function open(): Promise<void> {
  const [opened, found] = await Promise.all([client.ask("open"), listRuns()]);
  hasGpu = opened.adapter !== undefined;
  byId("adapter").textContent = opened.adapter?.split(";")[0] ?? "no WebGPU";
  byId("adapter").title = opened.adapter ?? "";
  if (opened.problem) showProblem(explain(opened.problem));
  else if (opened.software) {
    showNotice(
      "This browser computes on the processor (a software adapter): everything works, slowly.",
    );
  }
  networks.set(TRAINED, opened.network);
  const runs = found ?? [];
  for (const { name } of runs) choices.set(RUN + name, `Server: ${name}`);
  train.open(opened.network, hasGpu);
  look.canMeasure = hasGpu;
  stream.open(runs, hasGpu);
  setUpChoice(runs);
  listChoices();
  show(opened.network);
  byId("main").inert = false; // nothing on it can answer without a network
}

// Tests of what follows a lost device need a way to lose it.
if (new URLSearchParams(location.search).has("debug")) {
  Object.assign(globalThis, { dvn: { loseDevice: () => client.ask("loseDevice") } });
}

open().catch((error: Error) => {
  showProblem(`The page could not start: ${error.message}. Reload it.`);
});
