// Owns: whether a live object already holds what we want. Pure. The API server adds defaults and other managers add
// fields of their own, so the question is "is the intent a part of it", never "are they equal".

type Json = unknown;

/** Fields that identify an item of a list the API server merges item by item. */
const ITEM_KEYS = ['name', 'type', 'uid', 'mountPath', 'containerPort', 'port', 'key', 'ip', 'devicePath'] as const;

/** True when every field of `wanted` has the same value in `live`. Undefined fields are not wanted. */
export function isPartOf(wanted: Json, live: Json): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) return Array.isArray(live) && isListPart(wanted, live);
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof live !== 'object' || live === null || Array.isArray(live)) return Object.keys(wanted).length === 0;
    const fields = live as Readonly<Record<string, Json>>;
    return Object.entries(wanted).every(([name, value]) =>
      QUANTITY_FIELDS.has(name) ? isQuantityPart(value, fields[name]) : isPartOf(value, fields[name]),
    );
  }
  return Object.is(wanted, live);
}

/** Fields whose values the API server stores in its own form: `1000m` as `1`, `1024Mi` as `1Gi`. */
const QUANTITY_FIELDS = new Set(['limits', 'requests', 'sizeLimit']);
const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

function isQuantityPart(wanted: Json, live: Json): boolean {
  if (typeof wanted === 'object' && wanted !== null && typeof live === 'object' && live !== null) {
    const fields = live as Readonly<Record<string, Json>>;
    return Object.entries(wanted).every(([name, value]) => isQuantityPart(value, fields[name]));
  }
  return isPartOf(wanted, live) || (quantity(wanted) !== undefined && quantity(wanted) === quantity(live));
}

function quantity(value: Json): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  const parts = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)$/.exec(value);
  const factor = SUFFIXES[parts?.[2] ?? '?'];
  const amount = Number(parts?.[1]);
  return factor === undefined || Number.isNaN(amount) ? undefined : Number((amount * factor).toPrecision(12));
}

function isListPart(wanted: readonly Json[], live: readonly Json[]): boolean {
  const key = wanted.length === 0 ? undefined : itemKey(wanted, live);
  if (key === undefined) {
    return wanted.length === live.length && wanted.every((item, at) => isPartOf(item, live[at]));
  }
  const byKey = new Map(live.map((item) => [(item as Record<string, Json>)[key], item]));
  return wanted.every((item) => isPartOf(item, byKey.get((item as Record<string, Json>)[key])));
}

/** The field that every item on both sides has with a value of its own; undefined: the list is compared by position. */
function itemKey(wanted: readonly Json[], live: readonly Json[]): string | undefined {
  return ITEM_KEYS.find((key) => distinct(wanted, key) && distinct(live, key));
}

function distinct(items: readonly Json[], key: string): boolean {
  const values = new Set<Json>();
  for (const item of items) {
    if (typeof item !== 'object' || item === null) return false;
    const value = (item as Record<string, Json>)[key];
    if (value === undefined || values.has(value)) return false;
    values.add(value);
  }
  return true;
}

/** Equal as JSON, whatever the order of fields; an undefined field is an absent one. */
export function sameJson(a: Json, b: Json): boolean {
  return canonical(a) === canonical(b);
}

/** JSON with sorted fields. */
export function canonical(value: Json): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

interface StatusLike {
  readonly conditions?: readonly { readonly type: string }[] | undefined;
  readonly [field: string]: unknown;
}

/** What of `status` others wrote: without the fields and the conditions that `ours` names. */
export function foreignStatus(status: StatusLike | undefined, ours: StatusLike): StatusLike {
  const types = new Set((ours.conditions ?? []).map((condition) => condition.type));
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(status ?? {})) {
    if (name === 'conditions') continue;
    if (!(name in ours)) rest[name] = value;
  }
  const conditions = (status?.conditions ?? []).filter((condition) => !types.has(condition.type));
  return { ...rest, ...(conditions.length === 0 ? {} : { conditions }) };
}
