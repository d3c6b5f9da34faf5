// Owns: one scenario: what comes in, the world its tools act on, what the models say, what breaks, who answers, and what is
// expected. The same schema in a ScenarioSuite and in a file of kind Scenario.
import { z } from 'zod';
import {
  anyObject,
  anyValue,
  cel,
  type CelRule,
  count,
  duration,
  exactlyOne,
  identifier,
  micros,
  name,
  onlyWith,
  ratio,
  text,
  validations,
} from '../schema.ts';
import { decisionOptions } from './escalation.ts';
import { scriptedReplySchema } from './model.ts';
import { expectationSchema } from './scenario-expectation.ts';

export const scenarioPaths = ['golden', 'bad', 'fault'] as const;
export type ScenarioPath = (typeof scenarioPaths)[number];

/** A JSON pointer that may hold `${cel}`. */
const place = () => text(512);

export const toolRuleSchema = z
  .object({
    tool: name().describe('A Tool.'),
    when: cel().optional().describe('CEL over args, state, calls, effects, key. Absent: always.'),
    set: z
      .array(
        z.object({
          path: place().describe('JSON pointer into the state; `${cel}` inside is replaced; a last part "-" appends.'),
          value: anyValue().describe('`${cel}` in strings is replaced, over the state as it was before the call.'),
        }),
      )
      .max(32)
      .optional()
      .describe('What the call changes; only of a tool with an effect.'),
    remove: z.array(place()).max(32).optional().describe('JSON pointers of what the call takes away, after set.'),
    returns: anyValue().optional().describe('The result; `${cel}` over the state as it is after the call.'),
    refuse: z
      .object({
        status: count(599, 400).optional().describe('HTTP status. Default 422.'),
        message: text(512).describe('What the caller is told; `${cel}` inside is replaced.'),
      })
      .optional()
      .describe('The tool says no, and nothing happens.'),
  })
  .meta(
    validations(exactlyOne('a rule', 'returns', 'refuse'), {
      rule: '!has(self.refuse) || (!has(self.set) && !has(self.remove))',
      message: 'a rule with refuse changes nothing: remove set and remove',
    }),
  );
export type ToolRule = z.infer<typeof toolRuleSchema>;

export const worldSchema = z.object({
  state: anyObject().optional().describe('What there is before the run starts. Default {}.'),
  tools: z
    .array(toolRuleSchema)
    .max(256)
    .optional()
    .describe(
      'How tools answer: the first rule of the tool whose `when` holds. A tool without a rule makes the trial an error; a call that fits no rule of its tool is answered 404.',
    ),
});
export type World = z.infer<typeof worldSchema>;

export const playedModelSchema = z.object({
  model: name().describe('A Model that a bundle names.'),
  replies: z.array(scriptedReplySchema).min(1).max(200).describe('As in a scripted Model.'),
});
export type PlayedModel = z.infer<typeof playedModelSchema>;

export const personSchema = z.object({
  queue: name().optional().describe('Only questions of this queue.'),
  rule: name().optional().describe('Only questions that this rule asks.'),
  tool: name().optional().describe('Only questions about a call of this Tool.'),
  decide: z.enum(decisionOptions).describe('The answer.'),
  reason: text(512).optional().describe('Why.'),
  times: count(100, 1).optional().describe('So many questions at most. Default: all.'),
});
export type Person = z.infer<typeof personSchema>;

export const arrivalSchema = z
  .object({
    state: identifier().describe('When the run is in this state.'),
    signal: identifier().optional().describe('A signal to the run.'),
    event: text(128).optional().describe('A bus event with this subject.'),
    key: text(256).optional().describe('Of an event: what the wait goes by.'),
    payload: anyObject().optional().describe('What it carries. Default {}.'),
  })
  .meta(
    validations(exactlyOne('an arrival', 'signal', 'event'), {
      rule: '!has(self.key) || has(self.event)',
      message: 'key is only allowed with event; remove it',
      fieldPath: '.key',
      reason: 'FieldValueForbidden',
    }),
  );
export type Arrival = z.infer<typeof arrivalSchema>;

export const faultTypes = [
  'timeoutBeforeCommit',
  'timeoutAfterCommit',
  'error',
  'rateLimit',
  'malformedResult',
  'slow',
] as const;
export type FaultType = (typeof faultTypes)[number];

