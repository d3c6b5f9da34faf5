import { z } from 'zod';
import {
  commonStatus,
  count,
  type KindDefinition,
  name,
  nameRule,
  onlyWith,
  requiredWith,
  tailColumns,
  text,
  validations,
} from '../schema.ts';
import { frozenRelease, type Release } from './release.ts';

/** Where a rollout stands: closed, part of the API. */
export const rolloutPhases = [
  'Pending',
  'Waiting',
  'Validating',
  'Provisioning',
  'Shadowing',
  'Progressing',
  'Analyzing',
  'Extending',
  'Held',
  'AwaitingApproval',
  'Paused',
  'Promoting',
  'Baking',
  'Completed',
  'Aborting',
  'RollingBack',
  'RolledBack',
  'Rejected',
  'Superseded',
  'Cancelled',
] as const;
export type RolloutPhase = (typeof rolloutPhases)[number];
export const endedPhases = [
  'Completed',
  'RolledBack',
  'Rejected',
  'Superseded',
  'Cancelled',
] as const satisfies readonly RolloutPhase[];

/** Why it stands there: closed, part of the API. */
export const rolloutReasons = {
  Admitted: 'Nothing stands in the way.',
  FreezeWindow: 'A freeze window is open, or the release is suspended.',
  LiveBundleLimit: 'maxLiveBundles bundles have workers already.',
  Queued: 'Another rollout of the Agent is under way, and onNewBundle is queue.',
  LintFailed: 'The bundle failed its lint, or its signature.',
  SuiteFailed: 'A scenario suite failed.',
  ReplayLooser: 'Policy replay found the bundle looser on a tool with an effect.',
  PodsNotReady: 'Workers of the bundle are not ready.',
  ConsumerUnbound: 'The consumer of the bundle is not there yet.',
  NeedMoreUnits: 'More units are needed for a verdict.',
  Immature: 'Units are under way whose time is not over.',
  SampleRatioMismatch: 'The arms have other shares than were assigned: a defect of the router or of the telemetry.',
  NoTraffic: 'No new key was assigned.',
  NoData: 'Keys were assigned, and nothing is known of how they ended.',
  ProviderDown: 'A provider of a metric does not answer.',
  JudgeDown: 'The judge could not decide.',
  HarmDetected: 'There is evidence that the canary does harm.',
  GuardrailBound: 'A guardrail is violated.',
  PolicyViolation: 'The canary violated the policy critically.',
  ApprovalPending: 'A person is asked.',
  ApprovalRejected: 'A person said no.',
  ApprovalExpired: 'Nobody answered in time.',
  PausedByUser: 'A person paused it.',
  HeldByUser: 'A person holds it.',
  AbortedByUser: 'A person aborted it.',
  Superseded: 'A newer bundle took its place.',
  DeadlineExceeded: 'The attempt took too long.',
  Forced: 'A person promoted past doubt, and said why.',
  DrainPending: 'Open runs keep the bundle.',
  CompensationFailed: 'A compensation workflow could not be started.',
  HoldStage: 'A stage of the strategy lets time pass.',
  StableUnhealthy: 'The stable bundle fails itself: what is compared with it says nothing.',
  Promoted: 'Every new key gets the bundle.',
  Baked: 'The bundle is stable.',
  Undone: 'A person went back to the bundle before.',
  Quarantined: 'The bundle did harm, and is not offered until a person releases it.',
  AgentDeleted: 'The Agent was deleted.',
} as const;
export type RolloutReason = keyof typeof rolloutReasons;

export const verdicts = ['Pass', 'Fail', 'Error', 'Inconclusive', 'Running', 'Cancelled'] as const;
export type Verdict = (typeof verdicts)[number];

const versionSchema = z.object({
  bundle: name().describe('The Bundle.'),
  digest: text(80).describe('Its digest.'),
});

export const rolloutSpecSchema = z
  .object({
    agent: name().describe('The Agent.'),
    attempt: count(1_000_000, 1).describe('Attempts with this bundle, this one included.'),
    ordinal: count(1_000_000, 1).describe('Rollouts of the Agent, this one included.'),
    from: versionSchema.optional().describe('Stable when it began. Absent: the first bundle of the Agent.'),
    to: versionSchema.describe('The new bundle.'),
    fast: z
      .boolean()
      .optional()
      .describe('The bundle was stable before and still has its workers: every new key gets it at once.'),
    salt: text(64).describe('Of the hash that assigns keys: new for each attempt.'),
    highRisk: z
      .array(z.string().max(512))
      .max(32)
      .optional()
      .describe('What makes the change one that people approve, a fact each.'),
    release: frozenRelease.describe('spec.release of the Agent as it was then.'),
  })
  .meta(
    validations({
      rule: 'self == oldSelf',
      message: 'spec is immutable: it is what this attempt was declared with; only the operator makes rollouts',
      reason: 'FieldValueForbidden',
    }),
  );

