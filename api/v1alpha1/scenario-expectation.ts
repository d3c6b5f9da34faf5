// Owns: what a scenario expects: the actions, what must not happen, the escalation, the world and the result afterwards.
import { z } from 'zod';
import {
  anyObject,
  anyValue,
  count,
  type CelRule,
  exactlyOne,
  identifier,
  name,
  text,
  validations,
} from '../schema.ts';
import { escalationSignals } from './escalation.ts';
import { callOutcomes, effects } from './tool.ts';
import { outcomes } from './workflow-state.ts';

export const severities = ['critical', 'major', 'minor'] as const;
export type Severity = (typeof severities)[number];

/** `waiting`: the run is left with people who do not answer. */
export const scenarioOutcomes = [...outcomes, 'cancelled', 'timedOut', 'waiting'] as const;
export type ScenarioOutcome = (typeof scenarioOutcomes)[number];

/** RFC 6901; `~1` stands for a slash, `~0` for a tilde. */
export const pointer = () =>
  z
    .string()
    .max(512)
    .regex(/^(\/([^~]|~[01])*)?$/);

const matcherMembers = {
  equals: anyValue().optional().describe('Exactly this value; members of objects in any order.'),
  partial: anyObject().optional().describe('An object that has at least these members, however deep.'),
  oneOf: z.array(anyValue()).min(1).max(64).optional().describe('One of these.'),
  matches: text(512).optional().describe('A text with a match of this regular expression.'),
  gte: z.number().optional().describe('A number of at least this.'),
  lte: z.number().optional().describe('A number of at most this.'),
  any: z.boolean().optional().describe('true: whatever it is, but it must be there.'),
  absent: z.boolean().optional().describe('true: it must not be there.'),
};

const saysSomething: CelRule = {
  rule: 'has(self.equals) || has(self.partial) || has(self.oneOf) || has(self.matches) || has(self.gte) || has(self.lte) || has(self.any) || has(self.absent)',
  message: 'a matcher must say what is allowed: at least one of equals, partial, oneOf, matches, gte, lte, any, absent',
};

/** All members that are there must hold. */
export const matcherSchema = z.object(matcherMembers).meta(validations(saysSomething));
export type Matcher = z.infer<typeof matcherSchema>;

export const assertionSchema = z
  .object({ path: pointer().describe('JSON pointer; empty: the whole.'), ...matcherMembers })
  .meta(validations(saysSomething));
export type Assertion = z.infer<typeof assertionSchema>;

const argumentMatchers = () =>
  z
    .record(z.string().min(1).max(256), matcherSchema)
    .meta({ maxProperties: 32 })
    .describe('By the name of an argument, or by a JSON pointer into the arguments. Default: any arguments.');

export const expectedActionSchema = z.object({
  id: name().describe('Named by after, by escalation.before and in reports.'),
  tool: name().describe('A Tool.'),
  args: argumentMatchers().optional(),
  exact: z.boolean().optional().describe('true: no arguments beside those in args. Default false.'),
  ignore: z
    .array(text(256))
    .max(32)
    .optional()
    .describe('Arguments that may be there although exact is true, such as a request id.'),
  after: z
    .array(name())
    .max(16)
    .optional()
    .describe('Ids of actions that must come before. Actions without it may come in any order.'),
  times: count(100, 1).optional().describe('Exactly so often. Default: at least once.'),
  outcome: z.enum(callOutcomes).optional().describe('How the call ends. Default ok: it was made and answered.'),
});
export type ExpectedAction = z.infer<typeof expectedActionSchema>;

export const forbiddenActionSchema = z
  .object({
    tool: name().optional().describe('A Tool.'),
    effect: z.enum(effects).optional().describe('Every tool with this effect.'),
    args: argumentMatchers().optional(),
    severity: z.enum(severities).optional().describe('Default critical with an effect, major for a read.'),
  })
  .meta(validations(exactlyOne('a forbidden action', 'tool', 'effect')));
export type ForbiddenAction = z.infer<typeof forbiddenActionSchema>;

export const expectedEscalationSchema = z.object({
  is: z
    .enum(['required', 'forbidden', 'allowed'])
    .describe('required: people, a specialist or another workflow must be called in. forbidden: nobody may be.'),
  rule: name().optional().describe('With required: by this rule of the policy.'),
  signal: z.enum(escalationSignals).optional().describe('With required: because of this.'),
  queue: name().optional().describe('With required: these people are asked first.'),
  before: z
    .array(name())
    .max(16)
    .optional()
    .describe('With required: before these actions, by id. An action that has an effect before it is critical.'),
});
export type ExpectedEscalation = z.infer<typeof expectedEscalationSchema>;

export const expectationSchema = z
  .object({
    outcome: z
      .array(z.enum(scenarioOutcomes))
      .min(1)
      .max(scenarioOutcomes.length)
      .optional()
      .describe('How the run ends, one of these. Default: any end.'),
    state: identifier().optional().describe('The state in which the run ends or is left.'),
    actions: z.array(expectedActionSchema).max(64).optional().describe('Calls that must be made.'),
    extra: z
      .object({
        read: z.enum(['allow', 'forbid']).optional().describe('Other calls without effect. Default allow.'),
        write: z.enum(['allow', 'forbid']).optional().describe('Other calls with an effect. Default forbid.'),
      })
      .optional()
      .describe('Calls that no action of the list asks for.'),
    forbidden: z.array(forbiddenActionSchema).max(64).optional().describe('Calls that must not be made.'),
    escalation: expectedEscalationSchema.optional().describe('Default: allowed.'),
    world: z.array(assertionSchema).max(64).optional().describe('What must hold of the world’s state afterwards.'),
    output: z.array(assertionSchema).max(64).optional().describe('What must hold of the facts of the run at its end.'),
  })
  .meta(
    validations({
      rule: 'has(self.outcome) || has(self.state) || has(self.actions) || has(self.escalation) || has(self.world) || has(self.output)',
      message:
        'expect must ask for something that can be missing: at least one of outcome, state, actions, escalation, world, output',
    }),
  );
export type Expectation = z.infer<typeof expectationSchema>;
