// Owns: from an OpenAPI 3 document to tools: one operation, one tool. What a Tool cannot say is skipped with the reason.
import type { Json, JsonObject } from '../../api/messages/history.ts';
import { SignalboxError } from '../../api/errors.ts';
import { isObject, plainSchema, resolved } from './schema.ts';
import type { Imported, ToolDraft } from './tool-draft.ts';

export interface OpenApiSource {
  /** Where the document came from; a relative server URL is read against it. */
  readonly from: string;
  /** Base URL in manifests instead of the document's server. */
  readonly urlTemplate?: string;
}

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const;
type Method = (typeof methods)[number];

/** What HTTP says a method does; a hint only. */
const methodHints: Readonly<Record<Method, string>> = {
  get: 'GET, which should only read',
  post: 'POST',
  put: 'PUT, which should be idempotent',
  patch: 'PATCH',
  delete: 'DELETE',
};

/** Recognises a document by its `openapi: 3.…`. */
export function isOpenApi(value: unknown): value is JsonObject {
  return isObject(value) && typeof value['openapi'] === 'string' && value['openapi'].startsWith('3.');
}

export function importOpenApi(root: JsonObject, source: OpenApiSource): Imported {
  const base = serverUrl(root, source);
  const tools: ToolDraft[] = [];
  const skipped: { what: string; why: string }[] = [];
  for (const [path, item] of Object.entries(objectAt(root, 'paths'))) {
    const shared = resolved(root, item);
    for (const method of methods) {
      const operation = resolved(root, shared?.[method]);
      if (shared === undefined || operation === undefined) continue;
      const found = importOperation({ root, base, path, method, shared, operation });
      if ('why' in found) skipped.push({ what: `${method.toUpperCase()} ${path}`, why: found.why });
      else tools.push(found);
    }
  }
  return { tools, skipped };
}

const objectAt = (object: JsonObject, member: string): JsonObject => {
  const value = object[member];
  return isObject(value) ? value : {};
};

function serverUrl(root: JsonObject, source: OpenApiSource): string {
  if (source.urlTemplate !== undefined) return source.urlTemplate.replace(/\/+$/, '');
  const first = Array.isArray(root['servers']) ? (root['servers'] as readonly Json[])[0] : undefined;
  const given = isObject(first) && typeof first['url'] === 'string' ? first['url'] : '/';
  const variables = isObject(first) ? objectAt(first, 'variables') : {};
  const filled = given.replaceAll(/\{([^}]+)\}/g, (whole, name: string) => {
    const variable = variables[name];
    const fallback = isObject(variable) ? variable['default'] : undefined;
    return typeof fallback === 'string' ? fallback : whole;
  });
  const base = URL.parse(filled, /^https?:/.test(source.from) ? source.from : undefined);
  if (base === null || !/^https?:$/.test(base.protocol)) {
    throw new SignalboxError(
      'INVALID_INPUT',
      `servers[0].url of the document is "${given}", which is no http or https URL; give the base URL with --url-template`,
    );
  }
  return decodeURI(base.href).replace(/\/+$/, '');
}

interface Operation {
  readonly root: JsonObject;
  readonly base: string;
  readonly path: string;
  readonly method: Method;
  readonly shared: JsonObject;
  readonly operation: JsonObject;
}

interface Parameter {
  readonly name: string;
  readonly place: string;
  readonly required: boolean;
  readonly schema: JsonObject;
}

function importOperation(from: Operation): ToolDraft | { readonly why: string } {
  const { root, operation, method, path } = from;
  const parameters = parametersOf(from);
  const inQuery = method === 'get' || method === 'delete';
  const usable = parameters.filter(({ place }) => place === 'path' || (place === 'query' && inQuery));
  const lost = parameters.find((parameter) => parameter.required && !usable.includes(parameter));
  if (lost !== undefined)
    return { why: `it requires the ${lost.place} parameter "${lost.name}", which a Tool cannot send` };
  const body = inQuery ? undefined : bodyOf(from);
  if (body !== undefined && 'why' in body) return body;
  const input = inputOf(usable, body);
  if ('why' in input) return input;
  const output = answerOf(from);
  return {
    original: typeof operation['operationId'] === 'string' ? operation['operationId'] : `${method} ${path}`,
    description: words(operation['description']) ?? words(operation['summary']) ?? `${method.toUpperCase()} ${path}`,
    http: { url: from.base + argumentPath(path), method: method.toUpperCase() as 'GET' },
    input: plainSchema(root, input.schema),
    ...(output === undefined ? {} : { output }),
    hint: methodHints[method],
  };
}