/** Numbers of evidence are decimals as text: floats are no part of an object. */
const decimal = () => z.string().max(24);

export const rolloutStatusSchema = z.object({
  ...commonStatus,
  phase: z.enum(rolloutPhases).optional().describe('Where it stands.'),
  reason: z.string().max(63).optional().describe('One word of the registry of reasons.'),
  message: z.string().max(2_048).optional().describe('A sentence: what, why, what next.'),
  stage: z.int().min(0).optional().describe('Index into spec.release.stages.'),
  stageText: z.string().max(32).optional().describe('Such as 3/5 canary.'),
  startedAt: z.string().max(64).optional().describe('RFC 3339.'),
  phaseSince: z.string().max(64).optional().describe('RFC 3339.'),
  stageSince: z.string().max(64).optional().describe('RFC 3339.'),
  askedMs: z
    .int()
    .min(0)
    .optional()
    .describe('Milliseconds in which people were asked: the deadline does not count them.'),
  back: z.enum(rolloutPhases).optional().describe('The phase to go back to from Held or Paused.'),
  backSince: z.string().max(64).optional().describe('RFC 3339: since when it stood there.'),
  passed: z.boolean().optional().describe('The last canary stage ended with positive evidence.'),
  approved: z.string().max(256).optional().describe('Who approved what was seen in the last canary stage.'),
  forced: z.string().max(256).optional().describe('Who promoted past doubt.'),
  promoted: z.boolean().optional().describe('Every new key gets the bundle.'),
  quarantined: z.string().max(512).optional().describe('Why the bundle is not offered any more.'),
  retried: z.boolean().optional().describe('A person asked for another attempt.'),
  weight: z
    .object({
      desiredBps: z.int().min(0).max(10_000).describe('Hundredths of a percent of new keys.'),
      observedBps: z.int().min(0).max(10_000).describe('What every partition goes by.'),
    })
    .optional()
    .describe('Share of new keys that get the bundle.'),
  samples: z
    .object({
      stable: z.int().min(0).describe('Units of the stable bundle that count.'),
      canary: z.int().min(0).describe('Units of the new bundle that count.'),
      excluded: z.int().min(0).describe('Runs whose key may not have the canary.'),
      sampleRatioP: decimal().optional().describe('Chance of such shares with a working router.'),
    })
    .optional()
    .describe('How much the evidence rests on.'),
  verdict: z.enum(verdicts).optional().describe('What the evidence says, all metrics together.'),
  metrics: z
    .array(
      z.object({
        name: name().describe('As spec.release.metrics names it.'),
        verdict: z.enum(verdicts).describe('What the evidence says of it.'),
        cause: z.string().max(256).optional().describe('Why.'),
        units: z.array(z.int().min(0)).max(2).describe('Stable, canary.'),
        means: z.array(decimal()).max(2).describe('Stable, canary.'),
        interval: z.array(decimal()).max(2).optional().describe('Of canary minus stable.'),
        logHarm: decimal().describe('Natural logarithm of the evidence for harm; harm is declared at ln(1/alpha).'),
        logPass: decimal().describe('… and for no harm.'),
      }),
    )
    .max(16)
    .optional()
    .describe('The evidence, by metric.'),
  evidence: z
    .object({
      seq: z.int().min(0).describe('Records of the evidence log that the verdict rests on.'),
      digest: z.string().max(80).describe('Of what they fold to: who folds the same log gets the same one.'),
    })
    .optional()
    .describe('Where the verdict comes from.'),
  rollback: z
    .object({
      trigger: z.string().max(63).describe('The reason of the way back.'),
      at: z.string().max(64).describe('RFC 3339: when it began.'),
      cancelled: z.int().min(0).describe('Runs of the canary that were cancelled.'),
      compensated: z.int().min(0).describe('Runs of the canary whose effects a workflow undoes.'),
    })
    .optional()
    .describe('The way back.'),
  commands: z
    .array(
      z.object({
        uid: z.string().max(63).describe('Of the RolloutCommand.'),
        state: z.enum(['Done', 'Refused']).describe('Whether it was done.'),
        message: z.string().max(512).describe('What it did, or why not.'),
      }),
    )
    .max(32)
    .optional()
    .describe('Commands that were answered, the newest last: none is done twice.'),
  decisions: z
    .array(
      z.object({
        at: z.string().max(64).describe('RFC 3339.'),
        from: z.string().max(32).describe('The phase before.'),
        to: z.string().max(32).describe('The phase after.'),
        reason: z.string().max(63).describe('One word of the registry of reasons.'),
        why: z.string().max(1_024).describe('What was so, and why.'),
        by: z.string().max(256).optional().describe('The person who said it.'),
      }),
    )
    .max(20)
    .optional()
    .describe('The newest transitions, the newest last.'),
});

