/**
 * A run of the benchmark: contenders' processes, and what was measured of them.
 *
 * @module
 */
import { UsageError } from "../cli/args.ts";
import type { Entrant } from "./entrants.ts";
import { interleave } from "./interleave.ts";
import { Progress } from "./progress.ts";
import { type Measurement, measurement, objection } from "./record.ts";
import { Remote, type RemoteJob } from "./remote.ts";
import { measureStarts } from "./startup.ts";
import { estimatedFlops, type Group, groups, isOurs, type Workload } from "./workloads.ts";

export interface SessionOptions {
  /** Groups whose names contain one of these; default: all. */
  only?: readonly string[];
  /** Fewer groups, shorter samples. */
  quick: boolean;
  /** Rounds of a group. */
  samples: number;
  /** Seconds that the rounds of a group may take. */
  limit: number;
}

/** The name that stands for what fresh processes tell, beside the groups'. */
export const STARTS = "starts";

/** Guessed seconds of these. */
const START_SECONDS = 40;

/** Seconds until a contender that does not answer is given up. */
const ANSWER_LIMIT = 300;

/** Milliseconds of a sample at least. */
const LEAST_MS = { quick: 50, full: 200 };

export class Session {
  readonly measurements: Measurement[] = [];
  readonly #remotes = new Map<Entrant, Remote>();
  readonly #progress = new Progress();
  #closed = false;

  constructor(readonly entrants: readonly Entrant[], readonly options: SessionOptions) {}

  /** @throws {UsageError} If nothing is chosen. */
  async run(): Promise<void> {
    const inChromium = ({ runtime }: Entrant) => runtime === "chromium";
    const fields = [
      this.entrants.filter((entrant) => !inChromium(entrant)),
      this.entrants.filter(inChromium),
    ];
    const plan: { field: Entrant[]; group: Group }[] = [];
    for (const field of fields.filter(({ length }) => length > 0)) {
      const { about } = await this.#remote(field[0]!);
      const chosen = groups(about.software, this.options.quick).filter((group) =>
        this.#isChosen(group)
      );
      plan.push(...chosen.map((group) => ({ field, group })));
    }
    const starting = this.#isChosen({ name: STARTS, quick: true })
      ? this.entrants.filter(({ runtime }) => runtime === "deno")
      : [];
    if (plan.length + starting.length === 0) {
      throw new UsageError(`--only ${this.options.only} picks no group; --help lists them`);
    }
    const guesses = plan.map(({ field, group }) => this.#guess(group, field));
    this.#progress.total = guesses.reduce((a, b) => a + b, starting.length * START_SECONDS);
    for (const entrant of starting) await this.#start(entrant);
    for (const [index, { field, group }] of plan.entries()) {
      await this.#measure(group, field);
      if (plan[index + 1]?.field === field) continue;
      for (const entrant of field) await this.#remotes.get(entrant)?.close();
    }
  }

  #isChosen({ name, quick }: Pick<Group, "name" | "quick">): boolean {
    const { only } = this.options;
    return only ? only.some((part) => name.includes(part)) : quick || !this.options.quick;
  }

  async #remote(entrant: Entrant): Promise<Remote> {
    if (this.#closed) throw new Error("the benchmark is over");
    const known = this.#remotes.get(entrant);
    if (known && !known.lost) return known;
    const remote = await Remote.connect(await entrant.start(), ANSWER_LIMIT);
    this.#remotes.set(entrant, remote);
    return remote;
  }

  async #start(entrant: Entrant): Promise<void> {
    const { quick } = this.options;
    this.#progress.begin(`${entrant.contender}: ${STARTS}`, START_SECONDS);
    try {
      const { about: { software } } = await this.#remote(entrant);
      const options = { software, quick, limit: ANSWER_LIMIT };
      for await (const it of measureStarts(entrant, options)) this.measurements.push(it);
    } catch (error) {
      this.#fail(entrant, STARTS, error as Error);
    }
  }

  /** Measures a group's workloads by all contenders in turn. */
  async #measure(group: Group, field: readonly Entrant[]): Promise<void> {
    const guess = this.#guess(group, field);
    this.#progress.begin(`${field[0]!.runtime}: ${group.name}`, guess);
    const entries: { entrant: Entrant; remote: Remote; workload: Workload; job: RemoteJob }[] = [];
    for (const workload of group.workloads) {
      for (const entrant of field.filter((entrant) => takesPart(entrant, group, workload))) {
        try {
          const remote = await this.#remote(entrant);
          const job = await remote.prepare(workload.work);
          if (job) entries.push({ entrant, remote, workload, job });
        } catch (error) {
          this.#fail(entrant, workload.id, error as Error);
        }
      }
    }
    const { samples, limit, quick } = this.options;
    const steps = entries.length * (samples + 1); // a warm-up each
    const timings = await interleave(entries.map(({ job }) => job), {
      samples,
      least: quick ? LEAST_MS.quick : LEAST_MS.full,
      limit,
      onSample: () => this.#progress.advance(guess / steps),
    });
    const measured = entries.map(({ entrant, remote, workload }, i) =>
      measurement(entrant.runtime, remote.about, workload.id, workload.work, timings[i]!)
    );
    for (const it of measured) {
      const ours = measured.find(({ contender, workload }) =>
        contender === "ours" && workload === it.workload
      );
      const failure = it.failure ?? objection(it, ours);
      this.measurements.push(failure ? { ...it, ms: undefined, failure } : it);
    }
    for (const { job } of entries) await job.release().catch(() => {});
  }

  #fail(entrant: Entrant, workload: string, { message }: Error): void {
    const { runtime, contender } = entrant;
    const { version = "", adapter = "" } = this.#remotes.get(entrant)?.about ?? {};
    this.measurements.push({ runtime, contender, version, adapter, workload, failure: message });
  }

  /** Seconds that a group may take, for the progress alone: what matters is how they compare. */
  #guess(group: Group, field: readonly Entrant[]): number {
    let seconds = 0;
    for (const workload of group.workloads) {
      for (const entrant of field.filter((entrant) => takesPart(entrant, group, workload))) {
        const { contender, runtime } = entrant;
        const rate = runtime === "python" ? 200e9 : contender === "ours" ? 15e9 : 2e9;
        const once = Math.max(0.2, estimatedFlops(workload.work) / rate);
        seconds += 2 + (this.options.samples + 4) * once;
      }
    }
    return seconds;
  }

  /** Ends all processes; what is still running fails. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#progress.clear();
    for (const remote of this.#remotes.values()) await remote.close();
  }
}

/** This project does all; PyTorch what is not its alone; WebGPU peers of that what is not heavy. */
function takesPart({ contender, runtime }: Entrant, { heavy }: Group, { work }: Workload): boolean {
  return contender === "ours" || !isOurs(work) && (runtime === "python" || !heavy);
}