const onlyTools: CelRule = {
  rule: "self.type != 'timeoutAfterCommit' || has(self.tool)",
  message: 'timeoutAfterCommit is only allowed at a tool: a model commits nothing',
  fieldPath: '.type',
  reason: 'FieldValueInvalid',
};

export const faultSchema = z
  .object({
    tool: name().optional().describe('At calls of this Tool.'),
    model: name().optional().describe('At calls of this Model.'),
    type: z
      .enum(faultTypes)
      .describe(
        'timeoutBeforeCommit: no answer, nothing happened. timeoutAfterCommit: it acted, no answer. error: answers with status. rateLimit: 429. malformedResult: an answer that cannot be read. slow: answers late.',
      ),
    occurrence: count(1_000, 1).optional().describe('From which call on, counted in the trial. Default 1.'),
    times: count(1_000, 1).optional().describe('How many calls in a row. Default 1.'),
    chance: ratio()
      .optional()
      .describe('Instead of times: each call from occurrence on, drawn by the seed of the trial.'),
    status: count(599, 400).optional().describe('Of error. Default 503.'),
    retryAfter: duration().optional().describe('Of rateLimit: what the answer says. Default: nothing.'),
    delay: duration().optional().describe('Of slow. Default 1s.'),
  })
  .meta(
    validations(
      exactlyOne('a fault', 'tool', 'model'),
      onlyTools,
      onlyWith('status', 'type', ['error']),
      onlyWith('retryAfter', 'type', ['rateLimit']),
      onlyWith('delay', 'type', ['slow']),
      {
        rule: '!has(self.times) || !has(self.chance)',
        message: 'times and chance exclude each other; remove one',
        fieldPath: '.chance',
        reason: 'FieldValueForbidden',
      },
    ),
  );
export type Fault = z.infer<typeof faultSchema>;

export const limitsSchema = z.object({
  wall: duration().optional().describe('A trial that takes longer fails. Default 30s.'),
  steps: count(10_000, 1).optional().describe('Model calls of all runs of the trial. Default 200.'),
  costMicros: micros().optional().describe('Cost of all runs of the trial, in micro-units. Default: no bound.'),
});
export type ScenarioLimits = z.infer<typeof limitsSchema>;

const members = {
  description: text(512).optional().describe('What it shows, in a sentence.'),
  path: z
    .enum(scenarioPaths)
    .optional()
    .describe(
      'golden: all is well. bad: the right thing is to ask or refuse. fault: something breaks. Reports tell them apart. Default: fault where faults are declared, else golden.',
    ),
  workflow: name().describe('The Workflow that is run.'),
  input: anyObject().optional().describe('Must fit its input schema. Default {}.'),
  requestedBy: text(256).optional().describe('Who starts the run. Default scenario.'),
  arrivals: z.array(arrivalSchema).max(32).optional().describe('What comes to the run from outside, each once.'),
  world: worldSchema.optional().describe('Rules come before those of the suite; state is merged over the suite’s.'),
  models: z
    .array(playedModelSchema)
    .max(16)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['model'] })
    .describe('Scripts that stand in for Models. A Model that is scripted itself needs none.'),
  people: z
    .array(personSchema)
    .max(32)
    .optional()
    .describe('Who answers: the first that fits. A question that nobody answers ends the trial.'),
  faults: z.array(faultSchema).max(32).optional().describe('What breaks. A fault that never acts is an error.'),
  seed: count(2_147_483_647).optional().describe('Of everything drawn by chance. Default 1.'),
  trials: count(100, 1).optional().describe('How often it is played. Default: as the suite says, else 1.'),
  limits: limitsSchema.optional(),
  gating: z.boolean().optional().describe('false: played and reported, but the gate does not see it. Default true.'),
  expect: expectationSchema.describe('What must be so afterwards.'),
};

/** In a suite a scenario has its name beside the rest; in a file of its own the name is in the metadata. */
export const scenarioSpecSchema = z.object(members);
export const scenarioSchema = z.object({ name: name().describe('Named in reports.'), ...members });
export type Scenario = z.infer<typeof scenarioSchema>;