export const rolloutKind = {
  kind: 'BundleRollout',
  plural: 'bundlerollouts',
  singular: 'bundlerollout',
  shortNames: ['sbro'],
  description:
    'One attempt to move an Agent from one Bundle to another: its strategy, evidence, verdicts and decisions.',
  spec: rolloutSpecSchema,
  status: rolloutStatusSchema,
  rules: [nameRule],
  printerColumns: [
    { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
    { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
    { name: 'Stable', type: 'string', jsonPath: '.spec.from.bundle' },
    { name: 'Canary', type: 'string', jsonPath: '.spec.to.bundle' },
    {
      name: 'Weight',
      type: 'integer',
      jsonPath: '.status.weight.observedBps',
      description: 'Hundredths of a percent.',
    },
    { name: 'Units', type: 'integer', jsonPath: '.status.samples.canary' },
    { name: 'Verdict', type: 'string', jsonPath: '.status.verdict' },
    ...tailColumns.slice(0, 1),
    { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
  ],
} as const satisfies KindDefinition;
/** With all that the state machine knows of a strategy. */
export type RolloutSpec = Omit<z.infer<typeof rolloutSpecSchema>, 'release'> & { release: Release };
export type RolloutStatus = z.infer<typeof rolloutStatusSchema>;

/** What people may tell a rollout to do. */
export const rolloutVerbs = [
  'approve',
  'reject',
  'promote',
  'skip',
  'extend',
  'pause',
  'resume',
  'hold',
  'unhold',
  'abort',
  'retry',
  'undo',
  'quarantine',
  'release',
] as const;
export type RolloutVerb = (typeof rolloutVerbs)[number];

export const rolloutCommandSpecSchema = z
  .object({
    rolloutRef: z
      .object({
        name: name().describe('The BundleRollout.'),
        uid: text(64).describe('Its uid: a command to another attempt is refused.'),
      })
      .describe('What is told.'),
    verb: z.enum(rolloutVerbs).describe('What it shall do.'),
    scope: name()
      .optional()
      .describe(
        'Of approve and reject: the queue that the stage names. Admission asks whether you may `decide` in it.',
      ),
    stage: count(20)
      .optional()
      .describe('Of approve, reject, skip and extend: the stage that was looked at; another one is refused.'),
    reason: text(1_024).describe('Why; kept with the rollout.'),
    commandedBy: text(256).describe('The author’s user name; admission compares it with the authenticated user.'),
  })
  .meta(
    validations(
      {
        rule: 'self == oldSelf',
        message: 'spec is immutable: a command is given once',
        reason: 'FieldValueForbidden',
      },
      requiredWith('verb', ['approve', 'reject'], 'scope', 'the queue that the stage asks'),
      onlyWith('scope', 'verb', ['approve', 'reject']),
    ),
  );

export const rolloutCommandStatusSchema = z.object({
  ...commonStatus,
  state: z.enum(['Done', 'Refused']).optional().describe('Whether it was done.'),
  message: z.string().max(2_048).optional().describe('What it did, or why not.'),
});

export const rolloutCommandKind = {
  kind: 'RolloutCommand',
  plural: 'rolloutcommands',
  singular: 'rolloutcommand',
  shortNames: ['sbrc'],
  description: 'What a person tells one BundleRollout to do, with their own credentials, once.',
  spec: rolloutCommandSpecSchema,
  status: rolloutCommandStatusSchema,
  rules: [nameRule],
  printerColumns: [
    { name: 'State', type: 'string', jsonPath: '.status.state' },
    { name: 'Verb', type: 'string', jsonPath: '.spec.verb' },
    { name: 'Rollout', type: 'string', jsonPath: '.spec.rolloutRef.name' },
    { name: 'By', type: 'string', jsonPath: '.spec.commandedBy' },
    { name: 'Message', type: 'string', jsonPath: '.status.message', priority: 1 },
    ...tailColumns.slice(0, 1),
  ],
} as const satisfies KindDefinition;
export type RolloutCommandSpec = z.infer<typeof rolloutCommandSpecSchema>;
export type RolloutCommandStatus = z.infer<typeof rolloutCommandStatusSchema>;
