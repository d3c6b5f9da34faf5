// Owns: the bounded building blocks of every kind. Each string, list and map has a maximum, so that CEL costs stay bounded
// and a CRD made of them is structural. Unions, tuples and refinements do not survive into a CRD: do not use them here.
import { z } from 'zod';

export const group = 'signalbox.dev';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}`;

/** A CEL rule that the API server enforces (`x-kubernetes-validations`). */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
  readonly messageExpression?: string;
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueRequired' | 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueDuplicate';
}

export const validations = (...rules: readonly CelRule[]) => ({ 'x-kubernetes-validations': rules });

const oneOf = (discriminator: string, values: readonly string[]) =>
  values.map((value) => `self.${discriminator} == '${value}'`).join(' || ');

/** With `discriminator` of one of the values, `field` must be there. `meaning` says what it is, for the message. */
export const requiredWith = (
  discriminator: string,
  values: readonly string[],
  field: string,
  meaning: string,
): CelRule => ({
  rule: `!(${oneOf(discriminator, values)}) || has(self.${field})`,
  message: `${field} is required with ${discriminator} ${values.join(' or ')}: ${meaning}`,
  fieldPath: `.${field}`,
  reason: 'FieldValueRequired',
});

/** `field` may be there only with `discriminator` of one of the values. */
export const onlyWith = (field: string, discriminator: string, values: readonly string[]): CelRule => ({
  rule: `!has(self.${field}) || ${oneOf(discriminator, values)}`,
  message: `${field} is only allowed with ${discriminator} ${values.join(' or ')}; remove it`,
  messageExpression: `'${field} is only allowed with ${discriminator} ${values.join(' or ')}, found ${discriminator} ' + self.${discriminator} + '; remove ${field}'`,
  fieldPath: `.${field}`,
  reason: 'FieldValueForbidden',
});

/** Exactly one of the members must be there. `path` names the object for the message. */
export const exactlyOne = (path: string, ...fields: readonly string[]): CelRule => {
  const message = `${path} must have exactly one of ${fields.join(', ')}`;
  const found = fields.map((field) => `(has(self.${field}) ? ', ${field}' : '')`).join(' + ');
  const none = fields.map((field) => `!has(self.${field})`).join(' && ');
  return {
    rule: `[${fields.map((field) => `has(self.${field})`).join(', ')}].exists_one(there, there)`,
    message,
    messageExpression: `'${message}; found ' + (${none} ? 'none' : (${found}).substring(2))`,
  };
};

/** The field can neither change nor come or go. */
export const immutable = (field: string, instead: string): CelRule => ({
  rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
  message: `spec.${field} is immutable: ${instead}`,
  fieldPath: `.${field}`,
  reason: 'FieldValueForbidden',
});

/** Name of an object or of a thing inside one: DNS label, so that it is also a NATS subject token. */
export const name = () =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

/** Name of a state, exit or signal in a workflow: letters and digits. */
export const identifier = () =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(/^[A-Za-z][A-Za-z0-9]*$/);

export const text = (max: number) => z.string().min(1).max(max);

/** Duration such as `500ms`, `10s`, `15m`, `24h`, `1h30m`, `3d`. */
export const duration = () =>
  z
    .string()
    .min(2)
    .max(32)
    .regex(/^([0-9]{1,9}(ms|s|m|h|d))+$/);

/** A decimal between 0 and 1 as a string: floats are no part of a spec. */
export const ratio = () =>
  z
    .string()
    .max(12)
    .regex(/^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$/);

/** Money in millionths of the currency's unit. */
export const micros = () => z.int().min(0).max(9_000_000_000_000_000);

export const count = (max: number, min = 0) => z.int().min(min).max(max);

/** Any JSON object: kept as it is (`x-kubernetes-preserve-unknown-fields`). */
export const anyObject = () => z.record(z.string(), z.unknown()).meta({ 'x-signalbox': 'any' });

/** Any JSON value, not only an object: kept as it is. */
export const anyValue = () => z.unknown().meta({ 'x-signalbox': 'anyValue' });

/** A CEL expression over the variables its field documents. */
export const cel = (max = 1024) => z.string().min(1).max(max);

export const secretRef = () =>
  z
    .object({
      name: name().describe('Name of the Secret.'),
      key: z.string().min(1).max(253).describe('Key in the Secret.'),
    })
    .describe('A key of a Secret in the same namespace.');

export const localRef = (kind: string) =>
  z.object({ name: name().describe(`Name of the ${kind}.`) }).describe(`A ${kind} in the same namespace.`);

export const conditionSchema = z.object({
  type: z.string().max(316).describe('See the reference of conditions.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  reason: z.string().min(1).max(1024).describe('One word of the registry of reasons.'),
  message: z.string().max(32768).describe('What, why, and what to do next.'),
  lastTransitionTime: z.string().max(64).describe('When the status last changed.'),
  observedGeneration: z.int().min(0).optional().describe('The generation of spec that this condition is about.'),
});
export type Condition = z.infer<typeof conditionSchema>;

/** What every status carries. */
export const commonStatus = {
  observedGeneration: z.int().min(0).optional().describe('The generation of spec that this status is about.'),
  conditions: z
    .array(conditionSchema)
    .max(16)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .describe('Ready, Reconciling, Stalled and the kind’s own.'),
  leaderEpoch: z
    .string()
    .max(20)
    .regex(/^[0-9]{1,19}$/)
    .optional()
    .describe('Resource version of the leader Lease that wrote this status.'),
};

/** What users and wires see of one kind. */
export interface KindDefinition<Spec extends z.ZodType = z.ZodType, Status extends z.ZodType = z.ZodType> {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: Spec;
  readonly status: Status;
  /** CEL rules on the whole object (may read `self.metadata.name`). */
  readonly rules: readonly CelRule[];
  readonly printerColumns: readonly PrinterColumn[];
}

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date' | 'boolean';
  readonly jsonPath: string;
  readonly description?: string;
  /** 1 shows only with `-o wide`. */
  readonly priority?: number;
}

/** Names become NATS subject tokens and labels: no dots, 63 characters. */
export const nameRule: CelRule = {
  rule: "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
  fieldPath: '.metadata',
  message:
    'metadata.name must be at most 63 characters of a-z, 0-9 and "-", and start and end with a letter or digit: it becomes part of labels and bus subjects',
  messageExpression:
    '\'metadata.name is "\' + self.metadata.name + \'"; allowed are at most 63 characters of a-z, 0-9 and "-", with a letter or digit at both ends: it becomes part of labels and bus subjects\'',
};

export const readyColumns: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
];

export const tailColumns: readonly PrinterColumn[] = [
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  { name: 'Message', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
];
