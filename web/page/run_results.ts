import type { NetworkScore, TrainEvent } from "../../mod.ts";

/**
 * What each network of a run last scored on the test images.
 *
 * @param text The run's `results.jsonl`: an object a line, training events among them.
 */
export function readScores(text: string): NetworkScore[] {
  const scores = new Map<string, NetworkScore>();
  for (const line of text.split("\n")) {
    if (!line.includes('"evaluation"')) continue;
    const event = JSON.parse(line) as TrainEvent;
    if (event.type !== "evaluation" || event.images !== "test") continue;
    for (const score of event.networks) scores.set(`${score.task} ${score.level}`, score);
  }
  return [...scores.values()];
}
