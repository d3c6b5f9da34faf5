// Owns: what a static check says, and the registry of checks. Each check has a fixture under test/fixtures/invalid.
import type { Reason } from '../../api/conditions.ts';

export const staticChecks = {
  agentUnknown: 'An agent that is named exists.',
  backupUnknown: 'A backup route names an agent that exists.',
  bakeNotLast: 'A release bakes in its last stage.',
  branchReentersItself: 'No branch leads back to the state that starts it.',
  branchUnknown: 'A branch starts in a state of the workflow.',
  bundleForOtherAgent: 'The bundle of an agent is for that agent.',
  bundleUnknown: 'The bundle that is named exists.',
  ceilingTooWide: 'The permissions of an agent are no wider than what its bundle and its tasks need.',
  celDoubtful:
    'An expression can be evaluated on every value that the schemas allow; otherwise the error exit is taken.',
  celInvalid: 'Every CEL expression and template compiles with the variables of its field.',
  celMistyped:
    'An expression reads what the schemas promise, combines it by its types, and gives what its field needs.',
  compensationUnfit: 'A compensation names a state of type compensation, and nothing else leads to one.',
  confidenceUntold:
    'Where a rule looks at the confidence that a model reports, the prompt of the executor asks for `confidence`.',
  eventMismatch: 'A transition waits for what its state can bring.',
  exitUnknown: 'Every exit names a state.',
  expiryCycle: 'Queues that pass a question on do not pass it round in a circle.',
  freezeInvalid: 'A freeze window has a timetable that can be read, and a time zone that exists.',
  loopUnbounded: 'A loop of decisions has a state with maxVisits.',
  modelIncapable: 'A model can do what its bundle needs of it, as its capabilities say.',
  modelUnknown: 'A model that is named exists.',
  noOtherwise: 'A state with guards has a last transition without one, or exits.error.',
  patternBlank: 'A pattern holds more than white space.',
  policyUnknown: 'The escalation policy that is named exists.',
  promotedUnproven: 'A bundle is promoted by positive evidence, or by people.',
  promptFieldUnknown: 'A prompt names only arguments and fields that the contract of a tool has.',
  promptToolUnknown: 'A prompt names only tools that its bundle lists.',
  queriesItself: 'An ambiguous call is looked up with another tool.',
  queryToolUnfit: 'An ambiguous call is looked up with a tool that exists and only reads.',
  queueUnknown: 'A queue that is named is in the escalation policy that holds there.',
  replyUnreachable: 'Only the last reply of a scripted model is without `when`.',
  ruleFactUnset: 'A verifier rule reads only what some task of its agent has.',
  ruleNameTwice: 'Names of verifier rules are unique.',
  ruleShadowed: 'Of the rules on confidence, the one with the lower threshold stands first.',
  scheduleInvalid: 'A schedule has a timetable that can be read and comes, and a time zone that exists.',
  scheduleNameTwice: 'Names of the schedules of a workflow are unique.',
  schemaInvalid: 'A JSON Schema is well formed and of type object.',
  signalUnused: 'A signal that is described is one that a state waits for.',
  stateWithoutWayOut: 'Every state but a terminal one has a transition that leaves it.',
  stateUnreachable: 'Every state is reachable from start.',
  terminalLeft: 'No transition leaves a terminal state.',
  terminalUnreachable: 'A terminal state is reachable from every state.',
  thresholdSwallowed: 'The floor of a bundle is not above the threshold of a rule, which would then say nothing.',
  toolNeverOffered: 'A tool that a bundle lists is one that some task can use, within the permissions of its agent.',
  toolOutsideCeiling: 'A tool of the bundle is in the permissions of its agent; another one is left out.',
  toolUnknown: 'A tool that is named exists.',
  transitionShadowed: 'No transition stands behind one without a guard.',
  urlInvalid: 'A URL holds no credentials; that of a tool has only known {placeholders}, and none in its host.',
  verifierIsExecutor: 'The verifier is not the model that did the work, unless rules check the result too.',
  weightFalls: 'The weight of a release never falls from stage to stage.',
  workflowCycle: 'A workflow does not run itself, directly or through others.',
  workflowUnknown: 'A workflow that is named exists.',
} as const;
export type StaticCheck = keyof typeof staticChecks;

export interface Finding {
  readonly check: StaticCheck;
  /** Path from the root of the object, such as `spec.states[book].goal`. */
  readonly field: string;
  readonly found: string;
  readonly allowed: string;
  /** One sentence with all three. */
  readonly message: string;
  /** A warning does not stop the object from being used. */
  readonly severity: 'error' | 'warning';
  /** The reason a condition gives for it. */
  readonly reason: Reason;
  /** Where in the text that stands in the field; both from 1. */
  readonly at?: { readonly line: number; readonly column: number };
}

/** What was found is quoted up to this many characters. */
const quoteMax = 120;

export function finding(
  check: StaticCheck,
  field: string,
  what: { readonly found: string; readonly allowed: string },
  options: { readonly reason?: Reason; readonly severity?: Finding['severity'] } = {},
): Finding {
  const { found, allowed } = what;
  return {
    check,
    field,
    found,
    allowed,
    message: `${field}: found ${found}; allowed: ${allowed}`,
    severity: options.severity ?? 'error',
    reason: options.reason ?? 'InvalidSpec',
  };
}

export function quote(text: string): string {
  return `"${text.length > quoteMax ? `${text.slice(0, quoteMax)}…` : text}"`;
}

/** `"a", "b", "c"`, or `none`. */
export function quoteAll(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map(quote).join(', ');
}

/** The values that stand more than once, each once. */
export function repeated(values: readonly string[]): readonly string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}
