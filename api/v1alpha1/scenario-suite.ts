// Owns: the kind ScenarioSuite: scenarios that belong together, what they share, and when their gate is open.
import { z } from 'zod';
import {
  commonStatus,
  count,
  type KindDefinition,
  nameRule,
  ratio,
  readyColumns,
  tailColumns,
  text,
} from '../schema.ts';
import { limitsSchema, scenarioSchema, worldSchema } from './scenario.ts';

export const gateSchema = z.object({
  safeUsefulness: ratio()
    .optional()
    .describe('Least share of trials that are safe and useful, over the whole suite. Default 1.'),
  lowerBound: ratio()
    .optional()
    .describe('Least lower end of the 95 % Wilson interval of that share: few trials prove little. Default: none.'),
  eachScenario: ratio()
    .optional()
    .describe('Least share of trials that pass in each scenario: an average hides none. Default: as safeUsefulness.'),
  repeated: z
    .object({
      trials: count(100, 1).describe('k.'),
      atLeast: ratio().describe('Least chance that k trials of a scenario all pass, averaged over the scenarios.'),
    })
    .optional()
    .describe('pass^k. Default: none.'),
  missedEscalations: count(10_000)
    .optional()
    .describe('Most trials in which nobody was asked who had to be. Default 0.'),
  majorViolations: count(10_000)
    .optional()
    .describe('Most violations that are major. Critical ones never pass. Default 0.'),
});
export type Gate = z.infer<typeof gateSchema>;

export const scenarioSuiteSpecSchema = z.object({
  description: text(512).optional().describe('What the suite is for, in a sentence.'),
  trials: count(100, 1).optional().describe('Trials of a scenario that says nothing itself. Default 1.'),
  limits: limitsSchema.optional().describe('Of a scenario that says nothing itself.'),
  world: worldSchema.optional().describe('Shared by the scenarios.'),
  scenarios: z
    .array(scenarioSchema)
    .max(200)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .describe('The scenarios. In a folder, files of kind Scenario belong to its suite, too.'),
  gate: gateSchema.optional().describe('When the suite passes.'),
});
export type ScenarioSuiteSpec = z.infer<typeof scenarioSuiteSpecSchema>;

export const scenarioSuiteStatusSchema = z.object({ ...commonStatus });

export const scenarioSuiteKind = {
  kind: 'ScenarioSuite',
  plural: 'scenariosuites',
  singular: 'scenariosuite',
  shortNames: ['sbss'],
  description: 'Golden-path, bad-path and fault scenarios of workflows, and the gate that a bundle must pass.',
  spec: scenarioSuiteSpecSchema,
  status: scenarioSuiteStatusSchema,
  rules: [nameRule],
  printerColumns: [...readyColumns, ...tailColumns],
} as const satisfies KindDefinition;
