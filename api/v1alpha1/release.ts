// Owns: how a Bundle reaches the runs of an Agent: the stages of `spec.release`, frozen into each BundleRollout.
import { z } from 'zod';
import {
  cel,
  type CelRule,
  count,
  duration,
  exactlyOne,
  localRef,
  micros,
  name,
  ratio,
  text,
  validations,
} from '../schema.ts';

export const onInconclusiveChoices = ['extend', 'approve', 'hold', 'rollback'] as const;
export const onNoDataChoices = ['hold', 'rollback'] as const;
export const onNewBundleChoices = ['supersede', 'queue', 'reject'] as const;
export const inFlightChoices = ['finish', 'cancelEscalate'] as const;
export const metricRoles = ['primary', 'critical', 'guardrail', 'info'] as const;
export const metricSources = ['ledger', 'prometheus', 'webhook', 'job'] as const;
export const metricDirections = ['higher', 'lower', 'both'] as const;

/** What the outcome ledger knows of each unit, as a number from 0 to 1. */
export const ledgerMetrics = [
  'safeUsefulness',
  'taskSuccess',
  'criticalViolation',
  'minorViolation',
  'escalation',
  'verifierReject',
  'latency',
  'cost',
  'satisfaction',
] as const;

const until = () =>
  z
    .object({
      minUnits: count(1_000_000, 1)
        .optional()
        .describe(
          'Mature units of the canary, those of earlier steps among them, before the step can end. Default 20.',
        ),
      minDuration: duration().optional().describe('The step takes at least this long.'),
      maxDuration: duration().describe('Then onInconclusive decides.'),
      require: z
        .enum(['notFail', 'pass'])
        .optional()
        .describe(
          'pass: every primary and critical metric has positive evidence. Default: pass for the last canary stage, else notFail.',
        ),
    })
    .describe('When the step ends.');

export const stageSchema = z
  .object({
    suite: localRef('ScenarioSuite').optional().describe('Scenarios, offline; its gate must pass.'),
    replay: z
      .object({ runs: count(10_000, 1).describe('The newest closed runs of the Agent.') })
      .optional()
      .describe('Policy replay of stored runs: looser on a tool with an effect blocks.'),
    shadow: z
      .object({
        percent: count(100, 1).describe('Share of runs that are played again with tools that only read.'),
        units: count(100_000, 1).describe('Pairs that are compared.'),
      })
      .optional()
      .describe('The new bundle sees real input and acts on nothing.'),
    canary: z
      .object({
        weight: count(100, 1).optional().describe('Percent of new sticky keys.'),
        weightBps: count(10_000, 1).optional().describe('The same in hundredths of a percent.'),
        until: until(),
      })
      .meta(validations(exactlyOne('canary', 'weight', 'weightBps')))
      .optional()
      .describe('New sticky keys are assigned by weight.'),
    approve: z
      .object({
        scope: name().describe('Queue whose members may approve: the verb `decide` on it.'),
        when: z
          .enum(['always', 'highRisk'])
          .optional()
          .describe('highRisk: only when the change is one. Default always.'),
        expires: duration().optional().describe('Then the rollout is held. Default 24h.'),
      })
      .optional()
      .describe('A person says yes.'),
    hold: z
      .object({ duration: duration().describe('How long.') })
      .optional()
      .describe('Nothing changes for a while.'),
    bake: z
      .object({
        duration: duration().describe('How long everything is watched after the promotion.'),
        minUnits: count(1_000_000).optional().describe('Mature units. Default 0.'),
      })
      .optional()
      .describe('Every new key has the new bundle, the old one is kept warm.'),
  })
  .meta(validations(exactlyOne('a stage', 'suite', 'replay', 'shadow', 'canary', 'approve', 'hold', 'bake')));
export type Stage = z.infer<typeof stageSchema>;

const withSource = (source: (typeof metricSources)[number], field: string, meaning: string): CelRule => ({
  rule: `!has(self.source) || self.source != '${source}' || has(self.${field})`,
  message: `${field} is required with source ${source}: ${meaning}`,
  fieldPath: `.${field}`,
  reason: 'FieldValueRequired',
});

export const metricSchema = z
  .object({
    name: name().describe('Shown in the evidence.'),
    role: z
      .enum(metricRoles)
      .describe('primary and critical must Pass; a guardrail must not Fail; info is shown only.'),
    source: z.enum(metricSources).optional().describe('Default ledger.'),
    of: z.enum(ledgerMetrics).optional().describe('What of the outcome ledger.'),
    direction: z
      .enum(metricDirections)
      .optional()
      .describe('What is better. both: any difference is harm. Default: as the metric is meant.'),
    abortMargin: ratio().optional().describe('Harm: the canary is worse than stable by more than this. Default 0.'),
    passMargin: ratio().optional().describe('Positive evidence: the canary is not worse by this much. Default 0.1.'),
    alpha: ratio()
      .optional()
      .describe('Chance of a false alarm over the whole rollout. Default: 0.05 for all metrics together.'),
    minUnits: count(1_000_000, 1)
      .optional()
      .describe('Units in each arm before it can Pass; harm counts as soon as it is seen. Default 20.'),
    maturity: duration()
      .optional()
      .describe('A unit that has not ended by then has not succeeded. Default: what 95 of 100 stable runs took.'),
    within: duration().optional().describe('Of latency: what is in time. Default: what 90 of 100 stable runs took.'),
    budgetMicros: micros().optional().describe('Of cost: what counts as 1. Default: twice what stable cost.'),
    killSwitch: z.boolean().optional().describe('One event on the canary aborts and quarantines.'),
    numerator: text(2_048).optional().describe('Of prometheus: PromQL with $arm, a scalar.'),
    denominator: text(2_048).optional().describe('Of prometheus: PromQL with $arm, a scalar. Zero is no data.'),
    url: text(2_048)
      .optional()
      .describe('Of webhook: asked with rollout, arm and times; answers {numerator, denominator}.'),
  })
  .meta(
    validations(
      {
        rule: "(has(self.source) && self.source != 'ledger') || has(self.of)",
        message: `of is required with source ledger: one of ${ledgerMetrics.join(', ')}`,
        fieldPath: '.of',
        reason: 'FieldValueRequired',
      },
      withSource('prometheus', 'numerator', 'a ratio alone does not say how much it rests on'),
      withSource('prometheus', 'denominator', 'a ratio alone does not say how much it rests on'),
      withSource('webhook', 'url', 'where the numbers are asked'),
    ),
  );
