import type { Scenario } from "../../mod.ts";
import { builtInScenario, paperScenarioNames } from "../../paper.ts";
import { isAblation } from "./comparison.ts";
import { type Findings, isSameNetwork, type NetworkKey, publishedFindings } from "./findings.ts";
import { published, type PublishedNetwork, type PublishedScenario } from "./published.ts";
import type { ResultGroup } from "./result_group.ts";
import { networkLabel } from "./wording.ts";

/** A scenario with all that is known of it: the paper's numbers, ours, or both. */
export class Subject {
  readonly published: PublishedScenario | undefined;

  /**
   * @param scenario Its name.
   * @param alike All results of the same scenario and scale, `results` among them.
   */
  constructor(
    readonly scenario: string,
    readonly settings: Scenario,
    readonly results?: ResultGroup,
    readonly alike: readonly ResultGroup[] = [],
  ) {
    // A file's scenario may have the name of one of the paper's, and other tasks.
    this.published = published.find(({ scenarios, images }) =>
      scenarios.includes(scenario) && images.length === settings.tasks.length
    );
  }

  /** Such as "J1, scale ci"; no other subject has the same. */
  get title(): string {
    const { scenario, results, alike } = this;
    if (!results) return scenario;
    const scale = results.scale === "own" ? "own settings" : `scale ${results.scale}`;
    return `${scenario}, ${scale}${alike.length > 1 ? `, variant ${this.variant}` : ""}`;
  }

  /** From 1; tells results of the same scenario and scale apart, whose settings or images differ. */
  get variant(): number | undefined {
    return this.results && 1 + this.alike.indexOf(this.results);
  }

  /** Names of the tasks. */
  get tasks(): string[] {
    return this.settings.tasks.map(({ name }) => name);
  }

  get paper(): Findings | undefined {
    return this.published && publishedFindings(this.published, this.tasks);
  }

  /** The networks to be compared, the paper's and those that have run; DVN's last, ablations apart. */
  get networks(): NetworkKey[] {
    const theirs = this.paper?.networks() ?? [];
    const ours = (this.results?.networks() ?? []).filter((network) =>
      !isAblation(network.method) && !theirs.some((each) => isSameNetwork(each, network))
    );
    const isDvn = ({ method }: NetworkKey) => Number(method === "dvn");
    return [...theirs, ...ours].sort((a, b) => isDvn(a) - isDvn(b));
  }

  inPaper(key: NetworkKey): PublishedNetwork | undefined {
    return this.published?.networks.find((network) => isSameNetwork(network, key));
  }

  /** "DVN, level 1 (unit)". */
  label(key: NetworkKey): string {
    const name = this.inPaper(key)?.name;
    return name ? `${networkLabel(key)} (${name})` : networkLabel(key);
  }
}

/** The paper's scenarios in its order, whether they have run or not, then the others that have. */
export function subjectsOf(groups: readonly ResultGroup[]): Subject[] {
  const others = groups.map(({ scenario }) => scenario);
  return [...new Set([...paperScenarioNames, ...others])].flatMap((name) => {
    const found = groups.filter(({ scenario }) => scenario === name);
    if (found.length === 0) return [new Subject(name, builtInScenario(name))];
    return found.map((group) => {
      const alike = found.filter(({ scale }) => scale === group.scale);
      return new Subject(name, group.settings, group, alike);
    });
  });
}
