import type { Scenario } from "../../mod.ts";
import { methodNames, paperScenarioNames, scaleNames } from "../../paper.ts";
import { trunkCost } from "../../dvn/costs.ts";
import { scenarioPartition } from "../../dvn/unit_partition.ts";
import type { CellNetwork, CellResult } from "../experiment/cell.ts";
import type { Findings, NetworkKey } from "./findings.ts";
import { fieldsOf } from "./settings.ts";
import { type BySeed, meanOf } from "./statistics.ts";

/** A network of a cell that was found. */
export interface Found {
  cell: CellResult;
  network: CellNetwork;
}

/** Cells that may be compared with each other: those of one scenario, with the same settings and images. */
export class ResultGroup implements Findings {
  readonly tasks: readonly string[];
  readonly #wholeTrunk: number;

  /**
   * @param cells All have the same scenario, scale, images and, but for the seed, settings; one of each
   * method and seed.
   * @param repeated Cells that later ones of the same method and seed have replaced.
   */
  constructor(readonly cells: readonly CellResult[], readonly repeated: readonly CellResult[]) {
    const { settings } = this;
    this.tasks = settings.tasks.map(({ name }) => name);
    this.#wholeTrunk = trunkCost(settings, scenarioPartition(settings).all).parameters;
  }

  get scenario(): string {
    return this.cells[0]!.scenario;
  }

  get scale(): string {
    return this.cells[0]!.scale;
  }

  /** Its seed is that of one of the cells. */
  get settings(): Scenario {
    return this.cells[0]!.settings;
  }

  /** In the library's order; those it does not know last. */
  get methods(): string[] {
    const found = [...new Set(this.cells.map(({ method }) => method))];
    return found.sort((a, b) => rank(methodNames, a) - rank(methodNames, b));
  }

  get adapters(): string[] {
    return [...new Set(this.cells.map(({ adapter }) => adapter))];
  }

  cellsOf(method: string): CellResult[] {
    return this.cells.filter((cell) => cell.method === method);
  }

  networks(): NetworkKey[] {
    return this.methods.flatMap((method) => {
      const networks = this.cellsOf(method).flatMap((cell) => cell.networks);
      const levels = [...new Set(networks.map(({ level }) => level))].sort((a, b) => a - b);
      const perTask = this.tasks.map((task) =>
        new Set(networks.filter((network) => network.task === task).map(({ level }) => level)).size
      );
      const single = perTask.every((count) => count <= 1);
      return single ? [{ method }] : levels.map((level) => ({ method, level }));
    });
  }

  /** A network of a task in each cell of its method that has it. @param task Index from 0. */
  find({ method, level }: NetworkKey, task: number): Found[] {
    return this.cellsOf(method).flatMap((cell) => {
      const network = cell.networks.find((network) =>
        network.task === this.tasks[task] && (level === undefined || network.level === level)
      );
      return network ? [{ cell, network }] : [];
    });
  }

  /** The same for all tasks. */
  findAll(key: NetworkKey): Found[] {
    return this.tasks.flatMap((_, task) => this.find(key, task));
  }

  accuracy(key: NetworkKey, task: number): BySeed {
    return new Map(
      this.find(key, task).map(({ cell, network }) => [cell.seed, 100 * network.accuracy]),
    );
  }

  speedUp(key: NetworkKey): BySeed {
    return new Map(
      this.cellsOf(key.method).flatMap(({ seed }) => {
        const ofSeed = this.findAll(key).filter(({ cell }) => cell.seed === seed);
        if (ofSeed.length === 0) return [];
        return [[seed, meanOf(ofSeed.map(({ network }) => network.speedUp))]];
      }),
    );
  }

  density(key: NetworkKey): number | undefined {
    const found = this.findAll(key);
    return found.length > 0 ? meanOf(found.map((each) => this.share(each))) : undefined;
  }

  /** Trunk weights over those of the scenario's whole backbone, whatever backbone the method made. */
  share({ network }: Found): number {
    return network.parameters.trunk / this.#wholeTrunk;
  }
}

/**
 * Sorts cells into those that may be compared: by scenario in the paper's order, from the largest scale
 * to the smallest, and by settings and images. Of two cells of the same method and seed the later
 * counts.
 */
export function groupCells(cells: readonly CellResult[]): ResultGroup[] {
  const groups = Map.groupBy(cells, groupKey);
  return [...groups.values()].map(withoutRepeats).sort((a, b) =>
    rank(paperScenarioNames, a.scenario) - rank(paperScenarioNames, b.scenario) ||
    rank(scaleNames, a.scale) - rank(scaleNames, b.scale)
  );
}

function groupKey({ scenario, scale, settings, tasks }: CellResult): string {
  const images = tasks.map(({ name, trainImages, testImages }) => [name, trainImages, testImages]);
  return JSON.stringify([scenario, scale, images, [...fieldsOf(settings)].sort()]);
}

function withoutRepeats(cells: readonly CellResult[]): ResultGroup {
  const latest = new Map(cells.map((cell) => [`${cell.method} ${cell.seed}`, cell]));
  const kept = [...latest.values()].sort((a, b) => a.seed - b.seed);
  return new ResultGroup(kept, cells.filter((cell) => !kept.includes(cell)));
}

/** Where a name stands in a list; those that are not in it come last. */
function rank(names: readonly string[], name: string): number {
  const index = names.indexOf(name);
  return index < 0 ? names.length : index;
}