export type RolloutMetric = z.infer<typeof metricSchema>;

const auto = () =>
  z.boolean().optional().describe('Evidence of harm rolls back by itself. Default true; false holds with weight 0.');

export const releaseSchema = z.object({
  assignBy: cel()
    .optional()
    .describe('CEL over input: the sticky key, such as input.patientId. Default: each run is its own.'),
  include: cel().optional().describe('CEL over input: only these may get the canary. An error excludes.'),
  exclude: cel().optional().describe('CEL over input: these never get the canary. An error excludes.'),
  stages: z.array(stageSchema).min(1).max(20).describe('From the first to the last; then the bundle is stable.'),
  metrics: z
    .array(metricSchema)
    .max(16)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .describe('Default: safe usefulness, task success, violations, escalations, verifier rejects, latency and cost.'),
  onInconclusive: z
    .enum(onInconclusiveChoices)
    .optional()
    .describe('When the time of a step is over without a verdict. Default hold.'),
  onNoData: z.enum(onNoDataChoices).optional().describe('After noDataDeadline. Default hold.'),
  noDataDeadline: duration().optional().describe('How long there may be no data. Default 2h.'),
  onNewBundle: z.enum(onNewBundleChoices).optional().describe('When bundleRef changes on the way. Default supersede.'),
  deadline: duration()
    .optional()
    .describe('Of the whole attempt, without the time in which a person was asked. Default 14d.'),
  rollback: z
    .object({
      auto: auto(),
      inFlight: z.enum(inFlightChoices).optional().describe('What becomes of open runs of the canary. Default finish.'),
      compensate: localRef('Workflow').optional().describe('Started for each run of the canary that had an effect.'),
      keepWarm: duration()
        .optional()
        .describe('How long the bundle before keeps its workers after the promotion. Default 24h.'),
    })
    .optional(),
  sunset: z
    .object({
      drainDeadline: duration().optional().describe('How long open runs may keep an old bundle. Default 72h.'),
      onDeadline: z.enum(['escalate', 'cancel']).optional().describe('What is done then. Default escalate.'),
    })
    .optional(),
  maxLiveBundles: count(16, 2).optional().describe('Bundles with workers at once. Default 4.'),
  freezeWindows: z
    .array(
      z.object({
        cron: text(128).describe('When it begins.'),
        timeZone: text(64).optional().describe('IANA name. Default UTC.'),
        duration: duration().describe('How long no rollout starts or goes up.'),
        reason: text(256).optional().describe('Shown while it is open.'),
      }),
    )
    .max(16)
    .optional()
    .describe('When no rollout starts or goes up; one that is under way still goes back.'),
  suspend: z.boolean().optional().describe('New rollouts wait.'),
});
export type Release = z.infer<typeof releaseSchema>;

/**
 * What the API serves of all this: the members that something acts on. `api/messages/rollout.ts` and `core/rollout/` know the rest
 * already.
 */
const servedStage = stageSchema
  .omit({ suite: true, replay: true, shadow: true })
  .meta(validations(exactlyOne('a stage', 'canary', 'approve', 'hold', 'bake')));

const servedMetric = metricSchema
  .omit({ source: true, numerator: true, denominator: true, url: true })
  .extend({ of: z.enum(ledgerMetrics).describe('What of the outcome ledger.') });

/** `stages`: how many there may be. */
const served = (stages: number) =>
  releaseSchema.omit({ sunset: true }).extend({
    stages: z.array(servedStage).min(1).max(stages).describe('From the first to the last; then the bundle is stable.'),
    metrics: z
      .array(servedMetric)
      .max(16)
      .optional()
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .describe('Default: safe usefulness, task success, violations, escalations, verifier rejects, latency and cost.'),
    onNewBundle: z
      .enum(['supersede', 'queue'])
      .optional()
      .describe('When bundleRef changes on the way. Default supersede.'),
    rollback: z
      .object({
        auto: auto(),
        keepWarm: duration()
          .optional()
          .describe('How long the bundle before keeps its workers after the promotion. Default 24h.'),
      })
      .optional()
      .describe('The way back. Open runs of the canary end with their bundle.'),
  });

const stagesMax = 19;
/** `spec.release` of an Agent. */
export const servedRelease = served(stagesMax);
/** Frozen into a rollout: an approval may be added where the change is high-risk. */
export const frozenRelease = served(stagesMax + 1);