/** Each `{petId}` of a path is filled by the argument of that name. */
const argumentPath = (path: string): string => path.replaceAll(/\{([^}]+)\}/g, '{args.$1}');

const words = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;

/** An operation's own parameters replace those of its path. */
function parametersOf({ root, shared, operation }: Operation): readonly Parameter[] {
  const found = new Map<string, Parameter>();
  for (const list of [shared['parameters'], operation['parameters']]) {
    if (!Array.isArray(list)) continue;
    for (const raw of list as readonly Json[]) {
      const parameter = resolved(root, raw);
      const name = words(parameter?.['name']);
      const place = words(parameter?.['in']);
      if (parameter === undefined || name === undefined || place === undefined) continue;
      const schema = plainSchema(root, parameter['schema']);
      const description = words(parameter['description']);
      found.set(`${place} ${name}`, {
        name,
        place,
        required: place === 'path' || parameter['required'] === true,
        schema: description === undefined || schema['description'] !== undefined ? schema : { ...schema, description },
      });
    }
  }
  return [...found.values()];
}

type Body = { readonly schema: JsonObject; readonly required: boolean } | { readonly why: string };

function bodyOf({ root, operation }: Operation): Body | undefined {
  const body = resolved(root, operation['requestBody']);
  if (body === undefined) return undefined;
  const required = body['required'] === true;
  const media = jsonMedia(root, body);
  if (media === undefined) return required ? { why: 'its body is not JSON' } : undefined;
  const schema = plainSchema(root, media['schema']);
  if (schema['type'] !== undefined && schema['type'] !== 'object') {
    return { why: `its body is of type ${JSON.stringify(schema['type'])}; a Tool sends one JSON object` };
  }
  return { schema, required };
}

function jsonMedia(root: JsonObject, holder: JsonObject): JsonObject | undefined {
  const content = objectAt(holder, 'content');
  const type = Object.keys(content).find((name) => /^application\/([\w.+-]+\+)?json\b/.test(name) || name === '*/*');
  return type === undefined ? undefined : resolved(root, content[type]);
}

/** Arguments of the call: parameters and the members of the body, side by side. */
function inputOf(
  parameters: readonly Parameter[],
  body: { readonly schema: JsonObject; readonly required: boolean } | undefined,
): { readonly schema: JsonObject } | { readonly why: string } {
  if (body !== undefined && parameters.length === 0) return { schema: { type: 'object', ...body.schema } };
  const bodyProperties = body === undefined ? {} : objectAt(body.schema, 'properties');
  const clash = parameters.find(({ name }) => Object.hasOwn(bodyProperties, name));
  if (clash !== undefined) return { why: `"${clash.name}" is both a parameter and a member of the body` };
  const ofBody = Array.isArray(body?.schema['required']) && body.required ? (body.schema['required'] as Json[]) : [];
  const required = [...parameters.filter((parameter) => parameter.required).map(({ name }) => name), ...ofBody];
  const own = Object.fromEntries(parameters.map(({ name, schema }) => [name, schema]));
  return {
    schema: {
      ...body?.schema,
      type: 'object',
      properties: { ...own, ...bodyProperties },
      ...(required.length === 0 ? {} : { required }),
    },
  };
}

/** Schema of the first 2xx answer that is JSON. */
function answerOf({ root, operation }: Operation): JsonObject | undefined {
  for (const [status, raw] of Object.entries(objectAt(operation, 'responses'))) {
    const answer = /^2(\d\d|XX)$/i.test(status) ? resolved(root, raw) : undefined;
    const media = answer === undefined ? undefined : jsonMedia(root, answer);
    if (media?.['schema'] !== undefined) return plainSchema(root, media['schema']);
  }
  return undefined;
}
