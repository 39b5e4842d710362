/**
 * The paper's scenarios, at several sizes, and the methods that deep virtual networks are compared with:
 * plain data for the trainer in `mod.ts`.
 *
 * @module
 */
export { ablationNames, findMethod, methodNames, methods } from "./dvn/methods/index.ts";
export { builtInScenario, paperScenarioNames, scenarioNames } from "./dvn/scenarios/index.ts";
export { describeScale, type Scale, scaleNames, scaleScenario } from "./dvn/scenarios/scale.ts";
