// Owns: JSON Schema checks of arguments and results. Compiled once per content; bounded.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { JsonObject } from '../api/messages/history.ts';

const cacheMax = 500;
const errorsMax = 5;

export type SchemaCheck = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** Checks a value against a schema of the given digest (or any other key that changes with the schema). */
export interface SchemaChecks {
  check(key: string, schema: JsonObject, value: unknown): SchemaCheck;
}

let shared: SchemaChecks | undefined;

/** One for all of a program: keys are digests of content, so what one part has compiled serves the others. */
export function schemaChecks(): SchemaChecks {
  return (shared ??= newChecks());
}

function newChecks(): SchemaChecks {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false, logger: false });
  const compiled = new Map<string, ValidateFunction | string>();
  const compile = (key: string, schema: JsonObject): ValidateFunction | string => {
    const known = compiled.get(key);
    if (known !== undefined) return known;
    if (compiled.size >= cacheMax) compiled.delete(compiled.keys().next().value ?? '');
    const made = compileAnew(ajv, schema);
    compiled.set(key, made);
    return made;
  };
  return {
    check(key, schema, value) {
      const validate = compile(key, schema);
      if (typeof validate === 'string') return { ok: false, message: validate };
      if (validate(value)) return { ok: true };
      const errors = (validate.errors ?? []).slice(0, errorsMax);
      const lines = errors.map(
        (error) => `${error.instancePath || '(root)'} ${error.message ?? 'is invalid'}${extra(error)}`,
      );
      return { ok: false, message: lines.join('; ') };
    },
  };
}

function compileAnew(ajv: Ajv2020, schema: JsonObject): ValidateFunction | string {
  // Drafts differ little for what tools use; an unknown dialect must not make a tool useless.
  const { $schema: _dialect, $id: _id, ...plain } = schema;
  try {
    return ajv.compile(plain);
  } catch (error) {
    return `the JSON Schema itself is invalid: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    ajv.removeSchema(plain);
  }
}

function extra(error: { readonly keyword: string; readonly params: Record<string, unknown> }): string {
  if (error.keyword === 'additionalProperties') return `: "${String(error.params['additionalProperty'])}"`;
  if (error.keyword === 'enum') return `: ${JSON.stringify(error.params['allowedValues'])}`;
  return '';
}
